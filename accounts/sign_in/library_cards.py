"""Library cards: who signs in with one, and what the ILS says of them."""

import unicodedata

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import Q

from portal import limits
from portal.text import clean

from .. import audit
from ..models import Branch, Library, LibraryCard, User
from ..patron.children import end_childs_record, first_name, is_childrens_group, make_childs_record
from .email_addresses import offer_address


def count_try(request, card):
    """Before the ILS is asked. Raises limits.TooOften."""
    limits.count(request, "card_sign_in", target=_as_compared(card))


def _as_compared(card):
    """As an ILS may compare it: many a database takes digits of any script for the same, and marks for nothing. Else each way of writing one
    card would have tries of its own."""
    letters = unicodedata.normalize("NFKD", card.casefold())
    return "".join(str(unicodedata.decimal(letter, letter)) for letter in letters if letter.isalnum())


class OnPaperOnly(Exception):
    """The card is a child's, whom the library gives paper only, and nobody is known by it yet: no account is begun."""


@transaction.atomic
def person_with_card(patron, *, at, language):
    """The person whom the ILS knows as `patron` (accounts.ils.base). One who is new here gets a record: a child's where the library named the
    patron group as children's. Raises OnPaperOnly.

    They are found by the ILS's own id alone, never by an address: the same address may be another person's.
    """
    is_childs = is_childrens_group(Library.current(), patron.group)
    card = LibraryCard.objects.select_for_update().filter(ils_id=patron.ils_id).first() or _new_card(
        patron, at=at, language=language, is_childs=is_childs
    )
    _grows_up_or_not(card, is_childs=is_childs, at=at)
    card.barcode = clean(patron.barcode, max_length=60)
    card.patron_group = clean(patron.group, max_length=80)
    card.home_branch = branch_called(patron.home_branch)
    card.seen_at = at
    card.save()
    offer_address(
        card.person, "" if card.person.is_child else patron.email
    )  # of a child the ILS mostly knows a parent's
    return card.person


def _new_card(patron, *, at, language, is_childs):
    """Of two first sign-ins at the same moment one makes the person, and the other finds them."""
    if is_childs and Library.current().children == Library.Children.PAPER:
        raise OnPaperOnly
    name = first_name(clean(patron.name)) if is_childs else patron.name
    known = {
        "name": clean(name, max_length=80),
        "language": language,
        "joined_at": at,
        "child_since": at if is_childs else None,
    }
    try:
        with transaction.atomic():
            person = User.objects.create(**known, password=make_password(None))
            card = LibraryCard.objects.create(person=person, ils_id=patron.ils_id, seen_at=at)
            audit.record("joined_by_card", person, by=person, patron=person, at=at)
            return card
    except IntegrityError:
        return LibraryCard.objects.select_for_update().get(ils_id=patron.ils_id)


def _grows_up_or_not(card, *, is_childs, at):
    """The card came into a group of children's, or left one: then so does the record. What staff said of somebody without such a card stays."""
    person = card.person
    if is_childs and not person.is_child and not person.is_staff:
        card.person = make_childs_record(person, by=person, at=at)
    elif not is_childs and person.is_child and is_childrens_group(Library.current(), card.patron_group):
        card.person = end_childs_record(person, by=person, at=at)


def branch_called(name):
    """The branch that the ILS calls by this name or code: as ILS_BRANCHES says, or by its own name; or None."""
    ours = settings.ILS_BRANCHES.get(name, name)
    return Branch.objects.filter(Q(slug__iexact=ours) | Q(name__iexact=ours)).first() if ours else None


def card_of(person):
    """The card with which this person signed in last, or None."""
    return LibraryCard.objects.filter(person=person).first()


def home_branch_of(person):
    """The branch that the ILS names as theirs, if it is in use; or None."""
    card = (
        LibraryCard.objects.filter(person=person, home_branch__closed_at=None)
        .exclude(home_branch=None)
        .first()
    )
    return card and card.home_branch_id
