"""Each night, delete due rows or reduce them to counts. The worker does this in batches.

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

from accounts.models import AuditEvent, Library, User
from accounts.patron import retention_choice
from portal.checkins.models import CheckIn, SharedWords
from portal.conversations import search
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Attachment, Conversation, MessageRecommendation
from portal.conversations.models.conversations import kept_back
from portal.counts.actions import keeping_counts
from portal.counts.answers import count_answers_of
from portal.helpsessions import forgetting
from portal.helpsessions.models import HelpSession, SessionRecommendation, UnfinishedForm
from portal.incoming.forgetting import NOT_MATCHED_FOR
from portal.incoming.models import IncomingEmail
from portal.lists.actions import remember_deleted
from portal.lists.links import ENDED_KEPT_FOR
from portal.lists.models import ListLink, SavedItem, SavedList, restorable_since
from portal.pauses import pause_after_writing
from recommendations.models import NextStep, Recommendation

from . import holds, sharing
from .locks import lock_rows
from .models import Correction, LegalHold, UnfinishedCorrection

BATCH = 50
EVENTS_PER_BATCH = 1000
# The hours when the worker forgets rows, because nobody works at a desk then.
NIGHT = range(1, 6)
# After this many seconds of forgetting rows, the worker does its other jobs. It forgets more rows in its next
# round.
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
    emails_not_matched: int
    removed_items: int
    removed_lists: int
    ended_links: int


def forget_what_is_due(*, at):
    """Forget due rows if it is night at the library. Start no new batch after SECONDS_A_TURN.

    The worker runs this job.
    """
    if at.astimezone(Library.current().zone).hour in NIGHT:
        forget(at=at, seconds=SECONDS_A_TURN)


def forget(*, at, seconds=None):
    """Forget all rows that are due, batch by batch, and return their number.

    If `seconds` is set, start no new batch after this many seconds.
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
        (due_emails, _forget_some_emails, BATCH),
        (due_removed_items, _forget_some_removed_items, EVENTS_PER_BATCH),
        (due_removed_lists, _forget_some_removed_lists, BATCH),
        (due_links, _forget_some_links, EVENTS_PER_BATCH),
    ):
        # This query reads the whole table, so it runs only once, and not for each batch.
        keys = list(find(at).order_by("pk").values_list("pk", flat=True))
        for first in range(0, len(keys), size):
            with pause_after_writing():
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
        emails_not_matched=due_emails(at).count(),
        removed_items=due_removed_items(at).count(),
        removed_lists=due_removed_lists(at).count(),
        ended_links=due_links(at).count(),
    )


# The functions below return queries for due rows.


def due_sessions(at):
    """Return the help sessions whose retention period is over.

    Tallies are included, because a tally has the exact time, and the name of the staff member who made it.
    """
    unread = Conversation.objects.filter(
        kept_back(at) | kept_back(at, "merged_into__"), help_session=OuterRef("pk")
    )
    return (
        forgetting.over(at)
        .filter(forgotten_on=None, status__in=[Status.RECORDED, Status.TALLY, Status.REPLACED])
        .exclude(Exists(unread))
        .exclude(holds.held_sessions())
    )


def due_sharing(at):
    """Return the children's visits whose sharing must end, because the adult's retention period is over."""
    # SQLite uses the index of `shared_with` for a range, but not for IS NOT NULL.
    shared = HelpSession.objects.filter(patron__isnull=False, shared_with__gt=0)
    return shared.filter(forgetting.adults_time_is_over(at)).exclude(holds.held_sessions())


def due_conversations(at):
    """Return the conversations that aren't about a help session and whose retention period is over.

    A merged conversation is left out, because it is deleted with the conversation it was merged into.
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
    """Return the UnfinishedForms that were last saved at least UNFINISHED_FOR ago."""
    return UnfinishedForm.objects.filter(saved_at__lte=at - UNFINISHED_FOR).exclude(
        help_session__in=HelpSession.objects.filter(holds.held_sessions())
    )


def due_events(at):
    """Return the audit events older than EVENTS_FOR. Leave out events about records under a hold."""
    return AuditEvent.objects.filter(at__lte=at - EVENTS_FOR).exclude(holds.held_events())


def due_holds(at):
    """Return the legal holds that were lifted at least EVENTS_FOR ago."""
    return LegalHold.objects.filter(lifted_at__lte=at - EVENTS_FOR)


def due_emails(at):
    """Return the emails that were not matched and that are old enough to be deleted."""
    return (
        IncomingEmail.objects.filter(message=None, came_at__lte=at - NOT_MATCHED_FOR)
        .exclude(conversation__in=Conversation.objects.filter(holds.held_conversations()))
        .exclude(person__in=_held_people())
    )


def due_removed_items(at):
    """Return the items that patrons removed from their lists so long ago that nobody can restore them."""
    removed = SavedItem.objects.filter(removed_at__lt=restorable_since(at))
    return removed.exclude(saved_list__patron__in=_held_people())


def due_removed_lists(at):
    """Return the lists that patrons removed so long ago that nobody can restore them."""
    removed = SavedList.objects.filter(removed_at__lt=restorable_since(at))
    return removed.exclude(patron__in=_held_people())


def due_links(at):
    """Return the links to lists that ended at least ENDED_KEPT_FOR ago."""
    return ListLink.objects.ended_before(at - ENDED_KEPT_FOR).exclude(saved_list__patron__in=_held_people())


def _held_people():
    return LegalHold.objects.filter(person__isnull=False).values("person")


# Each function below forgets one batch of rows, and returns their number. The function locks the rows with
# the primary keys `keys`. Then it skips the rows that are no longer due, because a row may have changed
# before it was locked.


@transaction.atomic
def _end_some_sharing(keys, at):
    lock_rows(HelpSession.objects.filter(pk__in=keys))
    sessions = list(due_sharing(at).filter(pk__in=keys).order_by("pk"))
    for session in sessions:
        sharing.end_sharing(session, at=at)
    return len(sessions)


@transaction.atomic
def _forget_some_sessions(keys, at):
    sessions, conversations = _lock_sessions(keys)
    still_due = set(due_sessions(at).filter(pk__in=keys).values_list("pk", flat=True))
    sessions = [session for session in sessions if session.pk in still_due]
    conversations = [row for row in conversations if row.help_session_id in still_due]
    _forget_sessions(sessions, conversations, at)
    return len(sessions)


@transaction.atomic
def forget_session_again(help_session, *, at):
    """Forget a visit that a restored backup brought back. Raises HeldByLaw."""
    sessions, conversations = _lock_sessions([help_session.pk])
    if holds.held(help_session):
        raise holds.HeldByLaw
    _forget_sessions(sessions, conversations, at)


def _lock_sessions(keys):
    sessions = list(HelpSession.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    lock_recommendations(_recommendations(keys, Conversation.objects.filter(help_session__in=keys)))
    conversations = list(
        Conversation.objects.select_for_update().filter(help_session__in=keys).order_by("pk")
    )
    return sessions, conversations


def _forget_sessions(sessions, conversations, at):
    library = Library.current()
    with keeping_counts(sessions):
        forget_recommendations(_recommendations(sessions, conversations), library.zone)
        _remove(conversations, at)
        Correction.objects.filter(help_session__in=sessions).delete()
        UnfinishedCorrection.objects.filter(help_session__in=sessions).delete()
        CheckIn.objects.filter(help_session__in=sessions).delete()
        SharedWords.objects.filter(help_session__in=sessions).delete()
        forgetting.forget(sessions, on=library.today(at), zone=library.zone)


@transaction.atomic
def _forget_some_conversations(keys, at):
    lock_recommendations(_recommendations([], keys))
    conversations = list(Conversation.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    still_due = set(due_conversations(at).filter(pk__in=keys).values_list("pk", flat=True))
    conversations = [conversation for conversation in conversations if conversation.pk in still_due]
    forget_recommendations(_recommendations([], conversations), Library.current().zone)
    _remove(conversations, at)
    return len(conversations)


@transaction.atomic
def _forget_some_unfinished(keys, at):
    """Delete the saved text of unfinished sessions.

    The sessions themselves stay in the list of unfinished sessions, so that staff can finish them.
    """
    lock_rows(HelpSession.objects.filter(pk__in=keys))
    return due_unfinished(at).filter(pk__in=keys).delete()[0]


@transaction.atomic
def _forget_some_events(keys, at):
    holds.lock_subjects(AuditEvent.objects.filter(pk__in=keys))
    return due_events(at).filter(pk__in=keys).delete()[0]


def _forget_some_holds(keys, at):
    return due_holds(at).filter(pk__in=keys).delete()[0]


@transaction.atomic
def _forget_some_emails(keys, at):
    return due_emails(at).filter(pk__in=keys).delete()[0]


@transaction.atomic
def _forget_some_removed_items(keys, at):
    patrons = SavedItem.objects.filter(pk__in=keys).values("saved_list__patron")
    lock_rows(User.objects.filter(pk__in=patrons))
    removed = due_removed_items(at).filter(pk__in=keys)
    remember_deleted(removed)
    return removed.delete()[0]


@transaction.atomic
def _forget_some_removed_lists(keys, at):
    lock_rows(User.objects.filter(pk__in=SavedList.objects.filter(pk__in=keys).values("patron")))
    removed = due_removed_lists(at).filter(pk__in=keys)
    remember_deleted(SavedItem.objects.filter(saved_list__in=removed, removed_at__isnull=False))
    return removed.delete()[0]


@transaction.atomic
def _forget_some_links(keys, at):
    patrons = ListLink.objects.filter(pk__in=keys).values("saved_list__patron")
    lock_rows(User.objects.filter(pk__in=patrons))
    return due_links(at).filter(pk__in=keys).delete()[0]


def _recommendations(sessions, conversations):
    in_sessions = SessionRecommendation.objects.filter(help_session__in=sessions)
    in_conversations = MessageRecommendation.objects.filter(message__conversation__in=conversations)
    # With OR instead of a union, the database would read every recommendation.
    return Recommendation.objects.filter(
        pk__in=in_sessions.order_by()
        .values("recommendation")
        .union(in_conversations.order_by().values("recommendation"))
    )


def forget_recommendations(recommendations, zone):
    """Reduce these recommendations to counts, by removing the people, the texts and the times of day.

    Saved items no longer point to these recommendations, and their next steps are deleted. `zone` is the
    library's time zone.
    """
    rows = list(recommendations)
    for row in rows:
        row.reason = row.comment = ""
        row.patron = row.recommended_by = None
        row.recommended_at = _start_of_day(row.recommended_at, zone)
        row.decided_at = row.decided_at and _start_of_day(row.decided_at, zone)
        row.answered_at = row.got_at = None
    SavedItem.objects.filter(recommendation__in=rows).update(recommendation=None)
    NextStep.objects.filter(recommendation__in=rows).delete()
    emptied = ["reason", "comment", "patron", "recommended_by", "answered_at", "got_at"]
    Recommendation.objects.bulk_update(rows, [*emptied, "recommended_at", "decided_at"])


def _start_of_day(moment, zone):
    return moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _remove(conversations, at):
    """Delete the conversations with everything that belongs to them. Delete their files after the commit.

    If the process is killed before it deletes the files, `forget_stray_files` deletes them later.
    """
    count_answers_of(conversations, at=at)
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
