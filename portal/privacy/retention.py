"""Forgetting on time. What is over becomes a count or is gone, each night, a batch at a time; run again it goes on where it stopped.

A help session's row stays as a count. Its conversations go with it, once none of them is open any more; a conversation that hangs on no session
goes by itself, as long after its end. What is held by law stays. Who may have what for how long stands in accounts/patron/retention_choice.py
and, for people to read, in policy.py.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from accounts.models import AuditEvent, Library, User
from accounts.patron import retention_choice
from portal.conversations import search
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Attachment, Conversation
from portal.helpsessions import forgetting
from portal.helpsessions.models import ClaimCode, HelpSession, UnfinishedForm
from portal.lists.models import SavedItem
from recommendations.models import Recommendation

from . import holds, sharing
from .models import LegalHold

BATCH = 50
NIGHT = range(1, 6)  # hours in which nobody is at the desk
SECONDS_A_TURN = 20  # mail waits no longer
UNFINISHED_FOR = timedelta(days=30)
EVENTS_FOR = timedelta(days=730)

Status = HelpSession.Status


@dataclass(frozen=True)
class Due:
    """How much would go now, by kind."""

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
    """For the worker: some of it at each turn of the night."""
    if at.astimezone(Library.current().zone).hour in NIGHT:
        forget(at=at, seconds=SECONDS_A_TURN)


def forget(*, at, seconds=None):
    """All that is due, a batch after the other, or as much as can be done in so many seconds. Returns how many sessions and conversations."""
    began, done = time.monotonic(), 0
    for forget_some in (
        _end_some_sharing,
        _forget_some_sessions,
        _forget_some_conversations,
        _forget_some_unfinished,
        _forget_some_events,
        _forget_some_holds,
    ):
        while count := forget_some(at):
            done += count
            if seconds is not None and time.monotonic() - began > seconds:
                return done
    return done


def due(*, at):
    """What `forget` would take, counted; nothing is changed."""
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


def due_sessions(at):
    """Tallies too: what they hold is which of the staff counted, and in which minute."""
    no_code = ~Exists(ClaimCode.objects.live(at).filter(help_session=OuterRef("pk")))
    nobodys = Q(patron=None, shared_with=None, created_at__lte=at - retention_choice.SHORT_PERIOD) & no_code
    theirs = retention_choice.due("became_theirs_at", at=at) | ~Q(
        with_child=""
    ) & retention_choice.childs_due("became_theirs_at", at=at)
    an_adults_alone = Q(patron=None) & _adults_time_is_over(at) & no_code
    conversations = Conversation.objects.filter(
        Q(status__in=Conversation.OPEN) | Q(merged_into__status__in=Conversation.OPEN),
        help_session=OuterRef("pk"),
    )
    return (
        HelpSession.objects.alias(became_theirs_at=Coalesce("kept_at", "created_at"))
        .filter(
            nobodys | theirs | an_adults_alone, forgotten_on=None, status__in=[Status.RECORDED, Status.TALLY]
        )
        .exclude(Exists(conversations))
        .exclude(holds.held_sessions())
    )


def due_sharing(at):
    """Visits that a child goes on keeping, and whose adult's time is over."""
    return HelpSession.objects.filter(_adults_time_is_over(at), patron__isnull=False).exclude(
        holds.held_sessions()
    )


def _adults_time_is_over(at):
    whose = {"at": at, "whose": "shared_with"}
    return retention_choice.due("shared_at", **whose) | retention_choice.childs_due("shared_at", **whose)


def due_conversations(at):
    """Those that hang on no session. One that was joined into another goes with that one."""
    nobodys = Q(patron=None, closed_at__lte=at - retention_choice.SHORT_PERIOD)
    return (
        Conversation.objects.filter(
            nobodys | retention_choice.due("closed_at", at=at),
            help_session=None,
            merged_into=None,
            closed_at__isnull=False,
        )
        .exclude(status__in=Conversation.OPEN)
        .exclude(holds.held_conversations())
    )


def due_unfinished(at):
    return UnfinishedForm.objects.filter(saved_at__lte=at - UNFINISHED_FOR).exclude(
        help_session__in=HelpSession.objects.filter(holds.held_sessions())
    )


def due_events(at):
    return AuditEvent.objects.filter(at__lte=at - EVENTS_FOR).exclude(patron__legal_holds__isnull=False)


def due_holds(at):
    return LegalHold.objects.filter(lifted_at__lte=at - EVENTS_FOR)


@transaction.atomic
def _end_some_sharing(at):
    keys = list(due_sharing(at).order_by("pk").values_list("pk", flat=True)[:BATCH])
    list(
        HelpSession.objects.select_for_update(no_key=True)
        .filter(pk__in=keys)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    sessions = list(
        due_sharing(at).filter(pk__in=keys).order_by("pk")
    )  # now that nobody else can change them
    for session in sessions:
        sharing.end_by_itself(session, at=at)
    return len(sessions)


@transaction.atomic
def _forget_some_sessions(at):
    keys = list(due_sessions(at).order_by("pk").values_list("pk", flat=True)[:BATCH])
    sessions = list(HelpSession.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    lock_recommendations(_recommendations(keys, Conversation.objects.filter(help_session__in=keys)))
    conversations = list(
        Conversation.objects.select_for_update().filter(help_session__in=keys).order_by("pk")
    )
    # Now that nobody else can change them: what is still due?
    still = set(due_sessions(at).filter(pk__in=keys).values_list("pk", flat=True))
    sessions = [session for session in sessions if session.pk in still]
    conversations = [conversation for conversation in conversations if conversation.help_session_id in still]
    library = Library.current()
    forget_recommendations(_recommendations(sessions, conversations), library.zone)
    _remove(conversations)
    forgetting.forget(sessions, on=library.today(at), zone=library.zone)
    return len(sessions)


@transaction.atomic
def _forget_some_conversations(at):
    keys = list(due_conversations(at).order_by("pk").values_list("pk", flat=True)[:BATCH])
    lock_recommendations(_recommendations([], keys))
    conversations = list(Conversation.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    still = set(due_conversations(at).filter(pk__in=keys).values_list("pk", flat=True))
    conversations = [conversation for conversation in conversations if conversation.pk in still]
    forget_recommendations(_recommendations([], conversations), Library.current().zone)
    _remove(conversations)
    return len(conversations)


@transaction.atomic
def _forget_some_unfinished(at):
    """The words go; the session stays on the tray, to be finished or thrown away."""
    keys = list(due_unfinished(at).values_list("pk", flat=True)[:BATCH])
    list(
        HelpSession.objects.select_for_update(no_key=True)
        .filter(pk__in=keys)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    return due_unfinished(at).filter(pk__in=keys).delete()[0]


@transaction.atomic
def _forget_some_events(at):
    keys = list(due_events(at).order_by("pk").values_list("pk", flat=True)[:1000])
    patrons = list(
        AuditEvent.objects.filter(pk__in=keys, patron__isnull=False).values_list("patron", flat=True)
    )
    list(
        User.objects.select_for_update(no_key=True)
        .filter(pk__in=patrons)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    return due_events(at).filter(pk__in=keys).delete()[0]


def _forget_some_holds(at):
    return LegalHold.objects.filter(pk__in=list(due_holds(at).values_list("pk", flat=True)[:BATCH])).delete()[
        0
    ]


def _recommendations(sessions, conversations):
    return Recommendation.objects.filter(
        Q(sessionrecommendation__help_session__in=sessions)
        | Q(messagerecommendation__message__conversation__in=conversations)
    )


def forget_recommendations(recommendations, zone):
    """What was recommended, about what and with what verdict stays as a count. No list leads to it any more."""
    found = list(recommendations)
    for recommendation in found:
        recommendation.reason = recommendation.comment = ""
        recommendation.patron = recommendation.recommended_by = None
        recommendation.recommended_at = _day(recommendation.recommended_at, zone)
        recommendation.decided_at = recommendation.decided_at and _day(recommendation.decided_at, zone)
    SavedItem.objects.filter(recommendation__in=found).update(recommendation=None)
    Recommendation.objects.bulk_update(
        found, ["reason", "comment", "patron", "recommended_by", "recommended_at", "decided_at"]
    )


def _day(moment, zone):
    return moment.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def _remove(conversations):
    """With all that hangs on them, files included; a process that dies before they are removed leaves them to `forget_stray_files`."""
    with_merged = Conversation.objects.filter(
        Q(pk__in=[conversation.pk for conversation in conversations]) | Q(merged_into__in=conversations)
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
    return (
        Conversation._meta.get_field(related)
        .related_model.objects.filter(conversation__in=conversations)
        .count()
    )
