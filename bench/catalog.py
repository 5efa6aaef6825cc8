"""Fill a database with the catalog of a large library: a million items, with holdings at ten branches.

The texts are invented, but their words are as frequent as in a real catalog: a few are in nearly half of the
titles, and most are rare. Some titles are in Chinese, Japanese, Korean or Russian.
"""

import random
import re
import sys
import time
from functools import partial
from itertools import accumulate
from urllib.parse import urlencode

from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from bench import pages, verdicts
from bench.browser import Page, Request
from bench.copies import FIRST, copy_rows, new_uuid
from recommendations.models import Holding, Item, SearchEntry, SearchWord
from recommendations.search import entries

# The number of items in the catalog, the number that Python creates, and the number that Python creates in
# one transaction. SQL then copies these items until the catalog is complete. Each copy has the title of
# another item.
ITEMS, INVENTED, AT_ONCE = 1_000_000, 100_000, 5_000
WORDS, NAMES = 200_000, 120_000
# {word: share of the titles that contain the word}
COMMON = {
    **{"the": 0.42, "of": 0.36, "and": 0.3, "a": 0.24, "in": 0.22, "to": 0.1, "for": 0.09, "on": 0.06},
    **{"history": 0.03, "new": 0.025, "introduction": 0.02, "world": 0.02, "life": 0.018, "art": 0.015},
    **{"guide": 0.015, "international": 0.012, "garden": 0.003, "murakami": 0.0001, "der": 0.05, "und": 0.05},
}
FIRST_NAMES = [
    "John",
    "Mary",
    "William",
    "Anna",
    "James",
    "Maria",
    "Robert",
    "Elena",
    "David",
    "Sofia",
    "Thomas",
    "Lucia",
    "Paul",
    "Nora",
    "Carl",
    "Rosa",
]
SUBJECTS = [
    "History",
    "Fiction",
    "Biography",
    "Gardening",
    "Cooking",
    "Economics",
    "Law",
    "Music",
    "Poetry",
    "Medicine",
    "Education",
]
SYLLABLES = re.findall(
    "..", "barelimotaoskevidushelpogranzufelomiquticonsterinpaladevornymasubeckalingohurastifo"
)
OTHER_SCRIPTS = [
    "文学日本史中国人生活大小学語会社経済新東京花火山川雨雪春秋",
    "ひらがなのものがたりとせかいをみるこころ",
    "한국어역사문학사람생활세계도시아이이야기",
    "историявойнамиррусскийязыкжизньчеловек",
]


# The searches to measure, with broad words, incomplete words, names, several words, other scripts, numbers,
# and typing errors.
QUESTIONS = [
    *("the", "s", "a", "t", "e", "hi", "history", "history of the", "the history o", "of the in", "der und"),
    *("for to", "to for a"),
    *("inter", "introd", "introduction to", "new world", "world art s", "garden", "murakami", "john", "jo"),
    *("文学", "日本", "中", "ひら", "한국어", "история мир", "и"),
    *("978", "9780306406157", "19", "2015", "523.1", "551", "murakmi", "intrnational", "histroy of the wrld"),
    *("zzzzqqq", "internatinoal intorduction"),
]


# The pages of bench.pages that show items, topics or verdicts.
PAGES = ["item", "list of 300", "list of 300, printed", "recommendations", "what worked", "record form"]
# `bar` is the maximum CPU time of a search, as a multiple of the CPU time of the minimal page. The server
# must answer 95 of 100 searches within `p95_bar` milliseconds.
BARS = {"bar": 4, "p95_bar": 50}


def set_up(count):
    """Build the missing parts of the catalog and its verdicts. Return {name of a search or page: Page}."""
    build()
    verdicts.build()
    measured = pages.set_up(count)
    return _searches() | {name: measured[name] for name in PAGES}


def _searches():
    staff = pages.staff_cookies()
    address = reverse("desk_items")
    found = {
        question: Page([Request(f"{address}?{urlencode({'q': question})}", staff)], htmx=True, **BARS)
        for question in QUESTIONS
    }
    for narrow in ("here", "kbook", "kmap.les", "here.kmap"):
        query = urlencode({"q": "the s", "narrow": narrow})
        found[f"the s ({narrow})"] = Page([Request(f"{address}?{query}", staff)], htmx=True, **BARS)
    return found


def build():
    """Build the missing parts of the catalog. If an earlier build was stopped, continue where it stopped."""
    started, done = time.monotonic(), Item.objects.filter(pk__gte=FIRST).count()
    if done >= ITEMS and _is_counted():
        return
    words, names, branches = _vocabulary(2, WORDS), _vocabulary(3, NAMES), _branches()
    _drop_indexes()
    while done < ITEMS:
        with transaction.atomic():
            if done < INVENTED:
                _add(random.Random(done), done, branches, words, names)
            else:
                _copy(done // INVENTED)
        done += AT_ONCE if done < INVENTED else INVENTED
        print(f"{done} of {ITEMS} items, {time.monotonic() - started:.0f} s", end="\r", file=sys.stderr)
    _finish()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")
    seconds, cpu = time.monotonic() - started, time.process_time()
    print(f"\nBuilt the catalog in {seconds:.0f} s, with {cpu:.0f} s of CPU in Python", file=sys.stderr)


def _is_counted():
    """Return whether the table of words is filled, which is the last step of building the catalog."""
    return SearchWord.objects.filter(word="the", items__gte=ITEMS // 10).exists()


@transaction.atomic
def _finish():
    """Build the text index and the table of words."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM recommendations_text")
            cursor.execute(
                "INSERT INTO recommendations_text (rowid, title, names, rest) "
                "SELECT item_id, title, names, rest FROM recommendations_searchentry"
            )
        else:
            cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
            cursor.execute("DELETE FROM bench_dropped RETURNING definition")
            for (definition,) in cursor.fetchall():
                cursor.execute(definition)
    invented = SearchEntry.objects.filter(pk__lt=FIRST + INVENTED).values_list("title", "names", "rest")
    counts = entries.numbers_of([(ITEMS // INVENTED, invented.iterator())])
    SearchWord.objects.all().delete()
    SearchWord.objects.bulk_create(
        (SearchWord(word, word[::-1], *numbers) for word, numbers in sorted(counts.items())), batch_size=5000
    )


def _copy(block):
    """Copy the invented items, their holdings and their entries. Each copy has the title of another item."""
    changes = {"public_id": new_uuid(), "source_key": f"CAST(kept.id + {block * INVENTED} AS text)"}
    copy_rows(Item, number="id", block=block, size=INVENTED, mixed=["title"], changes=changes)
    copy_rows(SearchEntry, number="item_id", block=block, size=INVENTED, mixed=["title"])
    copy_rows(Holding, number="item_id", block=block, size=INVENTED)


def _branches():
    return [branch.pk for branch in pages.library()[0]]


def _add(rng, done, branches, words, names):
    """Add AT_ONCE items to the catalog and to the search index."""
    now = timezone.now()
    some_words, some_names = (
        partial(rng.choices, known, cum_weights=weights) for known, weights in (words, names)
    )
    items = Item.objects.bulk_create(
        _item(rng, done + number, now, some_words, some_names) for number in range(AT_ONCE)
    )
    holdings = [
        Holding(
            item=item,
            branch_id=branch,
            call_number=f"{rng.randrange(1000)}.{rng.randrange(100)} {item.creators[:3]}",
        )
        for item in items
        for branch in rng.sample(branches, rng.choice([1, 1, 2]))
    ]
    Holding.objects.bulk_create(holdings)
    places: dict[int, list] = {}
    for holding in holdings:
        places.setdefault(holding.item_id, []).append((holding.branch_id, holding.call_number))
    SearchEntry.objects.bulk_create(entries.entry_for(item, places[item.pk]) for item in items)


def _item(rng, number, now, some_words, some_names):
    isbn = f"978{rng.randrange(10**9):09}"
    check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(isbn)) % 10
    return Item(
        pk=FIRST + number,
        kind=rng.choices(["book", "audiobook", "video", "sound", "map"], [70, 10, 10, 8, 2])[0],
        title=_title(rng, some_words),
        creators=f"{some_names(k=1)[0].capitalize()}, {rng.choice(FIRST_NAMES)}",
        publisher=" ".join(some_names(k=1)),
        year=str(rng.randrange(1950, 2026)),
        isbn=f"{isbn}{check}" if rng.random() < 0.7 else "",
        series=" ".join(some_words(k=3)) if rng.random() < 0.1 else "",
        subjects="\n".join([rng.choice(SUBJECTS), " ".join(some_words(k=2))]),
        summary=" ".join(some_words(k=40)) if rng.random() < 0.15 else "",
        language=rng.choices(["eng", "spa", "ger", "chi"], [80, 10, 6, 4])[0],
        source="catalog",
        source_key=str(number),
        added_at=now,
    )


def _title(rng, some_words):
    if rng.random() < 0.06:
        letters = rng.choice(OTHER_SCRIPTS)
        return "".join(rng.choice(letters) for _ in range(rng.randint(4, 12)))
    words = some_words(k=rng.choice([1, 2, 2, 3, 3, 4, 5, 6]))
    words += [word for word, share in COMMON.items() if rng.random() < share]
    rng.shuffle(words)
    return " ".join(words).capitalize()


def _vocabulary(seed, number):
    """Return about `number` invented words, and their cumulative weights. The first words are frequent."""
    rng = random.Random(seed)
    # dict.fromkeys removes duplicates and keeps the order of the words. A set would have a new order in each
    # run.
    words = list(dict.fromkeys("".join(rng.choices(SYLLABLES, k=rng.randint(2, 5))) for _ in range(number)))
    return words, list(accumulate(1 / (place + 30) for place in range(len(words))))


def _drop_indexes():
    """Drop PostgreSQL's GIN indexes, because it is faster to build them after all entries have been added.

    The statements that create the indexes are stored in bench_dropped, so that a stopped build can continue.
    """
    if connection.vendor == "sqlite":
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS bench_dropped (name text, definition text)")
        cursor.execute(
            "INSERT INTO bench_dropped SELECT indexname, indexdef FROM pg_indexes "
            "WHERE tablename = 'recommendations_searchentry' AND indexdef LIKE '%%USING gin%%' RETURNING name"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {connection.ops.quote_name(name)}")
