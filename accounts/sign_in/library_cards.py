"""Find or create the person who signs in with a library card, and store what the ILS says about the card."""

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import BigAutoField

from portal import limits
from portal.prepared import prepared
from portal.text import clean

from .. import audit
from ..branch_codes import branch_called
from ..ils.base import normalized
from ..models import Library, LibraryCard, User
from ..patron.children import end_childs_record, first_name, is_childrens_group, make_childs_record
from .email_addresses import offer_address


def count_attempt(request, card):
    """Count one attempt to sign in with this card toward its rate limit. Raises limits.TooOften.

    Call this function before you ask the ILS.
    """
    # If each spelling of a card number had its own rate limit, a person could get more tries.
    limits.count(request, "card_sign_in", target=normalized(card))


def cards_exist():
    """Return whether the portal has or once had an ILS, so that patrons can have library cards."""
    return bool(settings.ILS or _any_card())


@prepared()
def _any_card():
    return LibraryCard.objects.order_by().values_list("pk")[:1]


class OnPaperOnly(Exception):
    """A child who signs in with a new card gets no account, because this library helps children on paper."""


@transaction.atomic
def person_with_card(patron, *, at, language):
    """Return the person for `patron`, an accounts.ils.base.Patron. Create a person for a new patron.

    If the library lists the patron's group as a children's group, the new record is a child's record. People
    are found only by the ILS's own id, because two people can share an address. Raises OnPaperOnly.
    """
    is_childs = is_childrens_group(Library.current(), patron.group)
    card = LibraryCard.objects.select_for_update().filter(ils_id=patron.ils_id).first() or _new_card(
        patron, at=at, language=language, is_childs=is_childs
    )
    _update_childs_record(card, is_childs=is_childs, at=at)
    card.barcode = clean(patron.barcode, max_length=60)
    card.patron_group = clean(patron.group, max_length=80)
    card.home_branch_id = branch_called(clean(patron.home_branch, max_length=120))
    card.seen_at = at
    card.save()
    # In the ILS, a child's record usually has a parent's address. So the portal doesn't offer that address.
    offer_address(card.person, "" if card.person.is_child else patron.email)
    return card.person


def _new_card(patron, *, at, language, is_childs):
    """Create a person with this card, and return the card.

    If a simultaneous sign-in has already created the card, return that card.
    """
    if is_childs and Library.current().children == Library.Children.PAPER:
        raise OnPaperOnly
    name = first_name(clean(patron.name)) if is_childs else patron.name
    try:
        with transaction.atomic():
            person = User.objects.create(
                name=clean(name, max_length=80),
                language=language,
                joined_at=at,
                child_since=at if is_childs else None,
                password=make_password(None),
            )
            card = LibraryCard.objects.create(person=person, ils_id=patron.ils_id, seen_at=at)
            audit.record("joined_by_card", person, by=person, patron=person, at=at)
            return card
    except IntegrityError:
        return LibraryCard.objects.select_for_update().get(ils_id=patron.ils_id)


def _update_childs_record(card, *, is_childs, at):
    """Make or end a child's record if the ILS has moved the card into or out of a children's group.

    If the card was never in a children's group, only staff can have made the record a child's record. Then
    change nothing.
    """
    person = card.person
    if is_childs and not person.is_child and not person.is_staff:
        card.person = make_childs_record(person, by=person, at=at)
    elif not is_childs and person.is_child and is_childrens_group(Library.current(), card.patron_group):
        card.person = end_childs_record(person, by=person, at=at)


def card_of(person):
    """Return the card that this person last signed in with, or None."""
    return LibraryCard.objects.filter(person=person).first()


def home_branch_of(person):
    """Return the primary key of the home branch that the ILS has for this person, or None.

    Branches that are out of use don't count.
    """
    return next((branch for [branch] in _home_branches(person=person.pk)), None)


@prepared(person=BigAutoField())
def _home_branches(person):
    cards = LibraryCard.objects.filter(person=person, home_branch__isnull=False, home_branch__closed_at=None)
    return cards.values_list("home_branch")[:1]
