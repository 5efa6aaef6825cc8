"""Check that attempts are counted by the network address that the library's proxies report."""

import pytest
from django.test import Client
from django.urls import reverse

from portal.limit_table import LIMITS, Limit

pytestmark = pytest.mark.django_db

LIMIT = 4


def refused(browser, forwarded, number):
    page = browser.post(
        reverse("sign_in"),
        {"email": f"sam{number}@example.org"},
        headers={"x-forwarded-for": forwarded} if forwarded else {},
    )
    return "tried too many times" in page.content.decode()


def limited_at(forwarded, **browser):
    """Return how many requests with this header succeed before one is refused, or None if all succeed."""
    return next(
        (number for number in range(LIMIT + 3) if refused(Client(**browser), forwarded(number), number)), None
    )


@pytest.fixture(autouse=True)
def _few_tries(monkeypatch, settings, library):
    monkeypatch.setitem(LIMITS, "mailed_code", Limit("codes", network=f"{LIMIT}/m"))
    settings.SIGN_IN_SECONDS = 0.001


def test_forwarded_header_is_ignored_without_a_proxy():
    assert limited_at(lambda number: f"203.0.113.{number}") == LIMIT


def test_client_cannot_avoid_a_limit_with_a_forged_forwarded_header(settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert limited_at(lambda number: f"198.51.100.{number}, 203.0.113.7") == LIMIT


def test_each_client_address_behind_a_proxy_has_its_own_limit(settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert limited_at(lambda number: f"203.0.113.{number}", REMOTE_ADDR="10.0.0.1") is None


def test_addresses_of_one_ipv6_network_share_a_limit(settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert limited_at(lambda number: f"2001:db8:1:2::{number + 1:x}") == LIMIT


def test_request_that_bypasses_a_proxy_is_refused(settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    answer = Client(raise_request_exception=False).post(
        reverse("sign_in"), {"email": "sam@example.org"}, headers={"x-forwarded-for": "203.0.113.7"}
    )
    assert answer.status_code == 500
    assert "PROXY" not in answer.content.decode()
