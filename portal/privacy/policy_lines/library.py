"""Policy lines about the library itself."""

from datetime import timedelta

from portal.imports.harvest import running
from portal.imports.models import LogUpload

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
    "accounts.BranchCode": Line(
        "the codes that the library's own system has for the branches",
        "Kept until a coordinator removes them.",
        "to find the branch of a library card or of an imported item",
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
    "helpsessions.PatronGroup": Line(
        "the library's patron groups, and the groups on library cards that belong to them",
        "Kept until the portal is removed.",
        "to count help sessions",
        Group.LIBRARY,
    ),
    "helpsessions.ServicePoint": Line(
        "the service points of a branch",
        "Kept until the portal is removed.",
        "to count help sessions",
        Group.LIBRARY,
    ),
    "helpsessions.TallyKind": Line(
        "the kinds of short contacts that staff count at a service point",
        "Kept until the portal is removed.",
        "to count short contacts",
        Group.LIBRARY,
    ),
    "helpsessions.OwnField": Line(
        "the fields that the library has added to the record form",
        "Kept until the portal is removed.",
        "to count help sessions",
        Group.LIBRARY,
    ),
    "helpsessions.OwnValue": Line(
        "the values of these fields",
        "Kept until the portal is removed.",
        "to count help sessions",
        Group.LIBRARY,
    ),
    **dict.fromkeys(
        [
            "counts.DayCount",
            "counts.PointTotal",
            "counts.ModeTotal",
            "counts.TypeTotal",
            "counts.LevelTotal",
            "counts.HourTotal",
            "counts.TopicCount",
            "counts.GroupCount",
            "counts.LanguageCount",
            "counts.OwnCount",
            "counts.AnswerCount",
            "counts.MonthEmail",
        ],
        Line(
            "numbers of help sessions and of first answers, in several small tables",
            "Kept until the portal is removed.",
            "to report how much the library helped",
            Group.LIBRARY,
        ),
    ),
    "api.ApiToken": Line(
        "which other systems may use the portal, and the day when each last did",
        "Kept until the portal is removed.",
        "to know which systems had access",
        Group.LIBRARY,
    ),
    "notifications.WebhookEvent": Line(
        "events for another system: their kind, branch and hour, without words or names",
        "Deleted when that system accepts them, or after the last of seven tries in two days.",
        "to tell that system about new conversations",
        Group.LIBRARY,
    ),
    "api.CreatedSession": Line(
        "which help session a request of another system recorded",
        "Deleted after {0}.",
        "so that a request that is sent again records nothing twice",
        Group.LIBRARY,
        periods=(timedelta(days=1),),
        ended_by="forget_answers",
    ),
    **dict.fromkeys(
        ["counts.CheckInAnswers", "counts.OutcomePeriod", "counts.Outcome"],
        Line(
            "numbers of what patrons said about their visits in a quarter or a year",
            "Kept until the portal is removed.",
            "to report how the library's help turned out",
            Group.LIBRARY,
        ),
    ),
    "surveys.RuleSet": Line(
        "from which day the library counts for which survey, and how",
        "Kept until a coordinator removes it.",
        "to fill in annual surveys",
        Group.LIBRARY,
    ),
    **dict.fromkeys(
        ["surveys.CountingRule", "surveys.TallyRule"],
        Line(
            "which contacts count for a survey",
            "Kept until a coordinator changes it.",
            "to fill in annual surveys",
            Group.LIBRARY,
            ends_with="surveys.RuleSet",
        ),
    ),
    "surveys.SampledWeek": Line(
        "which weeks the library samples for estimates",
        "Kept until a coordinator removes the mark.",
        "to fill in annual surveys",
        Group.LIBRARY,
    ),
    "counts.CountsLock": Line(
        "one row that keeps two processes from counting at once",
        "Kept until the portal is removed.",
        "to count only once",
        Group.LIBRARY,
    ),
    "counts.LogImport": Line(
        "imports of desk logs from other systems: the name of the file, when, how many rows, and of which "
        "days; if rows failed, what the columns and values mean, without values that look like a name or "
        "address",
        "Kept until a coordinator undoes the import.",
        "to undo the import as a whole, and to import the rows that failed in the same way",
        Group.LIBRARY,
    ),
    "imports.ImportedRow": Line(
        "fingerprints of the rows of imported desk logs, the band of minutes, and what the counts have of a "
        "row with a ticket number, encrypted with a key that needs this number; no words, names or times",
        "Kept until a coordinator undoes the import.",
        "to add each row only once, and to replace a row that was edited",
        Group.LIBRARY,
        ends_with="counts.LogImport",
    ),
    "imports.LogUpload": Line(
        "a desk log that a coordinator uploaded, and the rows of it that failed, with all words in it; only "
        "this coordinator can open it",
        "The log is deleted when its import ends. The row and the file of failed rows are deleted after {0}.",
        "to import it, and to correct the rows that failed",
        Group.STAFF,
        (LogUpload.KEPT_FOR,),
        ended_by="forget_log_uploads",
    ),
    "imports.SavedMapping": Line(
        "what the columns and values of a desk log mean, without values that look like a name or address",
        "Kept until the portal is removed.",
        "to import the next file in the same way",
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
    "recommendations.SearchWord": Line(
        "the words of all items, and how many items and imported items have each",
        "Kept until no item has the word.",
        "to correct typing errors in a search",
        Group.LIBRARY,
    ),
    "imports.Harvest": Line(
        "when the catalog was harvested, what changed, and which records have faults",
        "Kept for {0}. The last complete harvests are kept longer.",
        "to continue where the last harvest ended, and to show what went wrong",
        Group.LIBRARY,
        (running.KEPT,),
        ended_by="forget_old_harvests",
    ),
    "imports.HarvestedRecord": Line(
        "which item was made from which record of the library's server",
        "Kept until the item is removed.",
        "to withdraw the item if the record is withdrawn",
        Group.LIBRARY,
        ends_with="recommendations.Item",
    ),
    "imports.CatalogLock": Line(
        "which process imports the catalog now",
        "Kept until it has ended.",
        "so that only one process does it at a time",
        Group.LIBRARY,
    ),
    "recommendations.Cover": Line(
        "for which ISBNs the cover source has a cover, and in which night it was asked",
        "Kept until no item has the ISBN.",
        "to show covers, and to ask only once in months",
        Group.LIBRARY,
    ),
    "kits.KitWords": Line(
        "names and descriptions of kits",
        "Kept until staff change them.",
        "to find the kits",
        Group.LIBRARY,
        ends_with="kits.Kit",
    ),
    "kits.KitItem": Line(
        "the items of kits",
        "Kept until staff remove them from the kit.",
        "to recommend them together",
        Group.LIBRARY,
        ends_with="kits.Kit",
    ),
    "kits.KitReason": Line(
        "why the items of kits are recommended",
        "Kept until staff change them.",
        "to recommend them together",
        Group.LIBRARY,
        ends_with="kits.KitItem",
    ),
    "kits.ItemCount": Line(
        "in how many visits an item helped with a topic and question type",
        "Kept until the item is deleted.",
        "so that staff know what helped before",
        Group.LIBRARY,
    ),
    "kits.KitCount": Line(
        "in how many visits something of a kit helped",
        "Kept until the kit is deleted.",
        "so that staff know which kits help",
        Group.LIBRARY,
        ends_with="kits.Kit",
    ),
    "kits.GotCount": Line(
        "whether patrons often can't get an item, and in how many visits",
        "Kept until the item is deleted.",
        "so that staff don't recommend what nobody can get",
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
