"""Measure how long an import of 1,000 MARC records takes, and how long pymarc takes merely to read them.

The records are invented. They have the fields, the size and the words of usual records of books: a few words
are in many records, and most words are in few. Their ISBNs have the right check digits.
"""

import random
import tempfile
from io import StringIO
from pathlib import Path

import pymarc
from django.core.management import call_command
from django.utils import timezone
from pymarc import Field, Indicators, Subfield
from stdnum import ean

from accounts.models import Branch, BranchCode
from bench.jobs import serve
from recommendations.models import Item
from recommendations.search import entries

RECORDS = 1000
SOURCE = "bench"
LEADER = "00000nam a2200000 i 4500"
WORDS = [
    "".join(random.Random(number).choices("aeioubcdlmnprst", k=2 + number % 8)) for number in range(50_000)
]


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.mrc"
        path.write_bytes(b"".join(_record(number).as_marc() for number in range(RECORDS)))
        branch = Branch.objects.order_by("pk").first()
        BranchCode.objects.get_or_create(code="MAIN", defaults={"branch": branch})
        jobs = {
            "pymarc reading": (_nothing, lambda: _read(path)),
            "first import": (_forget, lambda: _import(path)),
            "unchanged import": (lambda: _import(path), lambda: _import(path)),
        }
        serve(jobs)
        _forget()


def _nothing():
    """Do nothing, because reading needs no preparation."""


def _read(path):
    with path.open("rb") as file:
        read = sum(record is not None for record in pymarc.MARCReader(file))
    if read != RECORDS:
        raise SystemExit(f"pymarc read {read} of {RECORDS} records.")


def _import(path):
    call_command("import_items", path, source=SOURCE, stdout=StringIO(), stderr=StringIO())
    if Item.objects.filter(source=SOURCE, retired_at=None).count() != RECORDS:
        raise SystemExit("The import did not add every record.")


def _forget():
    """Remove the items of earlier imports from the catalog, the search index and the table of words."""
    keys = list(Item.objects.filter(source=SOURCE).values_list("pk", flat=True))
    Item.objects.filter(pk__in=keys).update(retired_at=timezone.now())
    entries.index(keys)
    Item.objects.filter(pk__in=keys).delete()


def _record(number):
    rng = random.Random(number)

    def words(count):
        # Word number n is about n times as rare as the first word.
        return " ".join(WORDS[int(len(WORDS) ** rng.random()) - 1] for _ in range(count))

    def isbn():
        digits = f"978{rng.randrange(10**9):09}"
        return digits + ean.calc_check_digit(digits)

    def field(tag, *pairs, first=" ", second=" "):
        return Field(tag, Indicators(first, second), [Subfield(code, value) for code, value in pairs])

    author, year = f"{words(1).capitalize()}, {words(1).capitalize()},", rng.randrange(1950, 2026)
    record = pymarc.Record(leader=LEADER, force_utf8=True)
    record.add_field(
        Field("001", data=f"bench{number:07}"),
        Field("005", data="20260301120000.0"),
        Field("008", data=f"260301s{year}    nyua     b    001 0 eng d"),
        field("020", ("a", isbn()), ("q", "(paperback)")),
        field("020", ("a", isbn()), ("q", "(electronic book)")),
        field("040", ("a", "DLC"), ("b", "eng"), ("e", "rda"), ("c", "DLC"), ("d", "OCLCQ")),
        field(
            "050", ("a", f"QH{rng.randrange(1000)}.5"), ("b", f".B{rng.randrange(100)} {year}"), second="0"
        ),
        field(
            "082", ("a", f"{rng.randrange(1000)}.{rng.randrange(100)}"), ("2", "23"), first="0", second="0"
        ),
        field("100", ("a", author), ("d", "1950-"), ("e", "author."), first="1"),
        field(
            *("245", ("a", f"{words(4).capitalize()} :"), ("b", f"{words(6)} /"), ("c", f"by {author}")),
            first="1",
            second="0",
        ),
        field("250", ("a", "Second edition.")),
        field("264", ("a", "New York :"), ("b", f"{words(2)},"), ("c", f"{year}."), second="1"),
        field(
            "300", ("a", f"xii, {rng.randrange(90, 600)} pages :"), ("b", "illustrations ;"), ("c", "24 cm")
        ),
        field("336", ("a", "text"), ("b", "txt"), ("2", "rdacontent")),
        field("337", ("a", "unmediated"), ("b", "n"), ("2", "rdamedia")),
        field("338", ("a", "volume"), ("b", "nc"), ("2", "rdacarrier")),
        field("490", ("a", f"{words(3)} ;"), ("v", "12"), first="1"),
        field("504", ("a", "Includes bibliographical references (pages 301-322) and index.")),
        field("505", ("a", " -- ".join(words(3) for _ in range(8))), first="0"),
        field("520", ("a", words(50))),
        field("650", ("a", words(2).capitalize()), ("z", "United States."), second="0"),
        field("650", ("a", words(2).capitalize()), ("v", "Handbooks."), second="0"),
        field("650", ("a", words(1).capitalize()), ("x", "History."), second="0"),
        field(
            "700", ("a", f"{words(1).capitalize()}, {words(1).capitalize()},"), ("e", "editor."), first="1"
        ),
        field("830", ("a", f"{words(3)} ;"), ("v", "12."), second="0"),
        field(
            "852",
            ("b", "MAIN"),
            ("h", f"{rng.randrange(1000)}.{rng.randrange(100)}"),
            ("i", "B12"),
            first="1",
        ),
    )
    return record
