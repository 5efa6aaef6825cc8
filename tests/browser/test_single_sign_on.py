"""Test single sign-on through a provider on another host, with the content security policy enforced."""

import json
import re

import pytest
from playwright.sync_api import expect

from accounts.models import User
from tests.sign_on_provider import running

pytestmark = pytest.mark.browser

ANA = {"sub": "4711", "name": "Ana Ruiz", "email": "ana@college.example", "email_verified": True}


@pytest.mark.core
def test_patron_signs_in_through_single_sign_on_without_javascript(tmp_path, settings, branch, phone):
    with running(tmp_path) as provider:
        settings.SSO = provider.settings()
        page = phone(javascript=False, provider=provider.issuer.removesuffix("/o"))
        page.goto("/sign-in/?next=/lists/")
        page.locator("#use-sign-on").tap()
        page.locator("#go-on").tap()
        expect(page).to_have_url(re.compile("/login/"))
        page.go_back()
        expect(page).to_have_url(re.compile("/sign-in/single-sign-on/"))
        page.locator("#go-on").tap()
        page.locator("#person").fill(json.dumps(ANA))
        page.locator("#it-is-me").tap()
        expect(page).to_have_url(re.compile(r":\d+/lists/$"))
        assert User.objects.get(email=ANA["email"]).name == ANA["name"]
