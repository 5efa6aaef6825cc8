"""A random year of one library, made with the actions of the desk, the patrons and the worker.

Everything that counts is also written into the Ledger. The year has corrections, deletions, wrong patrons,
imports and their undoing, merges and their undoing, erasure, changed rules, and nightly jobs that forget.
"""

import datetime
import heapq
import itertools
import random
from collections import Counter

import time_machine

from accounts.models import Branch, ClosedDay, Library
from portal.checkins.ending import end_check_ins
from portal.checkins.sending import send_due_check_ins
from portal.counts.actions import count_contacts
from portal.counts.answers import BANDS, count_answers
from portal.counts.models import LogImport
from portal.helpsessions.models import HelpSession, OwnField
from portal.privacy import retention
from portal.surveys.models import RuleSet, SampledWeek
from tests.factories import (
    BranchFactory,
    ChildFactory,
    PatronGroupFactory,
    ServicePointFactory,
    StaffFactory,
    TallyKindFactory,
    TopicFactory,
)
from tests.opening_hours import open_on_weekdays

from .desk import Desk
from .ledger import Ledger
from .logs import DeskLog
from .patrons import Patrons
from .rules import Rules
from .times import DAY, FIRST, HOUR, LAST, ZONE


class Year(Desk, Patrons):
    """The library and its patrons, with their own clock. `steps` is the number of actions in the year."""

    def __init__(self, seed, *, steps, nights, folder):
        self.random = random.Random(seed)  # noqa: S311  nothing here is secret
        self.steps, self.nights = steps, nights
        self.ledger = Ledger()
        with time_machine.travel(self._time(FIRST, 8), tick=False) as self.clock:
            self._found()
            self.log = DeskLog(self, folder)
            self.rules = Rules(self)
            self._live()

    def what_happened(self):
        """Return {what can change a figure: whether it happened}.

        Each of these things should happen in a year.
        """
        visits = HelpSession.objects.filter(status="recorded")
        happened = {
            "corrected": self.happened["correct"],
            "deleted": self.happened["delete"],
            "patron removed": HelpSession.objects.filter(status="replaced").exists(),
            "undone merge": self.happened["unmerge"],
            "erased": self.happened["erase"],
            "imported": LogImport.objects.exists(),
            "row replaced": self.ledger.run("SELECT COUNT(*) FROM year_contact WHERE replaced_by <> ''")[0][
                0
            ],
            "import undone": self.happened["import undone"],
            "rules changed": RuleSet.objects.filter(starts_on__year=2026).exists(),
            "week sampled": SampledWeek.objects.exists(),
            "forgotten": visits.filter(forgotten_on__isnull=False, imported_row=None).exists(),
            "not forgotten": visits.filter(forgotten_on=None).exists(),
            "check-in sent": self.ledger.run("SELECT COUNT(*) FROM year_check_in")[0][0],
            "conversation counted": self.happened["contact of a conversation"],
            "group of a card": self.happened["group of a card"],
            "quiet": self.ledger.run("SELECT COUNT(*) FROM year_contact WHERE quiet = 1")[0][0],
            "child": self.ledger.run("SELECT COUNT(*) FROM year_contact WHERE child = 1")[0][0],
        }
        return {name: bool(number) for name, number in happened.items()}

    @property
    def at(self):
        return datetime.datetime.now(datetime.UTC)

    @property
    def today(self):
        return self.at.astimezone(ZONE).date()

    @property
    def branches(self):
        return [branch.pk for branch in self.all_branches]

    # Methods that make the library and its calendar.

    def _found(self):
        """Make the library, its lists and its people."""
        main = BranchFactory(name="Main", slug="main")
        Library.objects.update_or_create(
            pk=1,
            defaults={
                **{"name": "L", "default_branch": main, "time_zone": str(ZONE), "check_ins": True},
                **{"staff_figures": Library.StaffFigures.BRANCH, "year_starts_in": self.pick([1, 7, 10])},
            },
        )
        self.all_branches = [main, BranchFactory(name="West", slug="west"), BranchFactory(name="East")]
        Branch.objects.update(check_ins_unreviewed=True, promise_hours=8)
        for branch in self.all_branches:
            branch.refresh_from_db()
            open_on_weekdays(branch, weekdays=range(6))
        self.points = {
            branch.pk: ServicePointFactory.create_batch(2, branch=branch) for branch in self.all_branches
        }
        self.kinds = [
            kind
            for points in self.points.values()
            for point in points
            for kind in TallyKindFactory.create_batch(2, service_point=point)
        ]
        self.groups = PatronGroupFactory.create_batch(3)
        self.groups[0].card_groups = ["STU"]
        self.groups[0].save()
        self.groups.append(PatronGroupFactory(name="Other", is_other=True))
        self.topics = [None, *TopicFactory.create_batch(4)]
        self.fields = [OwnField.objects.create(name=name) for name in ("Format", "Program")]
        self.values = {
            field.pk: [field.values.create(name=name).pk for name in "ABC"] for field in self.fields
        }
        self.staff = [
            StaffFactory(branch=branch, branch__role="coordinator")
            for branch in self.all_branches
            for _number in range(2)
        ]
        # The person and the patron group of each library card.
        self.owner_of: dict = {}
        self.group_of: dict = {}
        self.patrons = [self._new_patron() for _number in range(8)]
        self.children = [ChildFactory(email=None) for _number in range(2)]
        self._open_the_branches()
        for band in BANDS:
            self.ledger.insert("year_band", up_to=band)
        # The primary keys of all visits that were recorded.
        self.visits: list = []

    def _open_the_branches(self):
        closed = {self.random.choice(self._days()) for _number in range(12)}
        for branch in self.all_branches:
            ClosedDay.objects.bulk_create(ClosedDay(branch=branch, day=day) for day in closed)
            for day in self._days(more=40):
                if day.weekday() < 6 and day not in closed:
                    opens, closes = (int(self._time(day, hour).timestamp()) for hour in (9, 17))
                    self.ledger.insert("year_opening", branch=branch.pk, opens=opens, closes=closes)

    def _days(self, more=0):
        return [FIRST + number * DAY for number in range((LAST - FIRST).days + 1 + more)]

    def _live(self):
        """Do the steps in the order of their times, with the nightly jobs in between."""
        self.agenda: list = []
        self.happened: Counter = Counter()
        self.places = itertools.count()
        # A kind of step that is in the list of choices twice also happens twice as often.
        choices = self._choices()
        for step in itertools.islice(itertools.cycle(choices), self.steps):
            day = self.pick(self._days())
            self.later(self._time(day, 9 + self.random.random() * 8), step)
        length = len(self._days())
        for number in range(1, self.nights + 1):
            self.later(self._time(FIRST + (length * number // self.nights) * DAY, 2), self.work)
        while self.agenda:
            moment, _place, step = heapq.heappop(self.agenda)
            self.clock.move_to(moment)
            step()
        self.daytime_work()
        self.clock.move_to(self._time(self.today + DAY, 3))
        self.work()
        self.ended_at, self.last_day = self.at, self.today

    def later(self, moment, step):
        """Plan this step for this time."""
        heapq.heappush(self.agenda, (moment, next(self.places), step))

    def _choices(self):
        often = [*[self.record] * 20, *[self.tally] * 4, *[self.keep_later] * 3, *[self.converse] * 4]
        changes = [*[self.correct] * 6, *[self.delete] * 2, self.undo_record, *[self.remove_patron] * 2]
        people = [self.merge, self.erase, self.remember, *[self.answer] * 2]
        others = [*[self.log.import_more] * 3, self.log.undo, self.rules.change, self.rules.mark_a_week]
        return [*often, *changes, *people, *others, *[self.daytime_work] * 2]

    def _time(self, day, hours):
        midnight = datetime.datetime.combine(day, datetime.time(), ZONE)
        return (midnight + hours * HOUR).astimezone(datetime.UTC)

    def pick(self, values):
        return self.random.choice(values)

    # The jobs of the worker.

    def work(self):
        """Do the nightly jobs."""
        at = self.at
        retention.forget_what_is_due(at=at)
        count_contacts(at=at)
        count_answers(at=at)
        end_check_ins(at=at)

    def daytime_work(self):
        count_contacts(at=self.at)
        send_due_check_ins(at=self.at)
        self.ledger.note_check_ins()
