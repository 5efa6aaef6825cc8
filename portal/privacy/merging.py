"""Making the two records of one person one: by card and by e-mail, or from a device alone. For the person and for the desk alike.

Whoever calls it has seen a proof from both sides, or answers for it at the desk.
"""

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import F, ForeignObjectRel, Q

from accounts import audit
from accounts.models import AddressChange, User
from accounts.sign_in.sign_ins import end_all_sign_ins
from portal.conversations import drafts, search
from portal.conversations.changes import lock_recommendations, raise_queue
from portal.conversations.models import Conversation, Draft, NoteMention, Participation
from portal.helpsessions.models import HelpSession
from portal.lists.models import SavedItem, SavedList
from recommendations.models import Recommendation


class CannotMerge(Exception):
    """They are one record already, one of them may not sign in, the one that would end works at a desk, or one is a child's and the other isn't;
    or another address waits to become that of the one that would end, and whoever reads the old one may still say that it wasn't them."""


@dataclass(frozen=True)
class Moving:
    """How much would go from the one record to the other."""

    visits: int
    conversations: int
    saved_items: int

    def __bool__(self):
        return bool(self.visits or self.conversations or self.saved_items)


def may_merge_people(going, into):
    """Never a child's with another's: a parent has the child's device at hand, and what is the child's would be theirs. Staff say first at the
    desk that it is a child's no more."""
    return (
        going.pk != into.pk
        and going.is_active
        and into.is_active
        and not going.is_staff
        and going.is_child == into.is_child
    )


def what_moves(going):
    """For the page that asks before it is done."""
    return Moving(
        visits=HelpSession.objects.filter(patron=going).count(),
        conversations=Conversation.objects.filter(patron=going, last_message_at__isnull=False)
        .not_merged()
        .count(),
        saved_items=SavedItem.objects.filter(saved_list__patron=going).count(),
    )


@transaction.atomic
def merge_people(going, into, *, by, at):
    """Everything of `going` becomes `into`'s, who keeps their own address and name where they have one; `going` is signed out everywhere
    and is no more. All of it or nothing; there is no way back, but for what was written down before (parting.py). An event about each of
    the two stays with `into`. Raises CannotMerge.
    """
    lock_what_is_said(going, into)
    people = {
        person.pk: person
        for person in User.objects.select_for_update().filter(pk__in=[going.pk, into.pk]).order_by("pk")
    }
    if (
        len(people) < 2
        or not may_merge_people(people[going.pk], people[into.pk])
        or AddressChange.objects.filter(person=going).exists()
    ):
        raise CannotMerge
    by = into if by.pk == going.pk else by
    going, into = people[going.pk], people[into.pk]
    audit.record("merged_people", going, by=by, patron=into, at=at)
    audit.record("merged_people", into, by=by, patron=into, at=at)
    conversations = list(Conversation.objects.filter(patron=going).values_list("pk", "branch"))
    twice = [going, into]  # who holds a visit for both, holds it once
    HelpSession.objects.filter(patron__in=twice, shared_with__in=twice).update(
        shared_with=None, shared_at=None
    )
    for model, field in references():
        move = IN_THEIR_OWN_WAY.get((model._meta.label, field), _move)
        move(going, into, model, field)
    _take_name_and_address(going, into)
    going.delete()
    moved = Conversation.objects.filter(pk__in=[pk for pk, _branch in conversations])
    moved.update(version=F("version") + 1, desk_version=F("desk_version") + 1)  # an open page of it asks anew
    for conversation in moved.not_merged().exclude(status=Conversation.Status.ERASED):
        search.index_conversation(conversation)
    for branch_id in sorted({branch for _pk, branch in conversations}):
        raise_queue(branch_id)
    return into


def references():
    """(model, field) of everything that points to a person, other packages' included."""
    relations = [
        found
        for found in User._meta.get_fields(include_hidden=True)
        if isinstance(found, ForeignObjectRel) and not found.many_to_many
    ]
    return [(relation.related_model, relation.field.name) for relation in relations]


def lock_what_is_said(person, *others):
    """First the people, as whoever asks, attaches a file or erases does; visits, items, conversations of `person` (also of visits of a child's that are
    shared with them), in the order in which an answer, a verdict and keeping lock them; and only then (by the caller) the people wholly, so
    that no row comes to name them."""
    keys = [person.pk, *(other.pk for other in others)]
    list(
        User.objects.select_for_update(no_key=True)
        .filter(pk__in=keys)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    sessions = HelpSession.objects.filter(Q(patron=person) | Q(shared_with=person))
    list(sessions.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    lock_recommendations(Recommendation.objects.filter(patron=person))
    conversations = list(
        Conversation.objects.filter(Q(patron=person) | Q(help_session__shared_with=person)).values_list(
            "pk", flat=True
        )
    )
    list(
        Conversation.objects.select_for_update(no_key=True)
        .filter(pk__in=conversations)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def _move(going, into, model, field):
    model._base_manager.filter(**{field: going}).update(**{field: into})


def _ends_with_the_record(going, into, model, field):
    """What staff have, what is proven by a sign-in, and copies: whoever works at a desk isn't joined into anybody."""


def _end_sign_ins(going, into, model, field):
    end_all_sign_ins(going)


def _merge_participations(going, into, model, field):
    """What either has seen is seen."""
    own = {(row.conversation_id, row.side): row for row in Participation.objects.filter(person=into)}
    for row in Participation.objects.filter(person=going):
        there = own.get((row.conversation_id, row.side))
        if there is None:
            row.person = into
            row.save(update_fields=["person"])
        else:
            there.read_until = max(filter(None, [there.read_until, row.read_until]), default=None)
            there.save(update_fields=["read_until"])


def _merge_drafts(going, into, model, field):
    """What was being written on either device goes on as one, with its files."""
    for draft in Draft.objects.filter(person=going):
        there = Draft.objects.filter(
            person=into, conversation=draft.conversation, side=draft.side, kind=draft.kind
        ).first()
        if there is None:
            draft.person = into
            draft.save(update_fields=["person"])
        else:
            drafts.append(draft, to=there)


def _merge_lists(going, into, model, field):
    """Lists of one name become one; what is on both is on it once."""
    for saved_list in SavedList.objects.filter(patron=going):
        there = SavedList.objects.filter(patron=into, name=saved_list.name).first()
        if there is None:
            saved_list.patron = into
            saved_list.save(update_fields=["patron"])
        else:
            saved_list.saved_items.exclude(item__in=there.saved_items.values("item")).update(saved_list=there)


def _move_passkeys(going, into, model, field):
    """A passkey opens the desk: into a record of staff none comes that was made without their second factor."""
    if not into.is_staff:
        _move(going, into, model, field)


def _move_mentions(going, into, model, field):
    NoteMention.objects.filter(person=going).exclude(
        note__in=NoteMention.objects.filter(person=into).values("note")
    ).update(person=into)


def _take_name_and_address(going, into):
    address = going.email
    into.name, into.language = into.name or going.name, into.language or going.language
    if into.email is None and address:
        User.objects.filter(pk=going.pk).update(email=None)
        into.email = address
        EmailAddress.objects.filter(user=going, email=address).update(user=into)
    chosen = (
        "remember",
        "remember_until",
        "remember_chosen_at",
    )  # how long the library remembers: who has chosen that keeps it
    if into.remember_chosen_at is None:
        into.remember, into.remember_until, into.remember_chosen_at = (
            getattr(going, name) for name in chosen
        )
    into.has_shared_visits = into.has_shared_visits or going.has_shared_visits
    into.save(update_fields=["name", "language", "email", "has_shared_visits", *chosen])


# What can't simply be told a new name: where each person has one of a kind, and what ends with the record.
IN_THEIR_OWN_WAY = {
    (
        "account.EmailAddress",
        "user",
    ): _ends_with_the_record,  # but for the one that _take_name_and_address takes along
    ("accounts.AddressChange", "person"): _ends_with_the_record,  # there is none
    ("accounts.Absence", "person"): _ends_with_the_record,
    ("accounts.Absence", "cover"): _ends_with_the_record,
    ("accounts.DeskPin", "person"): _ends_with_the_record,
    ("accounts.Invitation", "invited_by"): _ends_with_the_record,
    ("accounts.PinTries", "person"): _ends_with_the_record,
    ("accounts.SharedDesk", "unlocked_by"): _ends_with_the_record,
    ("accounts.Passkey", "person"): _move_passkeys,
    ("accounts.StaffRole", "user"): _ends_with_the_record,
    ("conversations.Draft", "person"): _merge_drafts,
    ("conversations.NoteMention", "person"): _move_mentions,
    ("conversations.Participation", "person"): _merge_participations,
    ("helpsessions.AccountCode", "person"): _ends_with_the_record,
    ("lists.SavedList", "patron"): _merge_lists,
    ("mfa.Authenticator", "user"): _ends_with_the_record,
    ("privacy.Export", "person"): _ends_with_the_record,  # it holds half of what the one record holds
    ("usersessions.UserSession", "user"): _end_sign_ins,
}
