"""Test how cells of desk logs are read: dates, times, durations, question types, modes and READ levels."""

import datetime
import zoneinfo

import pytest

from portal.imports.desk_logs.dates import (
    DAY_FIRST,
    MONTH_FIRST,
    Duration,
    Evidence,
    NotRead,
    read_duration,
    read_hour,
)
from portal.imports.desk_logs.dates import read_day as read
from portal.imports.desk_logs.rows import import_of
from portal.imports.desk_logs.similar import by_plain_name, plain_name
from portal.imports.desk_logs.values import looks_personal, people, read_level, recognized

ZONE = zoneinfo.ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("text", "day", "hour"),
    [
        ("2020-06-01", (2020, 6, 1), None),
        ("2020/06/01 10:18", (2020, 6, 1), 10),
        ("20200601", (2020, 6, 1), None),
        ("1/6/2020 10:18:38", (2020, 6, 1), 10),
        ("01.06.20", (2020, 6, 1), None),
        ("1-6-2020 2:05 PM", (2020, 6, 1), 14),
        ("1-6-2020 2:05p", (2020, 6, 1), 14),
        ("Monday, 1/6/2020", (2020, 6, 1), None),
        ("1 Jun 2020", (2020, 6, 1), None),
        ("1st June 2020, 9 a.m.", (2020, 6, 1), 9),
        ("June 1, 2020 12:15 AM", (2020, 6, 1), 0),
        ("Mon, Jun 1 2020", (2020, 6, 1), None),
        ("1 de junio de 2020", (2020, 6, 1), None),
        ("1-Jun-20", (2020, 6, 1), None),
        ("43983", (2020, 6, 1), None),
        ("43983.604166667", (2020, 6, 1), 14),
        ("2020-06-01T23:30:00-05:00", (2020, 6, 1), 23),
        # In the library's time zone, this is an evening in May.
        ("2020-06-01T02:30:00Z", (2020, 5, 31), 21),
    ],
)
def test_day_and_hour_are_read_from_a_date_in_any_notation(text, day, hour):
    assert read(text, DAY_FIRST, 1900, ZONE) == (datetime.date(*day), hour)


def test_order_of_day_and_month_decides_how_a_date_is_read():
    assert read("1/6/2020", MONTH_FIRST, 1900, ZONE) == (datetime.date(2020, 1, 6), None)


def test_serial_date_is_read_with_the_epoch_of_1904():
    assert read("42521", "", 1904, ZONE) == (datetime.date(2020, 6, 1), None)


@pytest.mark.parametrize("text", ["soon", "31/31/2020", "30/2/2020", "1899-01-01", "12", "2020-06-01 25:99"])
def test_invalid_date_is_refused(text):
    with pytest.raises(NotRead):
        read(text, DAY_FIRST, 1900, ZONE)


@pytest.mark.parametrize(
    ("texts", "order", "needs_answer"),
    [
        (["1/6/2020", "13/6/2020"], DAY_FIRST, False),
        (["1/6/2020", "6/13/2020"], MONTH_FIRST, False),
        (["1/6/2020", "2/7/2020"], "", True),
        (["13/6/2020", "6/13/2020"], "", True),
        (["5/5/2020"], "", False),
        (["2020-01-06", "Jan 6, 2020", "43983"], "", False),
    ],
)
def test_order_of_day_and_month_is_found_from_all_dates_of_a_column(texts, order, needs_answer):
    evidence = Evidence()
    for text in texts:
        evidence.add(text)
    assert (evidence.order, evidence.needs_answer) == (order, needs_answer)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("10:18:38", 10),
        ("2:30 PM", 14),
        ("2:30pm", 14),
        ("12:05 a.m.", 0),
        ("12 pm", 12),
        ("1430", 14),
        ("14h30", 14),
        ("0.604166667", 14),
        ("1899-12-31 09:15:00", 9),
    ],
)
def test_hour_is_read_from_a_time_in_any_notation(text, hour):
    assert read_hour(text) == hour


@pytest.mark.parametrize("text", ["noonish", "25:00", "13:00 PM", "9"])
def test_invalid_time_is_refused(text):
    with pytest.raises(NotRead):
        read_hour(text)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("5", Duration(5)),
        ("5 min", Duration(5)),
        ("7.5 minutes", Duration(8)),
        ("1 hour", Duration(60)),
        ("1.5 h", Duration(90)),
        ("1h 20m", Duration(80)),
        ("0:15", Duration(15)),
        ("00:10:00", Duration(10)),
        ("90 sec", Duration(2)),
        ("10-30 min", Duration(20, (10, 30))),
        ("0 – 5 minutes", Duration(2, (0, 5))),
        ("5-15", Duration(10, (5, 15))),
        ("15-30", Duration(22, (15, 30))),
        ("30-45", Duration(38, (30, 45))),
        ("30+", Duration(30, (30, None))),
        ("1-2 hours", Duration(90, (60, 120))),
        ("<5", Duration(2, (0, 5))),
        ("Less than 10 minutes", Duration(5, (0, 10))),
        ("15 minutes or less", Duration(8, (0, 15))),
        ("60+ min", Duration(60, (60, None))),
        ("more than 30 minutes", Duration(30, (30, None))),
        ("hasta 10 minutos", Duration(5, (0, 10))),
    ],
)
def test_minutes_and_band_are_read_from_a_duration(text, duration):
    assert read_duration(text) == duration


def test_rounded_middles_of_eight_bands_add_up_to_the_sum_of_the_exact_middles():
    bands = [(start, start + 15) for start in range(0, 120, 15)]
    counted = sum(read_duration(f"{low}-{high}").minutes for low, high in bands)
    assert counted == sum((low + high) / 2 for low, high in bands)


@pytest.mark.parametrize("text", ["a while", "30-10 min", "20 hours", "-5"])
def test_invalid_duration_is_refused(text):
    with pytest.raises(NotRead):
        read_duration(text)


@pytest.mark.parametrize(
    ("field", "value", "ours"),
    [
        ("mode", "In-Person", "in_person"),
        ("mode", "Walk-up (desk)", "in_person"),
        ("mode", "E-mail", "email"),
        ("mode", "LibChat", "chat"),
        ("mode", "Teléfono", "phone"),
        ("question_type", "Readers' Advisory", "readers_advisory"),
        ("question_type", "Directional - restrooms", "directional"),
        ("question_type", "Tech Support", "technology"),
        ("question_type", "Something else", ""),
    ],
)
def test_modes_and_question_types_of_other_systems_are_recognized(field, value, ours):
    assert recognized(field, value) == ours


@pytest.mark.parametrize(
    ("names", "word", "found"),
    [
        (["Local history"], "LOCAL  HISTORY", "Local history"),
        (["Local history"], "local-histories", None),
        (["Job"], "jobs", "Job"),
        (["E-books"], "ebook", "E-books"),
        (["Computación"], "computacion", "Computación"),
        (["Taxes", "Tax"], "tax", "Tax"),
        (["US"], "U", None),
        (["Job", "Jobs"], "JOBS!", None),
    ],
)
def test_desk_log_word_finds_a_name_despite_other_case_or_accents_or_spaces_or_an_s(names, word, found):
    assert by_plain_name({name: name for name in names}).get(plain_name(word)) == found


@pytest.mark.parametrize(
    ("cell", "log_import"),
    [
        ("import 3 row 15", 3),
        ("3-15", 3),
        ("2026-03-15", None),
        ("15-Mar", None),
        ("", None),
        ("import 3", None),
    ],
)
def test_import_that_wrote_a_failed_row_is_recognized_in_the_format_of_any_release(cell, log_import):
    assert import_of(cell) == log_import


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("3", 3),
        ("READ 4", 4),
        ("2 - Some effort", 2),
        ("Level 6", 6),
        ("1-2", 2),
        ("READ 3/4", 4),
        ("3 - 1 source", 3),
        ("N/A", None),
        ("0", None),
        ("7", 0),
        ("12", 0),
    ],
)
def test_read_level_is_read_from_a_cell_in_any_notation(text, level):
    assert read_level(text) == level


def test_number_of_people_is_one_if_the_cell_is_not_a_number():
    assert [people(text) for text in ("4", "", "a class", "0", "999")] == [4, 1, 1, 1, 500]


@pytest.mark.parametrize(
    "value",
    ["Maria Lopez", "Lopez, Maria", "m.lopez@example.org", "555-123-4567", "Dr. Lopez", "12 Elm Street"],
)
def test_name_or_address_or_phone_number_is_recognized_as_personal(value):
    assert looks_personal(value)


@pytest.mark.parametrize(
    "value", ["In Person", "Research Help", "Main Library", "walk-in", "Harbour Main", "IM"]
)
def test_usual_value_of_a_desk_log_is_not_recognized_as_personal(value):
    assert not looks_personal(value, frozenset({"harbour"}))
