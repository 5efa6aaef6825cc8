"""Erasing a person: everything or nothing, with a receipt. What stays are counts without a person."""

import logging

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AddressChange, AuditEvent, Invitation, Library, User
from accounts.sign_in.email_addresses import confirmed_address
from portal.conversations import desk_actions
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Attachment, Conversation, Message, Side
from portal.helpsessions import forgetting
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.notifications.actions import notify
from portal.notifications.models import Notification
from recommendations.models import Recommendation

from . import contents, exports, sharing
from .holds import HeldByLaw, contacts_of, conversations_of, held
from .models import Erasure, Export
from .retention import forget_recommendations

# What is counted, for the page that asks and for the receipt: what a person knows by these names.
WHAT = [
    *(
        "visits",
        "recommendations",
        "conversations",
        "messages",
        "attachments",
        "drafts",
        "lists",
        "list_items",
    ),
    *("consents", "mails", "sign_ins"),
]
STAYS = ["messages_left", "visits_left"]  # with whoever else keeps a child's visit
TRIES = 3
DEADLOCK = "40P01"  # PostgreSQL's code: it chose this transaction of two that waited for each other

log = logging.getLogger(__name__)


class AlreadyErased(Exception):
    """There is nobody left to erase."""


class WorksAtADesk(Exception):
    """Colleagues rely on what they do there: a coordinator ends their role first."""


def what_goes(person, *, at):
    """{what: how many rows}, of WHAT and of STAYS, without what there is none of. An answer that is still held is not there yet."""
    conversations = _conversations(person, at)
    rows = {
        "visits": _visits(person, at),
        "recommendations": _given(person, at).filter(recommended_at__lte=at),
        "conversations": conversations.filter(merged_into=None, last_message_at__isnull=False),
        "messages": Message.objects.shown(at).filter(conversation__in=conversations),
        "attachments": Attachment.objects.open_to_patron(person, at).filter(
            Q(conversation__in=conversations) | Q(message=None)
        ),
        "mails": _mails(person).filter(due_at__lte=at),
        "messages_left": _written(person).exclude(conversation__in=conversations),
        "visits_left": HelpSession.objects.filter(shared_with=person).exclude(kept_alone(person, at)),
    }
    counts = {
        what: (rows[what] if what in rows else contents.TABLES[what].rows(person, at)).count()
        for what in [*WHAT, *STAYS]
    }
    return {what: count for what, count in counts.items() if count}


def kept_alone(person, at):
    """The condition for visits with a child that only this adult still holds: they go with them. In others the child goes on."""
    opens = ClaimCode.objects.live(at).filter(help_session=OuterRef("pk"))
    return Q(shared_with=person, patron=None) & ~Exists(opens)


def _visits(person, at):
    return HelpSession.objects.filter(Q(patron=person) | kept_alone(person, at))


def _conversations(person, at):
    return Conversation.objects.filter(
        Q(patron=person) | Q(patron=None, help_session__in=_visits(person, at))
    )


def _given(person, at):
    in_visits = Q(sessionrecommendation__help_session__in=_visits(person, at))
    return Recommendation.objects.filter(
        Q(patron=person)
        | in_visits
        | Q(messagerecommendation__message__conversation__in=_conversations(person, at))
    )


def _written(person):
    return Message.objects.filter(side=Side.PATRON, author=person)


def _mails(person):
    """Also those to an address of theirs as the desk may have typed it."""
    sent_to_them = Q(recipient=person)
    for address in _addresses(person):
        sent_to_them |= Q(to_address__iexact=address)
    return Notification.objects.filter(sent_to_them)


def _addresses(person):
    waits = AddressChange.objects.filter(person=person).values_list("email", flat=True)
    return {
        *filter(None, [person.email]),
        *EmailAddress.objects.filter(user=person).values_list("email", flat=True),
        *waits,
    }


def in_words(counts):
    """What goes of what_goes(), or went by a receipt: a sentence for each line of a list."""
    lines = [_line(what, counts[what]) % {"count": counts[what]} for what in WHAT if what in counts]
    return [
        *lines,
        _(
            "your library account itself: name, e-mail address, language, library card, passkeys, and copies that were made"
        ),
    ]


def stays_in_words(counts):
    """And what of theirs stays."""
    return [_line(what, counts[what]) % {"count": counts[what]} for what in STAYS if what in counts]


def _line(what, count):
    return {
        "visits": lambda: ngettext(
            "%(count)s visit: what you asked, what was written for you, and why each item was chosen",
            "%(count)s visits: what you asked, what was written for you, and why each item was chosen",
            count,
        ),
        "recommendations": lambda: ngettext(
            "your name and your words at %(count)s recommended item",
            "your name and your words at %(count)s recommended items",
            count,
        ),
        "conversations": lambda: ngettext(
            "%(count)s conversation, and what staff noted beside it",
            "%(count)s conversations, and what staff noted beside them",
            count,
        ),
        "messages": lambda: ngettext("%(count)s message", "%(count)s messages", count),
        "attachments": lambda: ngettext("%(count)s file", "%(count)s files", count),
        "drafts": lambda: ngettext("%(count)s draft", "%(count)s drafts", count),
        "lists": lambda: ngettext("%(count)s list", "%(count)s lists", count),
        "list_items": lambda: ngettext("%(count)s item on a list", "%(count)s items on lists", count),
        "mails": lambda: ngettext("%(count)s mail to you", "%(count)s mails to you", count),
        "consents": lambda: ngettext("%(count)s consent", "%(count)s consents", count),
        "sign_ins": lambda: ngettext(
            "%(count)s sign-in: that device is signed out",
            "%(count)s sign-ins: those devices are signed out",
            count,
        ),
        "messages_left": lambda: ngettext(
            "%(count)s message of yours about a child's visit, with its files: it stays with that visit, without your name.",
            "%(count)s messages of yours about a child's visit, with their files: they stay with that visit, without your name.",
            count,
        ),
        "visits_left": lambda: ngettext(
            "Your word on the items of %(count)s visit that you share with a child: it stays with the child.",
            "Your word on the items of %(count)s visits that you share with a child: it stays with the child.",
            count,
        ),
    }[what]()


def erase(person, *, language, at):
    """Erase all that is this person's, in one transaction, and return the receipt. Raises AlreadyErased, WorksAtADesk, HeldByLaw.

    What they save elsewhere at the same moment is either erased with the rest or refused: a row that comes in between makes the
    whole begin anew. Files go once the rows are gone; what a broken disk keeps, the worker removes.
    """
    for left in reversed(range(TRIES)):
        try:
            return _erase(person, language=language, at=at)
        except (IntegrityError, OperationalError) as error:
            in_between = (
                isinstance(error, IntegrityError) or getattr(error.__cause__, "sqlstate", "") == DEADLOCK
            )
            if not left or not in_between:
                raise
            log.info("an erasure begins anew: something of the person's was written meanwhile")
    raise AssertionError


@transaction.atomic
def _erase(person, *, language, at):
    address = confirmed_address(person)
    person, sessions, given, conversations = _lock(person, at)
    if person.staff_roles.exists():
        raise WorksAtADesk
    if held(person):
        raise HeldByLaw
    counts = what_goes(person, at=at)
    # By branch: each conversation raises its branch's queue, and two erasures must meet the queues in one order.
    for conversation in sorted(
        conversations, key=lambda conversation: (conversation.branch_id, conversation.pk)
    ):
        desk_actions.erase(conversation, by=person, at=at)
    library = Library.current()
    forget_recommendations(Recommendation.objects.filter(pk__in=given), library.zone)
    forgetting.forget(sessions, on=library.today(at), zone=library.zone)
    for shared in HelpSession.objects.filter(shared_with=person).order_by("pk"):
        sharing.stop_keeping(shared, by=person, at=at)
    unsent = Attachment.objects.filter(
        added_by=person, side=Side.PATRON, message=None
    )  # also in the conversation of a child whose visit they shared
    unsent_files = [name for attachment in unsent for name in attachment.stored_names()]
    transaction.on_commit(lambda: Attachment.remove_files(unsent_files))
    unsent.delete()
    _written(person).update(writer_erased=True)  # nobody else is to take what is left for their own
    for address_of_theirs in _addresses(person):
        Invitation.objects.filter(email__iexact=address_of_theirs).delete()
    _mails(person).delete()
    for signed_in in UserSession.objects.filter(user=person):
        signed_in.end()
    AuditEvent.objects.filter(subject=str(person.public_id)).update(subject="")
    files = [name for name in Export.objects.filter(person=person).values_list("file", flat=True) if name]
    transaction.on_commit(lambda: exports.remove_files(files))
    person.delete()  # and with it what is theirs alone: lists, drafts, consents, addresses, exports, what was refused, why staff looked
    erasure = Erasure.objects.create(erased_at=at, language=language, counts=counts)
    if address:
        _send_receipt(erasure, address)
    return erasure


def _lock(person, at):
    """The person, their sessions, what was recommended to them (primary keys) and their conversations, as they are now, locked in the order in
    which everybody locks them; and with them the conversations in which they may be writing. Raises AlreadyErased."""
    locked = User.objects.select_for_update(no_key=True).filter(pk=person.pk).first()
    if locked is None:
        raise AlreadyErased
    theirs = (
        Q(patron=locked)
        | Q(shared_with=locked)
        | Q(pk__in=contacts_of(conversations_of(locked)).values("pk"))
    )
    keys = list(
        HelpSession.objects.filter(theirs)
        .select_for_update(no_key=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    sessions = list(_visits(locked, at).filter(pk__in=keys).order_by("pk"))
    given = _given(locked, at).values_list("pk", flat=True)
    lock_recommendations(Recommendation.objects.filter(pk__in=list(given)))
    open_to_them = list(
        Conversation.objects.filter(Q(patron=locked) | Q(help_session__in=keys)).values_list("pk", flat=True)
    )
    list(
        Conversation.objects.select_for_update(no_key=True)
        .filter(pk__in=open_to_them)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    conversations = list(
        _conversations(locked, at)
        .filter(merged_into=None)
        .exclude(status=Conversation.Status.ERASED)
        .order_by("pk")
    )
    # From here on whoever writes a row that names the person waits, and then finds nobody.
    return User.objects.select_for_update().get(pk=locked.pk), sessions, list(given.all()), conversations


def _send_receipt(erasure, address):
    """The one row that still knows the address: it goes with the mail."""
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
