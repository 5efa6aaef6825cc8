"""Policy lines about conversations and emails."""

from django.utils.translation import gettext_lazy as _

from accounts.patron.retention_choice import DEFAULT_PERIOD, SHORT_PERIOD
from portal.conversations import attachments, drafts
from portal.notifications.actions import KEEP_DEAD, KEEP_DELIVERED

from .line import Group, Line

LINES = {
    "conversations.Conversation": Line(
        _("a conversation between you and the library"),
        _(
            "the visit that it is about is deleted. A conversation about no visit stays {0} after it "
            "was closed, or as long as you choose. Without a library account, it stays {1}"
        ),
        _("to answer you"),
        Group.MESSAGES,
        (DEFAULT_PERIOD, SHORT_PERIOD),
        exported=True,
        ended_by="forget_what_is_due",
    ),
    "conversations.Message": Line(
        _("the messages between you and the library"),
        _("the conversation is deleted"),
        _("to answer you"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.ConversationWords": Line(
        "a second copy of the words of a conversation, for the desk's search",
        "the message or the conversation is deleted",
        "to find it",
        Group.PARTS,
        ends_with="conversations.Conversation",
    ),
    "conversations.MessageRecommendation": Line(
        "which items belong to an answer",
        "the message is deleted",
        "to show them together",
        Group.PARTS,
        exported=True,
        ends_with="conversations.Message",
    ),
    "conversations.Event": Line(
        "when a conversation was closed and reopened, and who did it",
        "the conversation is deleted",
        "to show what happened",
        Group.PARTS,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.Participation": Line(
        _("how far you and the library have read a conversation, and which staff members have it open"),
        _("the conversation is deleted"),
        _("to show what is new, and that someone is working on it"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.Draft": Line(
        _("messages you have written but not sent"),
        _("you send or delete them, but no longer than {0}"),
        _("so that nothing you typed is lost"),
        Group.MESSAGES,
        (drafts.KEPT_FOR,),
        exported=True,
        ended_by="forget_old_drafts",
        ends_with="conversations.Conversation",
    ),
    "conversations.Attachment": Line(
        _("pictures and PDFs, without the place where a picture was taken"),
        _("the conversation is deleted, or {0} after you added a file that you didn't send"),
        _("to show them to you and the library"),
        Group.MESSAGES,
        (attachments.UNSENT_FOR,),
        exported=True,
        ended_by="forget_unsent_attachments",
        ends_with="conversations.Conversation",
    ),
    "conversations.ReadersForm": Line(
        _("your answers in “Find me something to read”"),
        _("the conversation is deleted"),
        _("to recommend what fits"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "notifications.Notification": Line(
        _("the emails sent to you (if an email has a code or a link, its text is deleted after sending)"),
        _("{0} after an email was sent, or {1} if it couldn't be sent"),
        _("to send emails, and to find out why an email didn't arrive"),
        Group.EMAILS,
        (KEEP_DELIVERED, KEEP_DEAD),
        exported=True,
        ended_by="forget_old_notifications",
    ),
}
