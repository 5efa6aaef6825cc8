"""Test that the order of imports doesn't matter, and that undoing them brings back each earlier state.

Two branches save their logs in the same program. Each log grows, is exported several times, and has some equal rows.
"""

import datetime
import io

import pytest
from django.core.management import call_command
from django.core.serializers import serialize
from django.db import transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as searching
from hypothesis import strategies as st

from portal.counts.models import TABLES, DayCount, LogImport
from portal.helpsessions.models import HelpSession
from portal.imports.desk_logs.undoing import undo_import
from portal.imports.models import ImportedRow
from tests.extent import times
from tests.factories import BranchFactory

from .files import as_csv

pytestmark = [pytest.mark.sql, pytest.mark.django_db, pytest.mark.slow]

HEADER = ["Date", "Time", "Type", "Mode", "Minutes"]
DAYS = {"2026-03-14": datetime.date(2026, 3, 14), "2026-04-01": datetime.date(2026, 4, 1)}
# Only a few different rows are possible. So many rows are equal, within one log and across the two logs.
ROWS = st.tuples(
    st.sampled_from([*DAYS]),
    st.sampled_from(["9:15", ""]),
    st.just("Reference"),
    st.sampled_from(["Phone", "Chat"]),
    st.sampled_from(["5", "10-30 min"]),
)
LOGS = st.fixed_dictionaries(
    {slug: st.lists(ROWS, min_size=1, max_size=6) for slug in ("harbour-main", "west")}
)


@st.composite
def exports(draw):
    """Return (the complete logs, exports of them in any order). An export is (slug of the branch, rows)."""
    logs = draw(LOGS)
    made = [(slug, logs[slug]) for slug in logs]
    for slug in draw(st.lists(st.sampled_from([*logs]), max_size=3)):
        made.append((slug, logs[slug][: draw(st.integers(1, len(logs[slug])))]))
    return logs, draw(st.permutations(made))


@pytest.fixture
def import_log(tmp_path, branch):
    BranchFactory(name="West", slug="west")

    def import_log(slug, rows, header=HEADER):
        file = tmp_path / "log.csv"
        file.write_bytes(as_csv([header, *rows]))
        said = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        call_command("import_help_sessions", str(file), "--branch", slug, **said)

    return import_log


def stored():
    models = (HelpSession, ImportedRow, LogImport, *TABLES)
    return {model.__name__: serialize("json", model.objects.order_by("pk")) for model in models}


def counted():
    """Return {(branch, day, hour, mode): (contacts, minutes)} of the tables."""
    columns = ("branch__slug", "happened_on", "hour", "mode", "contacts", "minutes")
    return sums(DayCount.objects.values_list(*columns))


def written(logs):
    """Return the rows of the logs in the form that `counted` returns."""
    return sums(
        (slug, DAYS[day], 9 if hour else None, mode.lower(), 1, {"5": 5, "10-30 min": 20}[minutes])
        for slug, rows in logs.items()
        for day, hour, _kind, mode, minutes in rows
    )


def sums(rows):
    """Add the numbers of equal keys.

    A row that takes a replaced contact out of the counts has negative numbers.
    """
    found: dict = {}
    for *key, contacts, minutes in rows:
        before = found.get(tuple(key), (0, 0))
        found[tuple(key)] = before[0] + contacts, before[1] + minutes
    return {key: numbers for key, numbers in found.items() if any(numbers)}


@pytest.mark.long
def test_logs_of_two_branches_give_the_same_counts_in_any_order_and_every_undo_is_exact(import_log):
    @searching(
        max_examples=times(12, 150),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    @given(exports())
    def check(found):
        logs, made = found
        with transaction.atomic():
            before = []
            for slug, rows in made:
                before.append((LogImport.objects.count(), stored()))
                import_log(slug, rows)
            assert counted() == written(logs)
            for number, state in reversed(before):
                for log_import in LogImport.objects.order_by("pk")[number:]:
                    undo_import(log_import)
                assert stored() == state
            transaction.set_rollback(True)

    check()


def test_logs_of_two_branches_can_have_the_same_ticket_numbers(import_log):
    numbered = [*HEADER, "Ticket #"]
    row = ["2026-03-14", "9:15", "Reference", "Phone", "5", "17"]
    for slug in ("harbour-main", "west", "west"):
        import_log(slug, [row], header=numbered)
    assert counted() == written({"harbour-main": [row[:5]], "west": [row[:5]]})
    import_log("west", [[*row[:4], "10-30 min", "17"]], header=numbered)
    assert counted() == written({"harbour-main": [row[:5]], "west": [[*row[:4], "10-30 min"]]})
