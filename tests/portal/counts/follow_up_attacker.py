"""An attacker who reads what patrons did after their visits, and every other number about the same visits.

The workload figures show exactly how many visits there were, how many were given to the patron, and how many
check-ins were sent. So an outcome must not reveal a number below five if it is subtracted from these figures,
or from another outcome. An `Atom` is a group of visits that these numbers can't tell apart.
"""

import datetime
import itertools
import random
from collections import Counter
from typing import NamedTuple

from portal.checkins.models import CheckIn
from portal.counts.models import Outcome, OutcomePeriod
from portal.counts.outcome_counting import ANSWERS, OF_VISITS, QUESTION_TYPE
from portal.helpsessions.models import HelpSession

from .attacker import derivable

MIN_PEOPLE = 5
# The steps of a visit: it is recorded, given to the patron and kept, and its check-in is sent and answered.
# Each step needs the step before it.
RECORDED, GIVEN, KEPT, SENT, REACTED = STEPS = range(5)


class Atom(NamedTuple):
    """Visits that the attacker can't tell apart. `is_described` is false for quiet visits.

    `answer` is the answer to one question about the visit. `has_answered` is true if any question has an
    answer.
    """

    quarter: datetime.date
    branch: int
    question_type: str
    is_described: bool
    step: int
    answer: str
    has_answered: bool


def make_visits(seed, most, quarters, branches):
    """Save the visits and check-ins of a library, with up to `most` visits in a quarter.

    In some libraries, nearly all patrons do the same, so that fewer than five patrons do anything else.
    """
    rng = random.Random(seed)  # noqa: S311  it only makes test data
    weights = [rng.choice([1, 3, 9]) for _branch in branches]
    goes_on = [rng.choice([0.2, 0.6, 0.97]) for _step in STEPS]
    says_something, answers = (
        rng.choice([0.3, 0.6, 0.97]),
        [rng.choice([0.6, 0.97]) for _question in OF_VISITS],
    )
    visits, steps = [], []
    for quarter in quarters:
        for _number in range(rng.randint(most // 2, most)):
            step = next((step for step in STEPS[1:] if rng.random() > goes_on[step]), REACTED + 1) - 1
            is_quiet = rng.random() < 0.04
            step = min(step, GIVEN) if is_quiet else step
            at = datetime.datetime.combine(quarter, datetime.time(18), datetime.UTC)
            may_answer = step >= GIVEN and not is_quiet and rng.random() < says_something
            given = {
                question: rng.choices(ANSWERS[question][:3], [6, 3, 2])[0]
                for question, often in zip(OF_VISITS, answers, strict=True)
                if may_answer and rng.random() < often
            }
            visits.append(
                HelpSession(
                    status="recorded",
                    branch_id=rng.choices(branches, weights)[0],
                    happened_on=quarter,
                    hour=12,
                    question_type=rng.choices(["reference", "technology", "known_item"], [8, 3, 1])[0],
                    created_at=at,
                    quiet=is_quiet,
                    handed_over_at=at if step >= GIVEN else None,
                    kept_at=at if step >= KEPT else None,
                    answered_at=at if given else None,
                    **given,
                )
            )
            steps.append(step)
    HelpSession.objects.bulk_create(visits)
    CheckIn.objects.bulk_create(
        CheckIn(
            help_session=visit,
            due_on=visit.happened_on,
            created_at=visit.created_at,
            asked_at=visit.created_at,
            status="answered" if step == REACTED else "ended",
            answered_at=visit.created_at if step == REACTED else None,
            ended_at=None if step == REACTED else visit.created_at,
        )
        for visit, step in zip(visits, steps, strict=True)
        if step >= SENT
    )
    return list(zip(visits, steps, strict=True))


def learned_numbers(visits, question):
    """Return the numbers from 1 to 4 that the attacker learns: [(atoms that the number counts, number)].

    `visits` are from `make_visits`. Leave out numbers that can be deduced from the workload figures alone.
    """
    atoms = _atoms(visits, question)
    places = {atom: 1 << place for place, atom in enumerate(atoms)}
    exact, shown = _exact(atoms), _shown(atoms, question)

    def bits(group):
        return sum(places[atom] for atom in group)

    counts: Counter = Counter(places[_atom(visit, step, question)] for visit, step in visits)

    def number_in(group):
        return sum(count for place, count in counts.items() if place & group)

    exact = {bits(group) for group in exact.values()}
    shown = {bits(group) for group in shown}
    # If a shown number is 0, the attacker knows that its atoms have no visits.
    known_empty = 0
    for group in shown | exact:
        known_empty |= 0 if number_in(group) else group
    exact = {group & ~known_empty for group in exact} - {0}
    shown = {group & ~known_empty for group in shown} - {0}
    cells = _cells(exact, bits(atoms) & ~known_empty)
    learned: dict = {}
    for group in derivable(exact | shown):
        # Leave out what the workload figures reveal, because it is no secret.
        for cell in cells:
            if cell & group == cell:
                group &= ~cell
        if 0 < (number := number_in(group)) < MIN_PEOPLE:
            learned[group] = number
    return [([atom for atom in atoms if places[atom] & group], number) for group, number in learned.items()]


def _atom(visit, step, question):
    return Atom(
        visit.happened_on,
        visit.branch_id,
        visit.question_type,
        not visit.quiet,
        step,
        getattr(visit, question),
        visit.answered_at is not None,
    )


def _atoms(visits, question):
    """Return every kind of visit that can exist at these branches, even if no visit is of this kind."""
    quarters = {visit.happened_on for visit, _step in visits}
    branches = {visit.branch_id for visit, _step in visits}
    kinds = {visit.question_type for visit, _step in visits}
    answers = ["", *ANSWERS[question][:3]]
    every = itertools.product(quarters, branches, kinds, (True, False), STEPS, answers, (True, False))
    return [atom for atom in itertools.starmap(Atom, every) if _is_possible(atom)]


def _is_possible(atom):
    """Return whether a visit can have these values: only a patron who got the visit can answer."""
    can_answer = atom.step >= GIVEN and atom.is_described
    return can_answer if atom.has_answered else not atom.answer


def _exact(atoms):
    """Return {((quarter, branch, type), first step): atoms} for each number in the workload figures.

    The number counts the visits that have reached this step.
    """
    groups: dict = {}
    for atom in atoms:
        for least, size in itertools.product((RECORDED, GIVEN, SENT), range(4)):
            if atom.step >= least:
                # The figures also show sums of these numbers. The key of a sum has only the quarter and the
                # branch, only the quarter, or neither.
                groups.setdefault((atom[:size], least), []).append(atom)
    return groups


def _shown(atoms, question):
    """Return the groups of atoms whose numbers the pages about outcomes show."""
    shown = []
    for period in OutcomePeriod.objects.all():
        in_period = [atom for atom in atoms if period.first_day <= atom.quarter <= period.last_day]
        rows = Outcome.objects.filter(period=period, is_shown=True, topic=None, item=None)
        for row in rows.exclude(breakdown="topic"):
            of_row = [
                atom
                for atom in in_period
                if row.branch_id in (None, atom.branch)
                and (
                    row.breakdown != QUESTION_TYPE
                    or (atom.is_described and atom.question_type == row.question_type)
                )
            ]
            if row.question == question:
                if row.breakdown == QUESTION_TYPE and not row.question_type:
                    continue
                answers = ANSWERS[question][:3]
                shown += [[atom for atom in of_row if atom.answer == answer] for answer in answers]
                shown.append([atom for atom in of_row if atom.answer])
            elif row.question == "kept":
                shown.append([atom for atom in of_row if atom.step >= KEPT])
            elif row.question == "answered":
                shown.append([atom for atom in of_row if atom.has_answered])
            elif row.question == "check_ins":
                shown.append([atom for atom in of_row if atom.step == REACTED])
    return shown


def _cells(groups, everything):
    """Split `everything` so that each part is either completely inside or completely outside each group."""
    cells = [everything]
    for group in groups:
        cells = [part for cell in cells for part in (cell & group, cell & ~group) if part]
    return cells
