"""Policy lines about signing in, and about the devices that people use."""

from datetime import timedelta

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from accounts.models import RefusedPost
from portal import limits
from portal.conversations import pending_questions
from portal.helpsessions import account_codes
from portal.models import Removal, SentForm
from portal.notifications.push import subscriptions

from .line import Group, Line

LINES = {
    "accounts.RefusedPost": Line(
        _(
            "a form that wasn't sent because your sign-in had expired (saved without your name if we "
            "couldn't tell who you were)"
        ),
        _("Kept for {0}, or until you send it or sign out. If you delete it, you can undo that for {1}."),
        _("so that you don't have to type your text again"),
        Group.DEVICES,
        (RefusedPost.KEPT_FOR, RefusedPost.UNDO_FOR),
        ended_by="forget_refused_posts",
        ends_with="accounts.User",
    ),
    "sessions.Session": Line(
        _(
            "a note that this device is signed in, the visits that it opened with a code, and a "
            "question that you started but haven't sent yet"
        ),
        _(
            "Kept until you sign out, or for {0} after you last used the device. A question that you "
            "haven't sent is kept until you send it, for {1} at most. During this time, you can restore it "
            "if you delete it."
        ),
        _("so that you can come back without a new code"),
        Group.DEVICES,
        (timedelta(seconds=settings.SESSION_COOKIE_AGE), pending_questions.KEPT_FOR),
        ended_by="clear_expired_sign_ins",
    ),
    "usersessions.UserSession": Line(
        _("the devices you are signed in on, and their network addresses"),
        _("Kept until you sign out on the device."),
        _("so that you can sign out a device that you lost"),
        Group.DEVICES,
        exported=True,
        ends_with="accounts.User",
    ),
    "accounts.KeptDevice": Line(
        _(
            "which devices keep your pages for reading offline, since when, and when each last connected to "
            "the library"
        ),
        _("Kept until you stop keeping pages on the device or sign out there."),
        _("so that you can use another device to delete the pages"),
        Group.DEVICES,
        exported=True,
        ends_with="usersessions.UserSession",
    ),
    "portal.LimitCount": Line(
        _("how often you did something that we limit, such as asking for a code (stored without your name)"),
        _("Kept for {0} at most."),
        _("so that nobody can guess codes or flood the library"),
        Group.DEVICES,
        (limits.KEPT_FOR,),
        ended_by="forget_counts",
    ),
    "portal.SentForm": Line(
        "that a form arrived that a phone may send again, but not who sent it or what is in it",
        "Kept for {0}.",
        "so that nothing is saved twice",
        Group.PARTS,
        (SentForm.KEPT_FOR,),
        ended_by="forget_sent_forms",
    ),
    "portal.Removal": Line(
        "that a patron removed a list item, an answer or an “I've got it”, but not who removed it or which "
        "one it was",
        "Kept for {0}.",
        "so that a phone that was offline doesn't bring it back",
        Group.PARTS,
        (Removal.KEPT_FOR,),
        ended_by="forget_removals",
    ),
    "accounts.Passkey": Line(
        _("your passkeys: their names, their public keys, when you added them, and when you last used them"),
        _("Kept until you remove the passkeys or erase your account."),
        _("so that you can sign in without a code"),
        Group.DEVICES,
        exported=True,
        ends_with="accounts.User",
    ),
    "notifications.PushSubscription": Line(
        _("the address at Apple, Google, Mozilla or Microsoft where we send messages for your device"),
        _(
            "Kept until you turn messages off or sign out, for {0} after you last used the device at most. "
            "If the messages are about a visit that you opened with a code, kept only while the code works."
        ),
        _("to notify that device of answers"),
        Group.DEVICES,
        (subscriptions.KEPT_UNCHECKED,),
        exported=True,
        ended_by="forget_subscriptions",
        ends_with="accounts.User",
    ),
    "helpsessions.AccountCode": Line(
        _("a fingerprint of the code that opens your account for the first time, never the code itself"),
        _("Kept until you use the code, for {0} at most."),
        _("so that you can sign in without an email address"),
        Group.DEVICES,
        (account_codes.LIFE,),
        ended_by="forget_account_codes",
    ),
}
