"""Check which sign-ins, codes and authenticator apps work after a change of the secret key."""

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.fernet import InvalidToken
from django.conf import settings as configured
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.patron.people import person_without_address
from accounts.sign_in.authenticator_apps import seal_anew
from portal.helpsessions import account_codes, handover
from portal.helpsessions.models import ClaimCode
from tests.factories import HelpSessionFactory

pytestmark = pytest.mark.django_db

NEW = "another key, long enough, and of many letters: 9876543210 abc"


@pytest.fixture
def change_key(settings):
    """Return change_key(known), which changes the secret key.

    If `known` is true, the old key remains as a fallback.
    """
    old = configured.SECRET_KEY

    def change_key(*, known):
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [old] if known else []

    return change_key


@pytest.mark.parametrize("known", [True, False])
def test_secret_key_change_without_a_fallback_signs_out_patrons(client, patron, sign_in, change_key, known):
    sign_in(client, patron)
    change_key(known=known)
    assert client.get(reverse("me")).wsgi_request.user.is_authenticated == known
    # The first request signed the session with the new key, so the session no longer needs the old key.
    if known:
        change_key(known=False)
        assert client.get(reverse("me")).wsgi_request.user.is_authenticated


@pytest.mark.parametrize(("known", "status"), [(True, 302), (False, 404)])
def test_visit_code_works_after_a_secret_key_change_only_if_the_old_key_is_a_fallback(
    client, branch, staff, change_key, known, status
):
    code = handover.hand_over(
        HelpSessionFactory(branch=branch, staff=staff), by=staff, at=timezone.now(), base_url=""
    )
    change_key(known=known)
    assert client.post(reverse("open_code"), {"code": code}).status_code == status


@pytest.mark.parametrize("known", [True, False])
def test_code_card_works_after_a_secret_key_change_only_if_the_old_key_is_a_fallback(
    branch, staff, change_key, known
):
    [code] = handover.print_code_cards(by=staff, at=timezone.now(), branch=branch, count=1)
    change_key(known=known)
    visit = HelpSessionFactory(branch=branch, staff=staff)
    if known:
        handover.attach_code_card(visit, code=code, by=staff, at=timezone.now())
        assert ClaimCode.objects.get().help_session == visit
    else:
        with pytest.raises(handover.UnknownCodeCard):
            handover.attach_code_card(visit, code=code, by=staff, at=timezone.now())


@pytest.mark.parametrize("known", [True, False])
def test_account_code_works_after_a_secret_key_change_only_if_the_old_key_is_a_fallback(
    library, staff, change_key, known
):
    person = person_without_address(at=timezone.now(), name="Noor", language="en")
    code = account_codes.make_code(person, by=staff, at=timezone.now())
    change_key(known=known)
    browser = Client()
    browser.post(reverse("open_account"), {"code": code})
    assert browser.get(reverse("me")).wsgi_request.user.is_authenticated == known


@pytest.mark.parametrize("sealed_anew", [True, False])
def test_authenticator_app_needs_the_old_key_until_its_secret_is_encrypted_again(
    staff, change_key, sealed_anew
):
    TOTP.activate(staff, "the app's secret")
    RecoveryCodes.activate(staff)

    def known():
        app, codes = Authenticator.objects.get(type="totp"), Authenticator.objects.get(type="recovery_codes")
        return get_adapter().decrypt(app.data["secret"]), codes.wrap().get_unused_codes()

    before = known()
    change_key(known=True)
    assert known() == before
    if sealed_anew:
        seal_anew(at=timezone.now())
        change_key(known=False)
        assert known() == before
    else:
        change_key(known=False)
        with pytest.raises(InvalidToken):
            known()
