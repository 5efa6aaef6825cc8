import uuid
from urllib.parse import quote, urlencode

import pytest
import time_machine
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models import RefusedPost, User
from accounts.patron import refused_posts
from accounts.staff.desk_lock import DESK_TOKEN
from portal.helpsessions import handover
from tests.factories import HelpSessionFactory, MessageFactory, QuietSessionFactory, code_for
from tests.portal.pages import text

pytestmark = pytest.mark.django_db
OURS = {"headers": {"sec-fetch-site": "same-origin"}}


@pytest.fixture
def expired_browser(client, staff, sign_in):
    """Return the browser of a staff member whose session has ended."""
    sign_in(client, staff)
    client.get(reverse("me"))
    client.session.flush()
    return client


def test_refused_form_is_saved_and_shown_to_its_author_after_sign_in(expired_browser, staff, sign_in):
    words = "Three pages of a summary.\n\nAnd <more> of it."
    fields = {
        "summary": words,
        "items": ["a", "b"],
        "csrfmiddlewaretoken": "t",
        "code": "1234",
        "form-pin": "9",
    }
    response = expired_browser.post(reverse("record"), fields, **OURS)
    assert response["Location"] == "/sign-in/?next=%2Fkept%2F"
    kept = RefusedPost.objects.get()
    assert (kept.person, kept.path, kept.fields) == (
        staff,
        "/desk/record/",
        {"summary": [words], "items": ["a", "b"]},
    )
    page = sign_in(expired_browser, staff).get("/kept/").content.decode()
    assert 'action="/desk/record/"' in page
    assert "And &lt;more&gt; of it." in page
    assert page.count('name="items"') == 2


@pytest.mark.parametrize("has_file", [True, False])
def test_page_of_saved_forms_asks_for_files_again_only_if_a_file_was_chosen(
    expired_browser, staff, sign_in, has_file
):
    file = {"logo": SimpleUploadedFile("logo.png", b"picture")} if has_file else {}
    expired_browser.post(reverse("library_settings"), {"name": "Bay Library", **file}, **OURS)
    page = sign_in(expired_browser, staff).get("/kept/")
    assert ("add them again" in text(page)) is has_file


def test_signing_in_after_a_choice_was_refused_opens_the_page_with_that_choice(client, patron, sign_in):
    sign_in(client, patron).get(reverse("me"))
    client.session.flush()
    page = reverse("remember")
    headers = OURS["headers"] | {"referer": f"http://testserver{page}?remember=90"}
    answer = client.post(page, {"remember": "90", "until": ""}, headers=headers)
    assert answer["Location"] == f"/sign-in/?{urlencode({'next': page})}"
    assert not RefusedPost.objects.exists()
    patron.refresh_from_db()
    assert patron.remember != "90"


def test_sign_in_page_says_that_a_button_on_the_account_page_had_no_effect(client, patron, sign_in):
    sign_in(client, patron).get(reverse("me"))
    client.session.flush()
    headers = OURS["headers"] | {"referer": f"http://testserver{reverse('me')}"}
    page = client.post(reverse("sign_out_elsewhere"), headers=headers, follow=True)
    assert page.redirect_chain == [(f"/sign-in/?{urlencode({'next': reverse('me')})}", 302)]
    assert "No device was signed out. Sign in and try again." in text(page)
    assert "saved" not in text(page)
    assert not RefusedPost.objects.exists()


@pytest.fixture
def visit(patron, staff, branch):
    """Return (visit, conversation). The visit is in the patron's account."""
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    return session, MessageFactory(conversation__help_session=session).conversation


@pytest.fixture
def visit_by_code(staff, branch):
    """Return (visit, conversation, code of the visit). The visit is in nobody's account."""
    session = HelpSessionFactory(staff=staff, branch=branch)
    return session, MessageFactory(conversation__help_session=session).conversation, code_for(session)


def reply(browser, conversation, **headers):
    fields = {"body": "Is it on Thursday?", "client_token": uuid.uuid4(), "sequence": 0}
    return browser.post(
        reverse("reply", args=[conversation.public_id]), fields, headers=OURS["headers"] | headers
    )


def shows_text_again(response):
    page = response.content.decode()
    return response.status_code == 403 and 'id="not-sent"' in page and "Is it on Thursday?" in page


def test_reply_of_a_patron_whose_session_has_ended_is_saved_for_the_patron(client, patron, visit, sign_in):
    sign_in(client, patron)
    client.get(reverse("me"))
    client.session.flush()
    page = visit[1].get_absolute_url()
    assert reply(client, visit[1])["Location"] == f"/sign-in/?next={page.replace('/', '%2F')}"
    assert (RefusedPost.objects.get().person, RefusedPost.objects.get().path) == (patron, page)
    # The page /kept/ doesn't show the reply, because the conversation's page does.
    assert sign_in(client, patron).get("/kept/").status_code == 302


def test_reply_of_a_viewer_with_a_revoked_visit_code_is_shown_again_and_not_saved(
    visit_by_code, staff, show_code
):
    session, conversation, code = visit_by_code
    browser = show_code(Client(), code)
    handover.revoke_codes(session, by=staff, at=timezone.now())
    assert shows_text_again(reply(browser, conversation))
    assert not RefusedPost.objects.exists()


@pytest.mark.parametrize("name", ["ask", "send_question"])
def test_question_with_an_expired_csrf_token_is_saved_even_if_nobody_is_signed_in(library, name):
    browser = Client(enforce_csrf_checks=True)
    assert shows_text_again(browser.post(reverse(name), {"body": "Is it on Thursday?"}, **OURS))
    assert (RefusedPost.objects.get().person, RefusedPost.objects.get().path) == (None, "/ask/")


def test_text_that_another_site_sends_is_not_shown(visit):
    page = reply(Client(enforce_csrf_checks=True), visit[1], **{"sec-fetch-site": "cross-site"})
    assert page.status_code == 403
    assert "Is it on Thursday?" not in page.content.decode()


@pytest.mark.parametrize("check_csrf", [True, False])
def test_text_of_a_desk_form_is_shown_again_after_signing_out_in_another_tab(staff, sign_in, check_csrf):
    browser = sign_in(Client(), staff)
    browser.get(reverse("me"))
    browser.post(reverse("sign_out"))
    browser.handler.enforce_csrf_checks = check_csrf
    page = browser.post(reverse("record"), {"question": "Compost?", "summary": "A bin.\nShade."}, **OURS)
    assert (page.status_code, page.context["words"]) == (403, "Compost?\n\nA bin.\nShade.")
    assert "Enter a code" not in page.content.decode()
    assert not RefusedPost.objects.exists()


@pytest.mark.parametrize("check_csrf", [True, False])
def test_pressing_a_desk_button_after_signing_out_shows_a_link_back_to_the_page(
    staff, sign_in, visit, check_csrf
):
    browser = sign_in(Client(), staff)
    browser.get(reverse("me"))
    browser.post(reverse("sign_out"))
    browser.handler.enforce_csrf_checks = check_csrf
    page = reverse("desk_conversation", args=[visit[1].public_id])
    headers = OURS["headers"] | {"referer": f"http://testserver{page}?before=1"}
    answer = browser.post(reverse("desk_take", args=[visit[1].public_id]), headers=headers)
    assert answer.status_code == 403
    assert "You signed out in another tab, or your sign-in has ended." in text(answer)
    assert f'href="/sign-in/?next={quote(page, safe="")}"' in answer.content.decode()
    visit[1].refresh_from_db()
    assert visit[1].assignee is None


def test_error_page_for_a_form_that_was_open_too_long_links_back_to_the_form(patron, sign_in):
    browser = sign_in(Client(enforce_csrf_checks=True), patron)
    page = reverse("remember")
    answer = browser.post(page, headers=OURS["headers"] | {"referer": f"http://testserver{page}"})
    assert "This page was open for too long" in text(answer)
    assert f'href="{page}"' in answer.content.decode()
    elsewhere = browser.post(page, headers=OURS["headers"] | {"referer": "https://evil.example/a"})
    assert "evil.example" not in elsewhere.content.decode()


def test_shared_desk_computer_does_not_show_the_text_of_a_refused_desk_form(visit):
    browser = Client(enforce_csrf_checks=True)
    browser.cookies[DESK_TOKEN] = "token"
    url = reverse("desk_reply", args=[visit[1].public_id])
    page = browser.post(url, {"body": "Is it on Thursday?"}, **OURS)
    assert "Is it on Thursday?" not in page.content.decode()


def test_notice_about_a_refused_htmx_reply_says_that_the_text_is_still_in_the_form(visit_by_code):
    response = reply(Client(), visit_by_code[1], **{"HX-Request": "true"})
    assert response.status_code == 401
    assert text(response).split(" Enter a code ")[0].strip() == (
        "Nothing was sent. You are signed out, or the code of your visit has expired. "
        "Your text is still in the form. Copy it before you go on."
    )
    assert not RefusedPost.objects.exists()


@pytest.mark.parametrize("session_has_ended", [True, False])
def test_reply_by_visit_code_is_not_saved_for_the_person_who_was_signed_in_before(
    client, patron, staff, sign_in, show_code, visit_by_code, session_has_ended
):
    sign_in(client, patron)
    client.get(reverse("me"))
    client.session.flush()
    del client.cookies[settings.SESSION_COOKIE_NAME]
    session, conversation, code = visit_by_code
    show_code(client, code)
    assert client.get(conversation.get_absolute_url()).status_code == 200
    if session_has_ended:
        client.session.flush()
    else:
        handover.revoke_codes(session, by=staff, at=timezone.now())
    assert shows_text_again(reply(client, conversation))
    assert not RefusedPost.objects.exists()


def test_text_about_a_quiet_visit_is_not_saved_for_the_person_who_signed_in_before(
    client, patron, staff, branch, sign_in, show_code
):
    quiet = QuietSessionFactory(staff=staff, branch=branch)
    conversation = MessageFactory(conversation__help_session=quiet).conversation
    show_code(sign_in(client, patron), code_for(quiet))
    assert client.get(conversation.get_absolute_url()).status_code == 200
    # The patron signs this browser out from another device.
    client.session.flush()
    assert shows_text_again(reply(client, conversation))
    assert not RefusedPost.objects.exists()


def test_reply_is_not_saved_if_the_visit_was_closed_in_another_tab(
    client, patron, sign_in, show_code, visit_by_code
):
    sign_in(client, patron)
    client.get(reverse("me"))
    client.session.flush()
    del client.cookies[settings.SESSION_COOKIE_NAME]
    _session, conversation, code = visit_by_code
    show_code(client, code)
    client.post(reverse("leave"), **OURS)
    assert shows_text_again(reply(client, conversation))
    assert not RefusedPost.objects.exists()


def test_shared_desk_computer_does_not_show_the_text_of_a_refused_reply(visit):
    browser = Client()
    browser.cookies[DESK_TOKEN] = "token"
    assert not shows_text_again(reply(browser, visit[1]))
    assert not RefusedPost.objects.exists()


def test_refused_form_is_saved_without_null_characters(expired_browser):
    assert (
        expired_browser.post(reverse("record"), {"summary": "a\0b", "items-\0": "x"}, **OURS).status_code
        == 302
    )
    assert RefusedPost.objects.get().fields == {"summary": ["ab"], "items-": ["x"]}


def test_refused_form_is_shown_only_to_its_author(expired_browser, patron, sign_in):
    expired_browser.post(reverse("record"), {"summary": "private"}, **OURS)
    response = sign_in(expired_browser, patron).get("/kept/")
    assert response.status_code == 302
    other = sign_in(Client(), patron)
    other.post(reverse("discard_kept", args=[RefusedPost.objects.get().public_id]))
    assert RefusedPost.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://["},
        {"referer": "https://[", "origin": ""},
    ],
)
def test_refused_form_from_another_site_is_not_saved(expired_browser, headers):
    expired_browser.post(reverse("record"), {"summary": "forged"}, headers=headers)
    assert not RefusedPost.objects.exists()


def test_refused_form_of_a_person_who_never_signed_in_is_not_saved(client, library):
    response = client.post(reverse("record"), {"summary": "hello"}, **OURS)
    assert response.context["words"] == "hello"
    assert not RefusedPost.objects.exists()


def test_refused_form_with_a_forged_cookie_is_not_saved(client, staff):
    client.cookies["last_person"] = f"{staff.public_id}:forged"
    client.post(reverse("record"), {"summary": "hello"}, **OURS)
    assert not RefusedPost.objects.exists()


def test_refused_form_sent_after_signing_out_is_not_saved(client, staff, sign_in):
    sign_in(client, staff).get(reverse("me"))
    client.post(reverse("sign_out"))
    client.post(reverse("record"), {"summary": "hello"}, **OURS)
    assert not RefusedPost.objects.exists()


def test_form_with_an_expired_csrf_token_is_saved(patron, sign_in):
    client = sign_in(Client(enforce_csrf_checks=True), patron)
    client.get(reverse("me"))
    response = client.post(reverse("me"), {"name": "Samuel"}, **OURS)
    assert response["Location"] == "/me/"
    assert "Samuel" in client.get("/me/").content.decode()
    patron.refresh_from_db()
    assert patron.name == "Sam Okafor"


def test_cross_site_form_is_refused_and_not_saved(patron, sign_in):
    client = sign_in(Client(enforce_csrf_checks=True), patron)
    assert (
        client.post(reverse("me"), {"name": "Mallory"}, headers={"sec-fetch-site": "cross-site"}).status_code
        == 403
    )
    assert not RefusedPost.objects.exists()


def test_form_refused_for_a_missing_second_factor_is_saved(client, staff, sign_in):
    sign_in(client, staff, second_factor=False)
    response = client.post(reverse("record"), {"summary": "typed before lunch"}, **OURS)
    assert response["Location"] == "/second-factor/?next=%2Fkept%2F"
    assert RefusedPost.objects.get().words == "typed before lunch"


@pytest.mark.parametrize(
    ("name", "form", "shown"),
    [
        ("record", {"question": "Lost?"}, "Lost?"),
        ("record", {"question": "", "items-0-reason": "for beginners"}, "for beginners"),
        ("record", {"items-0-reason": "the longest text of the form", "question": "Lost?"}, "Lost?"),
        ("tally", {"from": "queue"}, "You pressed “Tally”."),
    ],
)
def test_page_of_saved_forms_shows_the_typed_text_and_no_hidden_value(
    expired_browser, staff, sign_in, name, form, shown
):
    hidden = {
        "token": "578eeb22-ca78-4960-880f-216c4b4c6db0",
        "at": "2026-11-27T17:22:16.583934+00:00",
        "was": '{"question": "What the page showed before"}',
    }
    response = expired_browser.post(reverse(name), {**hidden, **form}, **OURS)
    assert "Sign in to send what you wrote" in expired_browser.get(response["Location"]).content.decode()
    page = sign_in(expired_browser, staff).get("/kept/").content.decode()
    card = page[page.index('<section class="card') :]
    assert [text for text in [*hidden.values(), shown] if f">{escape(text)}<" in card] == [shown]


def test_refused_desk_form_is_shown_only_after_the_second_factor(expired_browser, staff, sign_in):
    expired_browser.post(reverse("record"), {"summary": "private"}, **OURS)
    assert (
        sign_in(expired_browser, staff, second_factor=False).get("/kept/")["Location"]
        == "/second-factor/?next=%2Fkept%2F"
    )


def test_form_refused_twice_is_saved_once(client, staff, sign_in):
    sign_in(client, staff, second_factor=False)
    client.post(reverse("record"), {"summary": "private"}, **OURS)
    kept = RefusedPost.objects.get()
    client.post(reverse("record"), {"summary": "private", "refused_post": str(kept.public_id)}, **OURS)
    assert RefusedPost.objects.get().fields == {"summary": ["private"]}


def test_resending_a_refused_form_deletes_the_saved_form(client, patron, sign_in):
    kept = refused_posts.save_refused_post(
        patron, path="/me/", fields={"name": ["Samuel"]}, at=timezone.now()
    )
    sign_in(client, patron).post("/me/", {"name": "Samuel", "refused_post": str(kept.public_id)})
    assert User.objects.get(pk=patron.pk).name == "Samuel"
    assert not RefusedPost.objects.exists()
    assert client.post("/me/", {"name": "Sam", "refused_post": "no id"}).status_code == 302


def test_patron_can_delete_a_refused_form_and_undo_the_deletion(client, patron, sign_in):
    kept = refused_posts.save_refused_post(
        patron, path="/me/", fields={"name": ["Samuel"]}, at=timezone.now()
    )
    page = sign_in(client, patron).post(reverse("discard_kept", args=[kept.public_id]), follow=True)
    assert "Deleted. You can undo this for 5 minutes." in text(page)
    assert client.get("/kept/").status_code == 302
    undone = client.post(f"{reverse('discard_kept', args=[kept.public_id])}?undo=1", follow=True)
    assert "Samuel" in text(undone)


def test_refused_form_is_deleted_after_30_minutes(client, patron, sign_in):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        refused_posts.save_refused_post(patron, path="/me/", fields={"name": ["Samuel"]}, at=timezone.now())
        clock.shift(1800)
        assert sign_in(client, patron).get("/kept/").status_code == 302
        refused_posts.forget_refused_posts(at=timezone.now())
    assert not RefusedPost.objects.exists()


def test_number_of_saved_refused_forms_per_person_is_limited(patron):
    for number in range(25):
        refused_posts.save_refused_post(
            patron, path="/me/", fields={"name": [str(number)]}, at=timezone.now()
        )
    assert RefusedPost.objects.count() == refused_posts.MAX_SAVED


def test_expired_session_redirects_an_htmx_form_but_rejects_an_htmx_poll(expired_browser):
    sent = expired_browser.post(
        reverse("record"),
        {"summary": "words"},
        headers={"hx-request": "true", "sec-fetch-site": "same-origin"},
    )
    assert sent["HX-Redirect"] == "/sign-in/?next=%2Fkept%2F"
    assert expired_browser.get(reverse("desk"), headers={"hx-request": "true"}).status_code == 401
