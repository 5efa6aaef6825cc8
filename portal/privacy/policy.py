"""What the library keeps, for how long and why: one line a model, read by people and by the program.

Models are named by their labels, other packages' included. A model without a line fails a test, and so does a line that names
a job the worker doesn't run. `exported` says whether a person who asks for their data is given it; words of the staff about
people never are.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    keeps: str
    until: str  # in plain words
    why: str
    exported: bool = False
    ended_by: str = ""  # the worker's job that ends it; empty where a person or another row's end does


# The people.
POLICY = {
    "accounts.User": Line(
        "name, e-mail address and language, each only if given",
        "you erase it; an address that no code confirmed: a day",
        "to know you again and write to you",
        exported=True,
        ended_by="forget_unconfirmed_people",
    ),
    "account.EmailAddress": Line("an e-mail address and whether a code confirmed it", "the person's record ends", "to send the sign-in code", exported=True),
    "account.EmailConfirmation": Line("nothing: addresses are confirmed by code, so no row is made", "never made", "part of the sign-in package"),
    "accounts.StaffRole": Line("at which branch a member of staff works", "a coordinator takes it back", "to open the desk to staff alone", exported=True),
    "accounts.Consent": Line("what you agreed to, in the words you read", "the person's record ends", "to prove your choice", exported=True),
    "accounts.AuditEvent": Line(
        "who opened or changed what, and when, without the words", "as long as the library keeps its records", "so that you can see who looked", exported=True
    ),
    "accounts.RefusedPost": Line(
        "what you had typed when your sign-in or form ran out", "30 minutes", "to give it back to you", ended_by="forget_refused_posts"
    ),
    "sessions.Session": Line(
        "that this device is signed in, and which codes it opened; what you wrote before you said where the answer may go",
        "400 days after the last sign-in, or sign-out; what you wrote: you send it or throw it away, a day",
        "to come back without a new code",
        ended_by="clear_expired_sign_ins",
    ),
    "usersessions.UserSession": Line(
        "the devices you are signed in on", "sign-out on that device", "so that a sign-in elsewhere can be ended, when a device is lost", exported=True
    ),
    "mfa.Authenticator": Line("the secret of a second factor", "the person removes it", "to sign staff in safely"),
    # The help.
    "helpsessions.HelpSession": Line(
        "your question, the summary written for you, and how it turned out; your name only if you kept it",
        "as long as the library keeps its records; your name until you are erased",
        "to go on from where you were",
        exported=True,
    ),
    "helpsessions.SessionRecommendation": Line("which items belong to a help session", "the help session ends", "to show them together", exported=True),
    "helpsessions.SessionNote": Line("a note of the staff about a help session", "the help session ends", "so that colleagues can go on"),
    "helpsessions.UnfinishedForm": Line(
        "what staff typed into a help session that isn't finished", "it is finished or thrown away", "so that nothing typed is lost"
    ),
    "helpsessions.ClaimCode": Line(
        "a fingerprint of the code that opens a help session, never the code",
        "the code works 30 days; its fingerprint goes 60 days later",
        "to open the session, and to say why an old code doesn't",
        ended_by="end_expired_codes",
    ),
    "recommendations.Recommendation": Line(
        "an item recommended to you, why, and your word on it",
        "as long as the library keeps its records; your name until you are erased",
        "to learn what helps",
        exported=True,
    ),
    "conversations.Conversation": Line(
        "a thread between you and the library", "as long as the library keeps its records; your name until you are erased", "to answer you", exported=True
    ),
    "conversations.Message": Line("what you and the library wrote to each other", "the thread ends", "to answer you", exported=True),
    "conversations.ConversationWords": Line("the words of a thread once more, for the desk's search", "the message or the thread ends", "to find it"),
    "conversations.MessageRecommendation": Line("which items belong to an answer", "the message ends", "to show them together", exported=True),
    "conversations.Event": Line("when a thread was closed and reopened, and by whom", "the thread ends", "to tell what happened", exported=True),
    "conversations.DeskEvent": Line(
        "which of the staff took a thread, handed it on or put it off, and when", "the thread ends", "so that colleagues can go on"
    ),
    "conversations.ConversationNote": Line("notes of the staff about a thread", "the thread ends", "so that colleagues can go on"),
    "conversations.NoteMention": Line("which of the staff a note names, and whether they looked", "the note ends", "to tell them"),
    "conversations.Participation": Line(
        "how far each side has read a thread; which of the staff has it open",
        "the thread ends",
        "to show what is new, and that somebody is at it",
        exported=True,
    ),
    "conversations.Draft": Line(
        "what you were writing and have not sent",
        "you send or empty it; 30 days",
        "so that nothing you typed is lost",
        exported=True,
        ended_by="forget_old_drafts",
    ),
    "conversations.Attachment": Line(
        "pictures, without the place where they were taken, and PDFs",
        "the thread ends; a day if it isn't sent",
        "to show them to you and to the library",
        exported=True,
        ended_by="forget_unsent_attachments",
    ),
    "conversations.ReadersForm": Line("your answers in “Find me something to read”", "the thread ends", "to recommend what fits", exported=True),
    "lists.SavedList": Line("your lists", "you remove them", "because you made them", exported=True),
    "lists.SavedItem": Line("the items on your lists", "you remove them", "because you saved them", exported=True),
    "notifications.Notification": Line(
        "the mails sent to you; codes and links are emptied once sent",
        "30 days after it was sent; 90 days if it couldn't be",
        "to send it, and to find out why one didn't come",
        exported=True,
        ended_by="forget_old_notifications",
    ),
    # The library itself: nothing about patrons.
    "accounts.Library": Line("the library's name and look", "the portal ends", "to show it"),
    "accounts.Branch": Line("the branches", "the portal ends", "to show them"),
    "accounts.OpeningHours": Line("when a branch is open", "a coordinator changes it", "to say by when an answer comes"),
    "accounts.ClosedDay": Line("days on which a branch is closed", "a coordinator removes it", "to say by when an answer comes"),
    "accounts.Absence": Line("days on which a member of staff is away, and who covers", "they or a coordinator remove it", "so that nobody waits for them"),
    "conversations.ReplyTemplate": Line("answers that are often given", "a coordinator removes them", "to write them once"),
    "conversations.BranchQueue": Line("how often a branch's queue changed", "the portal ends", "to show an open queue what is new"),
    "recommendations.Topic": Line("the library's list of topics", "a coordinator changes it", "to sort help sessions"),
    "recommendations.Item": Line("titles and other things that can be recommended", "the library removes them", "to recommend them"),
    "recommendations.Holding": Line("where a branch keeps an item", "the item is removed", "to find it on the shelf"),
    "recommendations.SearchEntry": Line("an item's words, for the search", "the item is removed", "to find it"),
    "notifications.RepeatedJob": Line("when a repeated job is due again", "the portal ends", "to run it once"),
    "notifications.Heartbeat": Line("when a worker was last alive", "a day of silence", "to notice that it isn't", ended_by="forget_old_notifications"),
    "auth.Permission": Line("names of permissions, unused", "the portal ends", "part of the web framework"),
    "auth.Group": Line("groups of permissions, unused", "the portal ends", "part of the web framework"),
    "contenttypes.ContentType": Line("names of the kinds of rows", "the portal ends", "part of the web framework"),
}
