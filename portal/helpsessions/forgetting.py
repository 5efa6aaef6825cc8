"""Forget help sessions. The row of a session stays for the statistics, without personal data."""

import datetime
import uuid

from django.db.models import Q

from accounts.models import LibraryCard
from recommendations.models import Recommendation

from .models import ClaimCode, HelpSession, SessionNote, SessionWord, UnfinishedForm

# These times are replaced by the hour of the session, because an exact time could reveal the patron.
ROUNDED = ["created_at", "handed_over_at", "kept_at", "answered_at"]
CHANGED = [
    "public_id",
    "patron",
    "shared_with",
    "shared_at",
    "is_the_childs_alone",
    "staff",
    "question",
    "summary",
    "forgotten_on",
    "corrected_on",
    "answered_within",
    "patron_group",
    *ROUNDED,
]


def forget(sessions, *, on, zone):
    """Remove all personal data from these sessions. The caller must have locked their rows.

    Statistics can still count what kind of help there was, at which branch and in which hour. They can also
    count whether the session was handed over and kept, and whether the patron replied to its questions.
    Names, texts and exact times are removed. Each session gets a new public id, so that no old address, code
    or event leads to it.

    `on` is the current day. `zone` is the time zone of the library.
    """
    groups = dict(
        LibraryCard.objects.filter(person__in=[session.patron_id for session in sessions])
        .order_by("seen_at", "pk")
        .values_list("person", "patron_group")
    )
    for session in sessions:
        hour = datetime.datetime.combine(session.happened_on, datetime.time(session.hour), zone)
        session.patron_group = groups.get(session.patron_id, "")
        session.answered_within = _within(session.answered_at - hour) if session.answered_at else ""
        for name in ROUNDED:
            setattr(session, name, getattr(session, name) and hour)
        session.public_id, session.forgotten_on = uuid.uuid4(), on
        session.patron, session.staff, session.corrected_on = None, None, None
        session.question, session.summary = "", ""
        session.shared_with, session.shared_at, session.is_the_childs_alone = None, None, False
    HelpSession.objects.bulk_update(sessions, CHANGED)
    SessionNote.objects.filter(help_session__in=sessions).delete()
    SessionWord.objects.filter(help_session__in=sessions).delete()
    UnfinishedForm.objects.filter(help_session__in=sessions).delete()
    ClaimCode.objects.filter(help_session__in=sessions).update(
        state=ClaimCode.State.FORGOTTEN, help_session=None, made_by=None
    )
    _delete_what_is_not_counted(sessions)


def _delete_what_is_not_counted(sessions):
    """Delete the items that staff removed from these sessions, and the sessions that others replaced."""
    replaced = HelpSession.objects.filter(
        pk__in=[session.pk for session in sessions], status=HelpSession.Status.REPLACED
    )
    removed = Q(
        sessionrecommendation__removed_at__isnull=False, sessionrecommendation__help_session__in=sessions
    )
    Recommendation.objects.filter(removed | Q(sessionrecommendation__help_session__in=replaced)).delete()
    replaced.delete()


def forget_words(help_session):
    """Remove all texts from the session, its recommendations and its note. The session itself stays."""
    HelpSession.objects.filter(pk=help_session.pk).update(question="", summary="")
    Recommendation.objects.filter(sessionrecommendation__help_session=help_session).update(
        reason="", comment=""
    )
    SessionNote.objects.filter(help_session=help_session).delete()
    SessionWord.objects.filter(help_session=help_session).delete()


def _within(passed):
    """Return the AnsweredWithin value for the time `passed` between the visit and the patron's reply.

    These values are so coarse that nobody can recognize a session by them.
    """
    steps = {
        1: HelpSession.AnsweredWithin.DAY,
        7: HelpSession.AnsweredWithin.WEEK,
        31: HelpSession.AnsweredWithin.MONTH,
    }
    for days, step in steps.items():
        if passed < datetime.timedelta(days=days):
            return step
    return HelpSession.AnsweredWithin.LATER
