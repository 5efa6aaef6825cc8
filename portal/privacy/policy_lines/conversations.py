"""Policy lines about conversations and emails."""

from django.utils.translation import gettext_lazy as _

from accounts.patron.retention_choice import DEFAULT_PERIOD, SHORT_PERIOD
from portal.conversations import attachments, call_backs, drafts
from portal.incoming.forgetting import COUNTS_FOR as EMAIL_COUNTS_FOR
from portal.incoming.forgetting import NOT_MATCHED_FOR
from portal.notifications.actions import KEEP_DEAD, KEEP_DELIVERED
from portal.notifications.bounces import COUNTS_FOR
from portal.notifications.push.delivery import KEPT_FOR

from .line import Group, Line

LINES = {
    "conversations.Conversation": Line(
        _("a conversation between you and the library"),
        _(
            "A conversation about a visit is kept until the visit is deleted. Other conversations "
            "are kept for {0} after they are closed, or as long as you choose. If you have no "
            "library account, they are kept for {1}."
        ),
        _("to answer you"),
        Group.MESSAGES,
        (DEFAULT_PERIOD, SHORT_PERIOD),
        exported=True,
        ended_by="forget_what_is_due",
    ),
    "conversations.Message": Line(
        _("the messages between you and the library"),
        _("Kept until the conversation is deleted."),
        _("to answer you"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.ConversationWords": Line(
        "a second copy of the words of a conversation, for the desk's search",
        "Kept until the message or the conversation is deleted.",
        "to find it",
        Group.PARTS,
        ends_with="conversations.Conversation",
    ),
    "counts.CountedAnswer": Line(
        "that the time until the first answer of a conversation has been counted",
        "Kept until the conversation is deleted.",
        "to count each answer once",
        Group.PARTS,
        ends_with="conversations.Conversation",
    ),
    "conversations.MessageRecommendation": Line(
        "which items belong to an answer",
        "Kept until the message is deleted.",
        "to show them together",
        Group.PARTS,
        exported=True,
        ends_with="conversations.Message",
    ),
    "conversations.Event": Line(
        "when a conversation was closed and reopened, who did it, when a call was asked for and how it went, "
        "and what staff did about an item that the patron couldn't get",
        "Kept until the conversation is deleted.",
        "to show what happened",
        Group.PARTS,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.Participation": Line(
        _("how far you and the library have read a conversation, and which staff members have it open"),
        _("Kept until the conversation is deleted."),
        _("to show what is new, and that someone is working on your conversation"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.Draft": Line(
        _("messages you have written but not sent"),
        _("Kept until you send or delete the messages, for {0} at most."),
        _("so that nothing you typed is lost"),
        Group.MESSAGES,
        (drafts.KEPT_FOR,),
        exported=True,
        ended_by="forget_old_drafts",
        ends_with="conversations.Conversation",
    ),
    "conversations.Attachment": Line(
        _("pictures and PDFs, without the place where a picture was taken"),
        _("Kept until the conversation is deleted. A file that you added but didn't send is kept for {0}."),
        _("to show the files to you and the library"),
        Group.MESSAGES,
        (attachments.UNSENT_FOR,),
        exported=True,
        ended_by="forget_unsent_attachments",
        ends_with="conversations.Conversation",
    ),
    "conversations.CallBack": Line(
        _("the phone number that you asked us to call, who to ask for, and whether we may leave a message"),
        _(
            "Kept until we have called you or the conversation is closed, but at most for {0} after "
            "the promised time ({1} for a quiet visit)."
        ),
        _("to call you"),
        Group.MESSAGES,
        (call_backs.KEPT_FOR, call_backs.KEPT_FOR_QUIET),
        exported=True,
        ended_by="forget_call_numbers",
        ends_with="conversations.Conversation",
    ),
    "conversations.ReadersForm": Line(
        _("your answers in “Find me something to read”"),
        _("Kept until the conversation is deleted."),
        _("to recommend items that suit you"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "incoming.IncomingEmail": Line(
        _("the emails that you send to answer the library"),
        _("Kept until the conversation is deleted. An email that matches no conversation is kept for {0}."),
        _("to answer you"),
        Group.MESSAGES,
        (NOT_MATCHED_FOR,),
        exported=True,
        ended_by="forget_what_is_due",
        ends_with="conversations.Message",
    ),
    "incoming.DroppedEmails": Line(
        "how many emails of each kind came on a day and were dropped, such as automatic answers",
        "Kept for {0}.",
        "to find out why an email did not arrive",
        Group.LIBRARY,
        (EMAIL_COUNTS_FOR,),
        ended_by="forget_dropped_emails",
    ),
    "incoming.EmailReader": Line(
        "which staff may see emails that couldn't be matched to a conversation",
        "Kept until a coordinator ends it.",
        "to show these emails to few people",
        Group.STAFF,
        ends_with="accounts.User",
    ),
    "notifications.Notification": Line(
        _(
            "the emails sent to you (the text of an email with a code, a link or a list is deleted after "
            "sending)"
        ),
        _("An email is kept for {0} after it was sent. An email that couldn't be sent is kept for {1}."),
        _("to send emails, and to find out why an email didn't arrive"),
        Group.EMAILS,
        (KEEP_DELIVERED, KEEP_DEAD),
        exported=True,
        ended_by="forget_old_notifications",
    ),
    "notifications.PushMessage": Line(
        "a message that is waiting to be sent to a device: an email's subject line, and a link",
        "Kept until the push service has accepted the message, for {0} at most.",
        "to send it",
        Group.PARTS,
        (KEPT_FOR,),
        ended_by="email_instead",
        ends_with="notifications.PushSubscription",
    ),
    "notifications.FailingAddress": Line(
        _(
            "a note that a mail server refused emails to your address, and when we stopped sending notices "
            "there"
        ),
        _(
            "Kept for {0} after one refused email. After a second refused email, kept until you try the "
            "address again or change it."
        ),
        _("so that we don't write to an address that doesn't exist"),
        Group.EMAILS,
        (COUNTS_FOR,),
        exported=True,
        ended_by="forget_failing_addresses",
        ends_with="accounts.User",
    ),
    "notifications.NoticeChoice": Line(
        _(
            "which notices you want by email or on your devices, and whether each comes right away or several"
            " come together"
        ),
        _("Kept until you erase your account."),
        _("to send you only the notices you want"),
        Group.EMAILS,
        exported=True,
        ends_with="accounts.User",
    ),
    "notifications.NoticeTimes": Line(
        _("your quiet hours, the hour of your daily email and your time zone, if you chose them"),
        _("Kept until you erase your account."),
        _("to send notices at the times you chose"),
        Group.EMAILS,
        exported=True,
        ends_with="accounts.User",
    ),
}
