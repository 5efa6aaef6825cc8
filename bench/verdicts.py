"""Add a million verdicts to the catalog of bench.catalog, count what helped, and measure `asked_before`.

Each topic has a few hundred items that staff recommend, some of them often.
"""

import datetime
import json
import random
import sys
import time
from itertools import accumulate

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from bench import pages
from bench.copies import FIRST, copy_rows, new_uuid
from portal.desk.asked_before import asked_before
from portal.kits.counting import count_now
from portal.kits.models import ItemCount
from recommendations.models import QuestionType, Recommendation, Topic

# The number of verdicts, the number that Python creates, and the number that Python creates in one
# transaction. SQL then copies these verdicts until there are enough. Each copy has a different patron and
# staff member than its original.
VERDICTS, INVENTED, AT_ONCE = 1_000_000, 50_000, 5_000
PATRONS, ITEMS_OF_TOPIC = 20_000, 300
# The maximum age of a verdict, in days.
DAYS = 300
SHARES = {"helped": 60, "partly": 15, "did_not_help": 15, "could_not_get_it": 7, "not_tried": 3}


def main():
    """Read numbers from stdin. For each number, call `asked_before` that many times.

    Print the milliseconds of each call. A call finds the items, the kits and the staff member's own visits.
    """
    staff, topics = User.objects.get(email=pages.STAFF), list(Topic.objects.order_by("pk"))
    types, today = list(QuestionType.values), timezone.localdate()
    for line in sys.stdin:
        times = []
        for number in range(int(line)):
            topic, question_type = topics[number % len(topics)], types[number % len(types)]
            started = time.perf_counter()
            asked_before(
                staff,
                topic=topic,
                question_type=question_type,
                question="How do I start a balcony compost bin?",
                today=today,
            )
            times.append((time.perf_counter() - started) * 1000)
        print(json.dumps(times), flush=True)


def build():
    """Build the missing verdicts. If an earlier build was stopped, continue where it stopped."""
    started, done = time.monotonic(), Recommendation.objects.filter(pk__gte=FIRST).count()
    if done >= VERDICTS and ItemCount.objects.exists():
        return
    branches, staff, topics = pages.library()
    patrons = _patrons()
    while done < VERDICTS:
        with transaction.atomic():
            if done < INVENTED:
                _add(random.Random(done), done, branches, staff, topics, patrons)
            else:
                _copy(done // INVENTED)
        done += AT_ONCE if done < INVENTED else INVENTED
        seconds = time.monotonic() - started
        print(f"{done} of {VERDICTS} verdicts, {seconds:.0f} s", end="\r", file=sys.stderr)
    count_now(at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")
    print(f"\nBuilt the verdicts in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _copy(block):
    """Copy the invented recommendations, each time for a different patron and by different staff."""
    changes = {"public_id": new_uuid(), "visit_number": f"kept.id + {block * INVENTED}"}
    mixed = ["patron_id", "recommended_by_id", "branch_id"]
    copy_rows(Recommendation, number="id", block=block, size=INVENTED, mixed=mixed, changes=changes)


def _patrons():
    """Return the primary keys of PATRONS patrons. Add them if they are missing."""
    known = User.objects.filter(email__startswith="verdict").count()
    User.objects.bulk_create(
        (User(name=f"Patron {n}", email=f"verdict{n}@example.org") for n in range(known, PATRONS)),
        batch_size=AT_ONCE,
    )
    patrons = User.objects.filter(email__startswith="verdict").order_by("pk")
    return list(patrons.values_list("pk", flat=True))


def _add(rng, done, branches, staff, topics, patrons):
    """Add AT_ONCE recommendations with a verdict, each from a separate visit."""
    now = timezone.now()
    weights = list(accumulate(1 / (place + 3) for place in range(ITEMS_OF_TOPIC)))
    types = list(QuestionType.values)
    rows = []
    for number in range(done, done + AT_ONCE):
        topic, helper = rng.randrange(len(topics)), rng.randrange(len(staff))
        place = rng.choices(range(ITEMS_OF_TOPIC), cum_weights=weights)[0]
        at = now - datetime.timedelta(days=1 + rng.random() * DAYS)
        rows.append(
            Recommendation(
                pk=FIRST + number,
                item_id=FIRST + topic * ITEMS_OF_TOPIC + place,
                reason="because you asked for something a beginner can follow",
                patron_id=rng.choice(patrons),
                recommended_by=staff[helper],
                branch=branches[helper % len(branches)],
                topic=topics[topic],
                question_type=rng.choice(types),
                recommended_at=at,
                verdict=rng.choices(list(SHARES), list(SHARES.values()))[0],
                decided_at=at + datetime.timedelta(hours=20),
                visit_number=FIRST + number,
            )
        )
    Recommendation.objects.bulk_create(rows)
