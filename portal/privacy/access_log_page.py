"""Who looked: which of the staff opened what is this person's, on which days, and from where in the desk; in words, for that person."""

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

DAYS_ASKED = 31
A_PAGE = 60  # lines of the log: about so many make a page, and a day is never torn apart
GROUP = ("day", "by", "by__name", "action", "subject_type", "subject")


@dataclass
class Look:
    """One member of staff at one thing on one day."""

    day: datetime.date
    sentence: str  # who opened what
    where: str
    last_at: datetime.datetime
    times: int


def who_looked(person, *, zone, before=""):
    """(looks, further): the latest first, of whole days before the day `before` (as in an address); `further` is the day to go on from,
    or None. `zone` is the library's own, whose days these are. Four queries, however many there are.
    """
    looks = AuditEvent.objects.looks_at(person).annotate(day=TruncDate("at", tzinfo=zone))
    if day := _day(before):
        looks = looks.filter(day__lt=day)
    days = list(
        looks.values("day")
        .annotate(lines=Count("pk"))
        .order_by("-day")
        .values_list("day", "lines")[: DAYS_ASKED + 1]
    )
    shown = _whole_days(days)
    if not shown:
        return [], None
    groups = looks.filter(day__gte=shown[-1]).values(*GROUP)
    from_where = {f"from_{where}": Count("pk", filter=Q(where=where)) for where in AuditEvent.Where.values}
    rows = list(
        groups.annotate(last_at=Max("at"), times=Count("pk"), **from_where).order_by(
            "-last_at", "subject", "by"
        )
    )
    titles = _titles(person, rows)
    return [_look(row, titles) for row in rows], shown[-1] if len(shown) < len(days) else None


def _day(text):
    try:
        return parse_date(text)
    except ValueError:
        return None


def _whole_days(days):
    """The first of these days that fill a page: at least one."""
    shown, lines = [], 0
    for day, of_day in days[:DAYS_ASKED]:
        lines += of_day
        if shown and lines > A_PAGE:
            break
        shown.append(day)
    return shown


def _titles(person, rows):
    """{(kind, public id): title} of what is still this person's. What was quiet has none."""
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
        words = _changed(row["action"])
    elif row["subject_type"] == "user":
        words = _("{who} looked you up") if row["action"] == "looked_up" else _("{who} opened your record")
    elif row["subject_type"] == "conversation":
        words = (
            _("{who} opened your conversation about “{title}”")
            if title
            else _("{who} opened a conversation of yours that isn't there any more")
        )
    else:
        words = (
            _("{who} opened your visit “{title}”")
            if title
            else _("{who} opened a visit of yours that isn't there any more")
        )
    who = row["by__name"] or _("Somebody of the library's staff")
    return format_html(
        words,
        who=format_html('<strong dir="auto">{}</strong>', who),
        title=format_html("<bdi>{}</bdi>", title),
    )


def _changed(action):
    return {
        "made_account_code": _("{who} made a code that opens your library account once"),
        "removed_passkey": _("{who} removed a passkey of yours"),
        "merged_people": _("{who} joined another record with yours"),
        "unmerged_people": _("{who} undid that: two records again"),
        "made_childs_record": _("{who} made this a child's account"),
        "ended_childs_record": _("{who} wrote down that this is no child's account any more"),
        "ended_sharing": _("{who} ended that a child's visit is shared with you"),
        "took_out": _("{who} took a child's visit out of your library account"),
    }[action]
