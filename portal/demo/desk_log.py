"""Import the desk log that the library kept in the year before it began to use Afterword."""

import datetime
import io
import random

from accounts.models import Library
from portal.imports.desk_logs.mapping import Mapping
from portal.imports.desk_logs.reading import open_log
from portal.imports.desk_logs.running import plan_of, run_import
from portal.imports.desk_logs.saved import save_mapping
from portal.text import csv_file

from .past_visits import SEASONS, days_between, weighted
from .years import took_up_on, year_of_log

NAMES = [
    *("Date", "Time", "Location", "Communication", "Question Type", "Duration", "READ", "Patron Status"),
    *("Topic", "Question"),
]
# {name of the branch in the log: (key of the branch, average number of contacts on an open day)}
PLACES = {
    "Central Library": ("central", 2.4),
    "Harbor Branch": ("harbor", 1.2),
    "Northfield Branch": ("northfield", 0.9),
}
MODES = {"In person": 14, "Phone": 4, "E-mail": 2, "Chat": 1}
TYPES = {"Reference": 8, "Directional": 6, "Known item": 4, "Technology": 3, "Readers' advisory": 2}
DURATIONS = {"2": 5, "5": 6, "10": 4, "10-30 min": 2, "15": 2}
READ_LEVELS = {"1": 7, "2": 6, "3": 4, "4": 2, "": 1}
GROUPS = {"Residents": 10, "Students": 4, "Visitors": 2, "Teachers": 1, "": 4}
TOPICS = {"Jobs and careers": 5, "What to read next": 5, "Computers and coding": 3, "": 6}
# The values of a column with free text, which the import doesn't store.
QUESTIONS = ["Wanted help with a form", "Asked for the next book of a series", "Could not print"]


def make(builder):
    """Import the log, and save its mapping for the next log."""
    library = Library.current()
    today = library.today(builder.now)
    year, chance = year_of_log(today), random.Random(7)  # noqa: S311  nothing here is secret
    rows = [
        _row(chance, day, hours, name)
        for day in days_between(year.first_day, year.last_day)
        for name, (branch, average) in PLACES.items()
        if (hours := builder.calendar.hours(branch, day))
        for _contact in range(round(chance.triangular(0, 2 * average * SEASONS.get(day.month, 1))))
    ]
    log, mapping = open_log(io.BytesIO(csv_file(NAMES, rows))), Mapping()
    _overview, plan = plan_of(log, mapping)
    # A coordinator imported the log three weeks after the library began to use Afterword.
    day = took_up_on(today) + datetime.timedelta(days=21)
    at = datetime.datetime.combine(day, datetime.time(14, 30), library.zone)
    name = f"LibAnswers {year.first_day:%Y}-{year.last_day:%Y}.csv"
    run_import(log, plan, mapping, at=at, file_name=name, person=builder.people["rosa"])
    save_mapping("LibAnswers", mapping, at=at)


def _row(chance, day, hours, place):
    return [
        day.isoformat(),
        f"{chance.randrange(*hours)}:{chance.randrange(60):02}",
        place,
        weighted(chance, MODES),
        weighted(chance, TYPES),
        weighted(chance, DURATIONS),
        weighted(chance, READ_LEVELS),
        weighted(chance, GROUPS),
        weighted(chance, TOPICS),
        chance.choice(QUESTIONS),
    ]
