"""Let people choose how long the library keeps their visits and conversations.

A choice takes effect a day after a person made it, so that the person can undo the choice. Nothing is deleted
earlier than the library promised. Visits with a child are kept for at most 90 days, even if the person chose
a longer time. The same applies to all visits on a child's record.
"""

from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import TruncDate
from django.db.models.lookups import GreaterThan, LessThanOrEqual

from .. import audit
from ..models import Consent, Library, User

Remember = User.Remember
# This period applies to quiet visits, and to visits that nobody has added to an account. It also applies to
# visits that a person adds after they have chosen "don't keep anything".
SHORT_PERIOD = timedelta(days=30)
# This period applies to people who have never chosen how long the library keeps their visits.
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
    """Return the time when a visit or conversation is due for deletion.

    `kept_at` is the time when the person got the visit or conversation. If `remember` is None, the person's
    saved choice applies. To preview another choice, pass it as `remember`, `until` and `chosen_at`.
    `with_child` is true for a visit with a child, and for a conversation about such a visit. `due` expresses
    the same rule as a query.
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
        # Visits older than CHILD_PERIOD are kept for one day after the record became a child's record.
        return min(ends, max(kept_at + CHILD_PERIOD, person.child_since + UNDO_FOR))
    return ends


def chosen_by(person):
    """Return the person's choice as a Remember value.

    On a child's record, a choice that is not in CHILDS_CHOICES counts as 90 days.
    """
    return Remember.DAYS_90 if person.is_child and person.remember not in CHILDS_CHOICES else person.remember


def due(field, *, at, whose="patron"):
    """Return the condition for rows that are due for deletion at `at`.

    Each row is a visit or a conversation. `field` is the name of the model's field that says when the person
    got the row. `whose` is the name of the model's foreign key to the person. Visits with a child can be due
    earlier: `childs_due` finds them.
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
    """Return the condition for visits with a child that are due for deletion at `at`.

    Such visits are due after 90 days, even if the person has chosen a longer time. `field` and `whose`
    have the same meaning as in `due`. The condition doesn't check whether a visit is with a child.
    """
    return Q(**{f"{whose}__isnull": False, f"{field}__lte": at - CHILD_PERIOD})


@transaction.atomic
def choose(person, *, remember, until=None, wording, language, at):
    """Save the person's choice, which takes effect a day later. Also save a consent.

    `wording` is the text that the person agreed to. The consent stores this text.
    """
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
