"""Find out from the events of a conversation which next steps its items have."""

from django.db.models import OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from recommendations.models import NextStep
from recommendations.verdicts import NEEDS_FOLLOW_UP

from .models import Event
from .states import REASONS

Kind = Event.Kind


def restore(recommendation):
    """Write the NextStep of this recommendation again from its events, and return it.

    If the events leave no next step, delete the row and return None. The caller must have locked the
    conversation.
    """
    fields = current_step(events_of(recommendation))
    if fields is None:
        NextStep.objects.filter(recommendation=recommendation).delete()
        return None
    return NextStep.objects.update_or_create(recommendation=recommendation, defaults=fields)[0]


def current_step(events):
    """Return the fields of the NextStep that results from these events, or None if no next step is left."""
    fields = None
    for event in events:
        if event.kind == Kind.STEP_RECORDED:
            fields = {
                "kind": event.step,
                "promised_on": event.promised_on,
                "other_item_id": event.other_item_id,
                "recorded_at": event.at,
                "arrived_at": None,
                "overdue_at": None,
            }
        elif event.kind in Event.STEP_ENDS:
            fields = None
        elif fields and event.kind == Kind.STEP_ARRIVED:
            fields["arrived_at"] = event.at
        elif fields and event.kind == Kind.STEP_LATE:
            fields["overdue_at"] = event.at
    return fields


def last_event(recommendation):
    """Return the primary key of the latest event about the item's next steps, or 0."""
    last = events_of(recommendation).last()
    return last.pk if last else 0


def events_of(recommendation):
    """Return the events about the item's next steps, oldest first."""
    events = Event.objects.filter(recommendation=recommendation, kind__in=Event.STEPS)
    return events.order_by("at", "pk")


def last_kind():
    """Return a subquery for the kind of the latest event about a recommendation's next steps.

    Events before the patron's current verdict don't count. Without an event, the kind is "".
    """
    events = Event.objects.filter(recommendation=OuterRef("pk"), kind__in=Event.STEPS)
    events = events.filter(at__gte=OuterRef("decided_at")).order_by("-at", "-pk")
    return Coalesce(Subquery(events.values("kind")[:1]), Value(""))


def has_steps(recommendation):
    """Return whether staff have recorded a next step since the patron said they couldn't get the item."""
    last = events_of(recommendation).last()
    return last is not None and last.kind != Kind.STEP_ENDED


def waits_for_items_only(conversation, recommendation):
    """Return whether every item that the conversation waits for has a next step.

    Staff are recording a next step for the item of `recommendation` now, so this item counts as having one.
    Return False if the conversation waits for anything else: the patron has written, has asked for a call, or
    has said that the visit or another item didn't help.
    """
    since = conversation.waiting_since
    if conversation.call_since is not None:
        return False
    if since is None:
        return True
    is_missed = Q(verdict__in=NEEDS_FOLLOW_UP, decided_at__gte=since, next_step=None)
    is_missed &= ~Q(last=Kind.STEP_GIVEN)
    is_late = Q(next_step__overdue_at__isnull=False, next_step__arrived_at=None)
    other_items = conversation.verdicts().exclude(pk=recommendation.pk).annotate(last=last_kind())
    other_items = other_items.filter(is_missed | is_late)
    visits = conversation.sessions_with_outcome().filter(found__in=REASONS, found_at__gte=since)
    return not (
        conversation.messages.filter(sent_at__gte=since).exists() or other_items.exists() or visits.exists()
    )
