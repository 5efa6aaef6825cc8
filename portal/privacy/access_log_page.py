"""Prepare the access log for the patron: which staff members opened the patron's data, when and where."""

import datetime
from dataclasses import dataclass

from django.db.models import Count, Max, Q
from django.db.models.functions import TruncDate
from django.utils.dateparse import parse_date
from django.utils.html import format_html
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from accounts.models import AuditEvent
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession

DAYS_PER_PAGE_MAX = 31
# About this many events fill a page. A day is never split, so a page can have more.
EVENTS_PER_PAGE = 60
GROUP = ("day", "by", "by__name", "action", "subject_type", "subject")


@dataclass
class Look:
    """What one staff member did with one visit, conversation or record of the patron on one day."""

    day: datetime.date
    # The text that says who did what, as HTML.
    sentence: str
    where: str
    last_at: datetime.datetime
    times: int


def who_looked(person, *, zone, before=""):
    """Return ([Look], earliest day) for one page of the log, with the newest Look first.

    To get the next page, pass the earliest day as `before`, which can also be text from a URL. On the last
    page, the earliest day is None. A page contains whole days, in the library's time zone `zone`. The
    function always makes four queries.
    """
    events = AuditEvent.objects.looks_at(person).annotate(day=TruncDate("at", tzinfo=zone))
    if day := _day(before):
        events = events.filter(day__lt=day)
    per_day = events.values("day").annotate(events=Count("pk")).order_by("-day")
    days = list(per_day.values_list("day", "events")[: DAYS_PER_PAGE_MAX + 1])
    shown = _days_of_a_page(days)
    if not shown:
        return [], None
    from_where = {f"from_{where}": Count("pk", filter=Q(where=where)) for where in AuditEvent.Where.values}
    groups = events.filter(day__gte=shown[-1]).values(*GROUP)
    groups = groups.annotate(last_at=Max("at"), times=Count("pk"), **from_where)
    rows = list(groups.order_by("-last_at", "subject", "by"))
    titles = _titles(person, rows)
    return [_look(row, titles) for row in rows], shown[-1] if len(shown) < len(days) else None


def _day(text):
    try:
        return parse_date(text)
    except ValueError:
        return None


def _days_of_a_page(days):
    """Return the first days that fit on a page, but at least one day. `days` is [(day, number of events)]."""
    shown, total = [], 0
    for day, events in days[:DAYS_PER_PAGE_MAX]:
        total += events
        if shown and total > EVENTS_PER_PAGE:
            break
        shown.append(day)
    return shown


def _titles(person, rows):
    """Return {(kind, public id): title} for the visits and conversations that still belong to this person.

    Quiet visits are left out.
    """
    ids = {
        kind: {row["subject"] for row in rows if row["subject_type"] == kind}
        for kind in ("conversation", "helpsession")
    }
    conversations = Conversation.objects.filter(
        Q(patron=person) | Q(help_session__shared_with=person), public_id__in=ids["conversation"]
    )
    conversations = conversations.exclude(help_session__quiet=True)
    titles = {
        ("conversation", str(conversation.public_id)): conversation.subject
        for conversation in conversations.only("public_id", "subject")
    }
    visits = HelpSession.objects.filter(
        Q(patron=person) | Q(shared_with=person), public_id__in=ids["helpsession"], quiet=False
    )
    return titles | {
        ("helpsession", str(visit.public_id)): visit.title
        for visit in visits.only("public_id", "question", "quiet", "happened_on")
    }


def _look(row, titles):
    where = [str(AuditEvent.Where(where).label) for where in AuditEvent.Where.values if row[f"from_{where}"]]
    return Look(
        day=row["day"],
        sentence=_sentence(row, titles.get((row["subject_type"], row["subject"]), "")),
        where=get_text_list(where, _("and")),
        last_at=row["last_at"],
        times=row["times"],
    )


def _sentence(row, title):
    if row["action"] in AuditEvent.CHANGES:
        words = _change_in_words(row["action"])
    elif row["subject_type"] == "user":
        words = _("{who} looked you up") if row["action"] == "looked_up" else _("{who} opened your record")
    elif row["subject_type"] == "notification":
        words = _("{who} looked up why an email didn't reach you")
    elif row["subject_type"] == "incomingemail":
        words = _("{who} opened an email that may be from you")
    elif row["action"] == "saw_number":
        words = _("{who} saw the phone number that you asked us to call")
    elif row["subject_type"] == "conversation":
        words = (
            _("{who} opened your conversation about “{title}”")
            if title
            else _("{who} opened a conversation of yours that no longer exists")
        )
    else:
        words = (
            _("{who} opened your visit “{title}”")
            if title
            else _("{who} opened a visit of yours that no longer exists")
        )
    who = row["by__name"] or _("A staff member")
    return format_html(
        words,
        who=format_html('<strong dir="auto">{}</strong>', who),
        title=format_html("<bdi>{}</bdi>", title),
    )


def _change_in_words(action):
    return {
        "made_account_code": _("{who} made a one-time code that opens your library account"),
        "removed_passkey": _("{who} removed one of your passkeys"),
        "merged_people": _("{who} merged another record into yours"),
        "unmerged_people": _("{who} separated two records that had been merged"),
        "made_childs_record": _("{who} marked your account as a child's account"),
        "ended_childs_record": _("{who} recorded that your account is no longer a child's account"),
        "ended_sharing": _("{who} ended the sharing of a child's visit with you"),
        "corrected": _("{who} corrected one of your visits"),
        "added_email": _("{who} added an email to one of your conversations"),
        "removed_patron": _("{who} removed a visit from your library account, because it wasn't yours"),
        "took_out": _("{who} removed a child's visit from your library account"),
        "chose_check_ins": _("{who} recorded whether the library may ask you how things turned out"),
        "stopped_check_ins": _("{who} recorded that the library must not ask you how things turned out"),
        "noted_death": _("{who} noted that the person with this library account has died"),
        "undid_death": _("{who} removed the note that the person with this library account has died"),
    }[action]
