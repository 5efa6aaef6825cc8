"""Legal holds: set and lifted by a coordinator, asked by whatever would delete something.

Whoever deletes locks what goes and then asks; whoever holds locks the same rows in the same order (the person, visits, conversations). So of a hold and a
deletion at the same moment one comes first, and the other knows.
"""

from django.db.models import Q

from accounts import audit
from accounts.models import User
from accounts.staff_actions import staff_action
from portal.conversations import desk_actions
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation

from .models import LegalHold

FIELD = {User: "person", HelpSession: "help_session", Conversation: "conversation"}


class HeldByLaw(Exception):
    """The law forbids for now to delete it, or something that hangs on it."""


class Gone(Exception):
    """It was deleted a moment before it could be held."""


@staff_action
def hold(record, *, reason, by, at):
    """Nothing of this person, help session or conversation is deleted from now on. One hold a record: a second one changes nothing. Raises Gone."""
    _lock_all_of(record)
    record = type(record).objects.filter(pk=record.pk).first()
    if (
        record is None
        or getattr(record, "forgotten_on", None)
        or getattr(record, "status", "") == Conversation.Status.ERASED
    ):
        raise Gone
    found = LegalHold.objects.filter(comes_from=None, **_pointing_to(record)).first()
    return found or _set(record, reason=reason, set_by=by, set_at=at, by=by)


def carry_along(person, record, *, at):
    """What the law holds through this person stays held, who is not behind it any more from this moment on: each hold of theirs leaves one on it,
    which is lifted with theirs. The caller has locked the record, as whoever sets a hold does."""
    for found in (
        LegalHold.objects.select_for_update(no_key=True).filter(person=person).order_by("pk")
    ):  # one that is being lifted is waited for
        leave(found, record, at=at)


def leave(found, record, *, at):
    """That hold, whose row is locked, leaves one on this record as well; twice is once."""
    if not LegalHold.objects.filter(comes_from=found, **_pointing_to(record)).exists():
        _set(record, reason=found.reason, set_by=found.set_by, set_at=at, comes_from=found, by=None)


@staff_action
def erase_conversation(conversation, *, by, at):
    """handling.erase, unless the law forbids it. Raises HeldByLaw, Erased."""
    conversations = Conversation.objects.filter(
        Q(pk=conversation.pk) | Q(merged_into=conversation) | Q(pk=conversation.merged_into_id)
    )
    list(
        contacts_of(conversations).select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    )
    lock_recommendations(
        Recommendation.objects.filter(
            messagerecommendation__message__conversation=conversation.merged_into_id or conversation.pk
        )
    )
    list(conversations.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    if held(conversation):
        raise HeldByLaw
    return desk_actions.erase(conversation, by=by, at=at)


@staff_action
def lift(found, *, by, at):
    """From now on what is due goes again; with it goes what it left elsewhere."""
    lifted = LegalHold.objects.filter(pk=found.pk, lifted_at=None).update(
        lifted_at=at, lifted_by=by, person=None, help_session=None, conversation=None
    )
    if lifted:
        audit.record("lifted_hold", found, by=by, at=at)
        for left in LegalHold.objects.filter(comes_from=found, lifted_at=None).order_by("pk"):
            lift(left, by=by, at=at)


def held(record):
    """Whether a hold forbids to delete this person, help session or conversation, or anything that hangs on it."""
    if isinstance(record, User):
        return (
            LegalHold.objects.filter(person=record).exists()
            or HelpSession.objects.filter(held_sessions(), Q(patron=record) | Q(shared_with=record)).exists()
            or Conversation.objects.filter(held_conversations(), patron=record).exists()
        )
    condition = held_sessions() if isinstance(record, HelpSession) else held_conversations()
    return type(record).objects.filter(condition, pk=record.pk).exists()


def conversations_of(person):
    """What may be erased with them."""
    return Conversation.objects.filter(Q(patron=person) | Q(help_session__shared_with=person))


def contacts_of(conversations):
    """As which they were counted: whoever erases a conversation takes out what was written of it there."""
    return HelpSession.objects.filter(pk__in=conversations.exclude(logged_as=None).values("logged_as"))


def _set(record, *, by, **fields):
    found = LegalHold.objects.create(
        kind=FIELD[type(record)], name=str(record.public_id), **_pointing_to(record), **fields
    )
    audit.record("held", found, by=by, at=found.set_at)
    return found


def _pointing_to(record):
    return {FIELD[type(record)]: record}


def _lock_all_of(record):
    """The rows of which any may be about to go."""
    sessions = conversations = Q(pk__in=[])
    if isinstance(record, User):
        list(User.objects.select_for_update(no_key=True).filter(pk=record.pk).values_list("pk", flat=True))
        sessions, conversations = (
            Q(patron=record) | Q(shared_with=record),
            Q(pk__in=conversations_of(record).values("pk")),
        )
    elif isinstance(record, HelpSession):
        sessions, conversations = Q(pk=record.pk), Q(help_session=record) | Q(logged_as=record)
    else:
        sessions = Q(pk__in=[record.help_session_id, record.logged_as_id])
        conversations = Q(pk__in=[record.pk, record.merged_into_id]) | Q(merged_into=record)
    list(
        HelpSession.objects.select_for_update(no_key=True)
        .filter(sessions)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    locked = Conversation.objects.filter(
        pk__in=list(Conversation.objects.filter(conversations).values_list("pk", flat=True))
    )
    list(locked.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


def held_sessions():
    """The condition for help sessions: they are held, or their patron is, or the adult they are shared with, or a conversation of theirs or that was
    counted as them."""
    conversations = Conversation.objects.filter(held_conversations())
    by_conversation = Q(pk__in=conversations.exclude(help_session=None).values("help_session")) | Q(
        pk__in=contacts_of(conversations).values("pk")
    )
    return (
        Q(pk__in=_held("help_session"))
        | Q(patron__in=_held("person"))
        | Q(shared_with__in=_held("person"))
        | by_conversation
    )


def held_conversations():
    """The condition for conversations: they are held, or their patron, their help session, the contact as which they were counted, or a conversation that
    was joined into them."""
    by_themselves = _conversations_held()
    joined = Conversation.objects.filter(merged_into__in=by_themselves.values("pk")).values("pk")
    into = by_themselves.exclude(merged_into=None).values("merged_into")
    return Q(pk__in=by_themselves.values("pk")) | Q(pk__in=joined) | Q(pk__in=into)


def _conversations_held():
    by_session = (
        Q(help_session__in=_held("help_session"))
        | Q(help_session__shared_with__in=_held("person"))
        | Q(logged_as__in=_held("help_session"))
    )
    return Conversation.objects.filter(
        Q(pk__in=_held("conversation")) | Q(patron__in=_held("person")) | by_session
    )


def _held(field):
    return LegalHold.objects.filter(**{f"{field}__isnull": False}).values(field)
