import pytest
from django.core.mail import EmailMultiAlternatives
from django.test import Client, override_settings
from django.urls import NoReverseMatch, include, path, reverse
from django.utils import timezone

from accounts.models import User
from portal.demo import build as demo_build
from portal.demo import urls as demo_urls
from portal.notifications.delivery import connect
from portal.notifications.writing import write
from portal.urls import urlpatterns as portal_urls
from portal.worker import Worker
from tests.factories import UserFactory
from tests.mailers import FILES, deliver_by

urlpatterns = [*portal_urls, path("demo/", include("portal.demo.urls"))]
HOSTILE = '<script>alert(1)</script><img src="https://evil.example.org/x.gif"> javascript:alert(2) https://library.example.org/ok'


pytestmark = pytest.mark.one_database


@pytest.fixture
def demo_on(settings, tmp_path, monkeypatch):
    settings.DEMO = True
    settings.ROOT_URLCONF = __name__
    settings.MAIL_FOLDER = tmp_path / "mail"
    deliver_by(settings, FILES, file_path=settings.MAIL_FOLDER)
    monkeypatch.setattr(demo_build, "CODES_FILE", tmp_path / "codes.json")


@pytest.mark.parametrize("page", ["/demo/", "/demo/mail/", "/demo/mail/1.log-0/"])
def test_demo_pages_return_404_while_the_demo_is_off(client, library, page):
    assert client.get(page).status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("demo")


def test_visitor_cannot_sign_in_as_a_demo_person_while_the_demo_is_off(client, patron):
    assert client.post(f"/demo/become/{patron.public_id}/").status_code == 404
    assert "_auth_user_id" not in client.session


@override_settings(DEMO=False)
def test_sign_in_page_does_not_mention_the_demo_while_the_demo_is_off(client, library):
    assert "demo" not in client.get(reverse("sign_in")).content.decode().lower()


def test_demo_page_without_demo_data_says_how_to_build_the_demo(client, library, demo_on):
    assert "build_demo" in client.get("/demo/").content.decode()


def test_signing_in_as_a_patron_in_the_demo_opens_the_home_page(client, patron, demo_on):
    response = client.post(f"/demo/become/{patron.public_id}/")
    assert (response.status_code, response.url) == (302, "/")
    assert client.session["_auth_user_id"] == str(patron.pk)


def test_signing_in_as_staff_in_the_demo_needs_no_second_factor(client, patron, staff, demo_on):
    client.post(f"/demo/become/{patron.public_id}/")
    response = client.post(f"/demo/become/{staff.public_id}/")
    assert (response.status_code, response.url) == (302, "/desk/")
    assert client.get("/desk/").status_code == 200


def test_demo_visitor_can_sign_in_as_a_person_without_an_email(client, library, demo_on):
    person = UserFactory(email=None, name="Otis")
    client.post(f"/demo/become/{person.public_id}/")
    assert client.session["_auth_user_id"] == str(person.pk)


def test_signing_in_as_a_demo_person_requires_post(client, patron, demo_on):
    assert client.get(f"/demo/become/{patron.public_id}/").status_code == 405
    assert client.post("/demo/become/11111111-1111-4111-8111-111111111111/").status_code == 404


def test_demo_visitor_can_sign_out_on_the_demo_page(client, patron, demo_on):
    client.post(f"/demo/become/{patron.public_id}/")
    client.post("/demo/become/nobody/")
    assert "_auth_user_id" not in client.session


def test_demo_mailbox_shows_delivered_emails(client, library, demo_on, settings):
    assert "No emails yet" in client.get("/demo/mail/").content.decode()
    write(
        kind="x/y",
        to="sam@example.org",
        at=timezone.now(),
        language="en",
        subject="Antwort für Zoë",
        text="Open http://localhost:8000/messages/ now.",
    )
    Worker().deliver_due()
    page = client.get("/demo/mail/").content.decode()
    assert "Antwort für Zoë" in page
    assert "sam@example.org" in page
    mail = client.get(f"/demo/mail/{next(settings.MAIL_FOLDER.iterdir()).name}-0/").content.decode()
    assert 'href="http://testserver/messages/"' in mail


def test_demo_mailbox_lists_two_emails_from_one_file_separately(client, library, demo_on, settings):
    connection = connect()
    connection.open()
    for subject in ("The first", "The second"):
        connection.send_messages(
            [
                EmailMultiAlternatives(
                    subject, f"{subject}\n{'-' * 79}\nits end", "a@example.org", ["b@example.org"]
                )
            ]
        )
    connection.close()
    assert len(list(settings.MAIL_FOLDER.iterdir())) == 1
    name = next(settings.MAIL_FOLDER.iterdir()).name
    assert client.get("/demo/mail/").content.decode().count(f"/demo/mail/{name}-") == 2
    second = client.get(f"/demo/mail/{name}-1/").content.decode()
    assert "The second" in second
    assert "its end" in second
    assert "The first" not in second


def test_html_of_an_email_is_escaped_in_the_demo_mailbox(client, library, demo_on, settings):
    mail = EmailMultiAlternatives(
        f"Re: {HOSTILE}", f"{HOSTILE}\n{'-' * 79}\nafter the line", "a@example.org", ["b@example.org"]
    )
    mail.attach_alternative(f"<p>{HOSTILE}</p>", "text/html")
    connect().send_messages([mail])
    name = next(settings.MAIL_FOLDER.iterdir()).name
    for page in (client.get("/demo/mail/"), client.get(f"/demo/mail/{name}-0/")):
        text = page.content.decode()
        assert "<script>alert" not in text
        assert "<img" not in text
        assert 'href="javascript' not in text
        assert "&lt;script&gt;alert(1)" in text
    assert "after the line" in text


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "name",
    ["..%2F..%2Fafterword.sqlite3", "nothing.log-0", "x.sqlite3-0", "%00.log-0", "nothing.log-99999999999"],
)
def test_demo_mailbox_returns_404_for_an_invalid_or_unknown_email_name(client, library, demo_on, name):
    assert client.get(f"/demo/mail/{name}/").status_code == 404


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"\xff\xfe\x00garbage",
        b"Content-Type: text/plain; charset=nonsense\n\nhello",
        b"Date: yesterday\nSubject: =?x?q?=ff?=\n\nhi",
    ],
)
def test_demo_mailbox_works_with_a_damaged_email_file(client, library, demo_on, settings, rubbish):
    settings.MAIL_FOLDER.mkdir()
    (settings.MAIL_FOLDER / "1.log").write_bytes(rubbish)
    assert client.get("/demo/mail/").status_code == 200
    assert client.get("/demo/mail/1.log-0/").status_code == (200 if rubbish else 404)


@pytest.mark.parametrize("route", demo_urls.urlpatterns, ids=lambda route: route.name)
def test_every_demo_url_has_security_headers_and_refuses_posts_without_a_csrf_token(patron, demo_on, route):
    values = {"public_id": patron.public_id, "name": "1.log-0"}
    url = reverse(route.name, kwargs={name: values[name] for name in route.pattern.converters})
    browser = Client(enforce_csrf_checks=True)
    looked = browser.get(url)
    assert looked.status_code in {200, 404, 405}
    assert "_auth_user_id" not in browser.session
    assert "no-store" in looked["Cache-Control"]
    assert "unsafe" not in looked["Content-Security-Policy"]
    assert browser.post(url).status_code in {403, 405}
    assert "_auth_user_id" not in browser.session


def test_viewing_the_demo_pages_creates_no_users(client, library, demo_on):
    people = User.objects.count()
    client.get("/demo/")
    client.get("/demo/mail/")
    assert User.objects.count() == people
