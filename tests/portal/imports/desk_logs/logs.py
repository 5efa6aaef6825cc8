"""Make desk logs for tests, with the difficulties that logs have in practice."""

import datetime
import random

from .files import LIBANSWERS

START = datetime.date(2024, 1, 1)
TYPES = ["Reference", "Directional", "Known Item", "Tech Support", "Readers' Advisory", ""]
MODES = ["In Person", "Phone", "E-mail", "LibChat", "Walk-up (desk)", ""]
DURATIONS = ["5", "10-30 min", "<5", "1 hour", "0:15", "60+", ""]
STATUSES = ["Student", "Faculty", "Community", ""]


def libanswers(number=500, *, seed=1, first_ticket=1):
    """Return the rows of a LibAnswers log, with the header. Its private texts must not be stored anywhere.

    Every tenth row is the same as the row before, every 50th has no time, and every 100th has a wrong date.
    """
    chance = random.Random(seed)
    rows = [LIBANSWERS]
    for place in range(number):
        day = START + datetime.timedelta(days=place % 300)
        if place % 10 == 9 and place % 100 != 99:
            rows.append(list(rows[-1]))
            continue
        rows.append(
            [
                "31/31/2024" if place % 100 == 99 else f"{day.month}/{day.day}/{day.year}",
                "" if place % 50 == 25 else f"{chance.randint(9, 17) % 12 or 12}:{chance.randint(10, 59)} PM",
                "Maria Secret",
                chance.choice(["Harbour Main", "West", ""]),
                "On campus",
                chance.choice(STATUSES),
                chance.choice(MODES),
                chance.choice(TYPES),
                chance.choice(DURATIONS),
                chance.choice(["1", "2 - Some", "READ 3", "", "", "N/A"]),
                "",
                "",
                f"Where is the secret book nr {place}? Café, naïve; “quoted”\nand a second line",
                "In room SECRET",
                "patron seemed secretive",
            ]
        )
    return rows


def with_difficulties(rows):
    """Return the log with a title line, empty rows, and totals at the end, as people save them."""
    width = len(rows[0])
    total = ["Total", *[""] * (width - 2), str(len(rows) - 1)]
    return [["Desk log 2024", *[""] * (width - 1)], [""] * width, *rows, [""] * width, total]
