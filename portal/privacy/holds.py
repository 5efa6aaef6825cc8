"""Legal holds: set and lifted by a coordinator, asked by whatever would delete something."""

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.models import User
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession

from .models import LegalHold

FIELD = {User: "person", HelpSession: "help_session", Conversation: "conversation"}


@transaction.atomic
def hold(record, *, reason, by, at):
    """Nothing of this person, help session or thread is deleted from now on. One hold a record: a second one changes nothing."""
    record = type(record).objects.select_for_update().get(pk=record.pk)  # whoever deletes it has its row
    field = FIELD[type(record)]
    found = LegalHold.objects.filter(**{field: record}).first()
    if found is None:
        found = LegalHold.objects.create(kind=field, name=str(record.public_id), reason=reason, set_by=by, set_at=at, **{field: record})
        audit.record("held", found, by=by, at=at)
    return found


@transaction.atomic
def lift(found, *, by, at):
    """From now on what is due goes again."""
    lifted = LegalHold.objects.filter(pk=found.pk, lifted_at=None).update(lifted_at=at, lifted_by=by, person=None, help_session=None, conversation=None)
    if lifted:
        audit.record("lifted_hold", found, by=by, at=at)


def held(record):
    """Whether a hold forbids to delete this person, help session or thread, or anything that hangs on it."""
    if isinstance(record, User):
        return (
            LegalHold.objects.filter(person=record).exists()
            or HelpSession.objects.filter(held_sessions(), Q(patron=record) | Q(shared_with=record)).exists()
            or Conversation.objects.filter(held_threads(), patron=record).exists()
        )
    condition = held_sessions() if isinstance(record, HelpSession) else held_threads()
    return type(record).objects.filter(condition, pk=record.pk).exists()


def held_sessions():
    """The condition for help sessions: they are held, or their patron is, or the adult they are shared with, or a thread of theirs."""
    by_thread = Conversation.objects.filter(held_threads()).exclude(help_session=None).values("help_session")
    return Q(pk__in=_held("help_session")) | Q(patron__in=_held("person")) | Q(shared_with__in=_held("person")) | Q(pk__in=by_thread)


def held_threads():
    """The condition for threads: they are held, or their patron, their help session, or a thread that was joined into them."""
    by_themselves = _threads_held()
    joined = Conversation.objects.filter(joined_into__in=by_themselves.values("pk")).values("pk")
    into = by_themselves.exclude(joined_into=None).values("joined_into")
    return Q(pk__in=by_themselves.values("pk")) | Q(pk__in=joined) | Q(pk__in=into)


def _threads_held():
    by_session = Q(help_session__in=_held("help_session")) | Q(help_session__shared_with__in=_held("person"))
    return Conversation.objects.filter(Q(pk__in=_held("conversation")) | Q(patron__in=_held("person")) | by_session)


def _held(field):
    return LegalHold.objects.filter(**{f"{field}__isnull": False}).values(field)
