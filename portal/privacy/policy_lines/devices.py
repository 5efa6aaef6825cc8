"""Policy lines about signing in, and about the devices that people use."""

from datetime import timedelta

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import RefusedPost
from portal import limits
from portal.conversations import pending_questions
from portal.helpsessions import account_codes

from .line import Group, Line

LINES = {
    "accounts.RefusedPost": Line(
        _("what you typed into a form when your sign-in or the form expired"),
        _("{0} have passed"),
        _("so that you don't have to type it again"),
        Group.DEVICES,
        (RefusedPost.KEPT_FOR,),
        ended_by="forget_refused_posts",
        ends_with="accounts.User",
    ),
    "sessions.Session": Line(
        _(
            "that this device is signed in, which codes it opened, and a question that waits until "
            "you say where to send the answer"
        ),
        _(
            "you sign out, or {0} after you last used the device. The question stays until you send "
            "or delete it, but no longer than {1}"
        ),
        _("so that you can come back without a new code"),
        Group.DEVICES,
        (timedelta(seconds=settings.SESSION_COOKIE_AGE), pending_questions.KEPT_FOR),
        ended_by="clear_expired_sign_ins",
    ),
    "usersessions.UserSession": Line(
        _("the devices you are signed in on, and their network addresses"),
        _("you sign out on that device"),
        _("so that you can sign out a device that you lost"),
        Group.DEVICES,
        exported=True,
        ends_with="accounts.User",
    ),
    "portal.LimitCount": Line(
        _("how often you did something that we limit, such as asking for a code, but not your name"),
        _("the limit ends, but no longer than {0}"),
        _("so that nobody can guess codes or flood the library"),
        Group.DEVICES,
        (limits.KEPT_FOR,),
        ended_by="forget_counts",
    ),
    "accounts.Passkey": Line(
        _("your passkeys: their names, their public keys, and the days you added and last used them"),
        _("you remove them or erase your account"),
        _("so that you can sign in without a code"),
        Group.DEVICES,
        exported=True,
        ends_with="accounts.User",
    ),
    "helpsessions.AccountCode": Line(
        _("a fingerprint of the code that opens your account for the first time, never the code itself"),
        _("you use the code, but no longer than {0}"),
        _("so that you can sign in without an email address"),
        Group.DEVICES,
        (account_codes.LIFE,),
        ended_by="forget_account_codes",
    ),
}
