"""Test that a mail scanner that runs scripts, but presses nothing, changes nothing."""

import pytest

from tests.architecture import world as worlds
from tests.emails_of_each_kind import kinds_of_email, links_in_emails, rows_of_all_tables
from tests.mailers import use_outbox

from .conftest import PHONE
from .steps import answered

pytestmark = [pytest.mark.only_long, pytest.mark.browser]


def test_no_row_changes_when_a_mail_scanner_opens_the_links_in_emails(
    new_context, site, settings, transactional_db
):
    use_outbox(settings)
    links = links_in_emails(worlds.build())
    assert kinds_of_email() >= {kind for kind, urls in links.items() if urls}
    before, changes = rows_of_all_tables(), []
    for kind, urls in sorted(links.items()):
        for url in sorted(urls):
            # Each link is opened in a new browser, because a scanner keeps no cookies.
            context = new_context(base_url=site, reduced_motion="reduce", **PHONE)
            page = context.new_page()
            page.goto(url, wait_until="networkidle")
            with answered(page):
                page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
                page.mouse.wheel(0, 3000)
            page.goto("about:blank")
            context.close()
            after = rows_of_all_tables()
            changes += [(kind, url, table) for table in before if before[table] != after[table]]
            before = after
    assert changes == []
