"""Erase a person in one transaction, and create a receipt that doesn't name the person."""

import logging

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import translation

from accounts.models import AddressChange, AuditEvent, Invitation, Library, User
from accounts.sign_in.email_addresses import confirmed_address
from accounts.sign_in.sign_ins import end_all_sign_ins
from portal.checkins.models import CheckIn, SharedWords
from portal.conversations import desk_actions
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Attachment, Conversation, Message, Side
from portal.counts.actions import keeping_counts
from portal.counts.answers import count_answers_of
from portal.helpsessions import forgetting
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.imports.desk_logs import uploads
from portal.incoming.models import IncomingEmail
from portal.notifications.models import Notification
from portal.notifications.writing import notify
from recommendations.models import Recommendation

from . import contents, erased_list, exports, sharing
from .erasure_words import ERASED_KINDS, KEPT_KINDS, in_words
from .holds import HeldByLaw, contacts_of, conversations_of, held
from .locks import lock_rows
from .models import Correction, Erasure, Export, UnfinishedCorrection
from .retention import forget_recommendations

ATTEMPTS_MAX = 3
# PostgreSQL's error code for a deadlock. Two transactions waited for each other, so PostgreSQL ended one.
DEADLOCK = "40P01"

log = logging.getLogger(__name__)


class AlreadyErased(Exception):
    """The person has already been erased."""


class Merged(Exception):
    """The person's record has just been merged into another record, so nothing was erased."""


class WorksAtADesk(Exception):
    """The person has a staff role and can't be erased. A coordinator must end the role first."""


def preview(person, *, at):
    """Count the rows that an erasure would delete, and the rows that would stay in a child's visits.

    Return {kind: number} for the kinds that have rows. An answer in its undo window is not counted.
    """
    conversations = _conversations(person, at)
    rows = {
        "visits": _visits(person, at),
        "recommendations": _recommendations(person, at).filter(recommended_at__lte=at),
        "conversations": conversations.filter(merged_into=None, last_message_at__isnull=False),
        "messages": Message.objects.shown(at).filter(conversation__in=conversations),
        "attachments": Attachment.objects.open_to_patron(person, at).filter(
            Q(conversation__in=conversations) | Q(message=None)
        ),
        "mails": _emails(person).filter(due_at__lte=at),
        "messages_left": _written_by(person).exclude(conversation__in=conversations),
        "visits_left": HelpSession.objects.filter(shared_with=person).exclude(kept_alone(person, at)),
    }
    counts = {}
    for kind in [*ERASED_KINDS, *KEPT_KINDS]:
        queryset = rows[kind] if kind in rows else contents.TABLES[kind].rows(person, at)
        counts[kind] = queryset.count()
    return {kind: count for kind, count in counts.items() if count}


def kept_alone(person, at):
    """Return the condition for children's visits that only this adult has and that no code opens.

    These visits are erased together with the adult. All other children's visits stay.
    """
    live_codes = ClaimCode.objects.live(at).filter(help_session=OuterRef("pk"))
    return Q(shared_with=person, patron=None) & ~Exists(live_codes)


def erase(person, *, language, at):
    """Erase the person in one transaction and return the receipt.

    Raises AlreadyErased, Merged, WorksAtADesk and HeldByLaw. If the person saves something on another device
    at the same moment, the new data is either erased too or refused. If another transaction adds a row that
    points to the person, this function tries again. Files are deleted after the commit. If deleting a file
    fails, the worker tries again later.
    """
    for attempts_left in reversed(range(ATTEMPTS_MAX)):
        try:
            return _erase(person, language=language, at=at)
        except (IntegrityError, OperationalError) as error:
            is_deadlock = getattr(error.__cause__, "sqlstate", "") == DEADLOCK
            if not attempts_left or not (isinstance(error, IntegrityError) or is_deadlock):
                raise
            log.info("an erasure is tried again: a row of the person was written meanwhile")
    raise AssertionError


@transaction.atomic
def _erase(person, *, language, at):
    address = confirmed_address(person)
    person, sessions, recommendations, conversations = _lock(person, at)
    if person.staff_roles.exists():
        raise WorksAtADesk
    if held(person):
        raise HeldByLaw
    counts = preview(person, at=at)
    _remember(person, sessions, conversations)
    # Simultaneous erasures must update the queues of branches in the same order. Otherwise they can deadlock.
    count_answers_of(conversations, at=at)
    for conversation in sorted(conversations, key=lambda row: (row.branch_id, row.pk)):
        desk_actions.erase(conversation, by=person, at=at)
    library = Library.current()
    forget_recommendations(Recommendation.objects.filter(pk__in=recommendations), library.zone)
    Correction.objects.filter(help_session__in=sessions).delete()
    UnfinishedCorrection.objects.filter(help_session__in=sessions).delete()
    with keeping_counts(sessions):
        CheckIn.objects.filter(help_session__in=sessions).delete()
        SharedWords.objects.filter(help_session__in=sessions).delete()
        forgetting.forget(sessions, on=library.today(at), zone=library.zone)
    for shared in HelpSession.objects.filter(shared_with=person).order_by("pk"):
        sharing.stop_keeping(shared, by=person, at=at)
    _delete_unsent_attachments(person)
    # Messages that the person wrote in a child's visit are not deleted. `writer_erased` marks them as
    # messages of an erased person. So no page or export shows them as messages of another person.
    _written_by(person).update(writer_erased=True)
    for email in _addresses(person):
        Invitation.objects.filter(email__iexact=email).delete()
    _emails(person).delete()
    IncomingEmail.objects.filter(Q(person=person) | Q(sender__in=_addresses(person))).delete()
    end_all_sign_ins(person)
    AuditEvent.objects.filter(subject=str(person.public_id)).update(subject="")
    uploads.forget_all_of(person)
    files = [name for name in Export.objects.filter(person=person).values_list("file", flat=True) if name]
    transaction.on_commit(lambda: exports.remove_files(files))
    # The database also deletes the rows that belong only to the person: lists, drafts, consents, addresses,
    # exports.
    person.delete()
    erasure = Erasure.objects.create(erased_at=at, language=language, counts=counts)
    if address:
        _send_receipt(erasure, address)
    return erasure


def _lock(person, at):
    """Lock the person and their rows, in the same order as all other actions.

    Return the person, their help sessions, the primary keys of their recommendations, and their
    conversations. Raises AlreadyErased and Merged.
    """
    locked = User.objects.select_for_update(no_key=True).filter(pk=person.pk).first()
    if locked is None:
        raise Merged if _was_merged(person) else AlreadyErased
    contacts = contacts_of(conversations_of(locked)).values("pk")
    keys = lock_rows(
        HelpSession.objects.filter(Q(patron=locked) | Q(shared_with=locked) | Q(pk__in=contacts))
    )
    sessions = list(_visits(locked, at).filter(pk__in=keys).order_by("pk"))
    recommendations = _recommendations(locked, at).values_list("pk", flat=True)
    lock_recommendations(Recommendation.objects.filter(pk__in=list(recommendations)))
    # Lock other people's conversations in a shared visit too, because the person may be writing in them.
    open_to_them = Conversation.objects.filter(Q(patron=locked) | Q(help_session__in=keys))
    lock_rows(Conversation.objects.filter(pk__in=list(open_to_them.values_list("pk", flat=True))))
    conversations = list(
        _conversations(locked, at)
        .filter(merged_into=None)
        .exclude(status=Conversation.Status.ERASED)
        .order_by("pk")
    )
    # After this lock, a transaction that adds a row with a foreign key to this person must wait. It fails
    # when the erasure commits, because the person no longer exists.
    locked = User.objects.select_for_update().get(pk=locked.pk)
    return locked, sessions, list(recommendations.all()), conversations


def _was_merged(person):
    """Return whether the person's record was merged into another record that still exists."""
    merges = AuditEvent.objects.filter(subject_type="user", subject=str(person.public_id))
    return merges.filter(action="merged_people", patron__isnull=False).exists()


def _remember(person, sessions, conversations):
    """Add to the erased list: the person, the merged records, the sessions and the conversations."""
    merges = AuditEvent.objects.filter(action="merged_people", subject_type="user", patron=person)
    merged = set(merges.exclude(subject="").values_list("subject", flat=True))
    # If a merge was undone, the record that it had deleted exists again, and must not be erased.
    existing = {
        str(found) for found in User.objects.filter(public_id__in=merged).values_list("public_id", flat=True)
    }
    erased_list.remember(erased_list.PERSON, person.public_id, *(merged - existing))
    erased_list.remember(erased_list.VISIT, *(session.public_id for session in sessions))
    erased_list.remember(erased_list.CONVERSATION, *(row.public_id for row in conversations))


def _delete_unsent_attachments(person):
    """Delete the person's unsent attachments, including those in the conversations of shared visits."""
    unsent = Attachment.objects.filter(added_by=person, side=Side.PATRON, message=None)
    files = [name for attachment in unsent for name in attachment.stored_names()]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    unsent.delete()


def _send_receipt(erasure, address):
    """Email the receipt.

    This email in the outbox is the last row that contains the person's address. The worker deletes the email
    after sending it.
    """
    with translation.override(erasure.language):
        goes = in_words(erasure.counts)
    notify(
        "privacy/erased",
        to=address,
        at=erasure.erased_at,
        language=erasure.language,
        context={
            "erasure": erasure,
            "goes": goes,
            "url": f"{settings.BASE_URL}{reverse('erased', args=[erasure.public_id])}",
        },
        remove=True,
    )


# The functions below return the rows of a person that an erasure changes or deletes.


def _visits(person, at):
    return HelpSession.objects.filter(Q(patron=person) | kept_alone(person, at))


def _conversations(person, at):
    return Conversation.objects.filter(
        Q(patron=person) | Q(patron=None, help_session__in=_visits(person, at))
    )


def _recommendations(person, at):
    in_visits = Q(sessionrecommendation__help_session__in=_visits(person, at))
    in_messages = Q(messagerecommendation__message__conversation__in=_conversations(person, at))
    return Recommendation.objects.filter(Q(patron=person) | in_visits | in_messages)


def _written_by(person):
    return Message.objects.filter(side=Side.PATRON, author=person)


def _emails(person):
    """Return the emails whose recipient is the person, and all emails to any of the person's addresses."""
    sent_to_them = Q(recipient=person)
    for address in _addresses(person):
        sent_to_them |= Q(to_address__iexact=address)
    return Notification.objects.filter(sent_to_them)


def _addresses(person):
    pending = AddressChange.objects.filter(person=person).values_list("email", flat=True)
    return {
        *filter(None, [person.email]),
        *EmailAddress.objects.filter(user=person).values_list("email", flat=True),
        *pending,
    }
