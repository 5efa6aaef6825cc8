"""Policy lines about visits, recommendations and lists."""

from django.utils.translation import gettext_lazy as _

from accounts.patron.retention_choice import CHILD_PERIOD, DEFAULT_PERIOD, SHORT_PERIOD
from portal.conversations.models.conversations import KEPT_AFTER_LAST_MESSAGE
from portal.helpsessions.handover import CODE_LIFE, FORGET_ENDED_CODES_AFTER
from portal.lists.links import ENDED_KEPT_FOR
from portal.lists.models import RESTORE_FOR

from .line import Group, Line

LINES = {
    "helpsessions.HelpSession": Line(
        _(
            "your question, the summary written for you, how the visit turned out, and the patron group "
            "for which the visit counts. We keep your name, and the name of an adult who shares the visit, "
            "only after you add the visit to your account."
        ),
        _(
            "Kept for {0} after you add the visit to your account, or as long as you choose. A child's "
            "visit is kept for {2} at most. A quiet visit, or a visit in no account, is kept for {1}. A "
            "visit isn't deleted while a conversation about it is open, or for {3} after the last message "
            "in the conversation. After a visit is deleted, only numbers remain. We keep how many visits "
            "there were in each hour. For each month, we keep how many visits had each topic, language and "
            "patron group, and each choice from the library's own lists."
        ),
        _("so that we can continue where you left off"),
        Group.VISITS,
        (DEFAULT_PERIOD, SHORT_PERIOD, CHILD_PERIOD, KEPT_AFTER_LAST_MESSAGE),
        exported=True,
        ended_by="forget_what_is_due",
    ),
    "helpsessions.SessionRecommendation": Line(
        "which items belong to a help session",
        "Kept until the help session is deleted.",
        "to show them together",
        Group.PARTS,
        exported=True,
        ends_with="helpsessions.HelpSession",
    ),
    "helpsessions.SessionWord": Line(
        "a second copy of the words of a visit, for the desk's search",
        "Kept until the visit is deleted.",
        "to find it",
        Group.PARTS,
        ends_with="helpsessions.HelpSession",
    ),
    "helpsessions.ClaimCode": Line(
        _("a fingerprint of the code that opens a visit, never the code itself"),
        _("A code works for {0}. Its fingerprint is kept for {1} after the code expires."),
        _("to open the visit, and to explain why an old code doesn't work"),
        Group.VISITS,
        (CODE_LIFE, FORGET_ENDED_CODES_AFTER),
        ended_by="end_expired_codes",
    ),
    "checkins.CheckIn": Line(
        _("the day planned for asking how a visit turned out, the reason for that day, and when we asked"),
        _("Kept until the visit is deleted."),
        _("so that we ask only once, and can help if your answer is no"),
        Group.VISITS,
        exported=True,
        ends_with="helpsessions.HelpSession",
    ),
    "checkins.SharedWords": Line(
        _("words that you share with the staff member who helped you"),
        _("Kept until you take the words back or the visit is deleted."),
        _("to thank the person who helped"),
        Group.VISITS,
        exported=True,
        ends_with="helpsessions.HelpSession",
    ),
    "recommendations.Recommendation": Line(
        _("an item we recommended to you, the reason, and what you said about it"),
        _(
            "Kept until the visit or answer with this item is deleted. After that, we only count "
            "the item and whether it helped."
        ),
        _("to learn which items help"),
        Group.VISITS,
        exported=True,
        ends_with="helpsessions.HelpSession",
    ),
    "recommendations.NextStep": Line(
        _("what the library does about an item that you couldn't get, and the day that it promised"),
        _("Kept until you have the item, you change your answer, or the visit is deleted."),
        _("to get the item for you"),
        Group.VISITS,
        exported=True,
        ends_with="recommendations.Recommendation",
    ),
    "lists.SavedList": Line(
        _("your lists"),
        _("Kept until you remove a list. You can restore the list for {0}, or delete it right away."),
        _("because you made the lists"),
        Group.LISTS,
        (RESTORE_FOR,),
        exported=True,
        ended_by="forget_what_is_due",
        ends_with="accounts.User",
    ),
    "lists.SavedItem": Line(
        _(
            "the items on your lists, titles that you typed, your notes, and whether you have started or "
            "finished each item"
        ),
        _("Kept until you remove an item. You can restore the item for {0}, or delete it right away."),
        _("because you saved the items"),
        Group.LISTS,
        (RESTORE_FOR,),
        exported=True,
        ended_by="forget_what_is_due",
        ends_with="lists.SavedList",
    ),
    "lists.ListLink": Line(
        _("the links to your lists, encrypted, and your name in them, but not who opens them"),
        _("Kept for {0} after a link ends."),
        _("because you made the links"),
        Group.LISTS,
        (ENDED_KEPT_FOR,),
        exported=True,
        ended_by="forget_what_is_due",
        ends_with="lists.SavedList",
    ),
}
