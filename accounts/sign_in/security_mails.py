"""Email people when one of their sign-in methods changes.

The email warns the owner of the account in case somebody else has made the change.
"""

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from .email_addresses import confirmed_address

TEXTS = {
    "added_passkey": _("A passkey was added to your library account. Anyone who has it can sign in."),
    "removed_passkey": _(
        "A passkey was removed from your library account. Nobody can sign in with it anymore."
    ),
    "connected_single_sign_on": _(
        "Single sign-on was connected to your library account. Anyone who can sign in to the "
        "connected account can now sign in to your library account too."
    ),
    "disconnected_single_sign_on": _(
        "Single sign-on was disconnected from your library account. Nobody can sign in with it anymore."
    ),
    "added_second_factor": _(
        "An authenticator app was set up for your account. Its codes let you open the desk."
    ),
    "removed_second_factor": _(
        "The authenticator app was removed from your account. "
        "Set up a new one the next time you open the desk."
    ),
    "renewed_recovery_codes": _(
        "New recovery codes were made for your account. The old ones no longer work."
    ),
    "set_desk_pin": _(
        "A PIN was set for your account. With this PIN, you can open the desk on a shared "
        "computer that a colleague has unlocked."
    ),
    "ended_passkeys": _(
        "You now have access to the library's desk. Your earlier passkeys no longer work. You can add "
        "new ones when you open the desk."
    ),
    "ended_last_role": _(
        "You no longer have access to the library's desk. We signed you out on all devices and removed "
        "your authenticator app."
    ),
    "forgot_second_factor": _(
        "A coordinator removed the authenticator app and passkeys from your account "
        "and signed you out on all devices."
    ),
}


def mail_security_notice(person, what):
    """Send the person an email about a changed sign-in method. `what` is a key of TEXTS.

    Call this function in the transaction of the change. An unconfirmed address gets no email, because it may
    belong to a stranger.
    """
    if address := confirmed_address(person):
        context = {"what": TEXTS[what], "url": settings.BASE_URL + reverse("me"), "language": person.language}
        get_adapter().send_mail("account/email/sign_in_methods_changed", address, context)
