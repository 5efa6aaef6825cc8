"""Test that another system can record a session with a token, until a coordinator revokes the token."""

import re

import pytest
import requests
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession

from .conftest import DESK, PHONE

pytestmark = pytest.mark.browser
BODY = {"mode": "chat", "question_type": "reference"}


@pytest.mark.core
@pytest.mark.parametrize(
    ("screen", "javascript"),
    [(DESK, True), (PHONE, True), (PHONE, False)],
    ids=["computer", "phone", "phone without JavaScript"],
)
def test_system_can_record_sessions_until_a_coordinator_revokes_its_token(
    screen, javascript, coordinator, branch, opened, show, live_server
):
    def send(key):
        headers = {"Authorization": f"Bearer {text}", "Idempotency-Key": key}
        body = BODY | {"branch": branch.slug}
        return requests.post(f"{live_server}/api/v1/help-sessions", json=body, headers=headers, timeout=10)

    page = show(opened(screen, javascript=javascript), coordinator)
    page.goto("/desk/settings/")
    page.locator("#other-systems").click()
    page.locator("#id_name").fill("Chat service")
    page.locator("input[name=scopes][value=record]").check()
    page.locator("input[name=branches]").first.check()
    page.locator("#make-token").click()
    text = page.locator("#token").input_value()
    assert re.fullmatch(r"afterword_[0-9a-f]{64}", text)
    answer = send("first-session")
    assert (answer.status_code, answer.json()["id"]) == (201, str(HelpSession.objects.get().public_id))
    page.locator("#done").click()
    expect(page.locator("#token")).to_have_count(0)
    page.locator("[id^=revoke-]").click()
    expect(page.locator(".tag")).to_be_visible()
    assert send("second-session").status_code == 401
    assert HelpSession.objects.count() == 1
