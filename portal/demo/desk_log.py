"""Import a small desk log from the year before, so that the demo shows an import."""

import datetime
import io
import random

from accounts.models import Library
from portal.imports.desk_logs.mapping import Mapping
from portal.imports.desk_logs.reading import open_log
from portal.imports.desk_logs.running import plan_of, run_import
from portal.text import csv_file

NAME = "LibAnswers last year.csv"
NAMES = ["Date", "Time", "Location", "Communication", "Question Type", "Duration", "READ"]
DAYS, DAYS_BEFORE = 28, 395
MODES = ["In person", "In person", "In person", "Phone", "E-mail", "Chat"]
TYPES = ["Reference", "Reference", "Directional", "Known item", "Technology", "Readers' advisory"]
DURATIONS = ["2", "5", "10", "10-30 min", "15"]


def make(builder):
    """Import four weeks of contacts from a year before the first visits."""
    chance = random.Random(7)  # noqa: S311  nothing here is secret
    first = Library.current().today(builder.now) - datetime.timedelta(days=DAYS_BEFORE)
    rows = []
    for number in range(DAYS):
        day = first + datetime.timedelta(days=number)
        if day.weekday() == 6:
            continue
        for _contact in range(chance.randint(2, 6)):
            rows.append(
                [
                    day.isoformat(),
                    f"{chance.randint(10, 17)}:{chance.randint(10, 59)}",
                    chance.choice(["Central Library", "Central Library", "Harbor Branch"]),
                    chance.choice(MODES),
                    chance.choice(TYPES),
                    chance.choice(DURATIONS),
                    str(chance.randint(1, 4)),
                ]
            )
    log, mapping = open_log(io.BytesIO(csv_file(NAMES, rows))), Mapping()
    _overview, plan = plan_of(log, mapping)
    at = builder.now - datetime.timedelta(days=2)
    run_import(log, plan, mapping, at=at, file_name=NAME, person=builder.people["rosa"])
