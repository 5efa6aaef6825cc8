"""Test that a text isn't lost if it is sent after the session has ended.

After the person has signed in, the form contains the text again.
"""

import re
import uuid
from datetime import timedelta
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models import RefusedPost, User
from accounts.patron import refused_posts
from accounts.sign_in.access import LAST_PERSON
from accounts.sign_in.unsent import UNSENT
from accounts.staff.desk_lock import DESK_TOKEN
from portal.checkins.models import SharedWords
from portal.conversations import merging
from portal.conversations.models import Conversation, Message
from portal.helpsessions import handover
from portal.helpsessions.keeping import keep
from portal.lists.models import RESTORE_FOR, SavedItem, SavedList
from portal.templatetags.portal import whole_day
from recommendations.actions import record_verdict
from recommendations.models import Recommendation
from tests.extent import rarely
from tests.factories import (
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import asks_to_sign_in, heading, part, text

pytestmark = pytest.mark.django_db
OURS = {"sec-fetch-site": "same-origin"}
WORDS = "Is it <open> on Thursday?"
ESCAPED = "Is it &lt;open&gt; on Thursday?"


class World:
    """A visit that a patron keeps, with a conversation and an item that helped."""

    def __init__(self, patron, staff, branch):
        self.patron = patron
        self.session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
        self.conversation = MessageFactory(conversation__help_session=self.session).conversation
        self.recommendation, self.other = recommend_in(self.session, 2)
        self.saved = SavedItemFactory(saved_list__patron=patron, saved_list__name="Winter")
        self.marked_at = timezone.now()
        record_verdict(self.recommendation, verdict="helped", at=self.marked_at)

    def form(self, name):
        """Return (address of the form, address of its page, fields) of the form with this name."""
        token = {"client_token": str(uuid.uuid4())}
        at = {
            "reply": (
                reverse("reply", args=[self.conversation.public_id]),
                self.conversation.get_absolute_url(),
            ),
            "follow-up": (reverse("ask_about_session", args=[self.session.public_id]),),
            "item": (reverse("ask_about_item", args=[self.other.public_id]),),
            "comment": (reverse("verdict", args=[self.recommendation.public_id]),),
            "ask": (reverse("ask"),),
            "name": (reverse("me"),),
            "reading": (f"{reverse('find_reading')}?step=mood",),
            "words": (reverse("share_words", args=[self.session.public_id]),),
            "note": (reverse("saved_title", args=[self.saved.public_id]),),
            "new list": (reverse("new_list"),),
            "list name": (reverse("change_list", args=[self.saved.saved_list.public_id]),),
            "another list": (reverse("choose_lists", args=[self.recommendation.public_id]),),
            "title": (reverse("add_title", args=[self.saved.saved_list.public_id]),),
            "link": (reverse("share_list", args=[self.saved.saved_list.public_id]),),
        }[name]
        fields = {
            "reply": {"body": WORDS, "sequence": 0, **token},
            "follow-up": {"body": WORDS, **token},
            "item": {"body": WORDS, **token},
            "comment": {"verdict": "helped", "comment": WORDS},
            "ask": {"body": WORDS, **token},
            "name": {"name": WORDS},
            "reading": {
                "words": WORDS,
                "chosen": ["funny", "dark"],
                "answers": '{"loved": {"words": "Emma"}}',
            },
            "words": {"words": WORDS},
            "note": {"note": WORDS},
            **dict.fromkeys(["new list", "list name", "another list"], {"name": WORDS}),
            "title": {"title": WORDS, "creators": "Jane Austen"},
            "link": {"name": WORDS, "with_notes": "on", "days": "30"},
        }[name]
        return at[0], at[-1], fields


@pytest.fixture
def world(patron, staff, branch):
    return World(patron, staff, branch)


OF_LISTS = {"note", "new list", "list name", "another list", "title", "link"}
OF_EVERYBODY = {"ask", "name", "reading", "new list"}
# The forms that people can use while they are signed out.
FOR_SIGNED_OUT = {"ask", "reading"}
OF_THE_PATRON = {"reply", "follow-up", "item", "comment", "words"} | OF_LISTS - {"new list"}
FORMS = sorted(OF_EVERYBODY | OF_THE_PATRON)
of_a_patron = pytest.mark.parametrize("form", FORMS)
for_signed_out = pytest.mark.parametrize("form", sorted(FOR_SIGNED_OUT))
for_signed_in = pytest.mark.parametrize("form", sorted(set(FORMS) - FOR_SIGNED_OUT))


@pytest.fixture
def device(patron, sign_in):
    """Return a browser where the patron is signed in. Like a real browser, it sends CSRF tokens."""
    device = sign_in(Client(enforce_csrf_checks=True), patron)
    device.get(reverse("me"))
    return device


def post(device, address, fields, *, follow=False, **headers):
    return device.post(address, fields, headers=OURS | headers, follow=follow)


def end_session(device, how):
    if how == "cookies deleted":
        device.cookies.clear()
    elif how == "session expired":
        device.session.flush()
    elif how == "signed out in another tab":
        token = device.get(reverse("me")).context["csrf_token"]
        device.post(reverse("sign_out"), {"csrfmiddlewaretoken": str(token)})
    elif how == "signed in again in another tab":
        device.cookies[settings.CSRF_COOKIE_NAME] = "x" * 32


def next_of(response):
    return parse_qs(urlsplit(response["Location"]).query)["next"][0]


def shown_words(page):
    return page.content.decode().count(ESCAPED)


ENDS = ("cookies deleted", "session expired", "signed out in another tab", "signed in again in another tab")
# If the session ended in one of these ways, no cookie in the browser says who was signed in.
AUTHOR_UNKNOWN = ("cookies deleted", "signed out in another tab")


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("form", "how"),
    [
        (form, how) if how == "session expired" or form not in OF_LISTS else rarely(form, how)
        for form in FORMS
        for how in ENDS
        if form in FOR_SIGNED_OUT or how not in AUTHOR_UNKNOWN
    ],
)
def test_unsent_text_is_in_the_form_after_sign_in_and_is_deleted_when_sent(
    form, how, world, device, patron, sign_in
):
    address, page, fields = world.form(form)
    end_session(device, how)
    refused = post(device, address, fields)
    if refused.status_code == 403:
        # The author is unknown, so the error page shows the text. The button on this page leads to sign-in.
        assert shown_words(refused) == 1
        assert "Sign in with the same account as before, and you'll find it in the form." in text(refused)
        assert refused.content.decode().count('class="button') == 1
        assert f"?next={page.replace('?', '%3F').replace('=', '%3D')}" in refused.content.decode().replace(
            "%2F", "/"
        )
    elif how != "signed in again in another tab":
        assert (asks_to_sign_in(refused), next_of(refused)) == (True, page)
    else:
        assert refused["Location"] == page
    if form in OF_THE_PATRON | {"name", "new list"} and how != "signed in again in another tab":
        assert asks_to_sign_in(device.get(page))
    assert shown_words(device.get(page, follow=True)) == (how == "signed in again in another tab")
    sign_in(device, patron)
    shown = device.get(page)
    assert (shown.status_code, shown_words(shown)) == (200, 1)
    assert 'id="unsent"' in shown.content.decode()
    kept = RefusedPost.objects.get()
    again = fields | {
        "refused_post": str(kept.public_id),
        "csrfmiddlewaretoken": str(shown.context["csrf_token"]),
    }
    sent = post(device, address, again)
    # The form "link" asks for a link to a list. The response is a preview, and not a redirect.
    assert sent.status_code == (200 if form == "link" else 302)
    assert not RefusedPost.objects.exists()
    saved = {
        "comment": lambda: Recommendation.objects.filter(comment=WORDS),
        "name": lambda: User.objects.filter(name=WORDS),
        "reading": lambda: [1],
        "words": lambda: SharedWords.objects.filter(words=WORDS),
        "note": lambda: SavedItem.objects.filter(note=WORDS),
        **dict.fromkeys(
            ["new list", "list name", "another list"], lambda: SavedList.objects.filter(name=WORDS)
        ),
        "title": lambda: SavedItem.objects.filter(title=WORDS, creators="Jane Austen"),
        "link": lambda: [1] * bool(shown_words(sent)),
    }.get(form, lambda: Message.objects.filter(body=WORDS))()
    assert len(saved) == 1


@pytest.mark.few_cases
@for_signed_in
@pytest.mark.parametrize("how", AUTHOR_UNKNOWN)
def test_unsent_text_of_an_unknown_author_is_not_saved_if_the_page_requires_a_sign_in(
    form, how, world, device, patron, sign_in
):
    address, page, fields = world.form(form)
    end_session(device, how)
    refused = post(device, address, fields)
    assert (refused.status_code, shown_words(refused)) == (403, 1)
    assert "Copy your text, because the library has not saved it." in text(refused)
    assert SAVED_TEXT not in text(refused)
    assert not RefusedPost.objects.exists()
    for person in (UserFactory(), patron):
        assert shown_words(sign_in(device, person).get(page)) == 0


@pytest.mark.few_cases
@for_signed_out
def test_unsent_text_of_an_unknown_author_is_not_shown_in_another_browser(
    form, world, device, patron, sign_in
):
    address, page, fields = world.form(form)
    device.cookies.clear()
    post(device, address, fields)
    assert RefusedPost.objects.get().person is None
    # The patron's other device doesn't show the text.
    assert shown_words(sign_in(Client(), patron).get(page)) == 0
    # The next person on this device sees the text, because its author is unknown.
    other = sign_in(device, UserFactory()).get(page)
    assert (other.status_code, shown_words(other)) == (200, 1)


@pytest.mark.few_cases
@of_a_patron
def test_unsent_text_of_a_known_author_is_not_shown_to_the_next_person(form, world, device, patron, sign_in):
    address, page, fields = world.form(form)
    device.session.flush()
    post(device, address, fields)
    assert RefusedPost.objects.get().person == patron
    assert shown_words(sign_in(device, UserFactory()).get(page)) == 0
    assert shown_words(sign_in(device, patron).get(page)) == 1


TITLES = {
    "reply": "Sign in to send your message",
    "follow-up": "Sign in to send your question",
    "item": "Sign in to send your question",
    "comment": "Sign in to save your comment",
    "ask": "Sign in to send your question",
    "name": "Sign in to save your name",
    "reading": "Sign in to send your request",
    "words": "Sign in to share your words",
    "note": "Sign in to save your note",
    **dict.fromkeys(["new list", "list name", "another list"], "Sign in to save your list"),
    "title": "Sign in to add the title",
    "link": "Sign in to share your list",
}
SAVED_TEXT = "Your text is saved in this browser for 30 minutes."
SAVED_PRESS = "Sign in to finish what you started."


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("form", "known"),
    [*((form, True) for form in FORMS), *((form, False) for form in sorted(FOR_SIGNED_OUT))],
)
def test_sign_in_page_says_that_the_text_is_saved_and_which_page_follows(form, known, world, device):
    address, page, fields = world.form(form)
    device.session.flush()
    if not known:
        device.cookies.clear()
    post(device, address, fields)
    shown = sign_in_page(device, page)
    assert (heading(shown), SAVED_TEXT in text(shown)) == (TITLES[form], True)
    assert WORDS not in text(shown)
    # The address can have a fragment, for example in links from emails.
    assert heading(sign_in_page(device, f"{page}#latest")) == TITLES[form]
    # The text is not offered on another page, in another browser or after 30 minutes.
    assert not is_about_unsent_text(sign_in_page(device, reverse("saved")))
    assert not is_about_unsent_text(sign_in_page(device, ""))
    assert not is_about_unsent_text(sign_in_page(Client(), page))
    with time_machine.travel(timezone.now() + timedelta(minutes=31), tick=False):
        assert not is_about_unsent_text(sign_in_page(device, page))


@pytest.mark.parametrize("url", ["card_sign_in", "single_sign_on"])
def test_card_and_single_sign_on_pages_say_that_the_text_is_saved(url, world, device, settings):
    settings.ILS = "demo"
    settings.SSO = settings.SSO | {"name": "College", "issuer": "https://college.example"}
    address, page, fields = world.form("reply")
    device.session.flush()
    post(device, address, fields)
    shown = sign_in_page(device, page, url)
    assert (heading(shown), SAVED_TEXT in text(shown)) == (TITLES["reply"], True)


def sign_in_page(device, page, url="sign_in"):
    return device.get(reverse(url), {"next": page})


def is_about_unsent_text(page):
    return heading(page) in TITLES.values() or SAVED_TEXT in text(page) or SAVED_PRESS in text(page)


@pytest.mark.few_cases
@of_a_patron
def test_unsent_text_is_deleted_after_30_minutes(form, world, device, patron, sign_in):
    address, page, fields = world.form(form)
    device.session.flush()
    with time_machine.travel(timezone.now() + timedelta(minutes=1), tick=False) as clock:
        post(device, address, fields)
        clock.shift(29 * 60)
        assert shown_words(sign_in(device, patron).get(page)) == 1
        clock.shift(61)
        assert shown_words(device.get(page)) == 0
        refused_posts.forget_refused_posts(at=timezone.now())
    assert not RefusedPost.objects.exists()


def test_unsent_text_is_deleted_when_the_person_signs_out(world, device, patron, sign_in):
    address, page, fields = world.form("reply")
    device.session.flush()
    post(device, address, fields)
    sign_in(device, patron)
    end_session(device, "signed out in another tab")
    assert not RefusedPost.objects.exists()
    assert not device.cookies[UNSENT].value
    assert shown_words(sign_in(device, patron).get(page)) == 0


def test_leave_quickly_button_deletes_unsent_text(world, library, client, patron, sign_in):
    sign_in(client, patron).get(reverse("me"))
    client.session.flush()
    post(client, *world.form("reply")[::2])
    assert RefusedPost.objects.exists()
    client.post(reverse("leave"))
    assert not RefusedPost.objects.exists()


def test_unsent_text_can_be_deleted_on_the_page_of_its_form(world, device, patron, sign_in):
    address, page, fields = world.form("follow-up")
    device.session.flush()
    post(device, address, fields)
    kept = RefusedPost.objects.get()
    discard = reverse("discard_kept", args=[kept.public_id])
    stranger = sign_in(Client(), UserFactory())
    stranger.post(discard)
    assert RefusedPost.objects.exists()
    shown = sign_in(device, patron).get(page)
    assert f'action="{discard}"' in shown.content.decode()
    fields = {"next": page, "csrfmiddlewaretoken": str(shown.context["csrf_token"])}
    assert post(device, discard, fields)["Location"] == page
    shown = device.get(page)
    assert shown_words(shown) == 0
    assert "Deleted. You can undo this for 5 minutes." in text(shown)
    undo = f"{discard}?undo=1&next={quote(page, safe='')}"
    assert f'action="{escape(undo)}"' in shown.content.decode()
    stranger.post(undo)
    assert shown_words(device.get(page)) == 0
    del fields["next"]
    assert post(device, undo, fields)["Location"] == page
    assert shown_words(device.get(page)) == 1
    post(device, discard, fields)
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        assert escape("This can't be undone anymore.") in text(post(device, undo, fields, follow=True))
        refused_posts.forget_refused_posts(at=timezone.now())
    assert not RefusedPost.objects.exists()


def test_page_says_how_long_the_deletion_of_unsent_text_can_be_undone(world, device, patron, sign_in):
    address, page, fields = world.form("follow-up")
    device.session.flush()
    post(device, address, fields)
    kept = RefusedPost.objects.get()
    shown = sign_in(device, patron).get(page)
    csrf = {"csrfmiddlewaretoken": str(shown.context["csrf_token"]), "next": page}
    RefusedPost.objects.update(refused_at=timezone.now() - RefusedPost.KEPT_FOR + timedelta(seconds=150))
    answer = post(device, reverse("discard_kept", args=[kept.public_id]), csrf, follow=True)
    assert "Deleted. You can undo this for 2 minutes." in text(answer)


def test_htmx_form_of_an_unknown_author_stays_on_the_page_and_is_not_saved(world, device):
    address, _page, fields = world.form("reply")
    device.cookies.clear()
    refused = post(device, address, fields, **{"hx-request": "true"})
    assert (refused.status_code, RefusedPost.objects.exists()) == (401, False)
    assert "Your text is still in the form. Copy it before you go on." in text(refused)


def test_htmx_form_sent_after_the_session_ended_redirects_to_sign_in(world, device, patron, sign_in):
    address, page, fields = world.form("reply")
    device.session.flush()
    refused = post(device, address, fields, **{"hx-request": "true"})
    assert refused["HX-Redirect"] == f"/sign-in/?next={page.replace('/', '%2F')}"
    assert SAVED_TEXT in text(device.get(refused["HX-Redirect"]))
    assert shown_words(sign_in(device, patron).get(page)) == 1


def test_unsent_reply_to_a_merged_conversation_is_shown_in_the_remaining_conversation(
    world, device, patron, staff, sign_in
):
    address, page, fields = world.form("reply")
    into = MessageFactory(
        conversation__help_session=None,
        conversation__patron=patron,
        conversation__branch=world.session.branch,
    ).conversation
    device.session.flush()
    post(device, address, fields)
    merging.merge(world.conversation, into=into, by=staff, at=timezone.now())
    shown = sign_in(device, patron).get(page, follow=True)
    assert (shown.redirect_chain[0][0], shown_words(shown)) == (into.get_absolute_url(), 1)


def test_unsent_reply_is_added_to_a_draft_from_another_device(world, device, patron, sign_in):
    address, page, fields = world.form("reply")
    phone = sign_in(Client(), patron)
    draft = {"body": "From the phone", "client_token": str(uuid.uuid4()), "sequence": 1}
    phone.post(reverse("conversation_draft", args=[world.conversation.public_id]), draft)
    device.session.flush()
    post(device, address, fields)
    assert f"From the phone\n\n{ESCAPED}" in sign_in(device, patron).get(page).content.decode()


def test_reading_form_keeps_earlier_answers_if_the_session_ends(world, device, patron, sign_in):
    loved, mood = (f"{reverse('find_reading')}?step={step}" for step in ("loved", "mood"))
    page = device.get(loved)
    post(device, loved, {"words": "Emma", "csrfmiddlewaretoken": str(page.context["csrf_token"])})
    page = device.get(mood)
    hidden = page.content.decode().split('name="answers" value="')[1].split('"')[0].replace("&quot;", '"')
    fields = {"words": WORDS, "answers": hidden, "csrfmiddlewaretoken": str(page.context["csrf_token"])}
    device.session.flush()
    # Anybody may fill in the reading form. So the person needn't sign in, and the portal shows the next step
    # of the form.
    assert "step=avoid" in post(device, mood, fields)["Location"]
    assert "Emma" in device.get(loved).content.decode()
    assert ESCAPED in device.get(mood).content.decode()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "nonsense", ["", "[", "[" * 100_000, "[]", '{"loved": 3}', '{"whom": {"chosen": "nobody"}}']
)
def test_reading_form_ignores_invalid_answers_in_its_hidden_field(library, client, nonsense):
    answer = client.post(f"{reverse('find_reading')}?step=mood", {"words": "calm", "answers": nonsense})
    assert "step=avoid" in answer["Location"]


def test_question_is_not_lost_if_the_session_ends_on_the_page_with_the_send_button(
    library, device, patron, sign_in
):
    def token(page):
        return {"csrfmiddlewaretoken": str(page.context["csrf_token"])}

    visitor = Client(enforce_csrf_checks=True)
    page = visitor.get(reverse("ask"))
    post(visitor, reverse("ask"), {"body": WORDS, "client_token": uuid.uuid4(), **token(page)})
    page = sign_in(visitor, patron).get(reverse("send_question"))
    assert ESCAPED in page.content.decode()
    fields = {
        name: page.content.decode().split(f'name="{name}" value="')[1].split('"')[0]
        for name in ("client_token", "topic", "branch")
    }
    visitor.session.flush()
    answer = post(visitor, reverse("send_question"), fields | {"body": WORDS} | token(page))
    assert answer["Location"] == reverse("send_question")
    assert ESCAPED in visitor.get(reverse("send_question")).content.decode()
    assert not Message.objects.exists()


# Tests of visits that were opened by code, and of shared computers.


@pytest.fixture
def by_code(staff, branch, show_code):
    """Return (device that opened a visit by code, the visit, its conversation)."""
    session = HelpSessionFactory(staff=staff, branch=branch)
    conversation = MessageFactory(conversation__help_session=session).conversation
    return show_code(Client(), code_for(session)), session, conversation


def expire_codes(session):
    past = timezone.now() - timedelta(days=1)
    session.claim_codes.update(made_at=past - timedelta(days=30), expires_at=past)


def reply_to(device, conversation, **headers):
    fields = {"body": WORDS, "client_token": uuid.uuid4(), "sequence": 0}
    came_from = {"referer": f"http://testserver{conversation.get_absolute_url()}"}
    return post(device, reverse("reply", args=[conversation.public_id]), fields, **came_from, **headers)


def ask_signed_out(device, words=WORDS, **headers):
    """Send a question with an expired CSRF token. The author of the question is unknown."""
    return post(device, reverse("ask"), {"body": words, "client_token": uuid.uuid4()}, **headers)


def signed_out_device():
    return Client(enforce_csrf_checks=True)


def links(response):
    return re.findall(r'<a[^>]* href="([^"]+)"', response.content.decode())


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("kept by someone else", "was added to a library account"),
        ("code expired", "The code of this visit no longer works."),
        ("code revoked", "The code of this visit no longer works."),
        ("cookies deleted", "You are signed out, or the code of your visit has expired."),
    ],
)
def test_viewer_with_only_a_code_sees_their_unsent_text_and_why_sending_failed(
    by_code, patron, staff, what, reason
):
    device, session, conversation = by_code
    if what == "kept by someone else":
        keep(session, by=patron, at=timezone.now(), wording="yes", language="en")
        Conversation.objects.update(patron=patron)
    elif what == "code revoked":
        handover.revoke_codes(session, by=staff, at=timezone.now())
    elif what == "code expired":
        expire_codes(session)
    else:
        device.cookies.clear()
    answer = reply_to(device, conversation)
    assert (answer.status_code, shown_words(answer)) == (403, 1)
    assert reason in " ".join(answer.content.decode().split())
    assert reverse("ask") in answer.content.decode()
    # The sign-in link in the header also leads back to the conversation.
    page = f"{reverse('sign_in')}?next={quote(conversation.get_absolute_url(), safe='')}"
    assert [link for link in links(answer) if link.startswith(reverse("sign_in"))] == [page, page]
    assert not RefusedPost.objects.exists()


@pytest.mark.parametrize("which", ["reply", "draft"])
@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        (True, "The code of this visit no longer works."),
        (False, "You are signed out, or the code of your visit has expired."),
    ],
)
def test_viewer_with_only_a_code_whose_text_was_not_sent_gets_a_link_to_the_code_page(
    by_code, which, ended, reason
):
    device, session, conversation = by_code
    if ended:
        expire_codes(session)
    else:
        device.cookies.clear()
    fields = {"body": WORDS, "client_token": uuid.uuid4(), "sequence": 1}
    answer = post(device, f"{conversation.get_absolute_url()}{which}/", fields, **{"hx-request": "true"})
    assert answer.status_code == 401
    what = "Nothing was sent." if which == "reply" else "Your draft isn't saved."
    assert text(answer).strip().startswith(f"{what} {reason}")
    assert "Your text is still in the form. Copy it before you go on." in text(answer)
    assert [link.partition("?")[0] for link in links(answer)] == [
        reverse("open_code"),
        reverse("sign_in"),
        reverse("ask"),
    ]


def test_author_sees_their_unsent_text_if_someone_else_has_just_kept_the_visit(by_code, patron, sign_in):
    device, session, conversation = by_code
    sign_in(device, UserFactory())
    keep(session, by=patron, at=timezone.now(), wording="yes", language="en")
    Conversation.objects.update(patron=patron)
    answer = reply_to(device, conversation)
    assert (answer.status_code, shown_words(answer)) == (404, 1)
    assert "was added to a library account" in " ".join(answer.content.decode().split())
    assert reply_to(device, conversation, **{"hx-request": "true"}).status_code == 401
    assert not RefusedPost.objects.exists()


def test_unsent_text_about_a_quiet_visit_is_not_saved(staff, branch, show_code, patron, sign_in):
    quiet = QuietSessionFactory(staff=staff, branch=branch)
    conversation = MessageFactory(conversation__help_session=quiet).conversation
    for device in (Client(), show_code(sign_in(Client(), patron), code_for(quiet))):
        device.get(conversation.get_absolute_url())
        device.cookies.pop(settings.SESSION_COOKIE_NAME, None)
        answer = reply_to(device, conversation)
        assert (answer.status_code, shown_words(answer)) == (403, 1)
    assert not RefusedPost.objects.exists()


def test_unsent_question_is_shown_but_not_saved_if_the_visit_code_expired(by_code, library):
    device, session, _conversation = by_code
    fields = {"body": WORDS, "client_token": uuid.uuid4(), "about": str(session.public_id)}
    expire_codes(session)
    answer = device.post(reverse("ask"), fields)
    assert (answer.status_code, shown_words(answer)) == (422, 1)
    assert "The code of this visit no longer works" in answer.content.decode()
    assert not RefusedPost.objects.exists()
    assert WORDS not in repr(dict(device.session))
    assert not Message.objects.filter(body=WORDS).exists()


def test_unsent_text_is_not_saved_on_a_shared_desk_computer(world):
    device = Client()
    device.cookies[DESK_TOKEN] = "token"
    answer = reply_to(device, world.conversation)
    assert shown_words(answer) == 0
    assert not RefusedPost.objects.exists()


def test_author_sees_their_unsent_text_even_if_they_lost_access_to_the_page(patron, staff, branch, sign_in):
    shared = SharedSessionFactory(shared_with=patron, staff=staff, branch=branch)
    conversation = MessageFactory(conversation__help_session=shared).conversation
    device = sign_in(Client(), patron)
    device.get(conversation.get_absolute_url())
    device.session.flush()
    assert asks_to_sign_in(reply_to(device, conversation))
    shared.shared_with = None
    shared.save()
    answer = sign_in(device, patron).get(conversation.get_absolute_url())
    assert (answer.status_code, shown_words(answer)) == (404, 1)
    assert "You can no longer write on this page." in answer.content.decode()
    stranger = sign_in(device, UserFactory()).get(conversation.get_absolute_url())
    assert (stranger.status_code, shown_words(stranger)) == (404, 0)


# Tests of limits.


def test_too_long_text_of_an_unknown_author_is_shown_but_not_saved(library):
    answer = ask_signed_out(signed_out_device(), f"{WORDS}{'x' * 20_000}")
    assert (answer.status_code, shown_words(answer)) == (403, 1)
    assert not RefusedPost.objects.exists()


def test_number_of_unsent_texts_per_network_is_limited(library):
    for number in range(61):
        answer = ask_signed_out(signed_out_device())
        assert (answer.status_code, shown_words(answer)) == (403, 1)
        assert (UNSENT in answer.cookies) == (number < 60)
    assert RefusedPost.objects.count() == 60


def test_number_of_unsent_texts_per_browser_is_limited(library):
    device = signed_out_device()
    for _number in range(25):
        ask_signed_out(device)
    assert RefusedPost.objects.count() == refused_posts.MAX_SAVED


def test_scripts_cannot_read_the_cookie_that_identifies_unsent_text(library):
    cookie = ask_signed_out(signed_out_device()).cookies[UNSENT]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 30 * 60)
    # The database has no copy of the token in the cookie.
    assert RefusedPost.objects.get().browser not in cookie.value


def test_forged_cookie_shows_no_unsent_text(library, patron, sign_in):
    ask_signed_out(signed_out_device())
    other = sign_in(Client(), patron)
    other.cookies[UNSENT] = RefusedPost.objects.get().browser
    assert shown_words(other.get(reverse("ask"))) == 0


def test_text_sent_by_another_site_is_not_saved(library):
    for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        assert shown_words(ask_signed_out(signed_out_device(), **headers)) == 0
    assert not RefusedPost.objects.exists()


@pytest.mark.few_cases
@of_a_patron
def test_page_without_unsent_text_runs_no_query_for_unsent_text(form, world, device):
    with CaptureQueriesContext(connection) as queries:
        device.get(world.form(form)[1])
    assert [query["sql"] for query in queries if "refusedpost" in query["sql"]] == []


# Tests of buttons in forms without text.


def buttons(world):
    """Return {name of a button: (address, fields, function that returns whether the button took effect)}."""
    saved = SavedItemFactory(saved_list__patron=world.patron, item=world.other.item)
    removed = SavedItemFactory(saved_list=saved.saved_list, removed_at=timezone.now())
    session = world.session

    def verdict_of(recommendation):
        return Recommendation.objects.get(pk=recommendation.pk).verdict

    return {
        "save": (
            reverse("save_item", args=[world.recommendation.item.public_id]),
            {"recommendation": str(world.recommendation.public_id), "back": session.get_absolute_url()},
            lambda: SavedItem.objects.filter(item=world.recommendation.item).exists(),
        ),
        "remove": (
            reverse("remove_saved", args=[saved.public_id]),
            {"any": "value"},
            lambda: not SavedItem.objects.in_lists().filter(pk=saved.pk).exists(),
        ),
        "restore": (
            reverse("restore_saved", args=[removed.public_id]),
            {"any": "value"},
            lambda: SavedItem.objects.in_lists().filter(pk=removed.pk).exists(),
        ),
        "verdict": (
            reverse("verdict", args=[world.other.public_id]),
            {"verdict": "helped", "back": session.get_absolute_url()},
            lambda: verdict_of(world.other) == "helped",
        ),
        "clear": (
            reverse("verdict", args=[world.recommendation.public_id]),
            {"verdict": ""},
            lambda: verdict_of(world.recommendation) == "",
        ),
        "outcome": (
            reverse("session_outcome", args=[session.public_id]),
            {"found": "all"},
            lambda: type(session).objects.get(pk=session.pk).found == "all",
        ),
        "all helped": (
            reverse("all_helped", args=[session.public_id]),
            {},
            lambda: verdict_of(world.other) == "helped",
        ),
        "undo all helped": (
            reverse("undo_all_helped", args=[session.public_id]),
            {"marked": world.marked_at.isoformat()},
            lambda: verdict_of(world.recommendation) == "",
        ),
        "close": (
            reverse("close_conversation", args=[world.conversation.public_id]),
            {},
            lambda: Conversation.objects.get(pk=world.conversation.pk).status == "closed",
        ),
        "reading": (
            reverse("saved_title", args=[world.saved.public_id]),
            {"reading": "done"},
            lambda: SavedItem.objects.get(pk=world.saved.pk).reading == "done",
        ),
    }


def title_for_button(name):
    if name in {"verdict", "clear", "outcome", "all helped"}:
        return "Sign in to save your answer"
    return "Sign in to save the item" if name == "save" else "Sign in"


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "name",
    [
        *("save", "remove", "restore", "verdict", "clear", "outcome"),
        *("all helped", "undo all helped", "close", "reading"),
    ],
)
@pytest.mark.parametrize(
    ("how", "htmx"),
    [
        *zip(ENDS, (True, False, True, False), strict=True),
        *(rarely(*other) for other in zip(ENDS, (False, True, False, True), strict=True)),
    ],
)
def test_button_pressed_in_an_ended_session_takes_effect_once_after_sign_in(
    name, how, htmx, world, device, patron, sign_in
):
    address, fields, is_done = buttons(world)[name]
    end_session(device, how)
    refused = post(device, address, fields, **({"hx-request": "true"} if htmx else {}))
    to = refused["HX-Redirect"] if htmx else refused["Location"]
    if how != "signed in again in another tab":
        assert to == f"/sign-in/?next={address.replace('/', '%2F')}"
        # The button has no effect before somebody signs in.
        assert device.get(address).status_code != 200 or name in {"verdict", "clear"}
        shown = sign_in_page(device, address)
        assert (heading(shown), SAVED_PRESS in text(shown)) == (title_for_button(name), True)
    else:
        assert to == address
    assert not is_done()
    sign_in(device, patron)
    answer = device.get(address)
    assert (answer.status_code, is_done()) == (302, True)
    assert device.get(answer["Location"], follow=True).status_code == 200
    assert not RefusedPost.objects.exists()


SAID = {
    "save": "“{other}” is in your list.",
    "remove": "“{title}” is no longer in your list. You can restore it until {day}.",
    "restore": "“{restored}” is in your list again.",
    "verdict": "Your answer about “{title}” is saved.",
    "clear": "Your answer about “{other}” is cleared.",
    "outcome": "Your answer is saved.",
    "all helped": "Answer saved for 1 item.",
    "undo all helped": "Your answer for 1 item is cleared.",
    "close": "The conversation is closed.",
}


@pytest.mark.few_cases
@pytest.mark.parametrize("name", SAID)
def test_page_after_sign_in_says_what_the_pressed_button_did(name, world, device, patron, sign_in):
    address, fields, _is_done = buttons(world)[name]
    restored = SavedItem.objects.get(removed_at__isnull=False).item.title
    device.session.flush()
    post(device, address, fields)
    sign_in(device, patron)
    shown = device.get(address, follow=True)
    titles = {"title": world.other.item.title, "other": world.recommendation.item.title, "restored": restored}
    words = SAID[name].format(**titles, day=whole_day(timezone.localdate() + RESTORE_FOR))
    assert shown.content.decode().count(f'data-announce="{words}"') == 1
    assert text(shown).count(words) == 1
    # Either the message is at the top of the page, or the fragment of the URL leads to it.
    assert ("#" in shown.redirect_chain[-1][0]) == (name == "all helped")
    assert words not in text(device.get(shown.redirect_chain[-1][0].partition("?")[0]))


@pytest.mark.few_cases
@pytest.mark.parametrize("name", SAID)
def test_remove_button_is_the_only_one_that_shows_a_message_to_a_signed_in_patron(
    name, world, patron, sign_in
):
    address, fields, _is_done = buttons(world)[name]
    device = sign_in(Client(), patron)
    said = part(device.post(address, fields, follow=True), "notices")
    assert ("<p>" in said) == (name == "remove")


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ["save", "remove", "restore", "verdict", "outcome", "all helped", "close"])
@pytest.mark.parametrize("known", [True, False])
def test_button_pressed_before_sign_in_has_no_effect_if_someone_else_signs_in(
    name, known, world, device, patron, sign_in
):
    address, fields, is_done = buttons(world)[name]
    device.session.flush()
    if not known:
        device.cookies.clear()
    post(device, address, fields)
    # Opening the button's address on the patron's other device has no effect.
    assert sign_in(Client(), patron).get(address).status_code in {200, 405}
    # Another person signs in on the same device. If the author is unknown, this deletes the saved form.
    assert sign_in(device, UserFactory()).get(address).status_code in {404, 405}
    assert not is_done()
    # The button "restore" is about a removed item, which nobody may open. So the person who pressed the
    # button counts as unknown.
    assert RefusedPost.objects.exists() == (known and name != "restore")


def test_button_pressed_by_a_viewer_with_only_a_code_is_not_saved(by_code, staff):
    device, session, _conversation = by_code
    [recommendation] = recommend_in(session, 1)
    handover.revoke_codes(session, by=staff, at=timezone.now())
    post(device, reverse("verdict", args=[recommendation.public_id]), {"verdict": "helped"})
    post(Client(), reverse("verdict", args=[recommendation.public_id]), {"verdict": "helped"})
    post(
        Client(),
        reverse("save_item", args=[recommendation.item.public_id]),
        {"recommendation": str(recommendation.public_id)},
    )
    assert not RefusedPost.objects.exists()


@pytest.mark.parametrize("named", ["", "nonsense", "00000000-0000-4000-8000-000000000000"])
def test_pressing_a_button_for_an_unknown_object_redirects_to_sign_in(world, named):
    address = reverse("save_item", args=[world.recommendation.item.public_id])
    assert asks_to_sign_in(post(Client(), address, {"recommendation": named}))
    assert not RefusedPost.objects.exists()


def test_cookie_of_the_last_person_is_not_enough_to_see_unsent_text(world, device, patron):
    address, page, fields = world.form("reply")
    device.session.flush()
    post(device, address, fields)
    assert LAST_PERSON in device.cookies
    assert shown_words(device.get(page, follow=True)) == 0
