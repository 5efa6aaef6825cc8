"""Whose ways in change is told so, at the address that is theirs: whoever had their device or their mail for a moment is noticed."""

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from .email_addresses import proven_address

WORDS = {
    "added_passkey": _("A passkey was added to your library account. Whoever has it can sign in."),
    "removed_passkey": _("A passkey was removed from your library account. It no longer lets anybody in."),
    "connected_single_sign_on": _(
        "Single sign-on was connected with your library account. Whoever has that other account can sign in here."
    ),
    "disconnected_single_sign_on": _(
        "Single sign-on was disconnected from your library account. It no longer lets anybody in."
    ),
    "added_second_factor": _("An authenticator app was set up for your account. It opens the desk."),
    "removed_second_factor": _(
        "The authenticator app of your account was removed. Set up another one when you next open the desk."
    ),
    "renewed_recovery_codes": _(
        "New recovery codes were made for your account. Those of before no longer work."
    ),
    "set_desk_pin": _(
        "A PIN was set for your account. It opens the desk on a computer that your colleagues have unlocked."
    ),
    "ended_passkeys": _(
        "You work at a desk of the library from now on. Passkeys made before that no longer let anybody in: make new ones at the desk's door."
    ),
    "ended_last_role": _(
        "You no longer work at a desk of the library. You were signed out everywhere, and your authenticator app was removed here."
    ),
    "forgot_second_factor": _(
        "A coordinator removed the authenticator app and the passkeys of your account, and signed you out everywhere."
    ),
}


def mail_security_notice(person, what):
    """In the transaction of the change. Nobody is told at an address where no code was ever read: it may be a stranger's."""
    if address := proven_address(person):
        context = {"what": WORDS[what], "url": settings.BASE_URL + reverse("me"), "language": person.language}
        get_adapter().send_mail("account/email/sign_in_methods_changed", address, context)
