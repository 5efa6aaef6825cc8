import io
import json
import re
import uuid
import zipfile
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import User
from portal.conversations import actions
from portal.worker import Worker
from tests.extent import rarely
from tests.factories import attach_to

from .steps import sign_in

pytestmark = pytest.mark.browser


@pytest.mark.core
@pytest.mark.parametrize("javascript", [True, rarely(False)], ids=["with JavaScript", "without JavaScript"])
def test_patron_can_download_a_copy_of_their_data_and_then_erase_their_account(
    javascript, branch, patron, phone, post
):
    conversation = actions.ask(
        by=patron,
        at=timezone.now(),
        body="Where do worms come from?",
        language="en",
        client_token=uuid.uuid4(),
        branch=branch,
    )
    attach_to(conversation.messages.get())
    page = phone(javascript=javascript)
    page.goto("/sign-in/")
    sign_in(page, patron.email, post)
    page.goto("/privacy/")
    page.locator("#to-export").tap()
    page.locator("#make-copy").tap()
    expect(page.locator("progress")).to_be_visible()
    Worker().round()
    if not javascript:
        page.reload()
    with page.expect_download() as download:
        page.locator("#download").tap()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert [said["text"] for said in json.loads(archive.read("data.json"))["messages"]] == [
            "Where do worms come from?"
        ]
        assert any(name.startswith("attachments/") for name in archive.namelist())
    assert "/privacy/copy/" in post(patron.email).body

    page.goto("/privacy/")
    page.locator("#to-erase").tap()
    page.locator("#erase").tap()
    expect(page).to_have_url(re.compile("/privacy/erased/"))
    assert not User.objects.filter(pk=patron.pk).exists()
    assert page.url in post(patron.email).body
    page.goto("/messages/")
    expect(page.locator("a[href='/sign-in/']").first).to_be_visible()
