"""Forget help sessions. The row of a session is kept for the statistics, without personal data."""

import datetime
import uuid

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from accounts.patron import retention_choice
from portal.prepared import update_all
from recommendations.models import Recommendation

from . import push
from .models import ClaimCode, HelpSession, SessionNote, SessionWord, UnfinishedForm

# `forget` replaces these times with the day of the session, because an exact time could reveal the patron.
ROUNDED = ["created_at", "handed_over_at", "kept_at", "answered_at"]
# `strip` empties these columns. The tables of portal.counts have counted them.
STRIPPED = [
    *("hour", "service_point", "tally_kind", "patron_group", "is_group_from_card", "language"),
    *("own_values", "is_counted"),
]
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
    "check_ins",
    *STRIPPED,
    "found_at",
    "satisfaction_at",
    "would_return_at",
    *ROUNDED,
]


def over(at):
    """Return the help sessions whose retention period is over at the time `at`.

    The rules are in accounts/patron/retention_choice.py. The worker forgets such a session during the next
    night. If the session has an open conversation or a legal hold, it is kept longer.
    """
    no_code = ~Exists(ClaimCode.objects.live(at).filter(help_session=OuterRef("pk")))
    not_kept = Q(patron=None, shared_with=None, created_at__lte=at - retention_choice.SHORT_PERIOD) & no_code
    childs_limit = retention_choice.childs_due("became_theirs_at", at=at)
    kept = retention_choice.due("became_theirs_at", at=at) | ~Q(with_child="") & childs_limit
    kept_by_the_adult_alone = Q(patron=None) & adults_time_is_over(at) & no_code
    became_theirs_at = Coalesce("kept_at", "created_at")
    return HelpSession.objects.alias(became_theirs_at=became_theirs_at).filter(
        not_kept | kept | kept_by_the_adult_alone
    )


def adults_time_is_over(at):
    """Return the condition for shared visits whose retention period for the adult is over."""
    adult = {"at": at, "whose": "shared_with"}
    return retention_choice.due("shared_at", **adult) | retention_choice.childs_due("shared_at", **adult)


def ends_at(help_session, library):
    """Return when the retention period of a kept session ends.

    `over` expresses the same rule as a query.
    """
    return retention_choice.ends_at(
        help_session.patron,
        help_session.kept_at or help_session.created_at,
        library=library,
        with_child=bool(help_session.with_child),
    )


def forget(sessions, *, on, zone):
    """Remove all personal data from these sessions. The caller must have locked their rows.

    The caller must also have counted the sessions (see keeping_counts in portal/counts/actions.py). Only
    the kind of help, the day, the branch and the topic remain of what staff recorded. The rows also say
    whether the session was handed over and kept, and what the patron replied to its questions. Each session
    gets a new public id, so that nobody can find the session with an old URL, code or event.

    `on` is the current day. `zone` is the time zone of the library.
    """
    # End the push subscriptions first. They are found by the public ids of the sessions, which change below.
    push.end_for_visits(*sessions)
    for session in sessions:
        hour = datetime.datetime.combine(session.happened_on, datetime.time(session.hour), zone)
        session.answered_within = _within(session.answered_at - hour) if session.answered_at else ""
        _strip(session, zone)
        session.public_id, session.forgotten_on = uuid.uuid4(), on
        session.patron, session.staff, session.corrected_on = None, None, None
        session.question, session.summary = "", ""
        session.shared_with, session.shared_at, session.is_the_childs_alone = None, None, False
        session.found_at = session.satisfaction_at = session.would_return_at = None
        session.check_ins = ""
    update_all(sessions, CHANGED)
    SessionNote.objects.filter(help_session__in=sessions).delete()
    SessionWord.objects.filter(help_session__in=sessions).delete()
    UnfinishedForm.objects.filter(help_session__in=sessions).delete()
    ClaimCode.objects.filter(help_session__in=sessions).update(
        state=ClaimCode.State.FORGOTTEN, help_session=None, made_by=None
    )
    _delete_what_is_not_counted(sessions)


def strip(sessions, *, zone):
    """Remove the details that portal.counts has counted from forgotten sessions, and save these sessions."""
    for session in sessions:
        _strip(session, zone)
    update_all(sessions, [*ROUNDED, *STRIPPED])


def _strip(session, zone):
    day = datetime.datetime.combine(session.happened_on, datetime.time(), zone)
    for name in ROUNDED:
        setattr(session, name, getattr(session, name) and day)
    session.hour = session.service_point = session.tally_kind = session.patron_group = None
    session.language, session.own_values, session.is_group_from_card = "", {}, False
    session.is_counted = True


def _delete_what_is_not_counted(sessions):
    """Delete what no statistics count: recommendations that staff removed, and replaced sessions."""
    replaced = HelpSession.objects.filter(
        pk__in=[session.pk for session in sessions], status=HelpSession.Status.REPLACED
    )
    removed = Q(
        sessionrecommendation__removed_at__isnull=False, sessionrecommendation__help_session__in=sessions
    )
    Recommendation.objects.filter(removed | Q(sessionrecommendation__help_session__in=replaced)).delete()
    replaced.delete()


def forget_words(help_session):
    """Remove all texts from the session, its recommendations and its note.

    The session itself is not deleted.
    """
    HelpSession.objects.filter(pk=help_session.pk).update(question="", summary="")
    Recommendation.objects.filter(sessionrecommendation__help_session=help_session).update(
        reason="", comment=""
    )
    SessionNote.objects.filter(help_session=help_session).delete()
    SessionWord.objects.filter(help_session=help_session).delete()


def _within(passed):
    """Return the AnsweredWithin value for the time `passed` between the visit and the patron's reply.

    The values are so coarse that none of them can identify a session.
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
