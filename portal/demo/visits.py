"""Record the demo's visits, hand the visits over, and schedule verdicts and conversations."""

import datetime
import random
import uuid
from functools import partial

from django.conf import settings

import portal.lists.actions
from accounts import audit
from accounts.models import AuditEvent, Library
from portal.conversations import keeping, next_steps, outcomes, verdicts
from portal.conversations.models import Conversation
from portal.helpsessions import actions as helpsessions
from portal.helpsessions import handover, tallies, unfinished
from recommendations.chosen_items import ChosenItem
from recommendations.models import Item, Recommendation

from . import library as demo
from .scenarios.letters import LETTERS
from .scenarios.life import LIFE
from .scenarios.reading import READING
from .scenarios.small import OLD, SHARED, SMALL_VISITS
from .scenarios.study import STUDY
from .scenarios.tray import UNFINISHED
from .scenarios.work import WORK
from .years import FIRST_VISIT_DAYS_AGO

VISITS = [*STUDY, *WORK, *READING, *LIFE, *LETTERS, *SMALL_VISITS, *OLD, *SHARED]
# SESSIONS is the number of visits, unfinished sessions and tallies. NOT_TRIED_YET is the number of
# recommendations in SMALL_VISITS that get the verdict "not tried yet".
SESSIONS = 150
NOT_TRIED_YET = 19
CODE_CARDS = 10
# The text that patrons agree to when they add a visit to their account.
CONSENT = {"en": "Keep this in my library account", "es": "Guardar esto en mi cuenta de la biblioteca"}
# Staff choose these patron groups in turn. "" means that staff didn't ask for the group.
GROUPS = ("Residents", "", "Residents", "Students", "", "Residents", "Visitors", "Residents", "Teachers", "")
# The share of days on which staff enter a tick sheet.
TICK_SHEETS = 0.7
# {value of DemoStep.end: the function that ends the step in this way}
STEP_ENDS = {
    "arrived": next_steps.mark_arrived,
    "given": next_steps.mark_given,
    "taken_back": next_steps.take_back,
}


def tick_sheets():
    """Return a list of (how many days ago, number of contacts of each kind), one pair for each tick sheet.

    Staff of the first branch enter each sheet in the evening of its day.
    """
    chance = random.Random(9)  # noqa: S311  nothing here is secret
    sheets = []
    for days_ago in range(FIRST_VISIT_DAYS_AGO, 0, -1):
        if chance.random() < TICK_SHEETS:
            numbers = [chance.choice((0, 1, 1, 2)) for _kind in demo.TALLY_KINDS]
            sheets.append((days_ago, [*numbers[:-1], numbers[-1] or 1]))
    return sheets


class Visits:
    def __init__(self, builder):
        self.builder = builder
        self.not_tried = set()
        self.code_cards = []
        self.recorded = 0

    def plan(self):
        builder = self.builder
        for visit in VISITS:
            at = builder.calendar.moment(visit.branch, visit.days_ago, visit.hour)
            builder.schedule(at, partial(self._record, visit))
        for days_ago, hour, staff, branch, fields in UNFINISHED:
            at = builder.calendar.moment(branch, days_ago, hour)
            builder.schedule(at, partial(self._start_unfinished, staff, branch, fields))
        for _number in range(SESSIONS - len(VISITS) - len(UNFINISHED)):
            person = builder.random.choice(demo.STAFF)
            branch = builder.random.choice(list(person.roles))
            days_ago, hour = builder.random.randrange(90), builder.random.randrange(9, 20)
            minutes = datetime.timedelta(minutes=builder.random.randrange(50))
            at = builder.calendar.moment(branch, days_ago, hour) + minutes
            builder.schedule(at, partial(self._tally, person.key, branch))

    def plan_tick_sheets(self):
        for days_ago, numbers in tick_sheets():
            at = self.builder.calendar.moment("central", days_ago, 18)
            self.builder.schedule(at, partial(self._tick, numbers))

    def print_code_cards(self, *, at):
        builder = self.builder
        self.code_cards = handover.print_code_cards(
            by=builder.people["rosa"], at=at, branch=builder.branches["central"], count=CODE_CARDS
        )

    def choose_not_tried(self):
        """Choose the recommendations in SMALL_VISITS that get the verdict "not tried yet"."""
        candidates = [
            recommendation
            for visit in SMALL_VISITS
            if visit.patron and visit.days_ago > 3
            for recommendation in visit.recommendations
        ]
        chosen = self.builder.random.sample(candidates, NOT_TRIED_YET)
        # The set contains the id() of each recommendation, because two different recommendations
        # can be equal.
        self.not_tried = {id(recommendation) for recommendation in chosen}

    def chosen_items(self, recommendations):
        """Return the ChosenItems for a record form or an answer."""
        return [self._chosen_item(recommendation) for recommendation in recommendations]

    def plan_verdicts(self, planned, recommendations, patron, since):
        """Schedule when the patron gives verdicts on these recommendations, and when they save items.

        `planned` are the DemoRecommendations from which the recommendations were made.
        """
        for plan, recommendation in zip(planned, recommendations, strict=True):
            at = since + datetime.timedelta(days=plan.days)
            if plan.saved and patron:
                self.builder.schedule(at, partial(self._save_item, recommendation, patron))
            verdict = plan.verdict
            if not verdict and id(plan) in self.not_tried:
                verdict = Recommendation.Verdict.NOT_TRIED
            if verdict:
                self.builder.schedule(at, partial(self._take_verdict, recommendation, plan, verdict, patron))

    def _tally(self, staff, branch, at):
        tallies.tally(by=self.builder.people[staff], at=at, branch=self.builder.branches[branch])

    def _tick(self, numbers, at):
        point = self._point("central", 0)
        local = at.astimezone(self.builder.calendar.zone)
        tallies.tally_several(
            by=self.builder.people["jun"],
            at=at,
            service_point=point,
            happened_on=local.date(),
            hour=local.hour - 1,
            numbers=dict(zip(point.tally_kinds.order_by("pk"), numbers, strict=True)),
            token=uuid.UUID(int=int(at.timestamp())),
        )

    def _point(self, branch, number):
        points = self.builder.points[branch]
        return points[number % len(points)]

    def _start_unfinished(self, staff, branch, fields, at):
        branch = self.builder.branches[branch]
        local = at.astimezone(self.builder.calendar.zone)
        form = {
            "question_type": "reference",
            "mode": "in_person",
            "people": "1",
            "language": "en",
            "branch": str(branch.pk),
            "happened_on": local.date().isoformat(),
            "hour": str(local.hour),
        }
        unfinished.start_unfinished(by=self.builder.people[staff], at=at, branch=branch, fields=form | fields)

    def _record(self, visit, began):
        builder = self.builder
        local = began.astimezone(builder.calendar.zone)
        staff, at = builder.people[visit.staff], began + datetime.timedelta(minutes=visit.minutes)
        self.recorded += 1
        help_session = helpsessions.record(
            by=staff,
            at=at,
            branch=builder.branches[visit.branch],
            service_point=self._point(visit.branch, self.recorded),
            patron_group=builder.groups.get(GROUPS[self.recorded % len(GROUPS)]),
            own_values=builder.chosen_values(self.recorded),
            happened_on=local.date(),
            hour=local.hour,
            mode=visit.mode,
            question_type=visit.type,
            topic=builder.topics[visit.topic],
            read_level=visit.read,
            minutes=visit.minutes,
            people=visit.people,
            language=visit.language,
            question=visit.question,
            summary=visit.summary,
            quiet=visit.quiet,
            with_child=Library.Children.SHARED if visit.adult else "",
            note=visit.note,
            items=self.chosen_items(visit.recommendations),
        )
        if visit.code:
            self._hand_over(visit, help_session, staff, at)
        self._plan_after(visit, help_session, at)

    def _hand_over(self, visit, help_session, staff, at):
        if visit.code == "card":
            code = self.code_cards.pop()
            handover.attach_code_card(help_session, code=code, by=staff, at=at)
        else:
            address = "neighbor@example.org" if visit.code == "mailed" else ""
            code = handover.hand_over(
                help_session, by=staff, at=at, base_url=settings.BASE_URL, to_address=address
            )
        if visit.code == "revoked":
            in_an_hour = at + datetime.timedelta(hours=1)
            self.builder.schedule(in_an_hour, partial(_revoke_codes, help_session, staff))
        # The latest code of each kind is shown on the demo's page.
        self.builder.codes["quiet" if visit.quiet else visit.code] = code

    def _plan_after(self, visit, help_session, at):
        """Schedule what the patron does after the visit."""
        builder = self.builder
        patron = builder.people.get(visit.patron)
        for person in filter(None, [patron, builder.people.get(visit.adult)]):
            minutes = datetime.timedelta(minutes=builder.random.randrange(15, 60))
            builder.schedule(at + minutes, partial(_keep, help_session, person))
        links = help_session.recommendation_links.select_related("recommendation__item")
        recommendations = [link.recommendation for link in links]
        self.plan_verdicts(visit.recommendations, recommendations, patron, at)
        if visit.found or visit.satisfaction:
            in_four_days = at + datetime.timedelta(days=4)
            builder.schedule(in_four_days, partial(_answer_outcome, help_session, visit))
        by_item = {
            plan.item: recommendation
            for plan, recommendation in zip(visit.recommendations, recommendations, strict=True)
        }
        for conversation in visit.conversations:
            about = by_item.get(conversation.about)
            builder.conversations.plan_about_visit(conversation, visit, help_session, about, at)

    def _save_item(self, recommendation, patron, at):
        portal.lists.actions.save(recommendation.item, patron=patron, at=at, recommendation=recommendation)

    def _take_verdict(self, recommendation, plan, verdict, patron, at):
        recommendation.refresh_from_db()
        verdicts.take_verdict(
            recommendation, verdict=verdict, why=plan.why, comment=plan.comment, by=patron, at=at
        )
        if plan.step:
            at = self._when_open(recommendation, at + datetime.timedelta(days=plan.step.days))
            self.builder.schedule(at, partial(self._record_step, recommendation, plan.step))

    def _when_open(self, recommendation, at):
        [branch] = [key for key, each in self.builder.branches.items() if each.pk == recommendation.branch_id]
        return self.builder.calendar.when_open(branch, at)

    def _record_step(self, recommendation, plan, at):
        day = self.builder.calendar.today + datetime.timedelta(days=plan.until)
        step = next_steps.Step(plan.kind, day, self.builder.items.get(plan.other))
        self._act(next_steps.record, recommendation, plan, at, step)
        if plan.end:
            at = self._when_open(recommendation, at + datetime.timedelta(days=plan.end_days))
            self.builder.schedule(at, partial(self._end_step, recommendation, plan))

    def _end_step(self, recommendation, plan, at):
        if plan.end == "helped":
            by = recommendation.patron
            verdicts.take_verdict(recommendation, verdict=plan.end, why="", comment="", by=by, at=at)
        else:
            self._act(STEP_ENDS[plan.end], recommendation, plan, at)

    def _act(self, action, recommendation, plan, at, *values):
        """Let the staff member open the conversation about the item and do this action."""
        conversation = Conversation.objects.get(recommendation=recommendation)
        by = self.builder.people[plan.by]
        where = {"patron": conversation.patron, "where": AuditEvent.Where.QUEUE}
        audit.record("opened", conversation, by=by, at=at, **where)
        action(conversation, recommendation, *values, by=by, at=at)

    def _chosen_item(self, plan):
        item = self.builder.items.get(plan.item)
        by_hand = {}
        if item is None:
            by_hand = {"kind": Item.Kind.WEB_PAGE, "title": plan.item, "url": "https://city.example.gov/"}
        return ChosenItem(item=item, reason=plan.reason, starred=plan.starred, **by_hand)


def _revoke_codes(help_session, staff, at):
    handover.revoke_codes(help_session, by=staff, at=at)


def _keep(help_session, person, at):
    language = person.language if person.language in CONSENT else "en"
    keeping.keep(help_session, by=person, wording=CONSENT[language], language=language, at=at)


def _answer_outcome(help_session, visit, at):
    outcomes.take_outcome(
        help_session,
        by=help_session.patron,
        at=at,
        found=visit.found or None,
        satisfaction=visit.satisfaction or None,
    )
