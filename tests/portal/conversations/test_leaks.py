"""Test that nothing internal to the desk reaches a patron's pages or emails.

An answer in its undo window counts as internal.
"""

import ast
import datetime
import itertools
import re
import uuid
from pathlib import Path
from string import ascii_lowercase

import pytest
import time_machine
from django.conf import settings as project
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts.models import RefusedPost
from portal.conversations import actions, desk_actions, drafts, notes, taking_back
from portal.conversations.models import Conversation, Message
from portal.notifications.models import Notification
from recommendations.chosen_items import ChosenItem
from tests.architecture.routes import routes
from tests.architecture.world import address, build_for
from tests.extent import times
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    ReplyTemplateFactory,
    SessionNoteFactory,
    StaffFactory,
    UserFactory,
    attach_to,
)

pytestmark = pytest.mark.one_database

PATRON_ROUTES = [route for route in routes() if not route.at_desk and not hasattr(route.view, "guard")]
# The routes that can return a part of the page to htmx.
LIVE = {
    "home",
    "conversations",
    "conversation",
    "conversation_news",
    "help_session",
    "session_outcome",
}
# Every word that patrons must not see begins with MARK. No encoding changes the letters of MARK, and no
# random token contains MARK.
MARK = "Zqxwvkjh"
second = datetime.timedelta(seconds=1)


class Desk:
    """The actions of staff at a desk. Each method does one action, and all its texts begin with MARK.

    Patrons may see the text of an answer after the undo window. They may never see any other text with MARK.
    """

    def __init__(self, world):
        self.world = world
        self.numbers = itertools.count(1)
        self.pending = []

    def mark(self, kind):
        """Return a word that no other text contains. It has only letters, because pages format numbers."""
        letters = [ascii_lowercase[place] for place in divmod(next(self.numbers), 26)]
        return f"{MARK}{kind}{''.join(letters)}"

    def colleague(self, conversation):
        return StaffFactory(name=self.mark("colleague"), branch=conversation.branch)

    def at(self):
        return timezone.now() - second * 5

    def note(self, conversation):
        named = self.colleague(conversation)
        notes.write_note(
            conversation,
            by=self.world.staff,
            at=self.at(),
            body=f"{self.mark('note')} @{named.name}",
            client_token=uuid.uuid4(),
        )

    def take(self, conversation):
        conversation.refresh_from_db()
        desk_actions.assign(
            conversation,
            to=self.colleague(conversation),
            by=self.colleague(conversation),
            at=self.at(),
            was=conversation.assignee,
        )

    def snooze_and_wake(self, conversation):
        by = self.colleague(conversation)
        # A closed conversation can't be snoozed.
        self.pending.append((conversation, self.send(conversation, by, then="ours")))
        desk_actions.snooze(
            conversation, until=timezone.localdate() + datetime.timedelta(days=400), by=by, at=self.at()
        )
        desk_actions.wake(conversation, by=by, at=self.at())

    def answer(self, conversation):
        items = [ChosenItem(item=ItemFactory(title=self.mark("title")), reason=self.mark("reason"))]
        by = self.colleague(conversation)
        sent = self.send(conversation, by, items=items)
        attach_to(sent, alt=self.mark("alt"))
        sent.attachments.update(name=f"{self.mark('file')}.png")
        self.pending.append((conversation, sent))

    def answer_and_close(self, conversation):
        self.pending.append((conversation, self.send(conversation, self.world.staff, then="close")))

    def answer_and_take_back(self, conversation):
        sent = self.send(conversation, self.world.staff)
        taking_back.take_back(sent, by=self.world.staff, at=self.at(), typed={"reason": self.mark("typed")})

    def write_drafts(self, conversation):
        for kind in ("reply", "note"):
            person = self.colleague(conversation)
            drafts.save_draft(
                conversation,
                person=person,
                side="staff",
                kind=kind,
                client_token=uuid.uuid4(),
                sequence=1,
                body=self.mark("draft"),
                at=self.at(),
            )

    def add_unsent_file(self, conversation):
        sent = self.send(conversation, self.world.staff)
        attach_to(sent, alt=self.mark("unsent"))
        taking_back.take_back(sent, by=self.world.staff, at=self.at())

    def note_at_the_session(self, conversation):
        SessionNoteFactory(
            help_session=conversation.help_session,
            body=self.mark("session"),
            author=self.colleague(conversation),
        )

    def log_as_contact(self, conversation):
        logged = HelpSessionFactory(
            branch=conversation.branch,
            staff=self.colleague(conversation),
            question=self.mark("contact"),
            summary=self.mark("contact"),
        )
        Conversation.objects.filter(pk=conversation.pk).update(logged_as=logged)

    def write_a_template(self, conversation):
        ReplyTemplateFactory(name=self.mark("template"), body=self.mark("template"))

    def lose_a_form(self, conversation):
        RefusedPost.objects.create(
            person=self.world.staff,
            path="/desk/",
            fields={"body": [self.mark("refused")]},
            refused_at=timezone.now(),
        )

    def receive_from_another_patron(self, conversation):
        session = HelpSessionFactory(
            patron=UserFactory(name=self.mark("stranger")),
            branch=conversation.branch,
            question=self.mark("stranger"),
        )
        actions.ask(
            by=session.patron,
            at=self.at(),
            help_session=session,
            body=self.mark("stranger"),
            language="en",
            client_token=uuid.uuid4(),
        )

    def send(self, conversation, by, **kwargs):
        return actions.reply(
            conversation,
            by=by,
            side="staff",
            at=self.at(),
            body=self.mark("answer"),
            language="en",
            client_token=uuid.uuid4(),
            **kwargs,
        )


ACTIONS = sorted(
    name
    for name, method in vars(Desk).items()
    if callable(method) and name not in {"__init__", "mark", "colleague", "at", "send"}
)


def pages_of(world, sign_in, show_code):
    """Yield (address, response text) for every page that a patron or a viewer by code can open.

    This includes parts of pages, which htmx requests.
    """
    patron, holder = sign_in(Client(), world.patron), show_code(Client(), world.other_code)
    for route in PATRON_ROUTES:
        for browser, owner in ((patron, world), (holder, world.by_code)):
            try:
                path = address(route, owner)
            except AttributeError:
                # The URL needs the id of an object, and `owner` has no such object.
                continue
            for query, headers in [("", {}), ("?since=0", {"HX-Request": "true"})][
                : 2 if route.name in LIVE else 1
            ]:
                response = browser.get(path + query, headers=headers)
                words = b"".join(response.streaming_content) if response.streaming else response.content
                yield path + query, words.decode(errors="replace") + str(response.headers)


@pytest.mark.long
@pytest.mark.django_db
def test_no_patron_page_and_no_email_contains_internal_text_of_staff(
    library, branch, patron, staff, coordinator, sign_in, show_code
):
    world = build_for(branch, patron, staff, coordinator)

    @settings(
        max_examples=times(3, 25),
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(
            st.tuples(st.sampled_from(ACTIONS), st.booleans()),
            min_size=len(ACTIONS) // 2,
            max_size=len(ACTIONS),
            unique=True,
        )
    )
    def nothing_leaks(done):
        with transaction.atomic():
            desk = Desk(world)
            for name, by_code in done:
                getattr(desk, name)(world.by_code.conversation if by_code else world.conversation)
            pages = dict(pages_of(world, sign_in, show_code))
            assert "The soil test page was spot on." in pages[world.conversation.get_absolute_url()]
            assert "The soil test page was spot on." in pages[world.by_code.conversation.get_absolute_url()]
            for where, words in pages.items():
                assert MARK not in words, (where, re.findall(rf"{MARK}\w+", words), done)
            for mail in Notification.objects.all():
                words = f"{mail.subject} {mail.text} {mail.html} {mail.headers}"
                to_staff = mail.kind == "conversations/mention"
                assert [
                    found
                    for found in re.findall(rf"{MARK}\w+", words)
                    if not (to_staff or found.startswith(f"{MARK}colleague"))
                ] == []
                assert f"{MARK}note" not in words
            transaction.set_rollback(True)

    with time_machine.travel(timezone.now() + 10 * second, tick=False):
        nothing_leaks()


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("name", ACTIONS)
def test_each_desk_action_in_the_leak_test_writes_internal_text(
    library, branch, patron, staff, coordinator, sign_in, show_code, name
):
    """Check that every action of Desk writes text with MARK, because the leak test searches for MARK.

    If the action sends an answer, the answer appears on the patron's page after the undo window. All other
    text with MARK stays hidden from the patron.
    """
    world = build_for(branch, patron, staff, coordinator)
    desk = Desk(world)
    getattr(desk, name)(world.conversation)
    assert next(desk.numbers) > 1
    with time_machine.travel(timezone.now() + Message.UNDO_WINDOW, tick=False):
        sign_in(client := Client(), patron)
        words = client.get(world.conversation.get_absolute_url()).content.decode()
        assert (MARK in words) == bool(desk.pending)
        at_desk = (
            sign_in(Client(), staff)
            .get(reverse("desk_conversation", args=[world.conversation.public_id]))
            .content.decode()
        )
        assert bool(desk.pending) <= (MARK in at_desk)


# Tests of the code and templates of patron pages.

INTERNAL_NAMES = {
    "ConversationNote",
    "NoteMention",
    "DeskEvent",
    "ReplyTemplate",
    "SessionNote",
    "ConversationWords",
}
INTERNAL_NAMES |= {
    "notes",
    "desk_actions",
    "merging",
    "desk_events",
    "presence",
    "bulk",
    "desk_lists",
    "search",
}
PATRON_FILES = {
    "views.py",
    "conversation_page.py",
    "page_entries.py",
    "status_texts.py",
    "recommendation_panels.py",
    "viewer.py",
    "context.py",
}
ROOT = Path(project.BASE_DIR)
PATRON_MODULES = sorted(
    path
    for path in (ROOT / "portal").rglob("*.py")
    if ("views" in path.parts or path.name in PATRON_FILES)
    and not {"desk", "demo"} & set(path.relative_to(ROOT).parts)
)
PATRON_TEMPLATES = sorted(
    path
    for path in (ROOT / "templates").rglob("*.*")
    if path.relative_to(ROOT / "templates").parts[0] not in {"desk"}
)


def names_in(source):
    """Yield every name that `source` imports, accesses as an attribute, or contains in a string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (part for name in node.names for part in name.name.split("."))
            module = getattr(node, "module", None) or ""
            # Patron modules may import portal.privacy.merging, which merges people's records. They may not
            # import portal.conversations.merging.
            yield from ([] if module == "portal.privacy.merging" else module.split("."))
            yield from [module, *(f"{module}.{name.name}" for name in node.names)]
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from node.value.split("__")


def internal_names_in(path):
    # The home page and the lists have their own searches, so these modules may use the name "search".
    has_own_search = {"home", "lists"} & set(path.relative_to(ROOT).parts)
    internal = INTERNAL_NAMES - ({"search"} if has_own_search else set()) | {"portal.conversations.search"}
    return internal & set(names_in(path.read_text()))


def test_patron_modules_use_no_internal_names_of_the_desk():
    assert len(PATRON_MODULES) > 50
    found = {str(path.relative_to(ROOT)): internal_names_in(path) for path in PATRON_MODULES}
    assert {path: names for path, names in found.items() if names} == {}


def internal_tags_in(path):
    in_tags = re.findall(r"\{[{%].*?[%}]\}", path.read_text(), re.DOTALL)
    internal = re.compile(r"\w\.(notes|desk_events|logged_as|drafts|assignee|assigned_at)\b")
    return [tag for tag in in_tags if internal.search(tag)]


def test_templates_outside_the_desk_use_no_internal_fields_of_the_desk():
    assert len(PATRON_TEMPLATES) > 200
    found = {str(path.relative_to(ROOT)): internal_tags_in(path) for path in PATRON_TEMPLATES}
    assert {path: tags for path, tags in found.items() if tags} == {}


def test_every_file_listed_in_the_leak_check_exists():
    names = {path.name for path in (ROOT / "portal").rglob("*.py")}
    assert PATRON_FILES - names == set()
    modules = {"notes", "desk_actions", "merging", "presence", "bulk", "desk_lists", "search"}
    assert {f"{module}.py" for module in modules} - names == set()


def test_leak_check_detects_internal_names_in_imports_and_attributes_and_strings():
    assert "notes" in set(names_in("from portal.conversations import notes"))
    assert "merging" in set(names_in("from portal.conversations.merging import merge"))
    for code in [
        "from portal.conversations import search",
        "from portal.conversations.search import look_up",
    ]:
        assert "portal.conversations.search" in set(names_in(code))
    assert "ConversationNote" in set(names_in("from portal.conversations.models import ConversationNote"))
    assert "desk_events" in set(names_in("conversation.desk_events.all()"))
    assert "notes" in set(names_in("Conversation.objects.prefetch_related('notes__author')"))
