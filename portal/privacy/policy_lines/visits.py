"""Policy lines about visits, recommendations and lists."""

from django.utils.translation import gettext_lazy as _

from accounts.patron.retention_choice import CHILD_PERIOD, DEFAULT_PERIOD, SHORT_PERIOD
from portal.helpsessions.handover import CODE_LIFE, FORGET_ENDED_CODES_AFTER

from .line import Group, Line

LINES = {
    "helpsessions.HelpSession": Line(
        _(
            "your question, the summary written for you, and how it turned out; your name, and that of an "
            "adult who shares it, only after you add it to your account"
        ),
        _(
            "{0} after you added it to your account, or as long as you choose; a child's visit {2} at most; "
            "{1} if it is quiet or in no account. It stays while a conversation about it is open. What "
            "remains is a number: the kind of help, the branch, the day and the hour"
        ),
        _("so that we can continue where you left off"),
        Group.VISITS,
        (DEFAULT_PERIOD, SHORT_PERIOD, CHILD_PERIOD),
        exported=True,
        ended_by="forget_what_is_due",
    ),
    "helpsessions.SessionRecommendation": Line(
        "which items belong to a help session",
        "the help session is deleted",
        "to show them together",
        Group.PARTS,
        exported=True,
        ends_with="helpsessions.HelpSession",
    ),
    "helpsessions.ClaimCode": Line(
        _("a fingerprint of the code that opens a visit, never the code itself"),
        _("{1} after it expires; a code works for {0}"),
        _("to open the visit, and to explain why an old code doesn't work"),
        Group.VISITS,
        (CODE_LIFE, FORGET_ENDED_CODES_AFTER),
        ended_by="end_expired_codes",
    ),
    "recommendations.Recommendation": Line(
        _("an item we recommended to you, the reason, and what you said about it"),
        _(
            "the visit or answer it belongs to is deleted. What remains is a number: the item, and whether "
            "it helped"
        ),
        _("to learn what helps"),
        Group.VISITS,
        exported=True,
        ends_with="helpsessions.HelpSession",
    ),
    "lists.SavedList": Line(
        _("your lists"),
        _("you delete them"),
        _("because you made them"),
        Group.LISTS,
        exported=True,
        ends_with="accounts.User",
    ),
    "lists.SavedItem": Line(
        _("the items on your lists"),
        _("you remove them"),
        _("because you saved them"),
        Group.LISTS,
        exported=True,
        ends_with="lists.SavedList",
    ),
}
