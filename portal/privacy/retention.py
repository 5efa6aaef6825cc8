"""Each night, delete the rows that are due, or reduce them to counts. The worker does this in batches.

A row is due when its retention period is over. When a help session is due, its conversations are deleted, and
the session keeps only the values for statistics. A session is not due while one of its conversations is open.
A conversation without a help session has the same retention period. A row under a legal hold is never due.
The periods are in accounts/patron/retention_choice.py, and the text about them is in policy_lines/.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from accounts.models import AuditEvent, Library
from accounts.patron import retention_choice
from portal.conversations import search
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Attachment, Conversation, MessageRecommendation
from portal.conversations.models.conversations import kept_back
from portal.helpsessions import forgetting
from portal.helpsessions.models import ClaimCode, HelpSession, SessionRecommendation, UnfinishedForm
from portal.lists.models import SavedItem
from recommendations.models import Recommendation

from . import holds, sharing
from .locks import lock_rows
from .models import Correction, LegalHold, UnfinishedCorrection

BATCH = 50
EVENTS_PER_BATCH = 1000
# The hours of the night in which nobody works at a desk.
NIGHT = range(1, 6)
# After this time, the worker interrupts retention to send emails that are due.
SECONDS_A_TURN = 20
UNFINISHED_FOR = timedelta(days=30)
EVENTS_FOR = timedelta(days=730)

Status = HelpSession.Status


@dataclass(frozen=True)
class Due:
    """How many rows of each kind would be forgotten now."""

    help_sessions: int
    conversations: int
    messages: int
    notes: int
    files: int
    recommendations: int
    unfinished_forms: int
    events: int
    lifted_holds: int


def forget_what_is_due(*, at):
    """Forget due rows if it is night at the library. Begin no new batch after SECONDS_A_TURN.

    The worker runs this job.
    """
    if at.astimezone(Library.current().zone).hour in NIGHT:
        forget(at=at, seconds=SECONDS_A_TURN)


def forget(*, at, seconds=None):
    """Forget all rows that are due, batch by batch, and return their number.

    If `seconds` is set, begin no new batch after this many seconds.
    """
    began, done = time.monotonic(), 0
    holds.forget_old_words()
    for find, forget_some, size in (
        (due_sharing, _end_some_sharing, BATCH),
        (due_sessions, _forget_some_sessions, BATCH),
        (due_conversations, _forget_some_conversations, BATCH),
        (due_unfinished, _forget_some_unfinished, BATCH),
        (due_events, _forget_some_events, EVENTS_PER_BATCH),
        (due_holds, _forget_some_holds, BATCH),
    ):
        # This query reads the whole table, so it runs once and not for each batch.
        keys = list(find(at).order_by("pk").values_list("pk", flat=True))
        for first in range(0, len(keys), size):
            done += forget_some(keys[first : first + size], at)
            if seconds is not None and time.monotonic() - began > seconds:
                return done
    return done


def due(*, at):
    """Count the rows that `forget` would forget, without changing anything."""
    sessions, conversations = due_sessions(at), due_conversations(at)
    going = Conversation.objects.filter(Q(help_session__in=sessions) | Q(pk__in=conversations))
    return Due(
        help_sessions=sessions.count(),
        conversations=going.count(),
        messages=_count("messages", going),
        notes=_count("notes", going) + sessions.filter(note__isnull=False).count(),
        files=_count("attachments", going),
        recommendations=_recommendations(sessions, going).count(),
        unfinished_forms=due_unfinished(at).count(),
        events=due_events(at).count(),
        lifted_holds=due_holds(at).count(),
    )


# The functions below return queries for due rows.


def due_sessions(at):
    """Return the help sessions whose retention period is over.

    Tallies are included, because a tally names the staff member who made it and has the exact time.
    """
    no_code = ~Exists(ClaimCode.objects.live(at).filter(help_session=OuterRef("pk")))
    not_kept = Q(patron=None, shared_with=None, created_at__lte=at - retention_choice.SHORT_PERIOD) & no_code
    childs_limit = retention_choice.childs_due("became_theirs_at", at=at)
    kept = retention_choice.due("became_theirs_at", at=at) | ~Q(with_child="") & childs_limit
    kept_by_the_adult_alone = Q(patron=None) & _adults_time_is_over(at) & no_code
    unread = Conversation.objects.filter(
        kept_back(at) | kept_back(at, "merged_into__"), help_session=OuterRef("pk")
    )
    return (
        HelpSession.objects.alias(became_theirs_at=Coalesce("kept_at", "created_at"))
        .filter(
            not_kept | kept | kept_by_the_adult_alone,
            forgotten_on=None,
            status__in=[Status.RECORDED, Status.TALLY, Status.REPLACED],
        )
        .exclude(Exists(unread))
        .exclude(holds.held_sessions())
    )


def due_sharing(at):
    """Return the children's visits whose sharing must end, because the adult's retention period is over."""
    # SQLite uses the index of `shared_with` for a range, but not for IS NOT NULL.
    shared = HelpSession.objects.filter(patron__isnull=False, shared_with__gt=0)
    return shared.filter(_adults_time_is_over(at)).exclude(holds.held_sessions())


def _adults_time_is_over(at):
    adult = {"at": at, "whose": "shared_with"}
    return retention_choice.due("shared_at", **adult) | retention_choice.childs_due("shared_at", **adult)


def due_conversations(at):
    """Return the conversations that are about no help session and whose retention period is over.

    A merged conversation is left out, because it is deleted with the conversation into which it was merged.
    """
    without_account = Q(patron=None, closed_at__lte=at - retention_choice.SHORT_PERIOD)
    return (
        Conversation.objects.filter(
            without_account | retention_choice.due("closed_at", at=at),
            help_session=None,
            merged_into=None,
            closed_at__isnull=False,
        )
        .exclude(kept_back(at))
        .exclude(holds.held_conversations())
    )


def due_unfinished(at):
    """Return the UnfinishedForms that staff last saved at least 30 days ago."""
    return UnfinishedForm.objects.filter(saved_at__lte=at - UNFINISHED_FOR).exclude(
        help_session__in=HelpSession.objects.filter(holds.held_sessions())
    )


def due_events(at):
    """Return the audit events that are older than EVENTS_FOR. Events about a held record are left out."""
    return AuditEvent.objects.filter(at__lte=at - EVENTS_FOR).exclude(holds.held_events())


def due_holds(at):
    """Return the legal holds that were lifted at least EVENTS_FOR ago."""
    return LegalHold.objects.filter(lifted_at__lte=at - EVENTS_FOR)


# Each function below forgets one batch of rows, and returns their number. It locks the rows with the primary
# keys `keys`. Then it skips rows that are no longer due, because a row may have changed before the lock.


@transaction.atomic
def _end_some_sharing(keys, at):
    lock_rows(HelpSession.objects.filter(pk__in=keys))
    sessions = list(due_sharing(at).filter(pk__in=keys).order_by("pk"))
    for session in sessions:
        sharing.end_sharing(session, at=at)
    return len(sessions)


@transaction.atomic
def _forget_some_sessions(keys, at):
    sessions = list(HelpSession.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    lock_recommendations(_recommendations(keys, Conversation.objects.filter(help_session__in=keys)))
    conversations = list(
        Conversation.objects.select_for_update().filter(help_session__in=keys).order_by("pk")
    )
    still_due = set(due_sessions(at).filter(pk__in=keys).values_list("pk", flat=True))
    sessions = [session for session in sessions if session.pk in still_due]
    conversations = [row for row in conversations if row.help_session_id in still_due]
    library = Library.current()
    forget_recommendations(_recommendations(sessions, conversations), library.zone)
    _remove(conversations)
    Correction.objects.filter(help_session__in=sessions).delete()
    UnfinishedCorrection.objects.filter(help_session__in=sessions).delete()
    forgetting.forget(sessions, on=library.today(at), zone=library.zone)
    return len(sessions)


@transaction.atomic
def _forget_some_conversations(keys, at):
    lock_recommendations(_recommendations([], keys))
    conversations = list(Conversation.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    still_due = set(due_conversations(at).filter(pk__in=keys).values_list("pk", flat=True))
    conversations = [conversation for conversation in conversations if conversation.pk in still_due]
    forget_recommendations(_recommendations([], conversations), Library.current().zone)
    _remove(conversations)
    return len(conversations)


@transaction.atomic
def _forget_some_unfinished(keys, at):
    """Delete the saved forms of unfinished sessions. The sessions stay in the tray, for staff to finish."""
    lock_rows(HelpSession.objects.filter(pk__in=keys))
    return due_unfinished(at).filter(pk__in=keys).delete()[0]


@transaction.atomic
def _forget_some_events(keys, at):
    holds.lock_subjects(AuditEvent.objects.filter(pk__in=keys))
    return due_events(at).filter(pk__in=keys).delete()[0]


def _forget_some_holds(keys, at):
    return due_holds(at).filter(pk__in=keys).delete()[0]


def _recommendations(sessions, conversations):
    in_sessions = SessionRecommendation.objects.filter(help_session__in=sessions)
    in_conversations = MessageRecommendation.objects.filter(message__conversation__in=conversations)
    # This is a union, because a condition with OR would read every recommendation.
    return Recommendation.objects.filter(
        pk__in=in_sessions.order_by()
        .values("recommendation")
        .union(in_conversations.order_by().values("recommendation"))
    )


def forget_recommendations(recommendations, zone):
    """Reduce these recommendations to counts, by removing the people, the texts and the time of day.

    Saved items no longer point to these recommendations. `zone` is the library's time zone.
    """
    rows = list(recommendations)
    for row in rows:
        row.reason = row.comment = ""
        row.patron = row.recommended_by = None
        row.recommended_at = _start_of_day(row.recommended_at, zone)
        row.decided_at = row.decided_at and _start_of_day(row.decided_at, zone)
    SavedItem.objects.filter(recommendation__in=rows).update(recommendation=None)
    Recommendation.objects.bulk_update(
        rows, ["reason", "comment", "patron", "recommended_by", "recommended_at", "decided_at"]
    )


def _start_of_day(moment, zone):
    return moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _remove(conversations):
    """Delete the conversations with everything that belongs to them. Delete their files after the commit.

    If the process is killed before it deletes the files, `forget_stray_files` deletes them later.
    """
    merged = Conversation.objects.filter(merged_into__in=conversations).values_list("pk", flat=True)
    with_merged = Conversation.objects.filter(
        pk__in=[*merged, *(conversation.pk for conversation in conversations)]
    )
    files = [
        name
        for attachment in Attachment.objects.filter(conversation__in=with_merged)
        for name in attachment.stored_names()
    ]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    for conversation in with_merged:
        search.remove_conversation(conversation)
    with_merged.delete()


def _count(related, conversations):
    model = Conversation._meta.get_field(related).related_model
    return model.objects.filter(conversation__in=conversations).count()
