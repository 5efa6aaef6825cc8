"""Set and lift legal holds. Only coordinators may do this.

All code that deletes people, visits or conversations locks them and then checks for holds. `hold` locks the
same rows in the same order: people, visits, conversations. So a hold and a simultaneous deletion run one
after the other.
"""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from accounts import audit
from accounts.models import User
from accounts.staff_actions import staff_action
from portal.checkins.models import CheckIn
from portal.conversations import desk_actions
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import CallBack, Conversation
from portal.counts.answers import count_answers_of
from portal.helpsessions.models import HelpSession
from portal.incoming.desk_actions import delete as delete_incoming_email
from portal.incoming.models import IncomingEmail
from portal.text import uuid_or_none
from recommendations.models import Recommendation

from . import erased_list
from .locks import lock_rows
from .models import Correction, LegalHold

FIELD = {User: "person", HelpSession: "help_session", Conversation: "conversation"}
NOTHING = Q(pk__in=[])


class HeldByLaw(Exception):
    """A row can't be deleted, because a legal hold covers the row or another row that belongs to it."""


class Gone(Exception):
    """The row was deleted just before the hold was set."""


@staff_action
def hold(record, *, reason, by, at):
    """Set a legal hold on this person, help session or conversation, and return the hold.

    If `record` already has a hold, return the existing hold. Raises Gone.
    """
    _lock_all_of(record)
    record = type(record).objects.filter(pk=record.pk).first()
    if (
        record is None
        or getattr(record, "forgotten_on", None)
        or getattr(record, "status", "") == Conversation.Status.ERASED
    ):
        raise Gone
    present = LegalHold.objects.filter(comes_from=None, **_pointing_to(record)).first()
    return present or _set(record, reason=reason, set_by=by, set_at=at, by=by)


@staff_action
def lift(legal_hold, *, by, at):
    """Lift the legal hold and all its copies, so that the held records can be deleted."""
    lifted = LegalHold.objects.filter(pk=legal_hold.pk, lifted_at=None).update(
        lifted_at=at, lifted_by=by, person=None, help_session=None, conversation=None
    )
    if lifted:
        audit.record("lifted_hold", legal_hold, by=by, at=at)
        for copied in LegalHold.objects.filter(comes_from=legal_hold, lifted_at=None).order_by("pk"):
            lift(copied, by=by, at=at)
        forget_old_words()


def forget_old_words():
    """Delete data that was stored only because of legal holds that were lifted.

    A hold preserves the text from before a correction. If a help session became quiet, a hold also preserves:
    - its original emails
    - the text of its check-ins
    - the names for which staff should ask when they call

    A hold preserves phone numbers too, but another job deletes the numbers.
    """
    unheld = HelpSession.objects.exclude(held_sessions())
    quiet = unheld.filter(quiet=True).values("pk")
    in_messages = Q(message__conversation__help_session__in=quiet)
    IncomingEmail.objects.filter(in_messages | Q(conversation__help_session__in=quiet)).delete()
    # Don't delete a name that a viewer by code gave after the help session became quiet.
    became_quiet = Correction.objects.filter(
        help_session=OuterRef("conversation__help_session"),
        help_session__in=unheld,
        at__gte=OuterRef("asked_at"),
        old_words__quiet=str(False),
    )
    CallBack.objects.exclude(ask_for="").filter(Exists(became_quiet)).update(ask_for="")
    Correction.objects.exclude(old_words={}).filter(help_session__in=unheld).update(old_words={})
    of_quiet = CheckIn.objects.filter(help_session__in=unheld.filter(quiet=True))
    of_quiet.exclude(words="", reason="").update(words="", reason="")


def copy_holds(owner, record, *, at):
    """Copy each hold on `owner` to the visit `record`.

    `owner` is the person from whose account the visit is removed. Or `owner` is another visit, whose
    conversation moves to this visit. The copies end when the hold on `owner` is lifted. The caller must lock
    the visit.
    """
    # If another transaction is lifting a hold, this lock waits until that transaction ends.
    for legal_hold in (
        LegalHold.objects.select_for_update(no_key=True).filter(**_pointing_to(owner)).order_by("pk")
    ):
        copy_hold(legal_hold, record, at=at)


def copy_hold(legal_hold, record, *, at):
    """Copy the hold to this record, unless the record already has a copy. The caller must lock the hold."""
    if not LegalHold.objects.filter(comes_from=legal_hold, **_pointing_to(record)).exists():
        _set(
            record,
            reason=legal_hold.reason,
            set_by=legal_hold.set_by,
            set_at=at,
            comes_from=legal_hold,
            by=None,
        )


@staff_action
def erase_conversation(conversation, *, by, at):
    """Erase the conversation and return it. Raises HeldByLaw, Erased."""
    return _erase_conversation(conversation, by, at)


@transaction.atomic
def erase_conversation_again(conversation, *, at):
    """Erase a conversation that a restored backup brought back. Raises HeldByLaw, Erased."""
    _erase_conversation(conversation, None, at)


def _erase_conversation(conversation, by, at):
    conversations = Conversation.objects.filter(
        Q(pk=conversation.pk) | Q(merged_into=conversation) | Q(pk=conversation.merged_into_id)
    )
    lock_rows(contacts_of(conversations))
    lock_recommendations(
        Recommendation.objects.filter(
            messagerecommendation__message__conversation=conversation.merged_into_id or conversation.pk
        )
    )
    lock_rows(conversations)
    if held(conversation):
        raise HeldByLaw
    erased_list.remember(erased_list.CONVERSATION, conversation.public_id)
    count_answers_of(conversations, at=at)
    return desk_actions.erase(conversation, by=by, at=at)


@staff_action
def delete_email(email, *, by, at):
    """Delete an email that was not matched, with its original. Raises HeldByLaw."""
    for record in filter(None, [email.person, email.conversation]):
        _lock_all_of(record)
    if Conversation.objects.filter(held_conversations(), pk=email.conversation_id).exists() or (
        LegalHold.objects.filter(person__isnull=False, person=email.person_id).exists()
    ):
        raise HeldByLaw
    delete_incoming_email(email, by=by, at=at)


# The functions below find out which rows are covered by holds.


def held(record):
    """Return whether a hold forbids deleting this person, help session or conversation.

    A hold on a row that belongs to the record also counts. For example, if a visit is held, its patron can't
    be deleted.
    """
    if isinstance(record, User):
        return (
            LegalHold.objects.filter(person=record).exists()
            or HelpSession.objects.filter(held_sessions(), Q(patron=record) | Q(shared_with=record)).exists()
            or Conversation.objects.filter(held_conversations(), patron=record).exists()
        )
    condition = held_sessions() if isinstance(record, HelpSession) else held_conversations()
    return type(record).objects.filter(condition, pk=record.pk).exists()


def held_sessions():
    """Return the condition for help sessions that a hold covers.

    The hold can be on one of these:
    - the help session
    - its patron, or the adult who shares it
    - a conversation about the help session
    - a conversation that the desk logged as the help session
    """
    if not _is_anything_held():
        return NOTHING
    conversations = Conversation.objects.filter(held_conversations())
    return (
        Q(pk__in=_held("help_session"))
        | Q(patron__in=_held("person"))
        | Q(shared_with__in=_held("person"))
        | Q(pk__in=conversations.exclude(help_session=None).values("help_session"))
        | Q(pk__in=contacts_of(conversations).values("pk"))
    )


def held_conversations():
    """Return the condition for conversations that a hold covers.

    The hold can be on one of these:
    - the conversation, or a conversation that was merged with it
    - its patron
    - the help session that the conversation is about, or the adult who shares that help session
    - the help session that the desk logged for the conversation
    """
    if not _is_anything_held():
        return NOTHING
    by_themselves = _conversations_held()
    merged = Conversation.objects.filter(merged_into__in=by_themselves.values("pk")).values("pk")
    into = by_themselves.exclude(merged_into=None).values("merged_into")
    return Q(pk__in=by_themselves.values("pk")) | Q(pk__in=merged) | Q(pk__in=into)


def held_events():
    """Return the condition for audit events about people, help sessions or conversations under a hold.

    The subject of an event is a public id as text. So this function first reads the public ids of these
    records.
    """
    held_people = _held("person")
    subjects = [
        *User.objects.filter(pk__in=held_people).values_list("public_id", flat=True),
        *HelpSession.objects.filter(held_sessions()).values_list("public_id", flat=True),
        *Conversation.objects.filter(held_conversations()).values_list("public_id", flat=True),
    ]
    return Q(patron__in=held_people) | Q(subject__in=[str(public_id) for public_id in subjects])


def conversations_of(person):
    """Return the conversations that are erased with this person, or that the person may be writing in."""
    return Conversation.objects.filter(Q(patron=person) | Q(help_session__shared_with=person))


def contacts_of(conversations):
    """Return the help sessions that the desk logged for these conversations.

    Such a help session contains text from its conversation. The text is erased together with the
    conversation.
    """
    return HelpSession.objects.filter(pk__in=conversations.exclude(logged_as=None).values("logged_as"))


def _conversations_held():
    by_session = (
        Q(help_session__in=_held("help_session"))
        | Q(help_session__shared_with__in=_held("person"))
        | Q(logged_as__in=_held("help_session"))
    )
    return Conversation.objects.filter(
        Q(pk__in=_held("conversation")) | Q(patron__in=_held("person")) | by_session
    )


def _is_anything_held():
    """Return whether there is any hold. If there is none, the conditions need no subqueries.

    With 100,000 conversations, the subqueries take a third of a second.
    """
    return LegalHold.objects.filter(lifted_at=None).exists()


def _held(field):
    return LegalHold.objects.filter(**{f"{field}__isnull": False}).values(field)


def _set(record, *, by, **fields):
    legal_hold = LegalHold.objects.create(
        kind=FIELD[type(record)], name=str(record.public_id), **_pointing_to(record), **fields
    )
    audit.record("held", legal_hold, by=by, at=legal_hold.set_at)
    return legal_hold


def _pointing_to(record):
    return {FIELD[type(record)]: record}


# The functions below lock rows.


def lock_subjects(events):
    """Lock the people, visits and conversations in these audit events, in the same order as `hold` does."""
    events = list(events.values_list("patron", "subject"))
    public_ids = [public_id for _patron, subject in events if (public_id := uuid_or_none(subject))]
    lock_rows(
        User.objects.filter(Q(pk__in=[pk for pk, _subject in events if pk]) | Q(public_id__in=public_ids))
    )
    lock_rows(HelpSession.objects.filter(public_id__in=public_ids))
    lock_rows(Conversation.objects.filter(public_id__in=public_ids))


def _lock_all_of(record):
    """Lock the record and the rows that would be deleted with the record."""
    sessions = conversations = Q(pk__in=[])
    if isinstance(record, User):
        lock_rows(User.objects.filter(pk=record.pk))
        sessions = Q(patron=record) | Q(shared_with=record)
        conversations = Q(pk__in=conversations_of(record).values("pk"))
    elif isinstance(record, HelpSession):
        sessions = Q(pk=record.pk)
        conversations = Q(help_session=record) | Q(logged_as=record)
    else:
        sessions = Q(pk__in=[record.help_session_id, record.logged_as_id])
        conversations = Q(pk__in=[record.pk, record.merged_into_id]) | Q(merged_into=record)
    lock_rows(HelpSession.objects.filter(sessions))
    keys = list(Conversation.objects.filter(conversations).values_list("pk", flat=True))
    lock_rows(Conversation.objects.filter(pk__in=keys))
