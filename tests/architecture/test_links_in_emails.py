"""Test that programs which open the links in emails, such as mail scanners, change nothing."""

import pytest
from django.conf import settings
from django.test import Client

from tests.emails_of_each_kind import kinds_of_email, links_in_emails, rows_of_all_tables
from tests.mailers import use_outbox

from .guards import fail_if_any, writing_statements

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
# The emails that have no link.
WITHOUT_LINKS = {"account/login_code", "desk/test_email", "lists/list", "privacy/merged"}
# How programs open a link: (method, header, whether they follow redirects).
WAYS = [
    ("get", {}, True),
    ("get", {}, False),
    ("head", {}, True),
    ("options", {}, False),
    ("get", {"Sec-Purpose": "prefetch"}, True),
    ("get", {"Sec-Purpose": "prefetch;prerender"}, True),
    ("get", {"Purpose": "prefetch"}, True),
    ("get", {"X-Moz": "prefetch"}, True),
]


@pytest.fixture
def links(world, settings):
    use_outbox(settings)
    return links_in_emails(world)


def test_links_are_tested_for_every_kind_of_email_that_has_links(links):
    with_links = {kind for kind, urls in links.items() if urls}
    fail_if_any(
        with_links ^ (kinds_of_email() - WITHOUT_LINKS),
        "Write an email of this kind in tests/emails_of_each_kind.py, so that its links are opened.",
    )


def test_opening_the_links_in_emails_without_a_browser_changes_no_row(links):
    paths = {(kind, url.removeprefix(settings.BASE_URL)) for kind, urls in links.items() for url in urls}
    assert len({path.split("/")[1] for _kind, path in paths}) >= 6
    before, found = rows_of_all_tables(), []
    for kind, path in sorted(paths):
        for method, headers, follows in WAYS:
            with writing_statements() as written:
                answer = getattr(Client(), method)(path, headers=headers, follow=follows)
            after = rows_of_all_tables() if written else before
            changed = [table for table in before if before[table] != after[table]]
            if changed or answer.status_code >= 500:
                found.append(f"{kind}: {method} {headers} {path}: {answer.status_code} {changed}")
            before = after
    fail_if_any(found, "A GET, HEAD or prefetch of a link in an email must change nothing.")
