"""Test that the text of a quiet visit is only on the visit's own pages, after any sequence of actions."""

import datetime
import re
import uuid
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from accounts.models import AuditEvent, Consent
from portal.checkins.models import SharedWords
from portal.conversations import actions, notes
from portal.conversations.models import CallBack, Conversation
from portal.conversations.reply_addresses import address_for
from portal.helpsessions.models import HelpSession
from portal.incoming.actions import Outcome, receive
from portal.lists.models import SavedItem
from portal.notifications.models import Notification, PushSubscription
from portal.privacy.access_log_page import who_looked
from recommendations.chosen_items import ChosenItem
from tests.architecture.routes import routes
from tests.architecture.world import address, build_for
from tests.extent import times
from tests.factories import (
    ItemFactory,
    QuietSessionFactory,
    SessionNoteFactory,
    attach_to,
    code_for,
    recommend_in,
)
from tests.portal.incoming.conftest import email_bytes
from tests.push_device import PRIVATE_KEY, PushDevice

# Every word of the quiet visit begins with MARK, so that the test can find the words.
MARK = "Qzvhjxwk"
# The routes that are not reserved for staff.
PATRON_ROUTES = [route for route in routes() if not route.at_desk and not hasattr(route.view, "guard")]
AT_DESK = ["patrons", "lookups_with_reason", "desk_sessions", "add_patron", "code_cards", "not_matched"]
NUMBER = "(414) 555-0134"


def word(kind):
    return f"{MARK}{kind}"


def build(branch, staff):
    """Create a child's visit with the setting "shared". The visit is quiet, so nobody can share it."""
    words = {"question": word("question"), "summary": word("summary")}
    session = QuietSessionFactory(
        branch=branch, staff=staff, with_child="shared", handed_over_at=timezone.now(), **words
    )
    items = recommend_in(session, 2, reason=word("reason"), item=ItemFactory(title=word("title")))
    return SimpleNamespace(session=session, items=items, code=code_for(session))


class Quiet:
    """A quiet visit, with one method for each action that people can try.

    `holder` is a browser with only the code. In `signed_in`, a patron has also signed in. `at_desk` is the
    browser of a staff member.
    """

    def __init__(self, world, quiet, holder, signed_in, at_desk):
        self.world, self.quiet, self.browsers, self.at_desk = world, quiet, [holder, signed_in], at_desk

    def conversation(self):
        """Return the conversation about the visit. If there is none, ask a question first."""
        found = Conversation.objects.filter(help_session=self.quiet.session, recommendation=None).first()
        if found is None:
            self.ask(self.browsers[0])
        return found or Conversation.objects.get(help_session=self.quiet.session, recommendation=None)

    def typed(self, kind):
        return {"body": word(kind), "client_token": str(uuid.uuid4()), "sequence": "1", "language": "en"}

    def ask(self, browser):
        assert (
            browser.post(
                reverse("ask_about_session", args=[self.quiet.session.public_id]), self.typed("asked")
            ).status_code
            == 302
        )

    def ask_about_an_item(self, browser):
        browser.post(reverse("ask_about_item", args=[self.quiet.items[0].public_id]), self.typed("item"))

    def give_bad_verdict(self, browser):
        answer = {"verdict": "did_not_help", "comment": word("comment"), "back": reverse("home")}
        browser.post(reverse("verdict", args=[self.quiet.items[1].public_id]), answer)

    def write(self, browser):
        browser.post(reverse("reply", args=[self.conversation().public_id]), self.typed("written"))

    def save_draft(self, browser):
        browser.post(reverse("conversation_draft", args=[self.conversation().public_id]), self.typed("draft"))

    def lose_form(self, browser):
        # conversation() may send a request without a token, so call it before turning on CSRF checks.
        address = reverse("reply", args=[self.conversation().public_id])
        browser.handler.enforce_csrf_checks = True
        browser.post(address, self.typed("lost"))
        browser.handler.enforce_csrf_checks = False

    def give_outcome(self, browser):
        browser.post(reverse("session_outcome", args=[self.quiet.session.public_id]), {"found": "no"})

    def try_to_keep(self, browser):
        for part in ("", "?as=child", "?as=adult"):
            browser.post(
                reverse("keep_session", args=[self.quiet.session.public_id]) + part, {"without_address": "1"}
            )

    def try_to_stop_sharing(self, browser):
        for name in ("stop_keeping", "stop_sharing"):
            assert browser.post(reverse(name, args=[self.quiet.session.public_id])).status_code in {302, 404}

    def try_to_save_item(self, browser):
        saved = browser.post(reverse("save_item", args=[self.quiet.items[0].public_id]))
        assert saved.status_code in {302, 404}

    def ask_for_a_call(self, browser):
        typed = {"call_number": NUMBER, "may_leave_message": "no", "ask_for": word("name")} | self.typed(
            "called"
        )
        for name, row in (
            ("call_about_session", self.quiet.session),
            ("call_in_conversation", self.conversation()),
        ):
            # The number of calls about a visit is limited, so the request may be refused.
            called = browser.post(reverse(name, args=[row.public_id]), typed)
            assert called.status_code in {302, 429}
        assert CallBack.objects.filter(number=NUMBER).exists()

    def cancel_the_call(self, browser):
        for name in ("cancel_call", "restore_call"):
            browser.post(reverse(name, args=[self.conversation().public_id]))

    def tap(self, browser):
        """Press each button of the visit's page that needs no text."""
        for name, row in (
            ("got_it", self.quiet.items[0]),
            ("all_helped", self.quiet.session),
            ("ask_later", self.quiet.session),
            ("dont_ask", self.quiet.session),
            ("leave_out_of_check_ins", self.quiet.session),
        ):
            assert browser.post(reverse(name, args=[row.public_id])).status_code in {302, 404}, name

    def try_to_share_words(self, browser):
        address = reverse("share_words", args=[self.quiet.session.public_id])
        browser.post(address, {"words": word("shared")})
        assert not SharedWords.objects.exists()

    def try_to_get_messages(self, browser):
        address = reverse("visit_phone_messages", args=[self.quiet.session.public_id])
        browser.post(address, PushDevice().keys)
        assert not PushSubscription.objects.exists()

    def try_to_let_a_reply_wait(self, browser):
        response = browser.post(
            reverse("reply", args=[self.conversation().public_id]),
            self.typed("waited"),
            headers={
                "X-Form-Token": str(uuid.uuid4()),
                "X-Form-Writer": str(self.world.patron.public_id),
                "X-Form-Waited": "60",
            },
        )
        assert response.status_code in {401, 403}

    def answer_by_email(self, _browser):
        """Send an email to a reply address that the portal made before the visit became quiet."""
        email = email_bytes(
            word("emailed"),
            from_=self.world.patron.email,
            to=address_for(self.conversation(), self.world.patron, at=timezone.now()),
            message_id=f"<{uuid.uuid4()}@phone.example>",
        )
        assert receive(email, at=timezone.now()) == Outcome.NOT_MATCHED

    def answer(self, _browser):
        items = [ChosenItem(item=ItemFactory(title=word("given")), reason=word("because"))]
        how = {
            "by": self.world.staff,
            "side": "staff",
            "at": timezone.now() - datetime.timedelta(minutes=1),
            "language": "en",
            "client_token": uuid.uuid4(),
        }
        attach_to(
            actions.reply(self.conversation(), body=word("answer"), items=items, **how), alt=word("alt")
        )

    def note(self, _browser):
        notes.write_note(
            self.conversation(),
            by=self.world.staff,
            at=timezone.now(),
            body=word("note"),
            client_token=uuid.uuid4(),
        )
        SessionNoteFactory._meta.model.objects.get_or_create(
            help_session=self.quiet.session, defaults={"body": word("private"), "written_at": timezone.now()}
        )

    def open_at_the_desk(self, _browser):
        for name, found in (
            ("desk_session", self.quiet.session),
            ("slip", self.quiet.session),
            ("desk_conversation", self.conversation()),
        ):
            assert self.at_desk.get(reverse(name, args=[found.public_id])).status_code == 200
        self.at_desk.post(reverse("open_by_patrons_code"), {"code": self.quiet.code})

    def try_to_email_from_the_desk(self, _browser):
        self.at_desk.post(
            reverse("hand_over", args=[self.quiet.session.public_id]), {"address": "sam@example.org"}
        )

    def try_to_keep_at_the_desk(self, _browser):
        record = reverse("patron_record", args=[self.world.patron.public_id])
        self.at_desk.get(record, {"session": self.quiet.session.public_id})
        self.at_desk.post(f"{record}keep/", {"session": self.quiet.session.public_id})

    def close(self, browser):
        browser.post(reverse("close_conversation", args=[self.conversation().public_id]))


ACTIONS = sorted(
    name
    for name, method in vars(Quiet).items()
    if callable(method) and name not in {"__init__", "conversation", "typed"}
)


def pages_around(world, quiet, browsers, at_desk):
    """Yield (name, response) for every page except the pages of the quiet visit itself."""
    for browser in browsers:
        for route in PATRON_ROUTES:
            if route.name in {"sign_out", "leave"} or route.name == "open_code_link":
                continue
            for query, headers in [("", {}), (f"?said={quiet.items[1].public_id}", {"HX-Request": "true"})][
                : 2 if route.name == "home" else 1
            ]:
                response = browser.get(address(route, world) + query, headers=headers)
                words = b"".join(response.streaming_content) if response.streaming else response.content
                yield route.name + query, words.decode(errors="replace") + str(response.headers)
    for path in [*map(reverse, AT_DESK), reverse("patron_record", args=[world.patron.public_id])]:
        yield path, at_desk.get(path).content.decode()
    found = at_desk.post(reverse("patrons_by_name"), {"letters": world.patron.name, "reason": "Because"})
    yield "found by name", found.content.decode()


@pytest.mark.long
@pytest.mark.one_database
@pytest.mark.django_db
def test_text_of_a_quiet_visit_appears_only_on_pages_of_that_visit(
    library, branch, patron, staff, coordinator, sign_in, show_code, settings
):
    settings.REPLY_ADDRESS, settings.PUSH_PRIVATE_KEY = "reply@library.example", PRIVATE_KEY
    world, quiet = build_for(branch, patron, staff, coordinator), build(branch, staff)
    holder, signed_in = show_code(Client(), quiet.code), show_code(sign_in(Client(), patron), quiet.code)
    at_desk = sign_in(Client(), coordinator)
    mailed_before = list(Notification.objects.values_list("pk", flat=True))
    own = holder.get(quiet.session.get_absolute_url()).content.decode()
    # The visit's own page must contain a word of the visit. Otherwise searching other pages proves nothing.
    assert word("question") in own or word("summary") in own

    @examples(
        max_examples=times(3, 15),
        phases=[Phase.generate],
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.permutations([(name, is_signed_in) for name in ACTIONS for is_signed_in in (False, True)]))
    def no_words_appear(done):
        with transaction.atomic():
            acting = Quiet(world, quiet, holder, signed_in, at_desk)
            for name, is_signed_in in done:
                getattr(acting, name)(acting.browsers[is_signed_in])
            for where, words in pages_around(world, quiet, [holder, signed_in], at_desk):
                assert MARK not in words, (where, re.findall(rf"{MARK}\w+", words), done)
            assert not Notification.objects.exclude(pk__in=mailed_before).exists()
            assert HelpSession.objects.filter(pk=quiet.session.pk, patron=None, shared_with=None).exists()
            assert not Conversation.objects.filter(help_session=quiet.session, patron__isnull=False).exists()
            assert not Conversation.objects.filter(
                help_session=quiet.session, messages__side="patron", messages__author__isnull=False
            ).exists()
            assert not Consent.objects.filter(subject=quiet.session.public_id).exists()
            assert not SavedItem.objects.filter(item__title__contains=MARK).exists()
            theirs = [
                quiet.session.public_id,
                *Conversation.objects.filter(help_session=quiet.session).values_list("public_id", flat=True),
            ]
            assert not AuditEvent.objects.filter(patron__isnull=False, subject__in=map(str, theirs)).exists()
            assert all(MARK not in look.sentence for look in who_looked(patron, zone=library.zone)[0])
            transaction.set_rollback(True)

    no_words_appear()


@pytest.mark.slow
@pytest.mark.django_db
def test_leave_quickly_button_removes_the_quiet_visit_from_the_browser(library, branch, staff, show_code):
    library.catalog_link = "https://catalogue.example/?q={title}"
    library.save()
    quiet = build(branch, staff)
    browser = show_code(Client(), quiet.code)
    acting = Quiet(None, quiet, browser, browser, None)
    conversation = acting.conversation()
    acting.save_draft(browser)
    pages = [
        quiet.session.get_absolute_url(),
        conversation.get_absolute_url(),
        reverse("verdict", args=[quiet.items[0].public_id]),
    ]
    assert [browser.get(page).status_code for page in pages] == [200] * 3
    left = browser.post(reverse("leave"))
    assert MARK not in left.content.decode()
    assert "catalogue.example" in left["Refresh"]
    assert [browser.get(page).status_code for page in pages] == [302] * 3
    assert MARK not in str(dict(browser.session))
    for page in ("home", "help_sessions", "conversations", "saved", "me", "privacy", "ask"):
        assert str(quiet.session.public_id) not in browser.get(reverse(page)).content.decode()
