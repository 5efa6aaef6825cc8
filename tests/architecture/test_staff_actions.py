"""Check that every action by a staff member locks the roles of that staff member."""

import ast
from pathlib import Path

import pytest
from django.conf import settings

# {public function with an argument `by`: why it doesn't need the decorator `staff_action`}
WITHOUT_A_LOCK = {
    "accounts.audit.record": "writes one line for the action that calls it",
    "accounts.patron.children.make_childs_record": "also done by the ILS, when a child's card signs in",
    "accounts.patron.children.end_childs_record": "also done by the ILS, when a card's group changes",
    "accounts.sign_in.access.sign_in": "`by` is the method of sign-in",
    "accounts.sign_in.desk_pins.remove_pin": "only takes access away, so it must always work",
    "accounts.sign_in.desk_pins.remove_pin_without_second_factor": "only takes access away",
    "accounts.sign_in.passkeys.add": "people add their own",
    "accounts.sign_in.passkeys.remove": "people remove their own",
    "accounts.staff.roles.give_role": "lock_for_role_change also locks and checks the roles of `by`",
    "accounts.staff.roles.save_role": "called after lock_for_role_change",
    "accounts.staff.roles.end_role": "lock_for_role_change also locks and checks the roles of `by`",
    "portal.imports.pasting.resolver.with_details": "it changes no data, and only counts the look-ups of `by`",
    "portal.conversations.next_steps.end_by_correction": "called by a correction, which holds the lock",
    "portal.conversations.next_steps.end_by_patron": "`by` is the patron, who changes their own answer",
    "portal.checkins.drafting.draft": "`by` is the person who asks, and nothing is saved",
    "portal.checkins.drafting.letter": "`by` is the person who asks, and nothing is saved",
    "portal.checkins.drafting.signature": "`by` is the person who asks, and nothing is saved",
    "accounts.staff.shared_desks.close": "only takes access away, so it must always work",
    "portal.conversations.actions.ask": "patrons ask",
    "portal.conversations.actions.reply": "locks when the side is staff",
    "portal.conversations.actions.close": "locks when the side is staff",
    "portal.conversations.call_backs.ask": "patrons ask for a call",
    "portal.conversations.call_backs.ask_in": "patrons ask for a call",
    "portal.conversations.call_backs.cancel": "patrons cancel their call",
    "portal.conversations.verdicts.take_verdict": "patrons give verdicts",
    "portal.conversations.outcomes.take_outcome": "patrons answer",
    "portal.conversations.outcomes.wish_for_answer": "patrons wish for an answer",
    "portal.conversations.keeping.keep": "patrons keep their visits; `read_by` only says who read the words aloud",
    "portal.conversations.attachments.add": "a file reaches the patron only with an answer, which locks",
    "portal.conversations.attachments.describe": "a file reaches the patron only with an answer, which locks",
    "portal.conversations.attachments.remove": "a file reaches the patron only with an answer, which locks",
    "portal.conversations.changes.add_event": "called by actions that hold the lock",
    "portal.conversations.changes.add_reopened_event": "called by actions that hold the lock",
    "portal.conversations.departures.end_role": "locks through accounts.staff.roles.end_role",
    "portal.conversations.desk_actions.can_be_undone": "only reads",
    "portal.conversations.desk_actions.change_assignee": "called by actions that hold the lock, and by the worker",
    "portal.conversations.desk_actions.wake_up": "called by actions that hold the lock, and by the worker",
    "portal.conversations.desk_actions.erase": "also erases for the patron; staff come through holds",
    "portal.conversations.reply_templates.offered_in": "only reads",
    "portal.conversations.reply_templates.chosen_in": "only reads",
    "portal.helpsessions.handover.make_code": "called by actions that hold the lock",
    "portal.helpsessions.handover.mark_handed_over_on_paper": "called by actions that hold the lock",
    "portal.helpsessions.keeping.keep": "patrons keep their visits",
    "portal.helpsessions.unfinished.get_or_create_session": "called by actions that hold the lock",
    "portal.privacy.merging.merge_people": "called by merge_for_a_day",
    "portal.privacy.sharing.stop_keeping": "patrons end their own part",
    "portal.privacy.sharing.keep_alone": "the child ends the adult's part",
    "portal.privacy.unmerging.merge_for_a_day": "locks unless a patron merges two records of their own",
    "recommendations.chosen_items.recommend_chosen": "called by actions that hold the lock",
}


def actions_in(source, module):
    """Return {dotted name: whether @staff_action decorates it} for public functions with an argument `by`."""
    return {
        f"{module}.{node.name}": any("staff_action" in ast.unparse(one) for one in node.decorator_list)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and any(argument.arg == "by" for argument in node.args.args + node.args.kwonlyargs)
    }


def all_actions():
    found = {}
    for app in ("accounts", "portal", "recommendations"):
        for path in sorted((Path(settings.BASE_DIR) / app).rglob("*.py")):
            parts = path.relative_to(settings.BASE_DIR).with_suffix("").parts
            if not {"migrations", "views", "demo", "management", "templatetags"} & set(parts):
                found |= actions_in(path.read_text(), ".".join(parts))
    return found


def test_every_staff_action_locks_the_roles_of_the_staff_member():
    bare = [name for name, decorated in all_actions().items() if not decorated]
    missing = sorted(set(bare) - set(WITHOUT_A_LOCK))
    assert missing == [], f"Decorate these with @staff_action, or say why not in WITHOUT_A_LOCK: {missing}"


def test_list_of_actions_without_a_role_lock_contains_only_actions_that_exist():
    bare = {name for name, decorated in all_actions().items() if not decorated}
    gone = sorted(set(WITHOUT_A_LOCK) - bare)
    assert gone == [], f"Remove these from WITHOUT_A_LOCK, because they have a lock or don't exist: {gone}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def take(row, *, by): ...", {"m.take": False}),
        ("@staff_action\ndef take(row, *, by): ...", {"m.take": True}),
        ("@staff_action(also='to')\ndef assign(row, *, to, by): ...", {"m.assign": True}),
        ("def _take(row, *, by): ...", {}),
        ("def show(row, *, at): ...", {}),
    ],
)
def test_role_lock_check_distinguishes_actions_with_and_without_a_lock(source, found):
    assert actions_in(source, "m") == found
