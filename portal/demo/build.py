"""Build the demo library by running three months of work through the portal's own actions, in order."""

import datetime
import heapq
import itertools
import json
import random

from django.conf import settings
from django.db import transaction

from accounts.models import Library
from portal.conversations import jobs, next_steps
from portal.counts.actions import rebuild
from portal.counts.answers import count_answers
from portal.notifications.models import Notification
from portal.privacy import retention

from . import desk_log, kits, links, lists, notices, past_visits, systems, years
from . import library as demo
from .base_data import add_base_data
from .calendar import Calendar
from .check_ins import plan_check_ins
from .conversations import Conversations
from .emails import send_emails
from .outcomes import settle_outcomes
from .scenarios.asked import QUESTIONS
from .visits import Visits

# The build runs the worker's jobs for this many days, from before the first visit until today.
NIGHTS = 95
EMAILS_STILL_TO_SEND = 6  # The worker delivers this many of the latest emails when it starts.
CODES_FILE = settings.DATA_DIR / "demo-codes.json"


def build(*, at, seed=1):
    """Build the whole library in one transaction. The same seed and day give the same content."""
    with transaction.atomic():
        builder = Builder(at, seed)
        builder.build()
    CODES_FILE.parent.mkdir(parents=True, exist_ok=True)
    CODES_FILE.write_text(json.dumps(builder.codes))


def codes_to_try():
    """Return {kind: code} with the codes that the last build made. The database stores only their HMACs."""
    try:
        return json.loads(CODES_FILE.read_text())
    except (OSError, ValueError):
        return {}


class Builder:
    """One build of the demo library. The scheduled steps run in the order of their times.

    `people`, `branches`, `topics` and `items` map the keys in the scenarios to the created rows. `groups` has
    the patron groups by their names, and `points` the service points of each branch.
    """

    def __init__(self, at, seed):
        self.now = at
        self.random = random.Random(seed)  # noqa: S311  nothing here is secret
        self.people, self.branches, self.topics, self.items, self.codes = {}, {}, {}, {}, {}
        self.groups, self.points, self.own_values = {}, {}, []
        self.visits, self.conversations = Visits(self), Conversations(self)
        self._steps, self._counter = [], itertools.count()

    def build(self):
        add_base_data(self, at=self.now - datetime.timedelta(days=120))
        self.calendar = Calendar(demo.BRANCHES, Library.current().zone, self.now)
        self.visits.choose_not_tried()
        self.visits.print_code_cards(at=self.now - datetime.timedelta(days=30))
        for days_ago in range(NIGHTS, -1, -1):
            self.schedule(self.now - datetime.timedelta(days=days_ago), _run_worker_jobs)
        for question in QUESTIONS:
            self.conversations.plan_question(question)
        self.visits.plan()
        self.visits.plan_tick_sheets()
        while self._steps:
            at, _number, step = heapq.heappop(self._steps)
            step(at)
        lists.make(self)
        jobs.show_pending_answers(at=self.now)
        links.make(self)
        retention.forget(at=self.now)
        kits.make(self)
        plan_check_ins(self)
        settle_outcomes(at=self.now)
        past_visits.add(self)
        desk_log.make(self)
        years.add_rules(self)
        count_answers(at=self.now)
        rebuild()
        send_emails(at=self.now)
        self.codes["blank"] = self.visits.code_cards[-1]
        _mark_old_emails_delivered(but=self.people[notices.GETS_A_DIGEST])
        notices.add(self)
        systems.add(self)

    def chosen_values(self, number):
        """Return the value of the library's own field for a visit. Return {} if staff chose none.

        `number` counts the visits. The result is a value for HelpSession.own_values.
        """
        value = self.own_values[number % len(self.own_values)] if number % 3 else None
        return {str(value.field_id): value.pk} if value else {}

    def schedule(self, at, step):
        """Schedule a call of `step(at)`. A step may schedule other steps.

        If `at` is in the future or less than 90 seconds ago, the step happens 90 seconds before the build.
        """
        at = min(at, self.now - datetime.timedelta(seconds=90))
        heapq.heappush(self._steps, (at, next(self._counter), step))


def _run_worker_jobs(at):
    jobs.show_pending_answers(at=at)
    next_steps.return_late_items(at=at)
    jobs.wake_snoozed(at=at)
    jobs.close_after_silence(at=at)
    jobs.release_untouched(at=at)


def _mark_old_emails_delivered(*, but):
    """Mark emails as delivered, as the worker does after sending an email.

    The latest few emails and the emails to the person `but` still wait.
    """
    for email in Notification.objects.exclude(recipient=but).order_by("-created_at", "-pk")[
        EMAILS_STILL_TO_SEND:
    ]:
        email.state, email.delivered_at = Notification.State.DELIVERED, email.created_at
        if email.blanked:
            email.text = email.html = ""
        email.save()
