"""Test that an attacker who reads everything about outcomes learns nothing from one more answer.

Each test reads the pages, the files and the API before and after one change: an answer or verdict is added,
changed or removed, or a visit is forgotten or erased.
"""

import datetime
import itertools
import uuid

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounts.models import Branch
from portal.checkins import answering
from portal.conversations import outcomes as answers
from portal.conversations.verdicts import take_verdict
from portal.counts.actions import rebuild
from portal.counts.models import OutcomePeriod
from portal.counts.outcomes import count_outcomes
from portal.desk.figures import workload
from portal.helpsessions import keeping
from portal.helpsessions.models import HelpSession
from portal.privacy import erasure, retention
from tests.factories import (
    ApiTokenFactory,
    BranchFactory,
    CheckInFactory,
    HelpSessionFactory,
    ItemFactory,
    TopicFactory,
    recommend_in,
)
from tests.portal.pages import text

pytestmark = [pytest.mark.sql, pytest.mark.django_db, pytest.mark.slow]

# The quarter from July to September 2026 is counted on November 14.
BEFORE = datetime.datetime(2026, 11, 13, 18, tzinfo=datetime.UTC)
AFTER = datetime.datetime(2026, 11, 14, 18, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def visits(library, branch, staff, patron):
    """Record visits of one patron in two quarters, at two branches, with answers and verdicts."""
    west = BranchFactory(name="West")
    topics, items = [TopicFactory(name="Law"), TopicFactory(name="Taxes")], ItemFactory.create_batch(2)
    made = []
    for month, number in itertools.product((5, 8), range(24)):
        at = datetime.datetime(2026, month, 5, 18, tzinfo=datetime.UTC)
        visit = HelpSessionFactory(
            branch=west if number % 3 == 0 else branch,
            staff=staff,
            patron=patron,
            topic=topics[number % 2],
            happened_on=at.date(),
            created_at=at,
            kept_at=at,
            found="all",
            satisfaction="good",
            answered_at=at,
        )
        recommend_in(visit, item=items[number % 2], verdict="helped", decided_at=at, topic=visit.topic)
        CheckInFactory(help_session=visit, asked_at=at, status="asked", asked=patron, asked_by=staff)
        made.append(visit)
    # One visit is given to a patron who hasn't kept it yet.
    HelpSession.objects.filter(pk=made[-2].pk).update(patron=None, kept_at=None, handed_over_at=at)
    return made


def read_everything(client):
    """Return the text of every page, file, report and API response, for all filters that the page offers."""
    form = client.get(reverse("outcomes")).context["form"]
    fields = {name: [value for value, _label in form.fields[name].choices] for name in form.fields}
    assert len(fields["period"]) >= 3
    read = {}
    for values in itertools.product(*fields.values()):
        query = dict(zip(fields, values, strict=True))
        read["page", values] = text(client.get(reverse("outcomes"), query))
        read["file", values] = client.get(reverse("outcomes_csv"), query).content
    token = ApiTokenFactory(name=str(uuid.uuid4()), branches=Branch.objects.all())
    headers = {"Authorization": f"Bearer {token.name}"}
    for kind, by, branch in itertools.product(("quarter", "year"), fields["by"], fields["branch"]):
        query = {"kind": kind, "by": by, "branch": branch}
        read["api", kind, by, branch] = Client().get("/api/v1/outcomes", query, headers=headers).content
    for dates in ("2026-05", "2026-08", "2026-10", "2026"):
        read["report", dates] = text(client.get(reverse("director"), {"dates": dates}))
    return read


def read_figures(client, token):
    """Return every file about the work of the desk, and every API response about it."""
    read = {}
    for by in (*workload.BY_DAY, *workload.BY_MONTH, workload.GRID, workload.ANSWERS):
        read["file", by] = client.get(reverse("figures_csv"), {"dates": "2026-08", "by": by}).content
        asked = {"first_day": "2026-08-01", "last_day": "2026-08-31", "by": by}
        headers = {"Authorization": f"Bearer {token.name}"}
        read["API", by] = Client().get("/api/v1/figures", asked, headers=headers).content
    assert all(read.values())
    return read


def add_answer(visit, patron):
    answers.take_outcome(visit, by=patron, at=BEFORE, would_return="no")


def change_answer(visit, patron):
    answers.take_outcome(visit, by=patron, at=BEFORE, found="part")


def change_verdict(visit, patron):
    recommendation = visit.recommendation_links.get().recommendation
    take_verdict(recommendation, by=patron, at=BEFORE, verdict="did_not_help", why="", comment="")


def remove_verdict(visit, patron):
    recommendation = visit.recommendation_links.get().recommendation
    take_verdict(recommendation, by=patron, at=BEFORE, verdict="", why="", comment="")


def keep(visit, patron):
    given = HelpSession.objects.get(patron=None)
    assert keeping.keep(given, by=patron, at=BEFORE, wording="May we?", language="en").kept_at == BEFORE


def answer_check_in(visit, patron):
    answering.note_answer(visit, at=BEFORE)
    assert visit.check_ins_made.get().status == "answered"


def erase(visit, patron):
    erasure.erase(patron, language="en", at=AFTER)


def forget(visit, patron):
    retention.forget(at=AFTER + 500 * DAY)


CHANGES = [add_answer, change_answer, change_verdict, remove_verdict, keep, answer_check_in, erase, forget]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("now", [BEFORE, AFTER], ids=["before it is counted", "after it is counted"])
def test_one_changed_answer_or_forgotten_visit_changes_no_outcome_page_or_file(
    client, coordinator, sign_in, visits, patron, change, now
):
    rebuild()
    with time_machine.travel(now, tick=False):
        count_outcomes(at=now)
        assert OutcomePeriod.objects.filter(kind="quarter").count() == (1 if now == BEFORE else 2)
        desk = sign_in(client, coordinator)
        before = read_everything(desk)
        change(visits[-1], patron)
        count_outcomes(at=now)
        assert read_everything(desk) == before


@pytest.mark.parametrize("change", CHANGES)
def test_changing_one_answer_or_keeping_one_visit_does_not_change_the_workload_figures(
    client, coordinator, sign_in, branch, visits, patron, change
):
    """Nobody who reads these figures learns what one patron answered, or that one patron kept a visit."""
    token = ApiTokenFactory(branches=[branch])
    with time_machine.travel(BEFORE, tick=False):
        rebuild()
        desk = sign_in(client, coordinator)
        before = read_figures(desk, token)
        change(visits[-1], patron)
        rebuild()
        assert read_figures(desk, token) == before
