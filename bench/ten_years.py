"""Build ten years of a desk with a million help sessions, and the requests for the pages of figures.

No session is forgotten, so a rebuild counts all of them. Python creates the first sessions. SQL copies these
sessions until the first half-year is complete, and then copies the first half-year to all other half-years.
Some columns of a copy come from a different session than the rest. SQL also fills the tables of counts,
because a rebuild takes longer.
"""

import datetime
import random
import sys
import time
from functools import partial

from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import Branch, Library, StaffRole, User
from bench import pages
from bench.copies import FIRST, copy_rows, new_uuid
from bench.jobs import serve
from portal.counts.actions import RELATED, count_contacts, rebuild
from portal.counts.answers import BANDS
from portal.counts.counting import OF_ALL
from portal.counts.models import TABLES, AnswerCount, DayCount, OutcomePeriod, OwnCount
from portal.counts.outcomes import count_outcomes, next_quarter, readable_on
from portal.desk.figures import workload
from portal.desk.figures.by_staff import STAFF
from portal.helpsessions.models import (
    HelpSession,
    OwnField,
    OwnValue,
    PatronGroup,
    ServicePoint,
    SessionRecommendation,
    TallyKind,
)
from portal.surveys.models import CountingRule, RuleSet
from portal.surveys.presets import PLS
from recommendations.models import Item, QuestionType, Recommendation

# The number of sessions, the number in each half-year, the number that Python creates, and the number of rows
# in a batch. A half-year has 26 whole weeks (DAYS_OF_BLOCK), so copies of a session are on the same weekday.
SESSIONS, PER_BLOCK, INVENTED, AT_ONCE = 1_000_000, 50_000, 10_000, 5_000
# A copy of a session takes these columns from a session other than the original.
MIXED = [
    *("happened_on", "hour", "topic_id", "language", "minutes", "patron_group_id", "found", "satisfaction"),
    "staff_id",
]
DAYS_OF_BLOCK = 182
BLOCKS = SESSIONS // PER_BLOCK
# Only the last BLOCKS_WITH_VERDICTS half-years have verdicts. The verdicts are about ITEMS items.
BLOCKS_WITH_VERDICTS, ITEMS = 3, 300
Status, Mode = HelpSession.Status, HelpSession.Mode
MODES = dict(zip(Mode.values, (60, 15, 8, 6, 3, 1, 3, 1, 2, 1), strict=True))
READ = {None: 20, 1: 30, 2: 25, 3: 17, 4: 5, 5: 2, 6: 1}
FOUND = {"": 80, "all": 9, "part": 4, "something_else": 3, "no": 2, "still_working": 2}
SATISFACTION = {"": 80, "very_good": 11, "good": 6, "not_so_good": 2, "poor": 1}
# {verdict: limit}. The verdict of a visit is the first whose limit is above `id % 100`. If no limit is above
# it, the verdict is "helped".
VERDICT = {"partly": 15, "did_not_help": 30, "could_not_get_it": 37, "not_tried": 40}
LANGUAGES = {"en": 85, "es": 10, "ar": 3, "zh": 2}


def set_up(_count):
    """Build what is missing in the database, and return {name: Page}."""
    started = time.monotonic()
    _build(random.Random(1))
    if not DayCount.objects.exists():
        fill_counts()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")
    if not OutcomePeriod.objects.exists():
        count_outcomes(at=timezone.now())
    print(f"Built in {time.monotonic() - started:.0f} s.", file=sys.stderr)
    return _pages()


def main():
    """Run one of the worker's jobs about counts for each line on stdin, as described in bench.jobs."""
    now = timezone.now()
    serve(
        {
            "count of a day": (partial(_new_session, now), partial(count_contacts, at=_noon(now))),
            "count of a day, nothing new": (lambda: None, partial(count_contacts, at=_noon(now))),
            "outcomes of a quarter": (_forget_outcomes, _count_outcomes_again),
            "rebuild": (lambda: None, rebuild),
        }
    )


def _pages():
    library, today = Library.current(), Library.current().today()
    last = today.replace(day=1) - datetime.timedelta(days=1)
    first = last.replace(year=last.year - 10) + datetime.timedelta(days=1)
    ten_years, month = f"first_day={first}&last_day={last}", f"dates={last:%Y-%m}"
    days = f"first_day={first.replace(day=3)}&last_day={last.replace(day=20)}"
    cookies = pages._cookies(User.objects.get(email=pages.COORDINATOR))
    own = [f"{workload.OWN}{field.pk}" for field in OwnField.objects.all()]
    breakdowns = [*workload.BY_DAY, workload.GRID, workload.ANSWERS, *workload.BY_MONTH, *own]
    work, file = reverse("figures"), reverse("figures_csv")
    addresses = {}
    for by in breakdowns:
        name = "own" if by in own else by
        addresses[f"ten years, {name}"] = f"{work}?by={by}&{ten_years}"
        addresses[f"ten years, {name}, compared"] = f"{work}?by={by}&{ten_years}&compare=year"
        addresses[f"month, {name}, compared"] = f"{work}?by={by}&{month}&compare=year"
    addresses |= {f"odd days, {by}": f"{work}?by={by}&{days}" for by in workload.BY_DAY}
    addresses |= {f"ten years, {by}, CSV": f"{file}?by={by}&{ten_years}" for by in breakdowns}
    addresses |= {
        f"ten years, {STAFF}": f"{work}?by={STAFF}&{ten_years}",
        f"month, {STAFF}": f"{work}?by={STAFF}&{month}",
        "figures, first view": work,
        "director, month": f"{reverse('director')}?{month}",
        "director, year": f"{reverse('director')}?dates={last.year - 1}",
        "annual survey": f"{reverse('annual_survey')}?survey=pls&year={last.year - 1}",
        "outcomes": reverse("outcomes"),
        "outcomes, by item": f"{reverse('outcomes')}?by=item",
        "outcomes, CSV by item": f"{reverse('outcomes_csv')}?by=item",
    }
    assert library.staff_figures
    return {name: pages._get(address, cookies) for name, address in addresses.items()}


def _build(rng):
    """Build the missing sessions, and what belongs to them. Each step is done once."""
    first_day = timezone.localdate() - datetime.timedelta(days=BLOCKS * DAYS_OF_BLOCK)
    branches, staff, topics = pages.library()
    done = HelpSession.objects.filter(pk__gte=FIRST).count()
    if done < PER_BLOCK:
        HelpSession.objects.all().delete()
        choices = _add_choices(branches)
        _add_coordinator()
        _add_rules(first_day)
        rows = [
            _session(rng, FIRST + n, first_day, branches, staff, topics, choices) for n in range(INVENTED)
        ]
        HelpSession.objects.bulk_create(rows, batch_size=500)
        for block in range(1, PER_BLOCK // INVENTED):
            copy_rows(HelpSession, number="id", block=block, size=INVENTED, mixed=MIXED, changes=_new_id())
        done = PER_BLOCK
    for block in range(done // PER_BLOCK, BLOCKS):
        _copy(block)
    if not SessionRecommendation.objects.exists():
        with transaction.atomic():
            _add_verdicts()
        _add_answers(rng, first_day, branches)


def _new_id():
    return {"public_id": new_uuid()}


def _copy(block):
    """Copy the sessions of the first half-year to a later half-year.

    Some columns of a copy come from another session.
    """
    days = block * DAYS_OF_BLOCK
    is_sqlite = connection.vendor == "sqlite"
    later = f"date(kept.happened_on, '+{days} days')" if is_sqlite else f"kept.happened_on + {days}"
    mixed = [column for column in MIXED if column not in ("happened_on", "hour")]
    changes = _new_id() | {"happened_on": later}
    copy_rows(HelpSession, number="id", block=block, size=PER_BLOCK, mixed=mixed, changes=changes)
    print(f"{(block + 1) * PER_BLOCK} of {SESSIONS} sessions", end="\r", file=sys.stderr)


def _session(rng, pk, first_day, branches, staff, topics, choices):
    points, groups, values = choices
    helper = rng.randrange(len(staff))
    branch = branches[helper % len(branches)]
    point = rng.choice(points[branch.pk])
    day = first_day + datetime.timedelta(days=rng.choice([n for n in range(DAYS_OF_BLOCK) if n % 7 != 3]))
    at = datetime.datetime.combine(day, datetime.time(12), datetime.UTC)
    is_tally = rng.random() < 0.2
    row = HelpSession(
        pk=pk,
        status=Status.TALLY if is_tally else Status.RECORDED,
        branch=branch,
        service_point=point,
        staff=staff[helper],
        happened_on=day,
        hour=rng.randrange(9, 20),
        created_at=at,
        question_type=QuestionType.DIRECTIONAL,
    )
    if is_tally:
        row.tally_kind = rng.choice(list(point.tally_kinds.all()))
        return row
    # Without a question and a summary, the rows would be so short that PostgreSQL reads the table instead of
    # an index.
    row.question, row.summary = pages.WORDS[:67], pages.WORDS
    row.mode, row.read_level = weighted(rng, MODES), weighted(rng, READ)
    row.question_type, row.topic = rng.choice(QuestionType.values), rng.choice(topics)
    row.minutes, row.patron_group = rng.randrange(1, 40), rng.choice([None, *groups])
    row.language, row.quiet = weighted(rng, LANGUAGES), rng.random() < 0.02
    row.found, row.satisfaction = weighted(rng, FOUND), weighted(rng, SATISFACTION)
    row.answered_at = at if row.found or row.satisfaction else None
    if rng.random() < 0.5:
        value = rng.choice(values)
        row.own_values = {str(value.field_id): value.pk}
    return row


def weighted(rng, weights):
    return rng.choices(list(weights), list(weights.values()))[0]


def _add_choices(branches):
    """Add the lists of the record form. Return ({branch: service points}, patron groups, own values)."""
    points: dict = {}
    for branch in branches:
        for number in range(2):
            point, _is_new = ServicePoint.objects.get_or_create(branch=branch, name=f"Desk {number}")
            for kind in ("Directions", "Printing", "Phone", "Shelf"):
                TallyKind.objects.get_or_create(service_point=point, name=kind)
        found = ServicePoint.objects.filter(branch=branch).prefetch_related("tally_kinds")
        points[branch.pk] = list(found)
    groups = [PatronGroup.objects.get_or_create(name=name)[0] for name in ("Adult", "Student", "Teacher")]
    field, _is_new = OwnField.objects.get_or_create(name="Sources used")
    names = ("Catalog", "Database", "Web", "Shelf")
    values = [OwnValue.objects.get_or_create(field=field, name=name)[0] for name in names]
    return points, groups, values


def _add_coordinator():
    Library.objects.update(staff_figures=Library.StaffFigures.COORDINATORS)
    person, _is_new = User.objects.get_or_create(email=pages.COORDINATOR, defaults={"name": "Coordinator"})
    branch = Branch.objects.order_by("pk").first()
    StaffRole.objects.get_or_create(user=person, branch=branch, defaults={"role": "coordinator"})


def _add_rules(first_day):
    rules, _is_new = RuleSet.objects.get_or_create(survey=PLS.survey, starts_on=first_day)
    for kind, counts_as in PLS.counts_as.items():
        CountingRule.objects.get_or_create(rule_set=rules, question_type=kind, counts_as=counts_as)


def _add_verdicts():
    """Add a recommendation with a verdict to every second session of the last half-years."""
    now = timezone.now()
    items = Item.objects.bulk_create(
        Item(title=f"Item {number}", kind=Item.Kind.BOOK, added_at=now) for number in range(ITEMS)
    )
    first, recorded = (
        FIRST + (BLOCKS - BLOCKS_WITH_VERDICTS) * PER_BLOCK,
        "status = 'recorded' AND id % 2 = 0",
    )
    shares = " ".join(f"WHEN id % 100 < {below} THEN '{verdict}'" for verdict, below in VERDICT.items())
    given = {
        "id": "id",
        "public_id": new_uuid(),
        "item_id": f"{items[0].pk} + id % {ITEMS}",
        "branch_id": "branch_id",
        "topic_id": "topic_id",
        "question_type": "question_type",
        "recommended_at": "created_at",
        "decided_at": "created_at",
        "verdict": f"CASE {shares} ELSE 'helped' END",
        "visit_number": "id",
        **dict.fromkeys(("reason", "why", "comment"), "''"),
    }
    _insert(Recommendation, given, f"{recorded} AND id >= {first}")
    links = {"help_session_id": "id", "recommendation_id": "id", "position": "0"}
    _insert(SessionRecommendation, links, f"{recorded} AND id >= {first}")


def fill_counts():
    """Fill the tables of counts with the numbers that a rebuild would write."""
    is_sqlite = connection.vendor == "sqlite"
    month = "date(happened_on, 'start of month')" if is_sqlite else "date_trunc('month', happened_on)::date"
    weekday = "(strftime('%w', happened_on) + 6) % 7" if is_sqlite else "extract(isodow from happened_on) - 1"
    described = "status = 'recorded' AND NOT quiet AND with_child = ''"
    expressions = {"month": month, "weekday": weekday, "is_tally": "status = 'tally'"}
    for table in TABLES:
        if table is OwnCount:
            continue
        columns = {name: expressions.get(name, name) for name in map(_column, table.KEY)}
        _count(table, columns, "1 = 1" if table in OF_ALL else described)
    value = (
        "(SELECT value FROM json_each(own_values))"
        if is_sqlite
        else "(SELECT value::bigint FROM jsonb_each_text(own_values))"
    )
    columns = {"month": month, "branch_id": "branch_id", "own_value_id": value}
    empty = "own_values <> '{}'" if is_sqlite else "own_values <> '{}'::jsonb"
    _count(OwnCount, columns, f"{described} AND {empty}")


def _count(table, columns, where):
    numbers = {
        "contacts": "count(*)",
        "minutes": "coalesce(sum(minutes), 0)",
        "estimated_minutes": "0",
        "handed_over": "count(handed_over_at)",
        "check_ins": "0",
        **({"questions": "sum(questions)"} if "questions" in table.NUMBERS else {}),
        "is_final": "0 = 1",
    }
    groups = ", ".join(str(place) for place in range(1, len(columns) + 1))
    _insert(table, columns | numbers, f"{where} GROUP BY {groups}")


def _insert(model, columns, where):
    """Insert a row for each session, or for each group of sessions. `columns` is {column: SQL}.

    Other columns get the default of the model.
    """
    blank = model()
    for field in model._meta.concrete_fields:
        if field.column not in columns and not field.primary_key and not field.null:
            value = field.get_db_prep_save(getattr(blank, field.attname), connection)
            columns = columns | {field.column: repr(int(value) if isinstance(value, bool) else value)}
            if isinstance(value, bool):
                columns[field.column] = "1 = 1" if value else "0 = 1"
    source = connection.ops.quote_name(HelpSession._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({', '.join(columns)}) "
            f"SELECT {', '.join(columns.values())} FROM {source} WHERE {where}"
        )


def _column(name):
    return f"{name}_id" if name in RELATED else name


def _add_answers(rng, first_day, branches):
    months = sorted({(first_day + datetime.timedelta(days=n)).replace(day=1) for n in range(0, 3640, 28)})
    AnswerCount.objects.all().delete()
    AnswerCount.objects.bulk_create(
        (
            AnswerCount(
                month=month, branch=branch, up_to=band, is_late=band > 960, answers=rng.randrange(1, 9)
            )
            for month in months
            for branch in branches
            for band in BANDS
        ),
        batch_size=AT_ONCE,
    )


def _noon(now):
    """Return noon of the day of `now`.

    At night, `count_contacts` would count all contacts, not only recent ones.
    """
    return timezone.localtime(now).replace(hour=12)


def _new_session(now):
    """Record a session today, so that `count_contacts` has something new to count."""
    row = HelpSession.objects.order_by("-pk").first()
    row.pk, row.public_id = None, None
    row.public_id = HelpSession._meta.get_field("public_id").get_default()
    row.happened_on, row.created_at = Library.current().today(now), now
    row.save(force_insert=True)


def _forget_outcomes():
    OutcomePeriod.objects.filter(kind=OutcomePeriod.Kind.QUARTER).order_by("first_day").last().delete()


def _count_outcomes_again():
    library = Library.current()
    quarter = next_quarter(library.year_starts_in)
    count_outcomes(at=datetime.datetime.combine(readable_on(quarter), datetime.time(12), library.zone))
