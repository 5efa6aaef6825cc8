"""Test who may use the API, and what its errors look like."""

import pytest
from django.test import Client
from django.utils import timezone

from portal.helpsessions.models import HelpSession
from tests.factories import ApiTokenFactory, StaffFactory

from .test_recording import problem_of

pytestmark = pytest.mark.django_db
READ = ["figures", "outcomes"]
MONTH = {"first_day": "2026-03-01", "last_day": "2026-03-31"}


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic Q2hhdA=="}]
)
@pytest.mark.parametrize(
    ("method", "address"), [("POST", "help-sessions"), ("GET", "figures"), ("GET", "outcomes")]
)
def test_request_without_a_valid_token_is_refused(ask, token, method, address, headers):
    answer = ask(method, address, MONTH, headers=headers, key="first-key")
    assert problem_of(answer, 401) == {}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_signing_in_as_a_coordinator_gives_no_access_to_the_api(client, sign_in, branch, token):
    sign_in(client, StaffFactory(branch=branch, branch__role="coordinator"))
    assert client.get("/api/v1/figures", MONTH).status_code == 401


def test_revoked_token_is_refused(send, token):
    token.revoked_at = timezone.now()
    token.save()
    assert problem_of(send(), 401) == {}


@pytest.mark.parametrize(
    ("scope", "allowed"),
    # No quarter is counted yet, so there is no outcome to read.
    [("record", [201, 403, 403]), ("figures", [403, 200, 403]), ("outcomes", [403, 403, 422])],
)
def test_token_allows_only_its_scope(ask, send, branch, scope, allowed):
    token = ApiTokenFactory(name="One", scopes=[scope], branches=[branch])
    reading = (ask("GET", address, MONTH if address == "figures" else {}, token=token) for address in READ)
    answers = [send(token=token), *reading]
    assert [answer.status_code for answer in answers] == allowed
    for answer in answers:
        if answer.status_code == 403:
            assert problem_of(answer, 403) == {}


def test_day_on_which_a_token_was_last_used_is_stored(send, token, library):
    assert token.last_used_on is None
    send()
    token.refresh_from_db()
    assert token.last_used_on == library.today()


def test_number_of_requests_with_one_token_is_limited(ask, token):
    for _ in range(120):
        answer = ask("GET", "figures", MONTH, token=token)
    assert answer.status_code == 200
    answer = ask("GET", "figures", MONTH, token=token)
    assert problem_of(answer, 429) == {}
    assert 0 < int(answer.headers["Retry-After"]) <= 60


def test_number_of_requests_with_a_wrong_token_is_limited(ask, token):
    headers = {"Authorization": "Bearer wrong"}
    answers = [ask("GET", "figures", MONTH, headers=headers).status_code for _ in range(61)]
    assert answers == [401] * 60 + [429]
    # Requests with a right token still work, because they are counted separately.
    assert ask("GET", "figures", MONTH, token=token).status_code == 200


@pytest.mark.parametrize(
    ("method", "address", "body", "status"),
    [
        ("POST", "help-sessions", "{", 400),
        ("POST", "help-sessions", b"\xff\xfe", 400),
        ("POST", "help-sessions", "[]", 422),
        ("POST", "help-sessions", "null", 422),
        ("PUT", "help-sessions", "{}", 405),
        ("GET", "nothing", None, 404),
        ("POST", "help-sessions", "x" * (4 * 1024 * 1024), 413),
    ],
    ids=["half a body", "no UTF-8", "a list", "null", "method", "address", "4 MB"],
)
def test_every_error_response_contains_problem_details(ask, token, method, address, body, status):
    answer = ask(method, address, body, token=token, key="first-key")
    problem_of(answer, status)
    assert not HelpSession.objects.exists()


def test_response_to_an_unexpected_error_does_not_contain_the_text_of_the_exception(ask, token, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("secret")

    monkeypatch.setattr("portal.api.figures.answer", fail)
    client = Client(raise_request_exception=False)
    answer = client.get("/api/v1/figures", MONTH, headers={"Authorization": f"Bearer {token.name}"})
    problem_of(answer, 500)
    assert "secret" not in answer.content.decode()


def test_openapi_description_is_public_and_lists_every_operation(client, library):
    description = client.get("/api/v1/openapi.json").json()
    assert description["openapi"] == "3.1.0"
    operations = {(method, path) for path, methods in description["paths"].items() for method in methods}
    assert operations == {
        ("post", "/api/v1/help-sessions"),
        ("get", "/api/v1/figures"),
        ("get", "/api/v1/outcomes"),
    }


def test_error_outside_the_api_is_shown_as_an_html_page(client, library):
    answer = client.get("/nothing/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
