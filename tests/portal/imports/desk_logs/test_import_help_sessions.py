"""Test the import of desk logs: contacts, repeated and edited rows, failed rows, undo, and privacy."""

import datetime
from collections import Counter

import pytest
from django.core.management import CommandError, call_command
from django.core.serializers import serialize
from django.utils import timezone

from accounts.models import Library
from portal.counts.actions import rebuild
from portal.counts.models import TABLES, DayCount, GroupCount, LanguageCount, LogImport, OwnCount, TopicCount
from portal.helpsessions.models import HelpSession, OwnField
from portal.imports.desk_logs import dates, writing
from portal.imports.desk_logs.undoing import undo_import
from portal.imports.models import ImportedRow, SavedMapping
from portal.privacy import retention
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    PatronGroupFactory,
    ServicePointFactory,
    TopicFactory,
)

from .files import ARCHIVE, GIMLET, as_csv, as_xlsx
from .logs import libanswers, with_difficulties

pytestmark = [pytest.mark.sql, pytest.mark.django_db]
HEADER = ["Date", "Time", "Type", "Mode", "Minutes"]


@pytest.fixture
def west(branch):
    return BranchFactory(name="West", slug="west")


@pytest.fixture
def run(capsys, tmp_path, branch):
    """Return run(rows or bytes, *options), which imports a log and returns (exit status, stdout, stderr)."""

    def run(contents, *options):
        file = tmp_path / "log"
        file.write_bytes(contents if isinstance(contents, bytes) else as_csv(contents))
        status = 0
        try:
            call_command("import_help_sessions", str(file), "--branch", branch.slug, *options)
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def stored():
    """Return all rows that an import can change, as {name of a model: JSON}."""
    return {
        model.__name__: serialize("json", model.objects.order_by("pk"))
        for model in (HelpSession, ImportedRow, LogImport, *TABLES)
    }


def counted(table):
    """Return {key: (contacts, minutes, estimated minutes)} of a table, without the rows that add up to 0."""
    sums: dict = {}
    for *key, contacts, minutes, estimated in table.objects.values_list(
        *table.KEY, "contacts", "minutes", "estimated_minutes"
    ):
        sums[tuple(key)] = tuple(
            a + b
            for a, b in zip(sums.get(tuple(key), (0, 0, 0)), (contacts, minutes, estimated), strict=True)
        )
    return {key: numbers for key, numbers in sums.items() if any(numbers)}


def undo_last(capsys):
    call_command("import_help_sessions", undo=str(LogImport.objects.latest("pk").public_id))
    return capsys.readouterr().out


def test_row_of_a_desk_log_becomes_a_session_that_already_counts_as_forgotten(run, branch):
    topic, group = TopicFactory(name="History"), PatronGroupFactory(name="Student")
    point = ServicePointFactory(branch=branch, name="Front desk")
    rows = [
        ["Date", "Time", "Location", "Type", "Mode", "Minutes", "READ", "Patron type", "Topic", "Question"],
        ["3/14/2024", "2:30 PM", "Front Desk", "Reference", "Phone", "10", "3", "student", "History", "Why?"],
    ]
    assert run(rows)[0] == 0
    session = HelpSession.objects.get()
    assert {
        name: getattr(session, name)
        for name in (
            "status",
            "branch",
            "happened_on",
            "mode",
            "question_type",
            "read_level",
            "minutes",
            "topic",
        )
    } == {
        "status": "recorded",
        "branch": branch,
        "happened_on": datetime.date(2024, 3, 14),
        "mode": "phone",
        "question_type": "reference",
        "read_level": 3,
        "minutes": 10,
        "topic": topic,
    }
    assert session.forgotten_on == Library.current().today()
    emptied = ("patron", "staff", "question", "summary", "hour", "service_point", "patron_group", "language")
    assert [getattr(session, name) for name in emptied] == [None, None, "", "", None, None, None, ""]
    day, month = datetime.date(2024, 3, 14), datetime.date(2024, 3, 1)
    assert counted(DayCount) == {
        (day, 14, branch.pk, point.pk, "phone", "reference", 3, False, None): (1, 10, 0)
    }
    assert counted(TopicCount) == {(month, branch.pk, topic.pk): (1, 10, 0)}
    assert counted(GroupCount) == {(month, branch.pk, group.pk): (1, 10, 0)}
    assert counted(LanguageCount) == {(month, branch.pk, ""): (1, 10, 0)}


def test_import_stores_no_free_text_of_a_desk_log(run, west):
    run(libanswers(60))
    everything = " ".join(stored().values()).lower()
    assert HelpSession.objects.count() == 60
    assert [word for word in ("secret", "maria", "café", "quoted") if word in everything] == []


def test_importing_the_same_desk_log_again_adds_nothing(run, west):
    rows = libanswers(100)
    run(rows)
    before = stored()
    assert "0 added (0 of them replace an earlier version), 99 already imported" in run(rows)[1]
    assert stored() == before


def test_equal_rows_in_one_desk_log_are_counted_as_separate_contacts(run):
    row = ["3/14/2024", "2:30 PM", "Reference", "Phone", "10"]
    run([HEADER, row, row])
    assert HelpSession.objects.count() == 2
    assert list(counted(DayCount).values()) == [(2, 20, 0)]
    run([HEADER, row, row, row])
    assert HelpSession.objects.count() == 3


def test_later_export_of_the_same_log_adds_only_its_new_rows(run, west):
    rows = libanswers(300)
    run(rows[:151])
    assert ImportedRow.objects.count() == 149
    run(rows)
    once = {table.__name__: counted(table) for table in TABLES}
    for log_import in LogImport.objects.order_by("-pk"):
        undo_import(log_import)
    run(rows)
    assert {table.__name__: counted(table) for table in TABLES} == once


@pytest.mark.parametrize(
    "encoded",
    [
        lambda rows: as_xlsx(rows),
        lambda rows: as_csv(rows, encoding="cp1252"),
        lambda rows: as_csv(rows, encoding="utf-16"),
        lambda rows: as_csv(rows, delimiter=";"),
        lambda rows: as_csv(rows, delimiter="\t", encoding="utf-8-sig"),
    ],
    ids=["xlsx", "windows-1252", "utf-16", "semicolons", "tabs"],
)
def test_rows_of_an_imported_log_are_recognized_if_the_log_is_in_another_file_format(run, west, encoded):
    rows = with_difficulties(libanswers(500))
    status, out, err = run(as_csv(rows))
    assert status == 1
    assert (
        "495 added (0 of them replace an earlier version), 0 already imported, 0 left out, 1 rows of "
        "totals, 5 failed." in out
    )
    assert err.count("is not a day of the calendar") == 5
    before = stored()
    assert "0 added (0 of them replace an earlier version), 495 already imported" in run(encoded(rows))[1]
    assert stored() == before


def test_undoing_an_import_restores_all_tables(run, west, capsys):
    HelpSessionFactory(branch=west)
    run(libanswers(50, seed=2))
    before = stored()
    run(with_difficulties(libanswers(120)))
    assert stored() != before
    assert undo_last(capsys) == "Undone. 119 help sessions were deleted.\n"
    assert stored() == before


TICKETS = ["Ticket #", "Date", "Type", "Minutes", "Location", "Question"]


def test_edited_row_with_the_same_ticket_number_replaces_the_earlier_row(run, west, branch, capsys):
    old = ["T-1", "3/14/2024", "Reference", "10", "West", "What?"]
    other = ["T-2", "3/14/2024", "Reference", "7", "West", "What else?"]
    run([TICKETS, old, other])
    before = stored()
    edited = ["T-1", "3/14/2024", "Directional", "10-30 min", "West", "What?"]
    assert (
        "1 added (1 of them replace an earlier version), 1 already imported"
        in run([TICKETS, edited, other])[1]
    )
    day = datetime.date(2024, 3, 14)
    assert counted(DayCount) == {
        (day, None, west.pk, None, "in_person", "directional", None, False, None): (1, 20, 20),
        (day, None, west.pk, None, "in_person", "reference", None, False, None): (1, 7, 0),
    }
    statuses = Counter(HelpSession.objects.values_list("status", "minutes"))
    assert statuses == {("replaced", 10): 1, ("recorded", 7): 1, ("recorded", 20): 1}
    again = stored()
    run([TICKETS, edited, other])
    assert stored() == again
    undo_last(capsys)
    assert stored() == before


def test_import_can_be_undone_only_after_undoing_the_later_import_that_replaced_its_rows(run, branch, capsys):
    run([TICKETS, ["T-1", "3/14/2024", "Reference", "10", "", ""]])
    first = LogImport.objects.get()
    run([TICKETS, ["T-1", "3/14/2024", "Reference", "15", "", ""]])
    later = LogImport.objects.latest("pk")
    with pytest.raises(CommandError, match=f"First undo {later.public_id}"):
        call_command("import_help_sessions", undo=str(first.public_id))
    undo_last(capsys)
    undo_last(capsys)
    assert [model for model in (HelpSession, ImportedRow, LogImport, *TABLES) if model.objects.exists()] == []


def test_importing_a_row_again_changes_nothing_if_only_its_free_text_was_edited(run):
    run([TICKETS, ["T-1", "3/14/2024", "Reference", "10", "", "Wat?"]])
    before = stored()
    run([TICKETS, ["T-1", "3/14/2024", "Reference", "10", "", "What?"]])
    assert stored() == before


def test_killed_import_can_be_continued_and_then_undone_as_a_whole(run, west, monkeypatch, capsys):
    rows, batches = libanswers(100), []
    monkeypatch.setattr(writing, "BATCH", 20)
    save = writing._Writer._save

    def killed(self, *args):
        if len(batches) == 3:
            raise KeyboardInterrupt
        batches.append(1)
        save(self, *args)

    monkeypatch.setattr(writing._Writer, "_save", killed)
    with pytest.raises(CommandError, match="Run the command again"):
        run(rows)
    assert (HelpSession.objects.count(), LogImport.objects.get().ended_at) == (60, None)
    monkeypatch.setattr(writing._Writer, "_save", save)
    assert "99 added (0 of them replace an earlier version), 0 already imported" in run(rows)[1]
    assert LogImport.objects.get().added == 99
    undo_last(capsys)
    assert [model for model in (HelpSession, ImportedRow, *TABLES) if model.objects.exists()] == []


def test_file_of_failed_rows_can_be_corrected_and_imported(run, tmp_path):
    good = ["3/14/2024", "2:30 PM", "Reference", "Phone", "10"]
    wrong = ["3/14/2024", "2:30 PM", "Reference", "Phone", "long"]
    failed = tmp_path / "failed.csv"
    status, _out, err = run([HEADER, good, wrong], "--failed", str(failed))
    assert status == 1
    assert "  row 3: Minutes: “long” is not a duration." in err
    assert failed.stat().st_mode & 0o777 == 0o600
    text = failed.read_text("utf-8-sig")
    assert "Minutes: “long” is not a duration. Write minutes, such as 15, or a band" in text
    # The corrected row equals the row that was imported first, but counts as another contact. Importing the
    # corrected file again adds nothing.
    corrected = text.replace("Phone,long", "Phone,10").encode()
    assert run(corrected)[0] == 0
    assert HelpSession.objects.count() == 2
    run(corrected)
    run([HEADER, good, good])
    assert HelpSession.objects.count() == 2


def test_dry_run_of_a_desk_log_says_what_an_import_would_do_and_changes_nothing(run, west):
    HelpSessionFactory(branch=west, happened_on=datetime.date(2024, 1, 2))
    before = stored()
    _status, out, _err = run(with_difficulties(libanswers(100)), "--dry-run")
    assert stored() == before
    assert "Date: the date (100 of 100 rows)" in out
    assert "Question: left out, because it can contain what people asked or wrote" in out
    assert "Entered By: left out, because it can name people" in out
    assert "Ticket #: left out, because it is empty" in out
    assert "Staff already recorded contacts here on 1 of these days, so some contacts may count twice." in out
    assert "  2024-01-02: 1 recorded here, 0 imported" in out
    assert "Nothing was changed. An import would give: 99 added" in out


def test_dry_run_says_how_many_rows_lack_a_value_and_which_default_counts_instead(run, west):
    rows = [["Date", "Type"], ["3/14/2024", "Reference"], ["3/14/2024", ""], ["3/15/2024", ""]]
    _status, out, _err = run(rows, "--dry-run")
    assert "2 rows have no question type, so they count as: reference." in out
    assert "3 rows don't say how staff helped, so they count as: in person." in out
    assert "3 rows name no branch, so they count at this branch: Harbour Main." in out
    run(rows)
    _status, out, _err = run(rows, "--dry-run")
    assert "All these rows are already imported. To change how they count, undo their import first." in out
    assert "no question type" not in out


def test_dry_run_says_how_many_values_of_a_column_are_not_counted(run, carriers):
    _status, out, _err = run(
        [WITH_FORMAT, row("paper"), row("vellum"), row("clay")], "--dry-run", *MEDIUM[:2]
    )
    assert "Carrier: Medium (3 of 3 rows), 1 different value, 2 values aren't counted in this field" in out


def test_dry_run_warns_of_days_that_already_have_imported_contacts(run):
    run([WITH_FORMAT, row("")])
    _status, out, _err = run([WITH_FORMAT, row("", minutes="20"), row("", day="3/15/2024")], "--dry-run")
    assert "Earlier imports already added contacts on 1 of these days." in out
    assert "  2024-03-14: 0 recorded here, 1 imported" in out
    assert "Staff already recorded" not in out


def test_dry_run_warns_that_a_log_looks_like_chats_or_tickets(run):
    _status, out, _err = run([TICKETS, ["T-1", "3/14/2024", "Reference", "10", "", ""]], "--dry-run")
    assert "This file looks like an export of chats or tickets." in out


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([["Date", "Type"], ["1/6/2024", "Reference"]], "Does “1/6/2024” begin with the day"),
        ([["Type", "Minutes"], ["Reference", "5"]], "We found no column with the date"),
        ([["Date", "Type"], ["1/16/2024", "Whatever"]], "Which question type is meant by “Whatever”"),
        (
            [["Date", "Location"], ["1/16/2024", "The Moon"]],
            "Which branch or service point is meant by “The Moon”",
        ),
    ],
)
def test_import_stops_with_a_question_if_a_column_or_value_of_the_log_is_unclear(run, rows, reason):
    with pytest.raises(CommandError, match=reason):
        run(rows)
    assert LogImport.objects.count() == 0


def test_import_asks_for_the_branch_if_a_log_names_no_branch_and_the_library_has_several(run, west, tmp_path):
    (tmp_path / "log.csv").write_text("Date,Type\n1/16/2024,Reference\n")
    with pytest.raises(CommandError, match="Some rows name no branch.*--branch SLUG"):
        call_command("import_help_sessions", str(tmp_path / "log.csv"))
    run([["Date", "Type"], ["1/16/2024", "Reference"]], "--branch", "west")
    assert HelpSession.objects.get().branch == west


def test_saved_mapping_contains_the_answers_but_no_names_of_people(run):
    rows = [
        ["When was it", "Kind", "Via"],
        ["1/6/2024", "Quick one", "Maria Lopez"],
        ["2/6/2024", "Skip", "Phone"],
    ]
    options = ["--map", "day=When was it", "--map", "question_type=Kind", "--day-first"]
    options += ["--value", "question_type:Quick one=directional", "--value", "question_type:Skip=-"]
    run(rows, *options, "--value", "mode:Maria Lopez=phone", "--save-mapping", "Old log")
    assert (HelpSession.objects.get().question_type, HelpSession.objects.get().happened_on.month) == (
        "directional",
        6,
    )
    assert SavedMapping.objects.get().mapping["values"] == {
        "question_type": {"quick one": "directional", "skip": "-"},
        "mode": {},
    }
    next_file = [["When was it", "Kind", "Via"], ["3/6/2024", "Quick one", "Phone"]]
    assert run(next_file, "--mapping", "old log")[0] == 0
    assert HelpSession.objects.count() == 2


def test_imported_row_is_recognized_if_an_earlier_version_rounded_its_minutes_up(run, monkeypatch):
    rows = [HEADER, ["3/14/2024", "", "Reference", "Phone", "15-30"]]
    dates.read_duration.cache_clear()
    with monkeypatch.context() as earlier:
        earlier.setattr(dates, "round", lambda number: int(number + 0.5), raising=False)
        run(rows)
    dates.read_duration.cache_clear()
    assert HelpSession.objects.get().minutes == 23
    assert "0 added (0 of them replace an earlier version), 1 already imported" in run(rows)[1]


def test_dry_run_says_how_bands_of_minutes_and_equal_rows_count(run):
    row = ["3/14/2024", "", "Reference", "Phone"]
    rows = [[*row, "15-30"], [*row, "15-30"], [*row, "15-30"], [*row, "5-15 min"], [*row, "30+"], [*row, "7"]]
    out = run([HEADER, *rows], "--dry-run")[1]
    assert (
        "5 rows have only a band of minutes, so the sum of the minutes is an estimate. "
        "A band of minutes counts as its middle: 5–15 as 10, 15–30 as 22. "
        "A band without an end counts as its start: 30+ as 30.\n"
    ) in out
    assert (
        "2 rows are equal to an earlier row of the file in everything that is counted. "
        "Each counts as a contact of its own.\n"
    ) in out
    assert "6 added" in out


def test_dry_run_says_that_rows_with_the_same_ticket_number_count_separately(run):
    row = ["T-1", "3/14/2024", "Reference", "10", "", ""]
    out = run([TICKETS, row, [*row[:3], "15", "", ""]], "--dry-run")[1]
    assert (
        "1 row has the same ticket or chat number as an earlier row of the file. "
        "It counts as a contact of its own."
    ) in out
    assert "equal to an earlier row" not in out


def test_question_about_values_names_each_value_once_in_spite_of_its_spellings(run):
    rows = [["Date", "Type"], ["1/16/2024", "Odd one"], ["1/16/2024", "odd one"], ["1/16/2024", "ODD  ONE"]]
    with pytest.raises(CommandError, match="is meant by “Odd one” in the column"):
        run(rows)


def test_topic_and_group_are_found_by_a_similar_name_that_is_still_offered(run):
    topic, group = TopicFactory(name="Job help"), PatronGroupFactory(name="Students")
    TopicFactory(name="Jobs helps", retired_at=timezone.now())
    run(
        [
            [*HEADER, "Patron type", "Topic"],
            ["3/14/2024", "", "Reference", "Phone", "5", "student", "JOBS HELP"],
        ]
    )
    assert GroupCount.objects.get().patron_group == group
    assert TopicCount.objects.get().topic == topic


def test_column_with_more_than_30_different_values_is_left_out(run):
    rows = [["Date", "Type"], *[[f"1/{16 + place % 10}/2024", f"About {place}"] for place in range(40)]]
    _status, out, _err = run(rows)
    assert "Type: left out, because it has more than 30 different values, so it can't be a choice list" in out
    assert HelpSession.objects.count() == 40


def test_columns_of_a_gimlet_log_and_an_archives_log_are_recognized(run, branch):
    run(
        [
            GIMLET,
            [
                "2024-03-14 09:05",
                "10-30 min",
                "Reference",
                "Adult",
                "Phone",
                branch.name,
                "4",
                "tag",
                "Q",
                "A",
                "ml",
            ],
        ]
    )
    run(
        [
            ARCHIVE,
            [
                "1/16/2024 10:18:38",
                "e-mail",
                "Research Help",
                "secret",
                "yes",
                "x",
                "4",
                "Student",
                "Acme",
                "3",
                "10-30 min",
                "",
            ],
            ["1/17/2024 10:18:38", "", "", "", "", "", "", "", "", "", "", "1/13/2024"],
        ]
    )
    found = list(
        HelpSession.objects.order_by("pk").values_list(
            "happened_on", "mode", "question_type", "read_level", "minutes", "people"
        )
    )
    assert found == [
        (datetime.date(2024, 3, 14), "phone", "reference", 4, 20, 1),
        (datetime.date(2024, 1, 16), "email", "reference", None, 20, 4),
        (datetime.date(2024, 1, 13), "in_person", "reference", None, None, 1),
    ]
    assert [(row.minutes_from, row.minutes_to) for row in ImportedRow.objects.order_by("pk")] == [
        (10, 30),
        (10, 30),
        (None, None),
    ]
    assert sorted(key[1] or 0 for key in counted(DayCount)) == [0, 9, 10]


def test_imported_rows_are_recognized_after_the_secret_key_changes(run, settings):
    rows = [
        TICKETS,
        ["T-1", "3/14/2024", "Reference", "10", "", ""],
        ["", "3/14/2024", "Reference", "5", "", ""],
    ]
    run(rows)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, which is long enough for the checks of the settings"
    assert "0 added (0 of them replace an earlier version), 2 already imported" in run(rows)[1]
    edited = [TICKETS, ["T-1", "3/14/2024", "Reference", "20", "", ""]]
    assert "1 added (1 of them replace" in run(edited)[1]
    assert sum(row.minutes for row in DayCount.objects.all()) == 25


def test_recounting_and_forgetting_sessions_do_not_change_the_counts_of_imports(run, west):
    HelpSessionFactory(
        branch=west,
        happened_on=datetime.date(2024, 1, 3),
        created_at=timezone.now() - datetime.timedelta(days=500),
    )
    run(libanswers(50))
    rebuild()
    before = {table.__name__: counted(table) for table in TABLES}
    retention.forget_what_is_due(at=timezone.now().replace(hour=9))
    rebuild()
    assert {table.__name__: counted(table) for table in TABLES} == before


@pytest.mark.parametrize(
    "dates",
    [
        ["3/14/2024 0:00", "3/15/2024 0:00"],
        ["3/14/2024 12:00:00 AM", "3/15/2024 12:00:00 AM"],
        ["2024-03-14 00:00:00", "2024-03-15"],
        ["2024-03-14T00:00:00Z", "2024-03-15T00:00:00.000Z"],
    ],
    ids=str,
)
def test_dates_that_are_all_at_midnight_have_no_time(run, dates):
    _status, out, _err = run([["Date", "Type"], *([date, "Reference"] for date in dates)])
    counted_on = DayCount.objects.order_by("happened_on").values_list("happened_on", "hour")
    assert list(counted_on) == [(datetime.date(2024, 3, 14), None), (datetime.date(2024, 3, 15), None)]


def test_date_at_midnight_has_a_time_if_another_date_has_one(run):
    run([["Date", "Type"], ["3/14/2024 0:00", "Reference"], ["3/14/2024 9:30", "Reference"]])
    assert sorted(DayCount.objects.values_list("hour", flat=True)) == [0, 9]


@pytest.mark.parametrize(
    ("others", "options"),
    [(["25/12/2020", "3/2/2020"], []), (["3/2/2020"], ["--day-first"])],
    ids=["dates show it", "a person says it"],
)
def test_order_of_day_and_month_is_found_separately_for_each_date_column(run, others, options):
    rows = [
        ["1/25/2020 10:18:38", ""],
        ["2/4/2020 10:18:38", ""],
        *(["1/26/2020", other] for other in others),
    ]
    run([["Timestamp", "Date if not today"], *rows], *options)
    days = DayCount.objects.order_by("happened_on").values_list("happened_on", flat=True)
    expected = [datetime.date(2020, 1, 25), datetime.date(2020, 2, 3), datetime.date(2020, 2, 4)]
    assert list(days) == expected + [datetime.date(2020, 12, 25)] * (len(others) - 1)


@pytest.mark.parametrize("encoded", [as_csv, as_xlsx])
def test_log_with_100_columns_is_imported(run, encoded):
    names = ["Date", "Type", *[f"Extra {number}" for number in range(97)], "Minutes"]
    _status, out, _err = run(encoded([names, ["3/14/2024", "Reference", *["x"] * 97, "5"]]))
    assert "Extra 96: left out" in out
    assert (HelpSession.objects.get().minutes, LogImport.objects.get().added) == (5, 1)


def test_log_with_301_columns_is_refused(run):
    names = ["Date", *[f"Extra {number}" for number in range(300)]]
    with pytest.raises(CommandError, match="Row 1 has more than 300 columns"):
        run([names, ["3/14/2024", *["x"] * 300]])


def test_column_of_times_is_read_if_all_dates_are_at_midnight(run):
    run([["Date", "Time", "Type"], ["3/14/2024 0:00", "2:05p", "Reference"]])
    assert DayCount.objects.get().hour == 14


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"Date": "3/14/2124"}, "Date: 2124-03-14 is in the future. Correct the date"),
        ({"Date": ""}, "Date: the date is missing. Enter it, or delete the row"),
        ({"Date": "soon"}, "Date: “soon” is not a date. Write it like 2025-12-31"),
        ({"Date": "3/14/1924"}, "Date: “3/14/1924” is before 1970. Correct the date"),
        ({"Date": "2/30/2024"}, "The dates of this column have the month first. Correct the date"),
        ({"Date if not today": "2/30/2024"}, "Date if not today: “2/30/2024” is not a day of the calendar"),
        ({"Minutes": "2000"}, "Minutes: “2000” is longer than 600 minutes. Correct it, or empty the cell"),
        ({"Minutes": "30-10"}, "Minutes: “30-10” is not a duration. Write minutes, such as 15,"),
        ({"READ": "9"}, "READ: “9” is not a READ level from 1 to 6. Correct it, or empty the cell"),
    ],
    ids=str,
)
def test_message_about_a_failed_row_names_row_and_column_and_says_what_to_do(run, cells, message):
    columns = {"Date": "3/14/2024", "Date if not today": "", "Minutes": "5", "READ": "2"}
    status, _out, err = run([list(columns), list(columns.values()), list((columns | cells).values())])
    assert (status, LogImport.objects.get().added) == (1, 1)
    assert err.startswith("  row 3: ")
    assert message in err


def test_import_in_which_every_row_fails_is_not_listed(run):
    status, _out, _err = run([["Date", "Minutes"], ["3/14/2024", "long"]])
    assert (status, LogImport.objects.count()) == (2, 0)


def test_list_option_of_the_import_command_prints_the_imports(run, capsys):
    run([HEADER, ["3/14/2024", "", "", "", ""]])
    call_command("import_help_sessions", list=True)
    assert "1 rows, 2024-03-14 to 2024-03-14" in capsys.readouterr().out


# Tests of the library's own fields.

MARCH = datetime.date(2024, 3, 1)
WITH_FORMAT = ["Date", "Type", "Mode", "Duration", "Carrier", "Ticket #"]


@pytest.fixture
def carriers(library):
    """Return {name: primary key} of the values of the library's own field "Medium"."""
    medium = OwnField.objects.create(name="Medium")
    return {name: medium.values.create(name=name).pk for name in ("Paper", "Screen")}


def row(carrier, *, day="3/14/2024", minutes="10", ticket=""):
    return [day, "Reference", "Phone", minutes, carrier, ticket]


def own_counts():
    """Return {primary key of a value: (contacts, minutes, estimated minutes)} of March 2024."""
    return {key[2]: numbers for key, numbers in counted(OwnCount).items() if key[0] == MARCH}


MEDIUM = ("--map", "medium=Carrier", "--value", "Medium:e-book=Screen")


def test_column_mapped_to_an_own_field_is_counted_but_not_stored_with_the_session(run, carriers):
    rows = [WITH_FORMAT, row("paper"), row("paper", minutes="10-30 min"), row("e-book"), row("?"), row("")]
    status, said, _err = run(rows, *MEDIUM)
    assert (status, HelpSession.objects.count()) == (0, 5)
    assert "Carrier: Medium (4 of 5 rows), 2 different values" in said
    assert own_counts() == {carriers["Paper"]: (2, 30, 20), carriers["Screen"]: (1, 10, 0)}
    assert [session.own_values for session in HelpSession.objects.all()] == [{}] * 5


def test_column_with_the_name_of_an_own_field_is_recognized(run, carriers):
    OwnField.objects.create(name="Type")
    OwnField.objects.create(name="Notes").values.create(name="Paper")
    OwnField.objects.create(name="Shelf", retired_at=timezone.now()).values.create(name="Paper")
    header = [*WITH_FORMAT[:4], "medium", "Ticket #", "Notes", "Shelf"]
    _status, said, _err = run([header, [*row("paper"), "Paper", "Paper"]])
    assert "medium: Medium (1 of 1 rows), 1 different value" in said
    assert own_counts() == {carriers["Paper"]: (1, 10, 0)}


def test_import_can_leave_out_all_rows_that_have_a_certain_value_of_an_own_field(run, carriers):
    run([WITH_FORMAT, row("Paper"), row("e-book")], "--map", "Medium=Carrier", "--value", "Medium:e-book=-")
    assert HelpSession.objects.count() == 1


def test_import_with_an_own_field_can_be_undone_and_repeated(run, carriers, capsys):
    before, rows = stored(), [WITH_FORMAT, row("Paper"), row("Paper"), row("e-book")]
    run(rows, *MEDIUM)
    after = stored()
    run(rows, *MEDIUM)
    assert stored() == after
    undo_last(capsys)
    assert stored() == before


def test_log_that_is_imported_again_with_an_own_field_adds_no_contacts(run, carriers):
    rows = [WITH_FORMAT, row("Paper"), row("e-book")]
    run(rows)
    assert "0 added" in run(rows, *MEDIUM)[1]
    assert HelpSession.objects.count() == 2


def test_row_with_an_edited_own_field_replaces_the_earlier_row_with_the_same_ticket_number(
    run, carriers, capsys
):
    run([WITH_FORMAT, row("Paper", ticket="7"), row("Paper", ticket="8")], *MEDIUM)
    before = own_counts()
    run([WITH_FORMAT, row("e-book", ticket="7"), row("Paper", ticket="8")], *MEDIUM)
    assert own_counts() == {carriers["Paper"]: (1, 10, 0), carriers["Screen"]: (1, 10, 0)}
    undo_last(capsys)
    assert own_counts() == before == {carriers["Paper"]: (2, 20, 0)}


def test_saved_mapping_contains_no_names_and_still_works_after_the_own_field_is_deleted(run, carriers):
    rows = [WITH_FORMAT, row("e-book"), row("Maria Lopez")]
    names = ("--value", "Medium:Maria Lopez=Paper", "--save-mapping", "Old log")
    run(rows, *MEDIUM, *names)
    saved = SavedMapping.objects.get()
    [own] = [name for name in saved.mapping["values"] if name.startswith("own-")]
    assert saved.mapping["values"][own] == {"e book": str(carriers["Screen"])}
    run([WITH_FORMAT, row("e-book", day="3/15/2024")], "--mapping", "Old log")
    assert own_counts()[carriers["Screen"]][0] == 2
    OwnCount.objects.all().delete()
    OwnField.objects.all().delete()
    assert run([WITH_FORMAT, row("e-book", day="3/16/2024")], "--mapping", "Old log")[0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--map", "Nothing=Carrier"], "Medium"),
        (["--map", "Medium=Carrier", "--value", "Medium:e-book=Stone"], "'Stone' is no Medium"),
        (["--map", "Medium=Ticket #"], "more than 30 different values"),
    ],
    ids=["field", "value", "many values"],
)
def test_error_says_what_is_wrong_with_the_mapping_of_an_own_field(run, carriers, options, words):
    rows = [WITH_FORMAT, *[row("e-book", ticket=str(number)) for number in range(31)]]
    with pytest.raises(CommandError, match=words):
        run(rows, *options)
    assert not HelpSession.objects.exists()
