"""How long the library keeps a person's visits and conversations, by their own choice.

A choice takes effect a day after it was made, so that people can undo it. Nothing is deleted earlier than the
page said. A child's record and a visit with a child are kept for at most 90 days, whatever was chosen.
"""

from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import TruncDate
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from .. import audit
from ..models import Consent, Library, User

Remember = User.Remember
# For visits that nobody kept, for quiet visits, and for people who chose to keep nothing but then kept a
# visit.
SHORT_PERIOD = timedelta(days=30)
# For people who have never chosen.
DEFAULT_PERIOD = timedelta(days=365)
CHILD_PERIOD = timedelta(days=90)
PERIODS = {
    Remember.DAYS_30: timedelta(days=30),
    Remember.DAYS_90: timedelta(days=90),
    Remember.DAYS_365: DEFAULT_PERIOD,
}
UNDO_FOR = timedelta(days=1)
MAX_YEARS = 10
CHILDS_CHOICES = (Remember.DAYS_30, Remember.DAYS_90, Remember.NOTHING)


def ends_at(person, kept_at, *, library, remember=None, until=None, chosen_at=None, with_child=False):
    """Return when something that the person kept at `kept_at` is due for deletion.

    `remember`, `until` and `chosen_at` describe another choice than the person's own. `with_child` marks a
    visit with a child, or something that belongs to one. `due` is the same rule as a query.
    """
    if remember is None:
        remember, until, chosen_at = person.remember, person.remember_until, person.remember_chosen_at
    if remember in PERIODS:
        ends = kept_at + PERIODS[remember]
    elif remember == Remember.UNTIL:
        ends = _end_of_day(until, library) if library.today(kept_at) <= until else kept_at + DEFAULT_PERIOD
    else:
        ends = kept_at + SHORT_PERIOD if chosen_at is None or kept_at > chosen_at else kept_at
    if chosen_at is not None:
        ends = max(ends, chosen_at + UNDO_FOR)
    if with_child:
        return min(ends, kept_at + CHILD_PERIOD)
    if person.child_since:
        # Older visits get one more day after the record became a child's.
        return min(ends, max(kept_at + CHILD_PERIOD, person.child_since + UNDO_FOR))
    return ends


def chosen_by(person):
    """Return the choice that applies. A child's record never has more than 90 days."""
    return Remember.DAYS_90 if person.is_child and person.remember not in CHILDS_CHOICES else person.remember


def due(field, *, at, whose="patron"):
    """Return the condition for rows that are due for deletion at `at`.

    `field` names the column with the time from which the person has kept the row. `whose` names the foreign
    key to that person. Visits with a child can be due earlier: see `childs_due`.
    """
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
    ended |= Q(**{chosen: Remember.UNTIL, f"{field}__lte": at - DEFAULT_PERIOD}) & Q(
        GreaterThan(its_day, F(until))
    )
    ended |= Q(**{chosen: Remember.NOTHING}) & (
        Q(**{f"{field}__lte": F(chosen_at)}) | Q(**{f"{field}__lte": at - SHORT_PERIOD})
    )
    ended &= Q(**{chosen_at: None}) | Q(**{f"{chosen_at}__lte": at - UNDO_FOR})
    return ended | Q(**{f"{whose}__child_since__lte": at - UNDO_FOR, f"{field}__lte": at - CHILD_PERIOD})


def childs_due(field, *, at, whose="patron"):
    """Return the condition for visits with a child that are due after 90 days, whatever the person chose.

    `field` and `whose` are the same as for `due`.
    """
    return Q(**{f"{whose}__isnull": False, f"{field}__lte": at - CHILD_PERIOD})


@transaction.atomic
def choose(person, *, remember, until=None, wording, language, at):
    """Save the person's choice, which takes effect a day later, and the consent with the words they read."""
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


def _end_of_day(day, library):
    """Return the midnight that ends `day` in the library's time zone."""
    return datetime.combine(day + timedelta(days=1), time(), library.zone)
