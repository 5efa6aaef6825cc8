"""Test with schemathesis that the OpenAPI description says what the API does."""

import datetime

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import CHECKS

from portal.api.models import CreatedSession
from portal.counts.outcomes import count_outcomes
from portal.helpsessions.models import HelpSession
from portal.models import LimitCount
from tests.extent import times
from tests.factories import ApiTokenFactory, HelpSessionFactory

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.long]
# The description can't say which branches, topics and items the library has. So the API may refuse data that
# the description allows.
LEFT_OUT = {"positive_data_acceptance"}


@pytest.fixture
def described(library):
    # Keep the test's database connection open between requests, as Django's test client does.
    signals = request_started, request_finished
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield _description()
    for signal in signals:
        signal.connect(close_old_connections)


def _description():
    portal = get_wsgi_application()

    def application(environ, start_response):
        return portal(
            environ | {"REMOTE_ADDR": "127.0.0.1", "HTTP_ACCEPT_ENCODING": "identity"}, start_response
        )

    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app=application)


def _count_outcomes(branch):
    """Create visits and count their outcomes, so that the API has a quarter and a year to return."""
    HelpSessionFactory.create_batch(6, branch=branch, happened_on=datetime.date(2024, 1, 5), found="all")
    count_outcomes(at=datetime.datetime(2025, 3, 1, tzinfo=datetime.UTC))


@pytest.mark.parametrize("with_token", [True, False], ids=["token", "no token"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/v1/help-sessions"), ("GET", "/api/v1/figures"), ("GET", "/api/v1/outcomes")],
)
def test_every_response_matches_the_openapi_description(described, branch, method, path, with_token):
    token = ApiTokenFactory(branches=[branch], may_send_words=True)
    _count_outcomes(branch)
    headers = {"Authorization": f"Bearer {token.name}"} if with_token else {}
    left_out = [check for check in CHECKS.get_all() if check.__name__ in LEFT_OUT]
    statuses = set()

    @hypothesis_settings(max_examples=times(10, 300), deadline=None)
    @given(case=described[path][method].as_strategy())
    def send(case):
        LimitCount.objects.all().delete()
        if method == "POST":
            # The API refuses most random branches and items. So use a real branch, and remove the first item.
            # Then many requests have no items, and are accepted.
            case.body |= {"branch": branch.slug, "items": case.body.get("items", [])[1:]}
        answer = case.call(headers=headers)
        statuses.add(answer.status_code)
        case.validate_response(answer, excluded_checks=left_out, headers=headers)

    sessions = HelpSession.objects.count()
    send()
    if with_token:
        assert statuses >= ({200, 422} if method == "GET" else {201, 422})
    else:
        assert statuses == {401}
        assert HelpSession.objects.count() == sessions
        assert not CreatedSession.objects.exists()
