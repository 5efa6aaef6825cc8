"""Run random histories of one library, and check which check-ins are sent.

The class History decides for one visit at a time who may be asked. It repeats the rules in plain Python,
without using the code of the portal.
"""

import datetime
import random
import re
import uuid
import zoneinfo

from allauth.account.models import EmailAddress

from accounts.models import Branch, ClosedDay, Library, User
from accounts.patron import check_ins as consent
from portal.checkins import answering, links, planning, reviewing, sending
from portal.checkins.ending import end_check_ins
from portal.checkins.models import CheckIn
from portal.conversations import actions as conversations
from portal.conversations import outcomes
from portal.conversations.models import Conversation
from portal.helpsessions import keeping
from portal.helpsessions.models import HelpSession
from portal.notifications import settling
from portal.notifications.actions import mark_delivered, take_next
from portal.notifications.facts import Sources
from portal.notifications.models import Notification
from portal.privacy import erasure, holds, retention, sharing
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import correct
from portal.privacy.merging import CannotMerge
from portal.privacy.models import Correction, LegalHold, MergedRecords
from portal.privacy.unmerging import CannotUnmerge, merge_for_a_day, unmerge
from tests.factories import (
    BranchFactory,
    ChildFactory,
    HelpSessionFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
)
from tests.opening_hours import open_on_weekdays
from tests.processes import run_simultaneously

ANSWERS = [
    *[{"found": found} for found in ("all", "all", "part", "no", "still_working")],
    *[{"satisfaction": satisfaction} for satisfaction in ("very_good", "good", "poor")],
    {"found": "all", "satisfaction": "good"},
    {"would_return": "yes"},
]
LINK = re.compile(r"/how/([^/\s]+)/")
DAY, HOUR = datetime.timedelta(days=1), datetime.timedelta(hours=1)
WEEK = 7 * DAY
START = datetime.datetime(2026, 3, 2, 15, tzinfo=datetime.UTC)
ZONES = ["America/Chicago", "Pacific/Auckland", "Asia/Kathmandu", "UTC"]
SOURCES = Sources(unsettled={"checkins/check_in": sending.still_wanted})


def send(at):
    sending.send_due_check_ins(at=at)


def take(at):
    """Take all waiting emails, as a worker does. Return the check-in emails that may be sent now."""
    taken = []
    while row := take_next(at=at):
        email = settling.settle(row, at=at, sources=SOURCES)
        if email is not None and email.kind == "checkins/check_in":
            taken.append(email)
    return taken


class History:
    """One library and its patrons, with their own clock.

    If there are several workers, each worker is a process, and all workers send and deliver simultaneously.
    """

    def __init__(self, seed, *, workers=1):
        self.workers = workers
        self.random = random.Random(seed)  # noqa: S311  nothing here is secret
        self.at = START
        self.branch = BranchFactory()
        self.staff = StaffFactory(branch=self.branch)
        open_on_weekdays(self.branch, weekdays=range(6))
        self.closed_days = set()
        Library.objects.update_or_create(
            pk=1, defaults={"name": "L", "default_branch": self.branch, "check_ins": True}
        )
        self.move_zone()
        Branch.objects.update(check_ins_unreviewed=True)
        self.topics = [None, TopicFactory(), TopicFactory(never_by_message=True)]
        self.patrons = [UserFactory(check_ins="email").pk for _ in range(3)]
        self.child = ChildFactory(
            email="mia@example.org", check_ins="email", child_since=START - 400 * DAY
        ).pk
        self.patrons.append(self.child)
        # The emails that were sent: [(primary key of the check-in, primary key of the patron, time)].
        self.sent = []
        self.last_sent = dict.fromkeys(self.patrons)
        # {email address: time of the last email to it}
        self.last_sent_to = {}
        # {primary key of a check-in: the part of its emailed link that contains the token}
        self.links = {}
        # The primary keys of the check-ins that the library must not send, because the patron has answered.
        self.answered = set()
        # {primary key of a MergedRecords: ((going, time), (into, time before the merge, time after the
        # merge))}. `going` and `into` are the primary keys of the two patrons. A time says when the patron
        # last got an email.
        self.merged = {}
        # {primary key of a visit under a legal hold: the primary keys of its check-ins}
        self.held = {}

    def run(self, steps):
        often = [*[self.visit] * 10, *[self.wait] * 14, *[self.work] * 12]
        patrons_do = [self.choose, self.write, self.let_go, self.keep, self.remember, self.later]
        patrons_do += [
            *[self.answer] * 3,
            self.clear_answers,
            self.leave_out,
            self.change_address,
            self.confirm_address,
            *[self.new_patron] * 2,
        ]
        staff_do = [
            self.close,
            self.merge,
            *[self.merge_by_mistake] * 2,
            self.erase,
            self.hold,
            self.lift,
            self.forget,
            self.move,
            self.topic,
        ]
        staff_do += [self.make_quiet, self.note_death, self.approve, self.send_now, self.correct]
        settings = [self.move_zone, self.close_a_day, self.allow_unreviewed, self.allow_children]
        settings += [self.switch_off, self.set_clock_back]
        choices = [*often, *patrons_do, *staff_do, *settings]
        for _ in range(6):
            self.visit()
        self.wait(days=9)
        self.work()
        for _ in range(steps):
            self.random.choice(choices)()
        # At the end, turn check-ins on and require no approval, so that every check-in that is due is sent.
        Library.objects.update(check_ins=True)
        Branch.objects.update(check_ins_unreviewed=True)
        for _ in range(4):
            self.wait(days=8)
            self.work()

    # The methods that add a visit, move the clock, or let a patron, the staff or the worker act.

    def wait(self, days=None):
        self.at += self.random.randint(1, 60) * HOUR if days is None else days * DAY
        if days is not None or self.random.random() < 0.6:
            # Usually move the clock to an opening hour of the next day. If this day is a Sunday, take Monday.
            local = (self.at + DAY).astimezone(self.zone).replace(hour=self.random.randint(9, 16))
            self.at = (local + (DAY if local.weekday() == 6 else 0 * DAY)).astimezone(datetime.UTC)

    def set_clock_back(self):
        self.at -= self.random.randint(1, 30) * HOUR

    def move_zone(self):
        zone = self.random.choice(ZONES)
        Library.objects.update(time_zone=zone)
        self.zone = zoneinfo.ZoneInfo(zone)

    def close_a_day(self):
        day = self.today + self.random.randint(0, 2) * DAY
        ClosedDay.objects.get_or_create(branch=self.branch, day=day)
        self.closed_days.add(day)

    def allow_unreviewed(self):
        Branch.objects.update(check_ins_unreviewed=self.random.random() < 0.7)

    def allow_children(self):
        Library.objects.update(check_ins_of_children=self.random.random() < 0.5)

    def switch_off(self):
        Library.objects.update(check_ins=self.random.random() < 0.8)

    def visit(self):
        patron = self.patron()
        if patron is None:
            return
        with_child = ["own"] if patron.child_since else ["", "", "", "own"]
        visit = HelpSessionFactory(
            patron=patron,
            kept_at=self.at,
            created_at=self.at,
            happened_on=self.today,
            branch=self.branch,
            staff=self.staff,
            topic=self.random.choice(self.topics),
            people=self.random.choice([1, 1, 1, 3]),
            with_child=self.random.choice(with_child),
            question_type=self.random.choice(["technology", "reference", "directional", "consultation"]),
        )
        planning.plan(visit, at=self.at)

    def choose(self):
        if patron := self.patron():
            choice = self.random.choice(["email", "email", "email", "email", "pages", "none"])
            try:
                consent.choose(patron, choice, wording="w", language="en", at=self.at)
            except consent.NotOffered:
                assert patron.child_since

    def remember(self):
        User.objects.filter(pk__in=self.patrons[:1]).update(
            remember=self.random.choice(["30", "365"]), remember_chosen_at=self.at - 2 * DAY
        )

    def change_address(self):
        if patron := self.patron():
            User.objects.filter(pk=patron.pk).update(email=f"{uuid.uuid4()}@example.org")

    def confirm_address(self):
        """Confirm all unconfirmed addresses. If there are none, make one patron's address unconfirmed."""
        if EmailAddress.objects.filter(verified=False).update(verified=True):
            return
        if (patron := self.patron()) and patron.email:
            EmailAddress.objects.filter(user=patron).delete()
            EmailAddress.objects.create(user=patron, email=patron.email, verified=False)

    def note_death(self):
        if (patron := self.patron()) and patron.died_at:
            consent.undo_death(patron, by=self.staff, at=self.at)
        elif patron and self.random.random() < 0.5:
            consent.note_death(patron, by=self.staff, at=self.at)

    def answer(self):
        """Let a patron answer questions about a visit, with the link in the email or on the visit's page."""
        answers = self.random.choice(ANSWERS)
        if self.random.random() < 0.5 and (check_in := self.some(self.linked())):
            self.note_answered(check_in.help_session)
            answerer = answering.Answerer(may_open=self.random.random() < 0.3)
            answering.answer(check_in, answerer=answerer, at=self.at, **answers)
        elif visit := self.some(self.due_visits()) or self.some(self.visits.filter(quiet=False)):
            self.note_answered(visit)
            outcomes.take_outcome(visit, by=visit.patron, at=self.at, **answers)

    def clear_answers(self):
        if visit := self.some(self.visits.filter(quiet=False)):
            outcomes.clear_outcome(visit, at=self.at)

    def due_visits(self):
        """Return the visits whose check-in is due and was not sent yet."""
        due = {"check_ins_made__status": "planned", "check_ins_made__due_on__lte": self.today}
        return self.visits.filter(quiet=False, **due).distinct()

    def linked(self):
        """Return the check-ins whose emailed link still works."""
        found = {number: links.find(text, at=self.at) for number, text in self.links.items()}
        assert all(check_in.pk == number for number, check_in in found.items() if check_in)
        return [found[number] for number in sorted(found) if found[number]]

    def note_answered(self, visit):
        """Add the visit's sent and due check-ins to `answered`. No more emails about them may be sent."""
        waiting = visit.check_ins_made.filter(status="planned", due_on__lte=self.today)
        asked = visit.check_ins_made.filter(status="asked")
        self.answered |= {row.pk for row in [*waiting, *asked]}

    def write(self):
        if visit := self.some(self.visits.filter(quiet=False)):
            conversations.ask(
                by=visit.patron, at=self.at, help_session=visit, body="Hi", language="en",
                client_token=uuid.uuid4(),
            )  # fmt: skip

    def close(self):
        if conversation := self.some(Conversation.objects.filter(status__in=Conversation.OPEN)):
            conversations.close(conversation, by=self.staff, side="staff", at=self.at)

    def let_go(self):
        if visit := self.some(self.visits):
            sharing.take_out(visit, visit.patron, by=self.staff, at=self.at)

    def keep(self):
        free = HelpSession.objects.filter(patron=None, forgotten_on=None, status="recorded", quiet=False)
        free = free.filter(with_child="")
        if (visit := self.some(free)) and (patron := self.patron()) and not patron.child_since:
            keeping.keep(visit, by=patron, at=self.at, wording="w", language="en")

    def merge(self):
        going, into = self.patron(), self.patron()
        if not going or not into or going.pk == into.pk or len(self.patrons) < 2:
            return
        try:
            merged = merge_for_a_day(going, into, by=self.staff, at=self.at)
        except CannotMerge:
            return
        self.patrons.remove(going.pk)
        own, before = self.last_sent.pop(going.pk), self.last_sent[into.pk]
        after = max(filter(None, [own, before]), default=None)
        self.last_sent[into.pk] = after
        self.merged[merged.pk] = (going.pk, own), (into.pk, before, after)

    def merge_by_mistake(self):
        """Merge two records as if by mistake, and undo the merge within a day."""
        self.merge()
        for _ in range(self.random.randint(0, 2)):
            self.random.choice([self.work, self.answer, self.choose, self.visit, self.later, self.let_go])()
        self.at += self.random.randint(0, 20) * HOUR
        self.unmerge()

    def unmerge(self):
        """Undo a merge. Each email from before the merge counts again for the patron who got it."""
        merged = self.some(MergedRecords.objects.filter(into__in=self.patrons).order_by("pk"))
        if not merged:
            return
        try:
            unmerge(merged, by=self.staff, at=self.at)
        except CannotUnmerge:
            return
        (going, own), (into, before, after) = self.merged.pop(merged.pk)
        self.patrons.append(going)
        self.last_sent[going] = own
        if self.last_sent.get(into) == after and into in self.last_sent:
            self.last_sent[into] = before

    def erase(self):
        if self.random.random() < 0.3 and (patron := self.patron()):
            try:
                erasure.erase(patron, language="en", at=self.at)
            except erasure.HeldByLaw:
                return
            self.patrons.remove(patron.pk)

    def new_patron(self):
        """Add a patron. If the patron has no address, a merge may give them one."""
        address = {} if self.random.random() < 0.5 else {"email": None}
        patron = UserFactory(check_ins="email", **address)
        self.patrons.append(patron.pk)
        self.last_sent[patron.pk] = None

    def hold(self):
        if visit := self.some(self.visits):
            holds.hold(visit, reason="court", by=self.staff, at=self.at)
            self.held[visit.pk] = set(visit.check_ins_made.values_list("pk", flat=True))

    def lift(self):
        if legal_hold := self.some(LegalHold.objects.filter(lifted_at=None, comes_from=None)):
            self.held.pop(legal_hold.help_session_id, None)
            holds.lift(legal_hold, by=self.staff, at=self.at)

    def forget(self):
        retention.forget(at=self.at)

    def move(self):
        if check_in := self.some(CheckIn.objects.filter(status="planned")):
            day = self.today + self.random.randint(0, 9) * DAY
            planning.set_day(check_in, day=day, reason="", by=self.staff, at=self.at)

    def later(self):
        if visit := self.some(self.visits):
            planning.ask_later(visit, day=self.today + self.random.randint(1, 9) * DAY, at=self.at)

    def leave_out(self):
        if visit := self.some(self.visits):
            planning.leave_out(visit, at=self.at)

    def topic(self):
        if visit := self.some(self.visits):
            visit.topic = self.random.choice(self.topics)
            visit.save()
            planning.replan(visit, at=self.at)

    def correct(self):
        if visit := self.some(self.visits.filter(quiet=False)):
            self._correct(visit, question=f"Another question {self.random.randint(1, 9)}", people=1)

    def make_quiet(self):
        if visit := self.some(self.visits.filter(quiet=False)):
            self._correct(visit, quiet=True)

    def _correct(self, visit, **changes):
        columns = {name: getattr(visit, name) for name in COLUMNS} | changes
        version = Correction.objects.filter(help_session=visit).count()
        correct(visit, by=self.staff, at=self.at, version=version, items=[], note="", **columns)

    def approve(self):
        planned = CheckIn.objects.filter(status="planned", reviewed_at=None).order_by("pk")[:2]
        seen = {check_in: reviewing.version_of(check_in) for check_in in planned}
        reviewing.approve(seen, by=self.staff, at=self.at)

    def send_now(self):
        """Let staff send a check-in before its day, unless the branch is closed. Then deliver the email."""
        check_in = self.some(CheckIn.objects.filter(status="planned"))
        if check_in is None or not self.is_open:
            return
        may_go = self.may_be_written(check_in) and self.is_free(check_in.help_session.patron_id)
        is_early = check_in.set_by == "patron" and check_in.due_on > self.today
        why = ""
        try:
            sending.send_now(check_in, by=self.staff, at=self.at)
        except sending.NotNow as refused:
            why = refused.why
        assert bool(why) != bool(may_go and not is_early), f"staff could send it or not, wrongly: {why}"
        self.deliver()

    def work(self):
        """Run the worker, and check that the emails that it sends follow the rules."""
        if self.random.random() < 0.5:
            Library.objects.update(check_ins=True)
        if self.random.random() < 0.3:
            end_check_ins(at=self.at)
        if self.random.random() < 0.2:
            self.answer()
        sending.plan_dropped_again(at=self.at)
        due = [row for row in self.planned() if self.may_go(row) and row.due_on <= self.today]
        waiting = {row.help_session.patron_id for row in due if self.is_free(row.help_session.patron_id)}
        before = set(self.emails().values_list("pk", flat=True))
        self.by_the_workers(send)
        if self.random.random() < 0.3:
            self.by_the_workers(send)
        written = self.emails().exclude(pk__in=before)
        asked = set(written.values_list("recipient", flat=True))
        held_back = {patron for patron in waiting - asked if self.has_urgent(patron)}
        assert waiting - held_back == asked, "each patron with something due gets one email, and nobody else"
        assert written.count() == len(asked)
        if self.random.random() < 0.3:
            # Let a patron or the staff change something before the worker takes the emails.
            between = [self.choose, self.let_go, self.write, self.leave_out, self.merge, self.erase]
            between += [
                self.make_quiet,
                self.note_death,
                self.change_address,
                self.confirm_address,
                self.later,
            ]
            between += [self.switch_off, self.allow_children, self.answer, self.topic, self.unmerge]
            self.random.choice(between)()
        self.deliver()
        self.check_holds()

    def deliver(self):
        """Deliver every email as a worker does, and check that the emails follow the rules."""
        emails = {email.message_id: email.to_address for email in self.emails().filter(state="waiting")}
        for email in [email for taken in self.by_the_workers(take) for email in taken]:
            emails.pop(email.message_id)
            check_in = CheckIn.objects.get(message_id=email.message_id)
            patron = User.objects.get(pk=email.recipient_id)
            assert self.may_be_written(check_in), "an email went that must not go"
            assert self.is_open, "an email went while the branch was closed"
            assert email.to_address == patron.email, "an email went to an address that the patron left"
            assert self.is_free(patron.pk), "two emails in a week"
            assert check_in.pk not in [pk for pk, _patron, _at in self.sent], "asked twice"
            assert check_in.pk not in self.answered, "an email went after the patron's answer"
            assert check_in.link_ends_at <= self.ends_at(check_in.help_session), "the link outlives the visit"
            self.sent.append((check_in.pk, patron.pk, self.at))
            self.last_sent[patron.pk] = self.last_sent_to[email.to_address] = self.at
            self.links[check_in.pk] = LINK.search(email.text)[1]
            mark_delivered(email, at=self.at)
        for check_in in CheckIn.objects.filter(status="asked", message_id__in=emails):
            is_same = emails[check_in.message_id] == check_in.help_session.patron.email
            assert not (self.may_go(check_in) and is_same), "an email was dropped that may go"

    def by_the_workers(self, job):
        """Let each worker run `job(at)`, and return a list with the result of each worker."""
        if self.workers == 1:
            return [job(self.at)]
        results = run_simultaneously(*[lambda: job(self.at)] * self.workers)
        failures = [result for result in results if isinstance(result, str)]
        assert not failures, "a worker failed"
        return results

    def check_holds(self):
        """Check that nothing about a visit under a legal hold was deleted."""
        kept = HelpSession.objects.filter(pk__in=self.held, forgotten_on=None).exclude(question="")
        assert kept.count() == len(self.held)
        assert {pk for keys in self.held.values() for pk in keys} <= set(
            CheckIn.objects.values_list("pk", flat=True)
        )

    # The rules about sending, written again without the code of the portal.

    def may_go(self, check_in):
        is_reviewed = check_in.reviewed_at or Branch.objects.get(pk=self.branch.pk).check_ins_unreviewed
        return bool(self.is_open and self.may_be_written(check_in) and is_reviewed)

    def may_be_written(self, check_in):
        """Return whether the check-in may be sent now. Assume that it is approved and that the branch is open."""
        visit = HelpSession.objects.select_related("patron", "topic").get(pk=check_in.help_session_id)
        patron, library = visit.patron, Library.objects.get()
        if not patron or patron.check_ins != "email" or visit.check_ins or visit.quiet or visit.people > 1:
            return False
        if not library.check_ins or patron.died_at or not patron.email:
            return False
        if EmailAddress.objects.filter(user=patron, email=patron.email, verified=False).exists():
            return False
        if (visit.with_child or patron.child_since) and not (
            patron.child_since and library.check_ins_of_children
        ):
            return False
        if self.at >= self.ends_at(visit) or visit.forgotten_on:
            return False
        if visit.topic and visit.topic.never_by_message:
            return False
        talks = list(Conversation.objects.filter(help_session=visit))
        is_open_now = any(talk.status in Conversation.OPEN for talk in talks)
        waited = any(talk.closed_at and talk.closed_at > self.at - 30 * DAY for talk in talks)
        is_late = check_in.due_on < self.today - 30 * DAY and not waited and check_in.status == "planned"
        answered = visit.found and visit.satisfaction
        return not (is_open_now or is_late or answered)

    def ends_at(self, visit):
        """Return the time when the visit is forgotten."""
        days = {"30": 30, "365": 365}[visit.patron.remember]
        return visit.kept_at + (min(days, 90) if visit.patron.child_since else days) * DAY

    @property
    def is_open(self):
        local = self.at.astimezone(self.zone)
        return local.weekday() < 6 and 9 <= local.hour < 17 and local.date() not in self.closed_days

    def is_free(self, patron):
        """Return whether the patron and their email address got no check-in email in the last week."""
        address = User.objects.get(pk=patron).email
        # Ignore a time that is a week or more in the future, because a fast clock wrote it.
        times = filter(None, [self.last_sent.get(patron), self.last_sent_to.get(address)])
        return not any(-WEEK < self.at - last < WEEK for last in times)

    def has_urgent(self, patron):
        """Return whether the patron has an urgent check-in.

        An urgent check-in becomes due within a week, and its visit is forgotten within a week.
        """
        own = [row for row in self.planned() if row.help_session.patron_id == patron and self.may_go(row)]
        return any(
            self.today < row.due_on < self.today + WEEK and self.ends_at(row.help_session) < self.at + WEEK
            for row in own
        )

    # Properties that describe the library at the current time.

    @property
    def today(self):
        return self.at.astimezone(self.zone).date()

    @property
    def visits(self):
        return HelpSession.objects.filter(patron__in=self.patrons, forgotten_on=None).order_by("pk")

    def emails(self):
        return Notification.objects.filter(kind="checkins/check_in")

    def planned(self):
        rows = CheckIn.objects.filter(status="planned").order_by("pk")
        return list(rows.select_related("help_session__patron", "help_session__topic"))

    def patron(self):
        return self.some(User.objects.filter(pk__in=self.patrons).order_by("pk"))

    def some(self, rows):
        rows = list(rows)
        return self.random.choice(rows) if rows else None
