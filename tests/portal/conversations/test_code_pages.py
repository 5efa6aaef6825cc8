"""Test the pages where a patron enters an emailed code to keep a visit, save an item or send a question."""

import re
import uuid
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Consent, Library, RefusedPost, User
from portal.conversations import pending_questions
from portal.conversations.models import Conversation, Message
from portal.conversations.views.keeping import wording
from portal.helpsessions.keeping import keep
from portal.limit_table import LIMITS, Limit
from portal.lists.models import SavedItem
from tests.factories import (
    HelpSessionFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import heading, text

pytestmark = pytest.mark.usefixtures("library")
ASK, SEND = reverse("ask"), reverse("send_question")
READ, SEND_READING = reverse("find_reading"), reverse("send_reading")
QUESTION = "Is there a class on worms?"


@pytest.fixture
def session(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff)


@pytest.fixture
def viewer_by_code(client, session, show_code):
    return show_code(client, code_for(session))


def keep_page(session, query=""):
    return reverse("keep_session", args=[session.public_id]) + query


def code_in_mail():
    return next(line for line in mail.outbox[-1].body.splitlines() if line.isdecimal() and len(line) == 6)


def ask_for_code(client, next_page, address="new@example.org"):
    """Ask for a code, and return the URL of the code page."""
    return client.post(reverse("sign_in"), {"email": address, "next": next_page})["Location"]


def address_form(page):
    """Return the tag of the form that asks for an email address."""
    return re.findall(r"<form[^>]*>", page.content.decode().split('id="send-code"')[0])[-1]


def hidden_token(page):
    return re.search(r'name="client_token" value="([^"]+)"', page.content.decode())[1]


# Tests of keeping a visit.


def test_code_page_shows_the_consent_text_and_keeps_the_visit_after_the_right_code(viewer_by_code, session):
    assert "action=" not in address_form(viewer_by_code.get(keep_page(session)))
    code_page = viewer_by_code.post(keep_page(session), {"email": "new@example.org"})["Location"]
    assert code_page == f"{keep_page(session)}code/"
    shown = text(viewer_by_code.get(code_page))
    sentences = wording(None, timezone.now(), Library.current())
    assert [sentence for sentence in sentences if sentence not in shown] == []
    answer = viewer_by_code.post(code_page, {"code": code_in_mail()})
    assert answer["Location"] == session.get_absolute_url()
    session.refresh_from_db()
    assert session.patron == User.objects.get(email="new@example.org")
    assert Consent.objects.get().wording == "\n".join(sentences)
    assert "The visit is in your account now." in text(viewer_by_code.get(answer["Location"]))


def test_code_field_is_above_the_consent_text(viewer_by_code, session):
    page = text(viewer_by_code.get(ask_for_code(viewer_by_code, keep_page(session))))
    order = ["We sent a six-digit code to new@example.org", "Code from the email", "What this means"]
    assert sorted(order, key=page.index) == order


def test_visit_is_not_kept_after_a_wrong_code(viewer_by_code, session):
    code_page = ask_for_code(viewer_by_code, keep_page(session))
    wrong = "111111" if code_in_mail() != "111111" else "222222"
    answer = viewer_by_code.post(code_page, {"code": wrong})
    assert wording(None, timezone.now(), Library.current())[0] in text(answer)
    session.refresh_from_db()
    assert (session.patron, Consent.objects.count()) == (None, 0)


def test_consent_text_is_different_for_a_patron_who_chose_to_keep_nothing(viewer_by_code, session):
    person = UserFactory(email="old@example.org", remember=User.Remember.NOTHING)
    code_page = ask_for_code(viewer_by_code, keep_page(session), person.email)
    # The code page must not show whether an account has this email address.
    assert "If you add this visit to your account anyway" not in text(viewer_by_code.get(code_page))
    answer = viewer_by_code.post(code_page, {"code": code_in_mail()})
    assert answer["Location"] == keep_page(session)
    session.refresh_from_db()
    assert session.patron is None
    assert "If you add this visit to your account anyway" in text(viewer_by_code.get(answer["Location"]))
    viewer_by_code.post(answer["Location"])
    session.refresh_from_db()
    assert session.patron == person


def test_right_code_does_not_keep_a_visit_that_someone_else_already_kept(
    viewer_by_code, session, patron, client
):
    code_page = ask_for_code(viewer_by_code, keep_page(session))
    keep(session, by=patron, at=timezone.now(), wording="yes", language="en")
    answer = viewer_by_code.post(code_page, {"code": code_in_mail()})
    assert answer.status_code == 409
    assert "Someone has already added this visit to their account" in text(answer)
    session.refresh_from_db()
    assert session.patron == patron


@pytest.mark.parametrize("make", [HelpSessionFactory, SharedSessionFactory])
def test_signed_out_viewer_gets_a_sign_in_link_if_someone_has_kept_the_visit(
    client, branch, patron, show_code, make, sign_in
):
    lost = make(branch=branch)
    code = code_for(lost)
    keep(lost, by=patron, at=timezone.now(), wording="yes", language="en")
    link = f'href="/sign-in/?{urlencode({"next": lost.get_absolute_url()})}"'
    for browser, is_there in ((client, True), (sign_in(Client(), UserFactory()), False)):
        show_code(browser, code)
        page = browser.get(keep_page(lost, "?as=adult"))
        assert (page.status_code, link in page.content.decode()) == (409, is_there)


def test_stranger_cannot_open_the_keep_page_of_a_visit_kept_by_someone_else(session, client, patron):
    keep(session, by=patron, at=timezone.now(), wording="yes", language="en")
    for page in (keep_page(session), f"{keep_page(session)}code/"):
        assert client.get(page)["Location"].startswith(reverse("sign_in"))


def test_code_page_of_a_quiet_visit_redirects_to_the_keep_page(client, branch, show_code):
    quiet = QuietSessionFactory(branch=branch)
    show_code(client, code_for(quiet))
    assert client.get(f"{keep_page(quiet)}code/")["Location"] == keep_page(quiet)


def test_code_page_redirects_a_signed_in_person_to_the_keep_page(viewer_by_code, session, patron, sign_in):
    sign_in(viewer_by_code, patron)
    assert viewer_by_code.get(f"{keep_page(session)}code/?save=x")["Location"] == keep_page(
        session, "?save=x"
    )


def test_code_page_redirects_to_sign_in_if_no_code_was_requested(viewer_by_code, session):
    answer = viewer_by_code.get(f"{keep_page(session)}code/")
    assert answer["Location"] == f"/sign-in/?next={keep_page(session).replace('/', '%2F')}"


def test_requesting_a_new_code_redirects_to_the_same_code_page(viewer_by_code, session):
    code_page = ask_for_code(viewer_by_code, keep_page(session, "?as=adult"))
    answer = viewer_by_code.post(reverse("resend_code"), {"next": keep_page(session, "?as=adult")})
    assert answer["Location"] == code_page == f"{keep_page(session)}code/?as=adult"


def test_adult_can_keep_a_shared_visit_with_an_email_code(client, branch, show_code):
    shared = SharedSessionFactory(branch=branch)
    show_code(client, code_for(shared))
    code_page = ask_for_code(client, keep_page(shared, "?as=adult"))
    assert "You share this visit with the child." in text(client.get(code_page))
    client.post(code_page, {"code": code_in_mail()})
    shared.refresh_from_db()
    assert (shared.patron, shared.shared_with) == (None, User.objects.get(email="new@example.org"))


def test_keep_page_offers_the_borrowed_device_option(viewer_by_code, session):
    assert 'name="borrowed"' in viewer_by_code.get(keep_page(session)).content.decode()


# Tests of saving an item.


@pytest.fixture
def recommendation(session):
    return recommend_in(session)[0]


@pytest.fixture
def save_page(viewer_by_code, session, recommendation):
    """Press *Save* on an item of a visit that was opened by code, and return the URL of the keep page."""
    answer = viewer_by_code.post(
        reverse("save_item", args=[recommendation.item.public_id]),
        {"recommendation": str(recommendation.public_id)},
    )
    assert answer["Location"] == keep_page(session, f"?save={recommendation.public_id}")
    return answer["Location"]


@pytest.mark.parametrize("way", ["code", "device", "account"])
def test_item_that_the_patron_wanted_to_save_is_saved_when_its_visit_is_kept(
    way, viewer_by_code, session, recommendation, save_page, patron, sign_in
):
    assert f"we'll save “{recommendation.item.title}” in your list" in text(viewer_by_code.get(save_page))
    if way == "code":
        code_page = ask_for_code(viewer_by_code, save_page)
        assert f"we'll save “{recommendation.item.title}”" in text(viewer_by_code.get(code_page))
        answer = viewer_by_code.post(code_page, {"code": code_in_mail()})
    else:
        if way == "account":
            sign_in(viewer_by_code, patron)
        answer = viewer_by_code.post(save_page, {"without_address": "1"} if way == "device" else {})
    assert answer["Location"] == f"{session.get_absolute_url()}#rec-{recommendation.public_id}"
    session.refresh_from_db()
    saved = SavedItem.objects.get()
    assert (saved.saved_list.patron, saved.item, saved.recommendation) == (
        session.patron,
        recommendation.item,
        recommendation,
    )
    page = text(viewer_by_code.get(session.get_absolute_url()))
    assert f"“{recommendation.item.title}” is in your list." in page


def test_item_to_save_is_in_the_urls_of_all_pages_for_keeping_a_visit(
    viewer_by_code, save_page, branch, show_code
):
    assert "action=" not in address_form(viewer_by_code.get(save_page))
    code_page = viewer_by_code.post(save_page, {"email": "new@example.org"})["Location"]
    assert code_page == save_page.replace("/keep/", "/keep/code/")
    shared = SharedSessionFactory(branch=branch)
    [recommendation] = recommend_in(shared, 1)
    show_code(viewer_by_code, code_for(shared))
    query = f"?save={recommendation.public_id}"
    page = viewer_by_code.get(keep_page(shared, query)).content.decode()
    for part in ("child", "adult"):
        assert f'href="?as={part}&amp;save={recommendation.public_id}"' in page


def test_item_of_another_visit_is_not_saved(viewer_by_code, session, branch, patron, show_code, sign_in):
    strangers, mine = HelpSessionFactory(branch=branch, patron=patron), HelpSessionFactory(branch=branch)
    show_code(viewer_by_code, code_for(mine))
    for number, other in enumerate((strangers, mine)):
        [recommendation] = recommend_in(other, 1)
        page = keep_page(session, f"?save={recommendation.public_id}")
        assert recommendation.item.title not in text(viewer_by_code.get(page))
        viewer_by_code.post(page, {"without_address": "1"} if number == 0 else {})
    for nonsense in ("nonsense", str(uuid.uuid4()), ""):
        viewer_by_code.post(keep_page(session, f"?save={nonsense}"))
    assert not SavedItem.objects.exists()


def test_keeping_a_visit_saves_no_item_if_the_patron_did_not_press_the_save_button(
    viewer_by_code, session, recommendation
):
    viewer_by_code.post(keep_page(session), {"without_address": "1"})
    assert not SavedItem.objects.exists()


def test_opening_the_keep_page_saves_no_item(viewer_by_code, save_page, patron, sign_in):
    sign_in(viewer_by_code, patron).get(save_page)
    assert not SavedItem.objects.exists()


# Tests of sending a question.


def write(client, body=QUESTION):
    client.post(ASK, {"body": body, "client_token": str(uuid.uuid4())})


def answer_reading(client):
    for step, fields in (
        ("loved", {"words": "Emma"}),
        ("mood", {}),
        ("avoid", {}),
        ("whom", {"chosen": "me"}),
        ("format", {}),
    ):
        client.post(f"{READ}?step={step}", fields)


@pytest.mark.parametrize(
    ("begin", "page", "words"),
    [(write, SEND, QUESTION), (answer_reading, SEND_READING, "I recently loved: Emma")],
    ids=["question", "reading"],
)
def test_question_or_reading_request_is_sent_when_the_right_code_is_entered(
    client, branch, begin, page, words
):
    begin(client)
    code_page = ask_for_code(client, page)
    assert code_page == f"{page}code/"
    shown = client.get(code_page)
    assert words in text(shown)
    answer = client.post(code_page, {"code": code_in_mail(), "client_token": hidden_token(shown)})
    conversation = Conversation.objects.get()
    assert answer["Location"] == conversation.get_absolute_url()
    assert (conversation.patron.email, words in conversation.messages.get().body) == ("new@example.org", True)
    assert pending_questions.KEY not in client.session
    assert "Sent. The answer will appear here." in text(client.get(answer["Location"]))


@pytest.mark.parametrize(("begin", "page"), [(write, SEND), (answer_reading, SEND_READING)])
def test_home_page_and_messages_page_link_to_an_unsent_question_or_reading_request(
    client, begin, page, patron, sign_in
):
    def leads_back(browser):
        return [
            f'href="{page}"' in browser.get(address).content.decode()
            for address in (reverse("home"), reverse("conversations"))
        ]

    assert leads_back(client) == [False, False]
    begin(client)
    assert leads_back(client) == [True, True]
    assert leads_back(sign_in(client, patron)) == [True, True]


@pytest.mark.parametrize(("begin", "page"), [(write, SEND), (answer_reading, SEND_READING)])
def test_question_or_reading_request_is_not_sent_after_a_wrong_code(client, begin, page):
    begin(client)
    code_page = ask_for_code(client, page)
    wrong = "111111" if code_in_mail() != "111111" else "222222"
    answer = client.post(code_page, {"code": wrong, "client_token": hidden_token(client.get(code_page))})
    assert answer.status_code == 200
    assert hidden_token(answer)
    assert not Message.objects.exists()


def test_entering_the_code_does_not_send_a_question_that_was_changed_in_another_tab(client):
    write(client)
    code_page = ask_for_code(client, SEND)
    token = hidden_token(client.get(code_page))
    composer = hidden_token(client.get(ASK))
    client.post(ASK, {"body": "Changed", "client_token": composer})
    answer = client.post(code_page, {"code": code_in_mail(), "client_token": token}, follow=True)
    assert answer.redirect_chain == [(SEND, 302)]
    assert "You made changes in another tab." in text(answer)
    assert "Changed" in text(answer)
    assert not Message.objects.exists()


@pytest.mark.parametrize("next_page", ["", "/lists/"])
def test_signing_in_for_another_reason_does_not_send_the_question(client, next_page):
    write(client)
    code_page = ask_for_code(client, next_page)
    assert code_page.startswith(reverse("account_confirm_login_code"))
    client.post(code_page, {"code": code_in_mail(), "next": next_page})
    assert not Message.objects.exists()
    assert pending_questions.KEY in client.session


def test_question_over_the_daily_limit_is_stored_but_not_sent(client, monkeypatch):
    monkeypatch.setitem(LIMITS, "question", Limit("new questions", "0/d"))
    write(client)
    code_page = ask_for_code(client, SEND)
    token = hidden_token(client.get(code_page))
    answer = client.post(code_page, {"code": code_in_mail(), "client_token": token}, follow=True)
    assert "asked a lot of new questions today." in text(answer)
    assert QUESTION in text(answer)
    assert not Message.objects.exists()


def test_code_page_without_an_unsent_text_redirects_to_the_form(client):
    assert client.get(f"{SEND}code/", follow=True).redirect_chain[-1][0] == ASK
    assert READ in client.get(f"{SEND_READING}code/", follow=True).redirect_chain[-1][0]


def test_sign_in_page_still_says_why_to_sign_in_after_an_invalid_email_address(viewer_by_code, session):
    titles = {
        keep_page(session): "Sign in to add the visit to your account",
        SEND: "Sign in to send your question",
        SEND_READING: "Sign in to send your request",
    }
    shown = {
        page: heading(viewer_by_code.post(reverse("sign_in"), {"email": "not an address", "next": page}))
        for page in titles
    }
    assert shown == titles


@pytest.mark.few_cases
@pytest.mark.parametrize("end", ["too many wrong codes", "expired"])
@pytest.mark.parametrize("begin", ["keep and save", "question", "reading"])
def test_sign_in_page_says_why_a_code_no_longer_works(
    end, begin, client, session, recommendation, patron, show_code, sign_in
):
    # A cookie in the browser says who was signed in last.
    sign_in(client, patron).get(reverse("me"))
    del client.cookies[settings.SESSION_COOKIE_NAME]
    if begin == "keep and save":
        show_code(client, code_for(session))
        page = keep_page(session, f"?save={recommendation.public_id}")
    else:
        {"question": write, "reading": answer_reading}[begin](client)
        page = {"question": SEND, "reading": SEND_READING}[begin]
    code_page = ask_for_code(client, page)
    form = {"code": "111111" if code_in_mail() != "111111" else "222222", "next": page}
    headers = {"sec-fetch-site": "same-origin", "referer": f"http://testserver{code_page}"}
    for _ in range(5 if end == "too many wrong codes" else 0):
        answer = client.post(code_page, form, headers=headers)
    if end == "expired":
        with time_machine.travel(timezone.now() + timedelta(minutes=11)):
            answer = client.post(code_page, form, headers=headers)
    assert answer["Location"] == f"/sign-in/?{urlencode({'next': page})}"
    reason = (
        "You entered too many wrong codes"
        if end == "too many wrong codes"
        else "That code has expired or was"
    )
    assert reason in text(client.get(answer["Location"]))
    assert not RefusedPost.objects.exists()
    assert ask_for_code(client, page) == code_page


@pytest.mark.parametrize("on_borrowed_device", [True, False], ids=["borrowed device", "own device"])
def test_question_can_be_sent_from_a_borrowed_device_and_from_the_persons_own_device(
    client, on_borrowed_device
):
    proof = client.post(ASK, {"body": QUESTION, "client_token": uuid.uuid4()}, follow=True)
    assert 'name="borrowed"' in proof.content.decode()
    form = {"email": "new@example.org", "next": SEND} | ({"borrowed": "on"} if on_borrowed_device else {})
    address = client.post(reverse("sign_in"), form)["Location"]
    page = client.get(address)
    client.post(address, {"code": code_in_mail(), "client_token": hidden_token(page)})
    assert Message.objects.get().body == QUESTION
    assert ("Sign out" in text(client.get("/"))) == on_borrowed_device
