"""How long the library remembers what it did for a person: their choice, and the days that follow from it.

A choice counts a day after it was made, so that it can be taken back. Nothing goes earlier than a person was told.
Of a child no more than 90 days are remembered, whatever was chosen: of whoever's record is a child's, and of each visit with a child.
"""

from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import TruncDate
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from .. import audit
from ..models import Consent, Library, User

Remember = User.Remember
SHORT = timedelta(
    days=30
)  # what nobody kept, a quiet visit, and what is kept although its patron chose that nothing is
UNLESS_CHOSEN = timedelta(days=365)
CHILDS = timedelta(days=90)
PERIODS = {
    Remember.DAYS_30: timedelta(days=30),
    Remember.DAYS_90: timedelta(days=90),
    Remember.DAYS_365: UNLESS_CHOSEN,
}
UNDO_FOR = timedelta(days=1)
MOST_YEARS = 10
CHILDS_CHOICES = (Remember.DAYS_30, Remember.DAYS_90, Remember.NOTHING)


def ends_at(person, kept_at, *, library, remember=None, until=None, chosen_at=None, with_child=False):
    """From when on something that became theirs at `kept_at` is to be forgotten. By their choice, or by the one that is given.
    `with_child`: it is a visit with a child, or belongs to one.

    `due` says the same in the words of the database.
    """
    if remember is None:
        remember, until, chosen_at = person.remember, person.remember_until, person.remember_chosen_at
    if remember in PERIODS:
        ends = kept_at + PERIODS[remember]
    elif remember == Remember.UNTIL:
        ends = _end_of(until, library) if library.today(kept_at) <= until else kept_at + UNLESS_CHOSEN
    else:
        ends = kept_at + SHORT if chosen_at is None or kept_at > chosen_at else kept_at
    ends = ends if chosen_at is None else max(ends, chosen_at + UNDO_FOR)
    if with_child:
        return min(ends, kept_at + CHILDS)
    return min(ends, max(kept_at + CHILDS, person.child_since + UNDO_FOR)) if person.child_since else ends


def chosen_by(person):
    """Their choice as it counts: who hasn't chosen, and a child who chose more than a child may, has the most there is."""
    return Remember.DAYS_90 if person.is_child and person.remember not in CHILDS_CHOICES else person.remember


def due(field, *, at, whose="patron"):
    """The condition for rows that became this person's (`whose` names the field) at `field`: their time is over. Of a visit with a
    child it is over at the latest when `childs_due` says so."""
    library = Library.current()
    its_day = TruncDate(field, tzinfo=library.zone)
    chosen, until, chosen_at = (
        f"{whose}__remember",
        f"{whose}__remember_until",
        f"{whose}__remember_chosen_at",
    )
    ended = Q(pk__in=[])
    for remember, period in PERIODS.items():
        ended |= Q(**{chosen: remember, f"{field}__lte": at - period})
    ended |= Q(**{chosen: Remember.UNTIL, f"{until}__lt": library.today(at)}) & Q(
        LessThanOrEqual(its_day, F(until))
    )
    ended |= Q(**{chosen: Remember.UNTIL, f"{field}__lte": at - UNLESS_CHOSEN}) & Q(
        GreaterThan(its_day, F(until))
    )
    ended |= Q(**{chosen: Remember.NOTHING}) & (
        Q(**{f"{field}__lte": F(chosen_at)}) | Q(**{f"{field}__lte": at - SHORT})
    )
    ended &= Q(**{chosen_at: None}) | Q(**{f"{chosen_at}__lte": at - UNDO_FOR})
    return ended | Q(**{f"{whose}__child_since__lte": at - UNDO_FOR, f"{field}__lte": at - CHILDS})


def childs_due(field, *, at, whose="patron"):
    """The condition for visits with a child that became this person's at `field`: the most that there is of it is over, whatever they chose."""
    return Q(**{f"{whose}__isnull": False, f"{field}__lte": at - CHILDS})


@transaction.atomic
def choose(person, *, remember, until=None, wording, language, at):
    """From a day later on the library remembers for so long. The words they read are recorded with it."""
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    person.remember, person.remember_until, person.remember_chosen_at = remember, until, at
    person.save(update_fields=["remember", "remember_until", "remember_chosen_at"])
    Consent.objects.create(
        person=person,
        purpose=Consent.Purpose.REMEMBER,
        subject=person.public_id,
        wording=wording,
        language=language,
        given_at=at,
    )
    audit.record("chose_how_long", person, by=person, patron=person, at=at)


def _end_of(day, library):
    """When a day of the library's is over."""
    return datetime.combine(day + timedelta(days=1), time(), library.zone)
