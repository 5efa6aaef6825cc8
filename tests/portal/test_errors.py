import errno

import pytest
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from portal import errors
from portal.urls import handler400, handler403, handler404, handler429, handler500  # noqa: F401
from portal.urls import urlpatterns as portal_urls


def broken(request):
    raise RuntimeError("the secret word is xyzzy")


FAULTS = {
    "database": OperationalError("xyzzy"),
    "connection": InterfaceError("xyzzy"),
    "disk": OSError(errno.ENOSPC, "xyzzy"),
}


def failing(request, part):
    raise FAULTS[part]


def malformed(request):
    raise SuspiciousOperation("bad")


def forbidden(request):
    raise PermissionDenied


def interrupted(request):
    """Write to the session while another request ends it."""
    Session.objects.all().delete()
    request.session["word"] = "xyzzy"
    return HttpResponse()


urlpatterns = [
    path("broken/", broken),
    path("interrupted/", interrupted),
    path("failing/<part>/", failing),
    path("malformed/", malformed),
    path("forbidden/", forbidden),
    path("busy/", errors.too_many_requests),
    *portal_urls,
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def visitor(library):
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


@pytest.mark.parametrize(
    ("length", "status", "words"),
    [
        (str(6 * 1024 * 1024 + 1), 413, "That's too much to send at once"),
        ("9" * 300, 413, "That's too much to send at once"),
        ("-1", 400, "We couldn't read your request"),
        ("x", 400, "We couldn't read your request"),
    ],
)
def test_request_with_a_too_large_or_invalid_content_length_is_refused(visitor, length, status, words):
    response = visitor.post("/sign-in/", {"email": "a@example.org"}, CONTENT_LENGTH=length)
    assert response.status_code == status
    assert f"<h1>{words}</h1>" in response.content.decode()
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"email": "a" * 200_000}, 413),
        ({f"field{number}": "" for number in range(2000)}, 400),
    ],
    ids=["a long value", "many fields"],
)
def test_form_with_too_much_data_is_logged_as_a_warning_without_a_traceback(
    visitor, settings, caplog, data, status
):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100_000
    assert Client(raise_request_exception=False).post("/sign-in/", data).status_code == status
    lines = [(line.levelname, line.exc_info) for line in caplog.records if "security" in line.name]
    assert lines == [("WARNING", None)]


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("/malformed/", 400, "We couldn't read your request"),
        ("/forbidden/", 403, "You can't open this page"),
        ("/nowhere/", 404, "Page not found"),
        ("/busy/", 429, "Too many tries"),
        ("/broken/", 500, "Something went wrong"),
    ],
)
def test_every_error_has_its_own_page(visitor, url, status, words):
    response = visitor.get(url)
    page = response.content.decode()
    assert response.status_code == status
    assert f"<h1>{words}</h1>" in page
    assert "noindex" in page
    assert response["X-Robots-Tag"] == "noindex"
    assert "Traceback" not in page
    assert "xyzzy" not in page
    assert "'sha256-" in response["Content-Security-Policy"]


def test_bad_request_page_shows_nothing_about_the_visitor(visitor, patron, sign_in):
    """Sign in before the bad request, because the page must not even show that somebody is signed in."""
    sign_in(visitor, patron)
    page = visitor.get("/malformed/").content.decode()
    assert "/sign-in/" not in page
    assert 'class="bare"' in page
    assert "<header" not in page


def test_csrf_error_page_explains_that_the_form_was_open_too_long(visitor):
    response = visitor.post("/nowhere/", {})
    assert response.status_code in {403, 404}
    response = visitor.post("/busy/", {})
    assert response.status_code == 403
    assert "This page was open for too long" in response.content.decode()


def test_error_page_says_that_the_sign_in_ended_during_the_request(visitor, patron, sign_in):
    sign_in(visitor, patron)
    response = visitor.get("/interrupted/")
    assert response.status_code == 403
    assert "<h1>Your sign-in has ended</h1>" in response.content.decode()
    assert 'href="/sign-in/"' in response.content.decode()


def test_request_for_an_unknown_host_is_refused_and_the_host_is_not_logged(visitor, caplog):
    response = visitor.get("/", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert "evil.example" not in response.content.decode()
    assert "evil.example" not in caplog.text


def test_error_page_is_shown_if_the_database_is_unreachable(visitor, monkeypatch):
    def away(*args, **kwargs):
        raise OperationalError("the database is away")

    monkeypatch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.cursor", away)
    for url in ["/broken/", "/"]:
        response = visitor.get(url)
        assert response.status_code == 503
        assert "<h1>The portal can't be used right now</h1>" in response.content.decode()


@pytest.mark.parametrize("part", FAULTS)
def test_error_page_about_a_missing_database_or_full_disk_says_to_try_again_soon(visitor, part):
    response = visitor.get(f"/failing/{part}/")
    assert (response.status_code, response["Retry-After"]) == (503, "30")
    assert "<h1>The portal can't be used right now</h1>" in response.content.decode()
    assert "xyzzy" not in response.content.decode()


@pytest.mark.urls("portal.urls")
def test_server_error_with_a_broken_template_shows_plain_text(visitor, monkeypatch, rf):
    def render(template):
        raise RuntimeError("xyzzy")

    monkeypatch.setattr(errors, "render_to_string", render)
    response = errors.server_error(rf.get("/"))
    assert response.status_code == 500
    assert "Please try again" in response.content.decode()
    assert "xyzzy" not in response.content.decode()
