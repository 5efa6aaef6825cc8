"""What the library keeps, for how long and why: one line a model, read by people and by the program.

Models are named by their labels, other packages' included. A model without a line fails a test, and so does a line that names
a job the worker doesn't run. The privacy page and its figures are made of this table, so no number of days stands in its words:
`periods` come from the jobs themselves. `exported` says whether a person who asks for their data is given it; words of the staff
about people never are.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import AddressChange, Invitation, RefusedPost
from accounts.patron.people import UNCONFIRMED_FOR
from accounts.patron.retention_choice import CHILD_PERIOD, DEFAULT_PERIOD, SHORT_PERIOD
from accounts.staff import shared_desks
from portal import limits
from portal.conversations import attachments, drafts, pending_questions
from portal.helpsessions.account_codes import LIFE as ACCOUNT_CODE_LIFE
from portal.helpsessions.handover import CODE_LIFE, FORGET_ENDED_CODES_AFTER
from portal.notifications.actions import KEEP_DEAD, KEEP_DELIVERED
from portal.privacy.models import Export
from portal.privacy.unmerging import CAN_BE_UNMERGED_FOR

from .retention import EVENTS_FOR, UNFINISHED_FOR


class Group(Enum):
    """Lines that are read together, in this order. The patron's page shows those with a title."""

    VISITS = _("Your visits")
    MESSAGES = _("What you and the library write to each other")
    LISTS = _("Your lists")
    PERSON = _("Who you are")
    DEVICES = _("Your devices")
    MAIL = _("Mails to you")
    DESK = _("What staff write for each other")
    PARTS = "parts of the rows above, said with them"
    STAFF = "about the staff"
    LIBRARY = "the library itself: nothing about anybody"


class Role(Enum):
    """Those by whom something may be seen, in the columns of docs/who-sees-what.md."""

    PERSON = "the person it is about"
    HOLDER = "who holds the code of the visit"
    STAFF = "staff of the branch"
    ELSEWHERE = "staff of other branches"
    COORDINATOR = "coordinators"
    SERVER = "whoever runs the server"


# For the director of the library: who sees what. What no line says is not seen. The sweeps of tests/architecture hold the pages to it.
SEEN_BY = {
    Group.VISITS: {
        Role.PERSON: "yes, once they keep it; a child's also one adult, if it is shared with them",
        Role.HOLDER: "yes, until it is kept or the code runs out",
        Role.STAFF: "yes; each opening is recorded for the patron",
        Role.ELSEWHERE: "those who recorded it; others for a day, when the patron shows them the code",
        Role.COORDINATOR: "as staff of their branches",
        Role.SERVER: "yes",
    },
    Group.MESSAGES: {
        Role.PERSON: "yes; those about a shared visit of a child's also its adult",
        Role.HOLDER: "those about that visit, until it is kept or the code runs out",
        Role.STAFF: "yes; each opening is recorded for the patron; what isn't sent, no",
        Role.ELSEWHERE: "those to whom it is assigned, or who cover for them; others for a day, when the patron shows them the code",
        Role.COORDINATOR: "as staff of their branches",
        Role.SERVER: "yes",
    },
    Group.LISTS: {Role.PERSON: "yes", Role.SERVER: "yes"},
    Group.PERSON: {
        Role.PERSON: "yes",
        Role.STAFF: "the name; address and language in a record they open, which is recorded for the patron",
        Role.ELSEWHERE: "the same, after they found the person by a whole address or card number, or gave a reason",
        Role.COORDINATOR: "as staff",
        Role.SERVER: "yes",
    },
    Group.DEVICES: {Role.PERSON: "yes", Role.SERVER: "yes"},
    Group.MAIL: {
        Role.PERSON: "in their own mailbox",
        Role.SERVER: "yes; emptied once sent where it held a code or a link",
    },
    Group.DESK: {
        Role.PERSON: "who looked and when; none of the words",
        Role.STAFF: "notes and events of what they may open",
        Role.ELSEWHERE: "notes and events of what they may open",
        Role.COORDINATOR: "also why somebody looked without a visit, and the legal holds",
        Role.SERVER: "yes",
    },
    Group.STAFF: {
        Role.PERSON: "yes",
        Role.STAFF: "names, days away",
        Role.ELSEWHERE: "names, days away",
        Role.COORDINATOR: "of the branches they coordinate: addresses, roles, invitations; of all: names, days away; no secret of a second factor",
        Role.SERVER: "yes; secrets of second factors are encrypted with the server's key",
    },
}


@dataclass(frozen=True)
class Line:
    keeps: str
    until: str  # in plain words; {0}, {1} are the periods
    why: str
    group: Group
    periods: tuple[timedelta, ...] = ()
    exported: bool = False
    ended_by: str = ""  # the worker's job that ends it; empty where a person or another row's end does
    ends_with: str = ""  # the model with whose row it goes

    @property
    def until_when(self):
        return str(self.until).format(*map(in_words, self.periods))


def in_words(period):
    """30 minutes, 16 hours, 1 day, 60 days."""
    if period.days:
        return ngettext("%(count)d day", "%(count)d days", period.days) % {"count": period.days}
    minutes = period.seconds // 60
    if minutes % 60 == 0:
        return ngettext("%(count)d hour", "%(count)d hours", minutes // 60) % {"count": minutes // 60}
    return ngettext("%(count)d minute", "%(count)d minutes", minutes) % {"count": minutes}


def lines_for_patrons():
    """[(title, lines)]: what their page says, in the order of the groups."""
    titles = [group for group in Group if group not in (Group.PARTS, Group.STAFF, Group.LIBRARY)]
    return [(group.value, [line for line in POLICY.values() if line.group == group]) for group in titles]


POLICY = {
    "accounts.User": Line(
        _(
            "your name, e-mail address and language, each only if you gave it; of a child the first name alone"
        ),
        _("you erase it; an address that no code confirmed: {0}"),
        _("to know you again and write to you"),
        Group.PERSON,
        (UNCONFIRMED_FOR,),
        exported=True,
        ended_by="forget_unconfirmed_people",
    ),
    "account.EmailAddress": Line(
        "an e-mail address and whether a code confirmed it",
        "the person's record ends",
        "to send the sign-in code",
        Group.PARTS,
        exported=True,
        ends_with="accounts.User",
    ),
    "account.EmailConfirmation": Line(
        "nothing: addresses are confirmed by code, so no row is made",
        "never made",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "accounts.LibraryCard": Line(
        _(
            "the number of your library card, and your patron group and home branch as the library's own system named them; never the PIN"
        ),
        _("you erase your record"),
        _("to know you again when you sign in with the card, also after it was replaced"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "socialaccount.SocialAccount": Line(
        _(
            "by which name the sign-on of your campus or city knows you, if you come in by it; nothing else that it says of you, and no key to it"
        ),
        _("you disconnect it, or erase your record"),
        _("to know you again when you sign in with it"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "socialaccount.SocialApp": Line(
        "nothing: the provider stands in the settings, so no row is made",
        "never made",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "socialaccount.SocialToken": Line(
        "nothing: what the provider hands over is not kept",
        "never made",
        "part of the sign-in package",
        Group.LIBRARY,
    ),
    "accounts.StaffRole": Line(
        "at which branch a member of staff works",
        "a coordinator takes it back",
        "to open the desk to staff alone",
        Group.STAFF,
        exported=True,
        ends_with="accounts.User",
    ),
    "accounts.Invitation": Line(
        "who is invited to work at a desk: name, address, language, a fingerprint of the link's token, who invited them",
        "they accept, or a coordinator withdraws it; {0} after it was sent",
        "to let staff in",
        Group.STAFF,
        (Invitation.KEPT_FOR,),
        exported=True,
        ended_by="forget_old_invitations",
        ends_with="accounts.User",
    ),
    "accounts.InvitedRole": Line(
        "at which branch, and as what, somebody is invited to work",
        "the invitation ends",
        "to let staff in",
        Group.STAFF,
        exported=True,
        ends_with="accounts.Invitation",
    ),
    "accounts.Consent": Line(
        _("what you agreed to, in the words you read, and when"),
        _("you erase your record"),
        _("to prove your choice"),
        Group.PERSON,
        exported=True,
        ends_with="accounts.User",
    ),
    "accounts.AuditEvent": Line(
        _("who opened or changed what, and when, without the words"),
        _("{0} have passed"),
        _("so that you can see who looked"),
        Group.DESK,
        (EVENTS_FOR,),
        exported=True,
        ended_by="forget_what_is_due",
    ),
    "accounts.LookingReason": Line(
        _("why one of the staff looked at somebody with whom their desk had nothing to do"),
        _("you erase your record, or {0} have passed"),
        _("so that a coordinator can ask them"),
        Group.DESK,
        (EVENTS_FOR,),
        ended_by="forget_what_is_due",
        ends_with="accounts.AuditEvent",
    ),
    "privacy.MergedRecords": Line(
        _("what it takes to part two records again that were joined at the desk"),
        "{0}",
        _("so that a mistake can be mended"),
        Group.DESK,
        (CAN_BE_UNMERGED_FOR,),
        ended_by="forget_merged_records",
    ),
    "accounts.RefusedPost": Line(
        _("what you had typed when your sign-in or form ran out"),
        _("{0} have passed"),
        _("to give it back to you"),
        Group.DEVICES,
        (RefusedPost.KEPT_FOR,),
        ended_by="forget_refused_posts",
        ends_with="accounts.User",
    ),
    "sessions.Session": Line(
        _(
            "that this device is signed in, and which codes it opened; what you wrote before you said where the answer may go"
        ),
        _(
            "you sign out, or {0} after you last used it; what you wrote: you send it or throw it away, at most {1}"
        ),
        _("to come back without a new code"),
        Group.DEVICES,
        (timedelta(seconds=settings.SESSION_COOKIE_AGE), pending_questions.KEPT_FOR),
        ended_by="clear_expired_sign_ins",
    ),
    "usersessions.UserSession": Line(
        _("the devices you are signed in on, with their network address"),
        _("you sign out on that device"),
        _("so that a sign-in elsewhere can be ended, when a device is lost"),
        Group.DEVICES,
        exported=True,
        ends_with="accounts.User",
    ),
    "portal.LimitCount": Line(
        _("the times at which you did something that we limit, such as asking for a code; without your name"),
        _("the limit no longer counts them; at most {0}"),
        _("so that nobody can guess codes or flood the library"),
        Group.DEVICES,
        (limits.KEPT_FOR,),
        ended_by="forget_counts",
    ),
    "accounts.AddressChange": Line(
        _(
            "an address that is to take the place of yours, where you can no longer read what comes to the old one"
        ),
        _("{0} after you asked for it: then it is yours; or it is stopped, or you keep the old one"),
        _("so that whoever reads the old one can say before that it wasn't you"),
        Group.PERSON,
        (AddressChange.WAITS,),
        exported=True,
        ended_by="change_due_addresses",
    ),
    "accounts.Passkey": Line(
        _(
            "your passkeys: the name you gave each, its public half, the days on which it was added and last used"
        ),
        _("you remove it, or your record ends"),
        _("to let you in without a code"),
        Group.DEVICES,
        exported=True,
        ends_with="accounts.User",
    ),
    "accounts.SharedDesk": Line(
        "a shared desk computer that is unlocked: branch, name, by whom; a fingerprint of what its browser knows itself by",
        "the day is over, at most {0}; or somebody closes it",
        "so that staff can switch there by a PIN",
        Group.STAFF,
        (shared_desks.LASTS,),
        ended_by="forget_shared_desks",
    ),
    "accounts.DeskPin": Line(
        "a fingerprint of the PIN with which a member of staff opens a shared desk computer, never the PIN, and the day on which it was set",
        "the person removes it, or no longer works at any desk",
        "to open a shared desk computer in the right name",
        Group.STAFF,
        ends_with="accounts.User",
    ),
    "accounts.PinTries": Line(
        "how often somebody's PIN was wrong on a shared desk computer",
        "the computer's day is over",
        "to shut a PIN that somebody guesses",
        Group.STAFF,
        ends_with="accounts.SharedDesk",
    ),
    "mfa.Authenticator": Line(
        "the secret of a second factor",
        "the person removes it, or works at no desk any more",
        "to sign staff in safely",
        Group.STAFF,
        ends_with="accounts.User",
    ),
    # The help.
    "helpsessions.HelpSession": Line(
        _(
            "your question, the summary written for you, and how it turned out; your name only if you kept it, and of a shared one the adult's"
        ),
        _(
            "{0} after you kept it, or as you choose; a child's {2} at most; {1} if nobody kept it, or it is quiet. Never while a conversation "
            "about it is open. Then a number is left: which kind of help, where, on which day and in which hour"
        ),
        _("to go on from where you were"),
        Group.VISITS,
        (DEFAULT_PERIOD, SHORT_PERIOD, CHILD_PERIOD),
        exported=True,
        ended_by="forget_what_is_due",
    ),
    "helpsessions.SessionRecommendation": Line(
        "which items belong to a help session",
        "the help session ends",
        "to show them together",
        Group.PARTS,
        exported=True,
        ends_with="helpsessions.HelpSession",
    ),
    "helpsessions.SessionNote": Line(
        _("a note of the staff about a help session"),
        _("the help session ends"),
        _("so that colleagues can go on"),
        Group.DESK,
        ends_with="helpsessions.HelpSession",
    ),
    "helpsessions.UnfinishedForm": Line(
        _("what staff typed into a help session that isn't finished"),
        _("it is finished or thrown away; at most {0}"),
        _("so that nothing typed is lost"),
        Group.DESK,
        (UNFINISHED_FOR,),
        ended_by="forget_what_is_due",
        ends_with="helpsessions.HelpSession",
    ),
    "helpsessions.ClaimCode": Line(
        _("a fingerprint of the code that opens a visit, never the code"),
        _("the code works {0}; its fingerprint goes {1} later"),
        _("to open the visit, and to say why an old code doesn't"),
        Group.VISITS,
        (CODE_LIFE, FORGET_ENDED_CODES_AFTER),
        ended_by="end_expired_codes",
    ),
    "helpsessions.AccountCode": Line(
        _("a fingerprint of the code that opens your library account for the first time, never the code"),
        _("you use it; {0}"),
        _("to let you in without an e-mail address"),
        Group.DEVICES,
        (ACCOUNT_CODE_LIFE,),
        ended_by="forget_account_codes",
    ),
    "recommendations.Recommendation": Line(
        _("an item recommended to you, why, and your word on it"),
        _(
            "the visit or the answer it belongs to is forgotten. Then a number is left: which item, and whether it helped"
        ),
        _("to learn what helps"),
        Group.VISITS,
        exported=True,
        ends_with="helpsessions.HelpSession",
    ),
    "conversations.Conversation": Line(
        _("a conversation between you and the library"),
        _(
            "the visit it is about is forgotten. About none: {0} after it was closed, or as you choose; {1} without a library account"
        ),
        _("to answer you"),
        Group.MESSAGES,
        (DEFAULT_PERIOD, SHORT_PERIOD),
        exported=True,
        ended_by="forget_what_is_due",
    ),
    "conversations.Message": Line(
        _("what you and the library wrote to each other"),
        _("the conversation ends"),
        _("to answer you"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.ConversationWords": Line(
        "the words of a conversation once more, for the desk's search",
        "the message or the conversation ends",
        "to find it",
        Group.PARTS,
        ends_with="conversations.Conversation",
    ),
    "conversations.MessageRecommendation": Line(
        "which items belong to an answer",
        "the message ends",
        "to show them together",
        Group.PARTS,
        exported=True,
        ends_with="conversations.Message",
    ),
    "conversations.Event": Line(
        "when a conversation was closed and reopened, and by whom",
        "the conversation ends",
        "to tell what happened",
        Group.PARTS,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.DeskEvent": Line(
        _("which of the staff took a conversation, handed it on or put it off, and when"),
        _("the conversation ends"),
        _("so that colleagues can go on"),
        Group.DESK,
        ends_with="conversations.Conversation",
    ),
    "conversations.ConversationNote": Line(
        _("notes of the staff about a conversation"),
        _("the conversation ends"),
        _("so that colleagues can go on"),
        Group.DESK,
        ends_with="conversations.Conversation",
    ),
    "conversations.NoteMention": Line(
        "which of the staff a note names, and whether they looked",
        "the note ends",
        "to tell them",
        Group.STAFF,
        ends_with="conversations.ConversationNote",
    ),
    "conversations.Participation": Line(
        _("how far each side has read a conversation; which of the staff has it open"),
        _("the conversation ends"),
        _("to show what is new, and that somebody is at it"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "conversations.Draft": Line(
        _("what you were writing and have not sent"),
        _("you send or empty it; at most {0}"),
        _("so that nothing you typed is lost"),
        Group.MESSAGES,
        (drafts.KEPT_FOR,),
        exported=True,
        ended_by="forget_old_drafts",
        ends_with="conversations.Conversation",
    ),
    "conversations.Attachment": Line(
        _("pictures, without the place where they were taken, and PDFs"),
        _("the conversation ends; {0} if it isn't sent"),
        _("to show them to you and to the library"),
        Group.MESSAGES,
        (attachments.UNSENT_FOR,),
        exported=True,
        ended_by="forget_unsent_attachments",
        ends_with="conversations.Conversation",
    ),
    "conversations.ReadersForm": Line(
        _("your answers in “Find me something to read”"),
        _("the conversation ends"),
        _("to recommend what fits"),
        Group.MESSAGES,
        exported=True,
        ends_with="conversations.Conversation",
    ),
    "lists.SavedList": Line(
        _("your lists"),
        _("you remove them"),
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
    "notifications.Notification": Line(
        _("the mails sent to you; codes and links are emptied once sent"),
        _("{0} after it was sent; {1} if it couldn't be"),
        _("to send it, and to find out why one didn't come"),
        Group.MAIL,
        (KEEP_DELIVERED, KEEP_DEAD),
        exported=True,
        ended_by="forget_old_notifications",
    ),
    "privacy.Export": Line(
        _("a copy of all this, if you had one made"),
        _("{0} after it was made, or you have a newer one made"),
        _("to hand it to you"),
        Group.PERSON,
        (Export.KEPT_FOR,),
        ended_by="forget_old_exports",
        ends_with="accounts.User",
    ),
    "privacy.Erasure": Line(
        _("that somebody was erased, when, and how many rows of what, without a name"),
        _("as long as the library keeps its records"),
        _("to show that it was done"),
        Group.PERSON,
    ),
    "privacy.LegalHold": Line(
        _("that the law forbids for now to delete a record, and why"),
        _("a coordinator lifts it; {0} later"),
        _("because the law says so: it comes before every day on this page"),
        Group.DESK,
        (EVENTS_FOR,),
        ended_by="forget_what_is_due",
    ),
    # The library itself.
    "accounts.Library": Line("the library's name and look", "the portal ends", "to show it", Group.LIBRARY),
    "accounts.Branch": Line("the branches", "the portal ends", "to show them", Group.LIBRARY),
    "accounts.OpeningHours": Line(
        "when a branch is open", "a coordinator changes it", "to say by when an answer comes", Group.LIBRARY
    ),
    "accounts.ClosedDay": Line(
        "days on which a branch is closed",
        "a coordinator removes it",
        "to say by when an answer comes",
        Group.LIBRARY,
    ),
    "accounts.Absence": Line(
        "days on which a member of staff is away, and who covers",
        "they or a coordinator remove it",
        "so that nobody waits for them",
        Group.STAFF,
        ends_with="accounts.User",
    ),
    "conversations.ReplyTemplate": Line(
        "answers that are often given", "a coordinator removes them", "to write them once", Group.LIBRARY
    ),
    "conversations.BranchQueue": Line(
        "how often a branch's queue changed",
        "the portal ends",
        "to show an open queue what is new",
        Group.LIBRARY,
    ),
    "recommendations.Topic": Line(
        "the library's list of topics", "a coordinator changes it", "to sort help sessions", Group.LIBRARY
    ),
    "recommendations.TopicName": Line(
        "names of topics in other languages",
        "a coordinator changes them",
        "to show them in the language of the page",
        Group.LIBRARY,
        ends_with="recommendations.Topic",
    ),
    "recommendations.Item": Line(
        "titles and other things that can be recommended",
        "the library removes them",
        "to recommend them",
        Group.LIBRARY,
    ),
    "recommendations.Holding": Line(
        "where a branch keeps an item", "the item is removed", "to find it on the shelf", Group.LIBRARY
    ),
    "recommendations.SearchEntry": Line(
        "an item's words, for the search", "the item is removed", "to find it", Group.LIBRARY
    ),
    "notifications.RepeatedJob": Line(
        "when a repeated job is due again", "the portal ends", "to run it once", Group.LIBRARY
    ),
    "notifications.Heartbeat": Line(
        "when a worker was last alive",
        "{0} of silence",
        "to notice that it isn't",
        Group.LIBRARY,
        (timedelta(days=1),),
        ended_by="forget_old_notifications",
    ),
    "auth.Permission": Line(
        "names of permissions, unused", "the portal ends", "part of the web framework", Group.LIBRARY
    ),
    "auth.Group": Line(
        "groups of permissions, unused", "the portal ends", "part of the web framework", Group.LIBRARY
    ),
    "contenttypes.ContentType": Line(
        "names of the kinds of rows", "the portal ends", "part of the web framework", Group.LIBRARY
    ),
}
