import datetime
import re
import uuid
from html import unescape

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.models import Absence, private_storage
from portal.conversations import actions, desk_actions, drafts, merging
from portal.conversations.models import Attachment, Conversation, ConversationNote, NoteMention
from portal.desk.toolbar import snooze_days
from portal.helpsessions.models import HelpSession
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    StaffFactory,
    code_for,
)

pytestmark = pytest.mark.usefixtures("at_noon")  # Wednesday, 4 March 2026


@pytest.fixture
def conversation(staff, branch, patron):
    session = HelpSessionFactory(staff=staff, branch=branch, patron=patron)
    conversation = ConversationFactory(
        help_session=session, opened_at=timezone.now() - datetime.timedelta(hours=3)
    )
    MessageFactory(
        conversation=conversation,
        body="It is checked out",
        sent_at=timezone.now() - datetime.timedelta(hours=3),
    )
    return conversation


@pytest.fixture
def omar(branch):
    return StaffFactory(name="Omar Haddad", branch=branch)


def address(conversation, part=""):
    return f"/desk/conversations/{conversation.public_id}/{part}"


def do(desk, conversation, part, **fields):
    """Post, and the page to which it leads."""
    response = desk.post(address(conversation, part), fields, follow=True)
    assert response.status_code == 200
    return unescape(response.content.decode())


def undo(desk, page):
    return unescape(
        desk.post(re.search(r'action="([^"]*/undo/\?[^"]*)"', page)[1], follow=True).content.decode()
    )


def now_of(conversation):
    return Conversation.objects.get(pk=conversation.pk)


def give(conversation, to, was=None):
    return {
        "to": to if isinstance(to, str) else f"person:{to.public_id}",
        "was": str(was.public_id) if was else "",
    }


def test_the_bar_says_whose_it_is_and_takes_it_at_a_touch(desk, conversation, staff):
    page = desk.get(address(conversation)).content.decode()
    assert "<span>Assign</span>" in page
    assert 'id="take" data-key="m"' in page
    page = do(desk, conversation, "take/")
    assert "Assigned to you." in page
    assert "Rosa Lindqvist took this" in page
    assert 'id="take"' not in page
    assert now_of(conversation).assignee == staff
    assert "Undone." in undo(desk, page)
    assert now_of(conversation).assignee is None


@pytest.mark.parametrize(
    ("ago", "said"),
    [(30, "Omar Haddad took this a moment ago."), (600, "Omar Haddad took this 10\xa0minutes ago.")],
)
def test_who_was_faster_is_said_and_nothing_changes(desk, conversation, omar, ago, said):
    desk_actions.take(conversation, by=omar, at=timezone.now() - datetime.timedelta(seconds=ago))
    assert said in do(desk, conversation, "take/")
    assert now_of(conversation).assignee == omar
    assert conversation.desk_events.count() == 1


def test_what_is_somebodys_who_is_away_can_be_taken(desk, conversation, staff, omar):
    desk_actions.take(conversation, by=omar, at=timezone.now())
    page = desk.get(address(conversation)).content.decode()
    assert 'id="take"' not in page
    Absence.objects.create(person=omar, first_day="2026-03-01", last_day="2026-03-06")
    page = desk.get(address(conversation)).content.decode()
    assert 'id="take"' in page
    assert "Away until" in page
    do(desk, conversation, "take/")
    assert now_of(conversation).assignee == staff


def test_given_to_a_colleague_a_coordinator_elsewhere_or_nobody(desk, conversation, omar):
    far = StaffFactory(name="Far Coordinator", branch=BranchFactory(name="Hill"), branch__role="coordinator")
    form = desk.get(address(conversation, "assign/")).content.decode()
    for offered in ("Omar Haddad", "Far Coordinator", "Hill", "Nobody"):
        assert offered in form
    page = do(desk, conversation, "assign/", **give(conversation, far))
    assert now_of(conversation).assignee == far
    assert "Assigned to Far Coordinator." in page
    do(desk, conversation, "assign/", **give(conversation, omar, was=far))
    page = do(desk, conversation, "assign/", **give(conversation, "nobody", was=omar))
    assert now_of(conversation).assignee is None
    undo(desk, page)
    assert now_of(conversation).assignee == omar
    assert list(conversation.desk_events.order_by("pk").values_list("kind", flat=True)) == [
        "assigned",
        "assigned",
        "unassigned",
        "assigned",
    ]


@pytest.mark.parametrize("to", ["omar", "branch:hill", "nobody"])
def test_a_form_that_is_out_of_date_changes_nothing_and_says_whose_it_is(desk, conversation, omar, to):
    BranchFactory(name="Hill", slug="hill")
    ines = StaffFactory(name="Ines Coordinator", branch=conversation.branch)
    desk_actions.take(conversation, by=ines, at=timezone.now())
    page = do(desk, conversation, "assign/", **give(conversation, omar if to == "omar" else to))
    assert "Ines Coordinator took this a moment ago. Nothing was changed." in page
    assert (now_of(conversation).assignee, now_of(conversation).branch) == (ines, conversation.branch)


def test_what_is_nobodys_by_now_is_not_given_on_as_if_it_were_somebodys(desk, conversation, omar):
    page = do(desk, conversation, "assign/", **give(conversation, omar, was=omar))
    assert "Nobody is assigned any more. Nothing was changed" in page
    assert now_of(conversation).assignee is None


def test_whoever_gives_away_what_was_theirs_at_another_branch_is_led_to_the_queue(
    desk, conversation, staff, omar
):
    Conversation.objects.update(branch=BranchFactory(name="Hill"), assignee=staff, assigned_at=timezone.now())
    far = StaffFactory(name="Far Coordinator", branch=BranchFactory(name="Dale"), branch__role="coordinator")
    response = desk.post(address(conversation, "assign/"), give(conversation, far, was=staff), follow=True)
    assert response.redirect_chain[-1][0] == "/desk/"
    assert "Assigned to Far Coordinator." in response.content.decode()


def test_taking_what_is_ones_own_has_nothing_to_undo(desk, conversation, staff):
    desk_actions.take(conversation, by=staff, at=timezone.now() - datetime.timedelta(hours=1))
    page = do(desk, conversation, "take/")
    assert "Assigned to you." in page
    assert "/undo/?" not in page


def test_nobody_is_given_a_conversation_who_could_not_open_it(desk, conversation, elsewhere, patron):
    for person in (elsewhere, patron):
        response = desk.post(address(conversation, "assign/"), give(conversation, person))
        assert response.status_code == 422
        assert "assign it there any more" in response.content.decode()
    assert now_of(conversation).assignee is None


def test_handed_to_another_branch_one_is_led_to_the_queue(desk, conversation):
    hill = BranchFactory(name="Hill", slug="hill")
    response = desk.post(address(conversation, "assign/"), give(conversation, "branch:hill"), follow=True)
    assert response.redirect_chain[-1][0] == "/desk/"
    assert "Transferred to Hill." in response.content.decode()
    assert now_of(conversation).branch == hill
    assert desk.get(address(conversation)).status_code == 404


def test_only_the_form_comes_to_the_open_panel(desk, conversation):
    part = desk.get(address(conversation, "assign/"), headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith("<form")
    assert "<html" not in part


@pytest.mark.parametrize(
    ("fields", "until"),
    [
        ({"until": "2026-03-05"}, datetime.date(2026, 3, 5)),
        ({"until": "other", "day": "2026-04-01"}, datetime.date(2026, 4, 1)),
        ({"until": "2026-03-04"}, None),  # today
        ({"until": "other", "day": "2026-03-03"}, None),
        ({"until": "other", "day": ""}, None),
        ({"until": "2028-01-01"}, None),
        ({"until": "soon"}, None),
        ({}, None),
    ],
)
def test_put_off_until_a_day_to_come(desk, conversation, fields, until):
    page = do(desk, conversation, "snooze/", **fields)
    assert now_of(conversation).snoozed_until == until
    if until:
        assert "Snoozed until" in page
        assert "End snooze" in page
        undo(desk, page)
        assert (now_of(conversation).status, now_of(conversation).waiting_since) == (
            "waiting_for_staff",
            conversation.waiting_since,
        )
    else:
        assert "day" in page
        assert now_of(conversation).status == "waiting_for_staff"


def test_what_is_closed_cannot_be_put_off(desk, conversation, staff):
    actions.close(conversation, by=staff, side="staff", at=timezone.now())
    assert "This conversation is closed, so it can't be snoozed." in do(
        desk, conversation, "snooze/", until="2026-03-05"
    )
    assert now_of(conversation).status == "closed"


@pytest.mark.parametrize(
    ("today", "days"),
    [
        ("2026-03-04", ["Tomorrow 2026-03-05", "Next Monday 2026-03-09", "In a week 2026-03-11"]),
        ("2026-03-08", ["Tomorrow 2026-03-09", "In a week 2026-03-15"]),
        ("2026-03-09", ["Tomorrow 2026-03-10", "Next Monday 2026-03-16"]),
    ],
    ids=["Wednesday", "Sunday", "Monday"],
)
def test_the_days_offered_are_each_named_once(today, days):
    assert [f"{words} {day}" for words, day in snooze_days(datetime.date.fromisoformat(today))] == days


def test_brought_back_before_its_day_and_put_off_again(desk, conversation, staff):
    desk_actions.snooze(
        conversation,
        until=datetime.date(2026, 3, 9),
        by=staff,
        at=timezone.now() - datetime.timedelta(hours=1),
    )
    page = do(desk, conversation, "wake/")
    assert now_of(conversation).status == "waiting_for_staff"
    undo(desk, page)
    assert (now_of(conversation).status, now_of(conversation).snoozed_until) == (
        "snoozed",
        datetime.date(2026, 3, 9),
    )


def test_closed_and_opened_again_by_undoing(desk, conversation):
    page = do(desk, conversation, "close/")
    assert now_of(conversation).status == "closed"
    assert "Undone." in undo(desk, page)
    assert (now_of(conversation).status, conversation.events.count()) == ("waiting_for_staff", 0)


def test_undoing_too_late_says_so(desk, conversation, patron):
    page = do(desk, conversation, "close/")
    actions.reply(
        conversation,
        by=patron,
        side="patron",
        at=timezone.now() + datetime.timedelta(seconds=1),
        body="Wait",
        language="en",
        client_token=uuid.uuid4(),
    )
    assert "can't be undone any more" in undo(desk, page)


@pytest.mark.parametrize("done", ["", "soon", "2026-03-04T10:00", "9" * 40])
def test_undoing_nothing_in_particular(desk, conversation, done):
    assert desk.post(address(conversation, f"undo/?done={done}")).status_code == 404


def test_keys_and_panels_work_without_javascript(desk, conversation):
    page = desk.get(address(conversation)).content.decode()
    assert page.count('<details name="handling"') == 3
    assert f'href="{address(conversation, "assign/")}"' in page


# Notes


def noted(conversation, body, **fields):
    return {"body": body, "client_token": str(uuid.uuid4()), **fields}


def test_a_note_stands_in_the_time_line_and_looks_like_no_message(desk, conversation):
    page = do(desk, conversation, "note/", **noted(conversation, "Ask at the archive"))
    assert re.search(r'<li class="note-entry" id="note-[^"]+">.*?Ask at the archive', page, re.DOTALL)
    assert "Only staff read this" in page
    assert not conversation.messages.filter(body="Ask at the archive").exists()


def test_the_composer_of_a_note_is_another_than_that_of_an_answer(desk, conversation, staff):
    typed = {"kind": "note", "client_token": uuid.uuid4(), "body": "Half a note", "sequence": 4}
    drafts.save_draft(conversation, person=staff, side="staff", at=timezone.now(), **typed)
    page = desk.get(address(conversation)).content.decode()
    form = re.search(r'<form[^>]*id="note-form".*?</form>', page, re.DOTALL)[0]
    assert f'action="{address(conversation, "note/")}"' in form
    assert 'name="sequence" value="4"' in form
    assert "Half a note" in form
    assert "Half a note" not in page.replace(form, "")


def test_a_note_posted_twice_is_one(desk, conversation):
    fields = noted(conversation, "Once")
    for _ in range(2):
        do(desk, conversation, "note/", **fields)
    assert ConversationNote.objects.count() == 1


def test_a_name_that_is_nobodys_is_asked_about_and_the_words_stay(desk, conversation, omar):
    fields = noted(conversation, "@Omra please look")
    response = desk.post(address(conversation, "note/"), fields)
    page = unescape(response.content.decode())
    assert response.status_code == 422
    for words in ("which colleague “Omra” is", "@Omar Haddad", "@Omra please look", "Save it as it is"):
        assert words in page
    assert not ConversationNote.objects.exists()
    do(desk, conversation, "note/", **fields, warned="1")
    assert ConversationNote.objects.get().body == "@Omra please look"


def test_who_is_named_is_told_until_they_look(desk, client, conversation, omar, sign_in):
    assert "tell Omar Haddad about it" in do(
        desk, conversation, "note/", **noted(conversation, "@Omar Haddad please")
    )
    assert "You were mentioned" not in desk.get("/desk/").content.decode()
    sign_in(client, omar)
    queue = client.get("/desk/").content.decode()
    assert "You were mentioned in a note" in queue
    assert "please" not in queue
    client.get(address(conversation))
    assert NoteMention.objects.filter(person=omar, seen_at=None).count() == 0
    assert "You were mentioned" not in client.get("/desk/").content.decode()


def test_an_empty_note_is_told(desk, conversation):
    response = desk.post(address(conversation, "note/"), noted(conversation, "  "))
    assert response.status_code == 422
    assert "Write your note first." in response.content.decode()


def test_the_names_after_an_at_are_those_who_can_open_it(desk, conversation, omar, elsewhere):
    names = desk.get(address(conversation, "colleagues/")).content.decode()
    assert 'data-name="Omar Haddad"' in names
    for other in (elsewhere.name, "Rosa", "Sam Okafor"):
        assert other not in names


# Joining


@pytest.fixture
def other(patron, branch, staff):
    other = ConversationFactory(
        help_session=HelpSessionFactory(patron=patron, branch=branch, staff=staff), subject="The other matter"
    )
    MessageFactory(conversation=other, body="First of the other")
    return other


def test_joined_in_three_steps(desk, conversation, other):
    assert "The other matter" in desk.get(address(conversation, "merge/")).content.decode()
    preview = desk.get(address(conversation, f"merge/?with={other.public_id}")).content.decode()
    for words in ("First of the other", "It is checked out", "Merge them"):
        assert words in preview
    assert now_of(other).merged_into is None
    page = do(desk, conversation, "merge/", **{"with": str(other.public_id)})
    assert "First of the other" in page
    assert "It is checked out" in page
    assert desk.get(address(other)).url == address(conversation)


def test_the_patrons_old_address_leads_to_the_new_one(desk, client, conversation, other, sign_in, patron):
    do(desk, conversation, "merge/", **{"with": str(other.public_id)})
    sign_in(client, patron)
    response = client.get(f"/messages/{other.public_id}/", follow=True)
    assert response.redirect_chain[0][0] == f"/messages/{conversation.public_id}/"
    assert "First of the other" in response.content.decode()


@pytest.mark.parametrize("whose", ["another patron's", "of a branch that isn't mine", "quiet"])
def test_no_other_conversation_is_offered_or_joined(desk, conversation, patron, branch, whose):
    session = {
        "another patron's": lambda: HelpSessionFactory(branch=branch, patron=StaffFactory()),
        "of a branch that isn't mine": lambda: HelpSessionFactory(patron=patron),
        "quiet": lambda: QuietSessionFactory(branch=branch),
    }[whose]()
    foreign = ConversationFactory(help_session=session, subject="Not to be seen")
    MessageFactory(conversation=foreign, body="Not to be read")
    for query in ("", f"?with={foreign.public_id}"):
        page = desk.get(address(conversation, f"merge/{query}")).content.decode()
        assert "Not to be" not in page
    do(desk, conversation, "merge/", **{"with": str(foreign.public_id)})
    assert now_of(foreign).merged_into is None


def test_what_one_does_at_the_old_address_is_done_to_the_new_conversation(desk, conversation, other, staff):
    do(desk, conversation, "merge/", **{"with": str(other.public_id)})
    do(desk, other, "take/")
    assert (now_of(conversation).assignee, now_of(other).assignee) == (staff, None)


def test_a_conversation_joined_into_one_of_another_branch_is_not_reached_by_its_old_address(
    desk, conversation, other, staff
):
    merging.merge(other, into=conversation, by=staff, at=timezone.now())
    Conversation.objects.filter(pk=conversation.pk).update(branch=BranchFactory())
    for part in ("take/", "note/", "snooze/", "wake/"):
        assert desk.post(address(other, part), noted(other, "x")).status_code == 404
    assert now_of(conversation).assignee is None


# Erasing


@pytest.fixture
def coordinators_desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


def test_a_coordinator_reads_what_goes_and_then_it_is_gone(
    coordinators_desk, conversation, patron, sign_in, client, django_capture_on_commit_callbacks
):
    path = private_storage().save("attachments/secret.png", ContentFile(b"picture"))
    file = {
        "client_token": uuid.uuid4(),
        "side": "patron",
        "kind": "picture",
        "file": path,
        "name": "x.png",
        "size": 7,
        "added_at": timezone.now(),
    }
    Attachment.objects.create(conversation=conversation, message=conversation.messages.first(), **file)
    page = coordinators_desk.get(address(conversation, "erase/")).content.decode()
    for words in ("1 message", "1 file"):
        assert words in page
    assert now_of(conversation).status == "waiting_for_staff"
    with django_capture_on_commit_callbacks(execute=True):
        page = do(coordinators_desk, conversation, "erase/")
    assert "It is checked out" not in page
    assert "Ines Coordinator" in page
    assert not private_storage().exists(path)
    sign_in(client, patron)
    assert client.get(f"/messages/{conversation.public_id}/").status_code == 404


def test_by_its_code_it_is_gone_too(coordinators_desk, client, branch, show_code):
    session = HelpSessionFactory(branch=branch, handed_over_at=timezone.now())
    conversation = ConversationFactory(help_session=session)
    MessageFactory(conversation=conversation)
    do(coordinators_desk, conversation, "erase/")
    client.logout()
    show_code(client, code_for(session))
    assert client.get(f"/sessions/{session.public_id}/", follow=True).status_code in {200, 404}
    assert client.get(f"/messages/{conversation.public_id}/").status_code == 404


def test_staff_cannot_erase(desk, conversation):
    assert "Erase" not in desk.get(address(conversation)).content.decode()
    for method in (desk.get, desk.post):
        assert method(address(conversation, "erase/")).status_code == 404
    assert now_of(conversation).status == "waiting_for_staff"


@pytest.mark.parametrize(
    "part",
    ["take/", "snooze/", "wake/", "note/", "merge/", "assign/", "undo/?done=2026-03-04T18:00:00%2B00:00"],
)
def test_of_an_erased_conversation_there_is_only_the_page_that_says_so(
    coordinators_desk, conversation, coordinator, part
):
    desk_actions.erase(conversation, by=coordinator, at=timezone.now())
    response = coordinators_desk.post(address(conversation, part), noted(conversation, "x"))
    assert (response.status_code, response.url) == (302, address(conversation))
    assert ConversationNote.objects.count() == 0


# As a contact


def logged(typed, conversation, **changes):
    return typed(conversation=str(conversation.public_id), action="save_only", **changes)


def test_the_form_begins_with_the_patrons_words_and_no_name(desk, conversation, branch):
    MessageFactory(conversation=conversation, side="staff", body="An answer")
    page = desk.get(f"/desk/record/?conversation={conversation.public_id}")
    form = page.context["form"]
    assert [form[name].value() for name in ("question", "mode", "language", "branch")] == [
        "It is checked out",
        "web_form",
        "en",
        branch.pk,
    ]
    shown = page.content.decode()
    assert "Log this contact" in shown
    for absent in ("Sam Okafor", "Save and hand over", "Code on the card"):
        assert absent not in shown


def test_logged_once_and_the_conversation_says_so(desk, conversation, typed):
    fields = logged(typed, conversation, minutes="25")
    page = unescape(desk.post("/desk/record/", fields, follow=True).content.decode())
    contact = HelpSession.objects.get(minutes=25)
    assert (contact.patron, contact.status, contact.claim_codes.count(), now_of(conversation).logged_as) == (
        None,
        "recorded",
        0,
        contact,
    )
    for words in (
        "Logged as a contact",
        "Rosa Lindqvist logged this as a contact",
        f"/desk/sessions/{contact.public_id}/",
    ):
        assert words in page
    assert "Log this as a contact" not in page
    desk.post("/desk/record/", fields)  # the same form again
    other = desk.post("/desk/record/", logged(typed, conversation, minutes="25"))
    assert other.status_code == 422
    assert "already logged as a contact" in other.content.decode()
    assert HelpSession.objects.filter(status="recorded", minutes=25).count() == 1
    assert desk.get(f"/desk/record/?conversation={conversation.public_id}").url == address(conversation)


def test_a_contact_that_was_a_conversation_is_handed_over_to_nobody(desk, conversation, typed):
    """It begins with the words of this patron."""
    card = code_for(None)
    desk.post("/desk/record/", logged(typed, conversation))
    contact = now_of(conversation).logged_as
    page = desk.get(f"/desk/sessions/{contact.public_id}/")
    assert (page.status_code, "hand-over/" in page.content.decode(), "card/" in page.content.decode()) == (
        200,
        False,
        False,
    )
    assert desk.get(f"/desk/sessions/{contact.public_id}/slip/").status_code == 404
    for part, fields in (
        ("hand-over/", {}),
        ("hand-over/", {"address": "other@example.org"}),
        ("card/", {"code": card}),
    ):
        assert desk.post(f"/desk/sessions/{contact.public_id}/{part}", fields).status_code == 404
    assert contact.claim_codes.count() == 0


def test_begun_and_finished_later_it_is_still_of_the_conversation(desk, conversation, typed):
    desk.post("/desk/record/", logged(typed, conversation) | {"action": "later"})
    begun = HelpSession.objects.get(status="unfinished")
    page = desk.get(f"/desk/record/{begun.public_id}/")
    assert page.context["form"]["conversation"].value() == str(conversation.public_id)
    desk.post("/desk/record/", logged(typed, conversation, token=str(begun.public_id)))
    assert now_of(conversation).logged_as == begun


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_strangers_conversation_is_not_logged(client, elsewhere, sign_in, conversation, typed, method):
    sign_in(client, elsewhere)
    fields = logged(typed, conversation, branch=str(elsewhere.desk_branch_ids[0]))
    response = (
        client.get(f"/desk/record/?conversation={conversation.public_id}")
        if method == "get"
        else client.post("/desk/record/", fields)
    )
    assert response.status_code == 404
    assert not HelpSession.objects.filter(status="recorded").exclude(pk=conversation.help_session_id).exists()


def test_of_a_quiet_visit_the_contact_is_quiet(desk, branch):
    conversation = ConversationFactory(help_session=QuietSessionFactory(branch=branch))
    MessageFactory(conversation=conversation)
    assert (
        desk.get(f"/desk/record/?conversation={conversation.public_id}").context["form"]["quiet"].value()
        is True
    )
