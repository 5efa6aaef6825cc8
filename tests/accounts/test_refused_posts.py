import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import RefusedPost, User
from accounts.patron import refused_posts

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


def test_refused_form_is_saved_without_null_characters(expired_browser):
    assert (
        expired_browser.post(reverse("record"), {"summary": "a\0b", "items-\0": "x"}, **OURS).status_code
        == 302
    )
    assert RefusedPost.objects.get().fields == {"summary": ["ab"], "items-": ["x"]}


def test_refused_form_is_shown_to_its_author_only(expired_browser, patron, sign_in):
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
    ],
)
def test_refused_form_from_another_site_is_not_saved(expired_browser, headers):
    expired_browser.post(reverse("record"), {"summary": "forged"}, headers=headers)
    assert not RefusedPost.objects.exists()


def test_refused_form_of_a_visitor_is_not_saved(client, library):
    response = client.post(reverse("record"), {"summary": "hello"}, **OURS)
    assert response["Location"] == "/sign-in/?next=%2F"
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
    assert response["Location"] == "/kept/"
    assert "Samuel" in client.get("/kept/").content.decode()
    patron.refresh_from_db()
    assert patron.name == "Sam Okafor"


def test_cross_site_form_is_refused_and_not_saved(patron, sign_in):
    client = sign_in(Client(enforce_csrf_checks=True), patron)
    assert (
        client.post(reverse("me"), {"name": "Mallory"}, headers={"sec-fetch-site": "cross-site"}).status_code
        == 403
    )
    assert not RefusedPost.objects.exists()


def test_form_refused_for_lack_of_a_second_factor_is_saved(client, staff, sign_in):
    sign_in(client, staff, second_factor=False)
    response = client.post(reverse("record"), {"summary": "typed before lunch"}, **OURS)
    assert response["Location"] == "/second-factor/?next=%2Fkept%2F"
    assert RefusedPost.objects.get().words == "typed before lunch"


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
    kept = refused_posts.keep_refused_post(
        patron, path="/me/", fields={"name": ["Samuel"]}, at=timezone.now()
    )
    sign_in(client, patron).post("/me/", {"name": "Samuel", "refused_post": str(kept.public_id)})
    assert User.objects.get(pk=patron.pk).name == "Samuel"
    assert not RefusedPost.objects.exists()
    assert client.post("/me/", {"name": "Sam", "refused_post": "no id"}).status_code == 302


def test_refused_form_can_be_discarded(client, patron, sign_in):
    kept = refused_posts.keep_refused_post(
        patron, path="/me/", fields={"name": ["Samuel"]}, at=timezone.now()
    )
    sign_in(client, patron).post(reverse("discard_kept", args=[kept.public_id]))
    assert not RefusedPost.objects.exists()


def test_refused_form_is_deleted_after_30_minutes(client, patron, sign_in):
    with time_machine.travel("2026-11-25 09:00:00Z", tick=False) as clock:
        refused_posts.keep_refused_post(patron, path="/me/", fields={"name": ["Samuel"]}, at=timezone.now())
        clock.shift(1800)
        assert sign_in(client, patron).get("/kept/").status_code == 302
        refused_posts.forget_refused_posts(at=timezone.now())
    assert not RefusedPost.objects.exists()


def test_each_person_has_a_limited_number_of_saved_refused_posts(patron):
    for number in range(25):
        refused_posts.keep_refused_post(
            patron, path="/me/", fields={"name": [str(number)]}, at=timezone.now()
        )
    assert RefusedPost.objects.count() == refused_posts.MAX_PER_PERSON


def test_expired_session_redirects_an_htmx_form_but_rejects_an_htmx_poll(expired_browser):
    sent = expired_browser.post(
        reverse("record"),
        {"summary": "words"},
        headers={"hx-request": "true", "sec-fetch-site": "same-origin"},
    )
    assert sent["HX-Redirect"] == "/sign-in/?next=%2Fkept%2F"
    assert expired_browser.get(reverse("desk"), headers={"hx-request": "true"}).status_code == 401
