"""Add contacts for the time before the demo's first visits.

The first of these contacts is from the day when the library began to use Afterword. All are already
forgotten, and patrons have said how most of them turned out. The outcomes of each quarter are counted on the
day on which the worker would count them.
"""

import datetime
import random
from collections import Counter

from accounts.models import Library
from portal.checkins.models import CheckIn
from portal.counts.actions import count_sessions_forgotten_before
from portal.counts.outcomes import count_outcomes, readable_on
from portal.counts.quarters import Quarter
from portal.helpsessions.models import HelpSession, SessionRecommendation, TallyKind
from recommendations.models import Recommendation
from recommendations.visit_numbers import number_of

from .years import FIRST_VISIT_DAYS_AGO, last_counted_quarter, took_up_on

# {branch: average number of contacts on an open day}
BUSY = {"central": 2.6, "harbor": 1.3, "northfield": 1}
# {month: number of contacts in this month, as a multiple of an average month}. Missing months are average.
SEASONS = {1: 1.2, 2: 1.2, 3: 1.1, 4: 1.2, 6: 0.8, 7: 0.7, 8: 0.8, 10: 1.1, 12: 0.8}
TALLIES = 0.3  # The share of contacts that are tallies.
# The visits of a branch get the answers in FOUND, SATISFACTION and WOULD_RETURN in turn. Recommended items
# get the VERDICTS in turn. "" means no answer. Each answer is frequent enough to be shown, even at one
# branch.
FOUND = ("", "all", "part", "all", "something_else", "", "all", "still_working", "all", "no")
SATISFACTION = (
    *("", "very_good", "good", "very_good", "not_so_good", "", "very_good", "good", "very_good"),
    "poor",
)
WOULD_RETURN = ("", "yes", "yes", "maybe", "yes", "", "yes", "yes", "no", "yes")
VERDICTS = (
    *("helped", "", "helped", "partly", "not_tried", "helped", "did_not_help", "helped"),
    *("could_not_get_it", "helped", "not_tried"),
)
# Ten visits in a row have the same topic, so that each topic gets all answers in FOUND, SATISFACTION and
# WOULD_RETURN.
TOPICS = (
    *("jobs", "reading", "jobs", "reading", "jobs", "computers", "jobs", "reading", "jobs", "school"),
    *("jobs", "reading", "jobs", "tax"),
)
# {value of a field: its weight when a value is chosen at random}
QUESTION_TYPES = {"reference": 9, "known_item": 4, "technology": 4, "readers_advisory": 3, "directional": 1}
MODES = {"in_person": 14, "phone": 3, "email": 2, "chat": 1}
READ_LEVELS = {1: 6, 2: 7, 3: 5, 4: 2}
LANGUAGES = {"en": 16, "es": 3, "ar": 1}
GROUPS = {"Residents": 10, "Students": 4, "Visitors": 2, "Teachers": 2, "": 2}


def add(builder):
    """Add the contacts, count them, and count the outcomes of the quarters that are due."""
    today = Library.current().today(builder.now)
    first, quarter = took_up_on(today), last_counted_quarter(today)
    last = max(quarter.last_day, today - datetime.timedelta(days=FIRST_VISIT_DAYS_AGO))
    maker = _Maker(builder)
    contacts = HelpSession.objects.bulk_create(
        maker.contact(branch, day)
        for day in days_between(first, last)
        for branch in BUSY
        for _number in range(maker.number_of_contacts(branch, day))
    )
    visits = [visit for visit in contacts if visit.status == HelpSession.Status.RECORDED]
    given = Recommendation.objects.bulk_create(maker.recommendation(visit) for visit in visits)
    SessionRecommendation.objects.bulk_create(
        SessionRecommendation(help_session=visit, recommendation=row)
        for visit, row in zip(visits, given, strict=True)
    )
    asked = CheckIn.objects.bulk_create(_check_in(visit) for visit in visits[::3])
    count_sessions_forgotten_before()
    noon, zone, each = datetime.time(12), Library.current().zone, Quarter(first)
    while each <= quarter:
        count_outcomes(at=datetime.datetime.combine(readable_on(each), noon, zone))
        each = each.after
    # Delete the check-ins, as forgetting their visits would.
    CheckIn.objects.filter(pk__in=[check_in.pk for check_in in asked]).delete()


def _check_in(visit):
    """Return a check-in that was sent four days after the visit."""
    asked_at = visit.created_at + datetime.timedelta(days=4, hours=9)
    later = asked_at + datetime.timedelta(days=1)
    return CheckIn(
        help_session=visit,
        status=CheckIn.Status.ANSWERED if visit.answered_at else CheckIn.Status.ENDED,
        due_on=asked_at.date(),
        created_at=visit.created_at,
        asked_at=asked_at,
        **({"answered_at": later} if visit.answered_at else {"ended_at": later}),
    )


def days_between(first, last):
    return [first + datetime.timedelta(days=number) for number in range((last - first).days + 1)]


def weighted(chance, weights):
    """Return a random key of `weights`, which is {key: how often it is chosen}."""
    return chance.choices(list(weights), list(weights.values()))[0]


class _Maker:
    """An object that makes contacts and recommendations without saving them."""

    def __init__(self, builder):
        self.builder, self.chance, self.zone = builder, random.Random(8), Library.current().zone  # noqa: S311
        self.items = [*builder.items.values()][:3]
        self.kinds = list(TallyKind.objects.select_related("service_point").order_by("pk"))
        self.visits: Counter = Counter()
        self.given: Counter = Counter()

    def number_of_contacts(self, branch, day):
        if not self.builder.calendar.hours(branch, day):
            return 0
        average = BUSY[branch] * SEASONS.get(day.month, 1)
        return round(self.chance.triangular(0, 2 * average))

    def contact(self, branch, day):
        builder, chance = self.builder, self.chance
        opens, closes = builder.calendar.hours(branch, day)
        branch = builder.branches[branch]
        kinds = [kind for kind in self.kinds if kind.service_point.branch_id == branch.pk]
        at = datetime.datetime.combine(day, datetime.time(), self.zone)
        common = {
            "branch": branch,
            "happened_on": day,
            "hour": chance.randrange(opens, closes),
            "created_at": at,
            "forgotten_on": day + datetime.timedelta(days=30),
        }
        if chance.random() < TALLIES and kinds:
            kind = chance.choice(kinds)
            return HelpSession(
                status=HelpSession.Status.TALLY,
                question_type="directional",
                service_point=kind.service_point,
                tally_kind=kind,
                **common,
            )
        self.visits[branch.pk] += 1
        number = self.visits[branch.pk]
        return HelpSession(
            status=HelpSession.Status.RECORDED,
            service_point=chance.choice(kinds).service_point if kinds else None,
            mode=weighted(chance, MODES),
            question_type=weighted(chance, QUESTION_TYPES),
            topic=builder.topics[TOPICS[number // len(FOUND) % len(TOPICS)]],
            read_level=weighted(chance, READ_LEVELS),
            minutes=3 + number % 7,
            language=weighted(chance, LANGUAGES),
            patron_group=builder.groups.get(weighted(chance, GROUPS)),
            own_values=builder.chosen_values(number),
            handed_over_at=at if number % 2 == 0 else None,
            kept_at=at if number % 3 == 0 else None,
            found=FOUND[number % len(FOUND)],
            satisfaction=SATISFACTION[number % len(SATISFACTION)],
            would_return=WOULD_RETURN[number % len(WOULD_RETURN)],
            answered_at=at if FOUND[number % len(FOUND)] else None,
            **common,
        )

    def recommendation(self, visit):
        self.given[visit.branch_id] += 1
        number = self.given[visit.branch_id]
        verdict = VERDICTS[number % len(VERDICTS)]
        return Recommendation(
            item=self.items[number % len(self.items)],
            branch=visit.branch,
            topic=visit.topic,
            question_type=visit.question_type,
            recommended_at=visit.created_at,
            verdict=verdict,
            decided_at=visit.created_at if verdict else None,
            visit_number=number_of(help_session=visit.pk),
        )
