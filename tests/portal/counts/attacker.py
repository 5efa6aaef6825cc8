"""An attacker who reads every table of outcomes and subtracts the tables from one another.

For each number, the attacker knows the quarter, the branch and the key of the row, such as a topic. An `Atom`
is a group of visits that agree in these three facts, so the attacker can't tell them apart. A published
number is about a set of atoms, which is stored as the bits of an integer.
"""

import random
from collections import defaultdict
from typing import NamedTuple

from portal.counts.models import Outcome, OutcomePeriod
from portal.counts.outcome_counting import (
    ANSWERS,
    BREAKDOWNS,
    FOLLOW_UPS,
    GUARDS,
    ITEM,
    NONE,
    OF_VISITS,
    UNNAMED,
    VERDICTS,
    Cell,
    Given,
    _of_verdicts,
)
from portal.counts.outcomes import key_of


class Visit(NamedTuple):
    """A visit with its answers. `verdicts` is [(item, verdict)]."""

    number: int
    quarter: str
    branch: int
    topic: int | None
    question_type: str
    found: str
    satisfaction: str
    would_return: str
    verdicts: tuple


class Atom(NamedTuple):
    """The visits of a quarter at a branch that have the same key."""

    quarter: str
    branch: int
    key: object


def random_visits(seed, most, quarters, branches, topics, items):
    """Return the visits of a library with up to `most` visits in a quarter.

    Some branches, topics and answers are rare.
    """
    rng = random.Random(seed)  # noqa: S311  it only makes test data
    weights = [rng.choice([1, 2, 6, 12]) for _branch in branches]
    of_topics = [rng.choice([1, 2, 6]) for _topic in topics]
    visits = []
    for quarter in quarters:
        for _number in range(rng.randint(most // 4, most)):
            given = rng.sample(items, k=rng.choice([0, 0, 1, 1, 2, 3]))
            visits.append(
                Visit(
                    len(visits) + 1,
                    quarter,
                    rng.choices(branches, weights)[0],
                    rng.choices(topics, of_topics)[0],
                    rng.choices(["reference", "technology", "known_item"], [8, 3, 1])[0],
                    rng.choices(["", "all", "part", "no"], [4, 12, 3, 1])[0],
                    rng.choices(["", "very_good", "poor"], [4, 12, 1])[0],
                    rng.choices(["", "yes", "no"], [4, 9, 2])[0],
                    tuple(
                        (item, rng.choices(["helped", "partly", "not_tried"], [9, 2, 3])[0]) for item in given
                    ),
                )
            )
    return visits


def counted(visits, quarter):
    """Count the visits of a quarter. Return the tables in the same form as count_outcomes_of()."""
    visits = [visit for visit in visits if visit.quarter == quarter]
    tables: dict = {}
    for question, breakdown in _tables():
        if question in FOLLOW_UPS:
            tables[question, breakdown] = {}
        elif question == VERDICTS:
            given = [
                Given(visit.number, visit.branch, visit.topic, visit.question_type, item, verdict)
                for visit in visits
                for item, verdict in visit.verdicts
            ]
            tables[question, breakdown] = _of_verdicts(given, breakdown)
        else:
            tables[question, breakdown] = _of_answers(visits, question, breakdown)
    return tables


def _of_answers(visits, question, breakdown):
    answers: dict = defaultdict(lambda: defaultdict(list))
    for visit in visits:
        key = getattr(visit, breakdown) if breakdown else UNNAMED
        answers[visit.branch][key].append(getattr(visit, question))
    return {
        branch: {key: _cell(question, given) for key, given in of_branch.items()}
        for branch, of_branch in answers.items()
    }


def _cell(question, given):
    numbers = tuple(given.count(value) for value in ANSWERS[question])
    # All visits are given to the patron, and none is quiet.
    return Cell(numbers, (*numbers, *[given.count("")] * GUARDS[question]))


def _tables():
    return [(question, breakdown) for question, of in BREAKDOWNS.items() for breakdown in of]


def small_numbers(visits):
    """Return what the attacker learns: [(question, breakdown, answer, number of different visits)].

    Each of these numbers is from 1 to 4. It is shown, or can be deduced by subtracting shown numbers.
    """
    learned = []
    for question, breakdown in _tables():
        if breakdown == NONE or question in FOLLOW_UPS:
            continue
        truth = _truth(visits, question, breakdown)
        places = {atom: place for place, atom in enumerate(truth)}
        groups = derivable(_published(question, breakdown, places))
        for answer in ANSWERS[question]:
            of_atoms = {
                1 << place: sum(1 << visit for visit in set(truth[atom][answer]))
                for atom, place in places.items()
                if truth[atom][answer]
            }
            for group in groups:
                found = 0
                for atom, numbers in of_atoms.items():
                    if group & atom:
                        found |= numbers
                if 0 < found.bit_count() < 5:
                    learned.append((question, breakdown, answer, found.bit_count()))
    return learned


def _truth(visits, question, breakdown):
    """Return which visits got each answer: {Atom: {answer: [Visit.number, …]}}."""
    truth: dict = defaultdict(lambda: defaultdict(list))
    for visit in visits:
        if question in OF_VISITS:
            atom = Atom(visit.quarter, visit.branch, getattr(visit, breakdown))
            truth[atom][getattr(visit, question)].append(visit.number)
        else:
            for item, verdict in visit.verdicts:
                key = item if breakdown == ITEM else getattr(visit, breakdown)
                truth[Atom(visit.quarter, visit.branch, key)][verdict].append(visit.number)
    return truth


def _published(question, breakdown, places):
    """Return the sets of atoms whose numbers are shown or easily computed.

    For each table, these are the total, each shown row, and all hidden rows as one set.
    """
    published = set()
    for period in OutcomePeriod.objects.all():
        rows = Outcome.objects.filter(period=period, question=question, is_shown=True)
        for branch in {row.branch_id for row in rows}:
            of_table = [row for row in rows if row.branch_id == branch]
            atoms = [
                atom
                for atom in places
                if f"{period.first_day:%Y-%m}" <= atom.quarter <= f"{period.last_day:%Y-%m}"
                and branch in (None, atom.branch)
            ]
            keys = {key_of(row) for row in of_table if row.breakdown == breakdown}
            groups = [[atom for atom in atoms if atom.key == key] for key in keys]
            groups += [atoms, [atom for atom in atoms if atom.key not in keys]] if of_table else []
            published |= {sum(1 << places[atom] for atom in group) for group in groups}
    return published - {0}


def derivable(published):
    """Return the published sets, and those that can be deduced in up to three rounds of subtraction.

    In each round, the attacker also adds up sets that have no atom in common, and subtracts the sum.
    """
    known, newest, parts = set(published), set(published), set(published)
    for _round in range(3):
        new = set()
        for whole in newest:
            inside = [part for part in parts if part & whole == part and part != whole]
            new |= {whole ^ part for part in inside}
            new.add(whole & ~_union_of_disjoint(sorted(inside, key=int.bit_count)))
        newest = set(sorted(new - known - {0}, key=int.bit_count)[:1000])
        known |= newest
        parts |= set(sorted(newest, key=int.bit_count)[:50])
    return known


def _union_of_disjoint(parts):
    union = 0
    for part in parts:
        if not part & union:
            union |= part
    return union
