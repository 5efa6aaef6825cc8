"""Policy lines about the library itself."""

from datetime import timedelta

from .line import Group, Line

LINES = {
    "accounts.Library": Line(
        "the library's name and look", "Kept until the portal is removed.", "to show it", Group.LIBRARY
    ),
    "accounts.Branch": Line(
        "the branches, and the last day when staff were there",
        "Kept until the portal is removed.",
        "to show them, and to let another branch cover",
        Group.LIBRARY,
    ),
    "accounts.OpeningHours": Line(
        "when a branch is open",
        "Kept until a coordinator changes it.",
        "to say when an answer will come",
        Group.LIBRARY,
    ),
    "accounts.ClosedDay": Line(
        "days when a branch is closed",
        "Kept until a coordinator removes it.",
        "to say when an answer will come",
        Group.LIBRARY,
    ),
    "conversations.ReplyTemplate": Line(
        "reply templates",
        "Kept until a coordinator removes them.",
        "so that staff write them only once",
        Group.LIBRARY,
    ),
    "conversations.BranchQueue": Line(
        "how often a branch's queue has changed",
        "Kept until the portal is removed.",
        "to show what is new in an open queue",
        Group.LIBRARY,
    ),
    "recommendations.Topic": Line(
        "the library's topics",
        "Kept until a coordinator changes them.",
        "to sort help sessions",
        Group.LIBRARY,
    ),
    "checkins.CheckInRule": Line(
        "after how many days the library asks how a visit turned out",
        "Kept until a coordinator changes it.",
        "to ask at the right time",
        Group.LIBRARY,
    ),
    "recommendations.TopicName": Line(
        "names of topics in other languages",
        "Kept until a coordinator changes them.",
        "to show them in the language of the page",
        Group.LIBRARY,
        ends_with="recommendations.Topic",
    ),
    "recommendations.Item": Line(
        "titles and other items that can be recommended",
        "Kept until the library removes them.",
        "to recommend them",
        Group.LIBRARY,
    ),
    "recommendations.Holding": Line(
        "where a branch keeps an item",
        "Kept until the item is removed.",
        "to find it on the shelf",
        Group.LIBRARY,
    ),
    "recommendations.ItemMatch": Line(
        "which item that staff made by hand is the same as an imported record",
        "Kept until the item is removed.",
        "to undo the match",
        Group.LIBRARY,
        ends_with="recommendations.Item",
    ),
    "recommendations.SearchEntry": Line(
        "an item's words, for the search", "Kept until the item is removed.", "to find it", Group.LIBRARY
    ),
    "recommendations.Cover": Line(
        "for which ISBNs the cover source has a cover, and in which night it was asked",
        "Kept until no item has the ISBN.",
        "to show covers, and to ask only once in months",
        Group.LIBRARY,
    ),
    "notifications.RepeatedJob": Line(
        "when a repeated job is due again",
        "Kept until the portal is removed.",
        "to run it only once",
        Group.LIBRARY,
    ),
    "notifications.Heartbeat": Line(
        "when a worker last reported that it is running, and when the mailbox was last read",
        "Kept for {0} without another report.",
        "to notice a worker that has stopped, or a mailbox that can't be read",
        Group.LIBRARY,
        (timedelta(days=1),),
        ended_by="forget_old_notifications",
    ),
    "auth.Permission": Line(
        "names of permissions, unused",
        "Kept until the portal is removed.",
        "part of the web framework",
        Group.LIBRARY,
    ),
    "auth.Group": Line(
        "groups of permissions, unused",
        "Kept until the portal is removed.",
        "part of the web framework",
        Group.LIBRARY,
    ),
    "contenttypes.ContentType": Line(
        "names of the models", "Kept until the portal is removed.", "part of the web framework", Group.LIBRARY
    ),
}
