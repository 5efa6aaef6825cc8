"""Test that hostile or invalid catalog files take little time and memory, and cause clear errors."""

import functools
import io
import os
import random
import time

import pymarc
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError
from django.utils import timezone

from portal.imports import actions
from portal.imports.actions import import_records
from portal.imports.readers.marc import read_binary
from portal.imports.readers.marc_xml import read_xml
from portal.imports.readers.table import LINE_MAX, read_table
from portal.imports.records import Fault, Unreadable
from recommendations.models import Item
from tests.portal.imports.test_readers import marc, outcome, titled
from tests.processes import run_simultaneously


def reasons(records):
    return [record.reason for record in records if isinstance(record, Fault)]


def test_marc_record_with_overlapping_directory_entries_is_refused_quickly():
    """If all directory entries were read, a record of 77 kB would produce 35 MB of names."""
    field = b"1 \x1faN\xc3\xa9 1\x1e"
    entries = b"245%04d%05d" % (8, 0) + b"700%04d%05d" % (9999, 0) * 3500
    data = b"10\x1faHi\x1e" + field * 3500
    base = 24 + len(entries) + 1
    record = b"%05dnam a22%05d a 4500" % (base + len(data) + 1, base) + entries + b"\x1e" + data + b"\x1d"
    started = time.process_time()
    found = list(read_binary(io.BytesIO(record * 5 + titled("Last").as_marc())))
    assert outcome(found) == [1, 2, 3, 4, 5, "Last"]
    assert set(reasons(found)) == {"its directory doesn't lead to its fields. Export it again"}
    assert time.process_time() - started < 2


def test_xml_file_full_of_unclosed_comments_is_refused_within_two_seconds():
    started = time.process_time()
    with pytest.raises(Unreadable, match="not MARCXML: it has no element"):
        list(read_xml(io.BytesIO(b"<!--" * 65_000)))
    assert time.process_time() - started < 2


def test_first_element_of_an_xml_file_is_found_after_comments():
    with pytest.raises(Unreadable, match="its first element is <catalog>"):
        list(read_xml(io.BytesIO(b"<?xml version='1.0'?><!-- <a> --><!-- --><catalog/>")))


@pytest.mark.parametrize("name", ["controlfield", "datafield"])
def test_error_about_an_xml_record_says_which_field_has_no_tag(name):
    text = pymarc.record_to_xml(titled("First")).replace(b"</record>", b"<%s/></record>" % name.encode())
    found = list(read_xml(io.BytesIO(b"<collection>" + text + b"</collection>")))
    assert reasons(found) == [f"it has a <{name}> without a tag. Export it again"]


def test_xml_record_with_subfields_in_a_coded_field_is_imported():
    text = pymarc.record_to_xml(titled("First")).replace(
        b"</record>", b'<datafield tag="008"><subfield code="a">x</subfield></datafield></record>'
    )
    assert outcome(read_xml(io.BytesIO(b"<collection>" + text + b"</collection>"))) == ["First"]


def test_csv_file_without_line_ends_is_refused_before_all_of_the_file_is_read():
    file = io.BytesIO(b"x" * (3 * LINE_MAX))
    with pytest.raises(Unreadable, match=f"^Line 1 has more than {LINE_MAX} characters"):
        list(read_table(file, mapping={}))
    assert file.tell() < 2 * LINE_MAX


# A text of four megabytes in one field.
LONG = "x" * 4_000_000


@pytest.mark.parametrize("row", [f"Second,{LONG}", f'Second,"{LONG}"', "Second" + ",x" * 2_000_000])
def test_csv_row_with_a_text_of_4_mb_does_not_affect_other_rows(row):
    found = list(read_table(io.BytesIO(f"title,author\nFirst,me\n{row}\nThird,me\n".encode()), mapping={}))
    assert outcome(found) == ["First", 2, "Third"]
    assert reasons(found) == [
        "a cell has more than 131072 characters. A closing quotation mark may be missing"
    ]


@pytest.mark.parametrize("field", ["title", "summary"])
def test_binary_record_with_a_text_of_4_mb_does_not_affect_other_records(field):
    fields = [("245", "0", ("a", LONG))] if field == "title" else [("520", " ", ("a", LONG))]
    long = marc(*fields).as_marc()
    first, third = titled("First").as_marc(), titled("Third", number="3").as_marc()
    found = list(read_binary(io.BytesIO(first + long + third)))
    assert outcome(found) == ["First", 2, "Third"]
    assert reasons(found) == [f"it is {len(long)} bytes long, and MARC allows 99999. Export it as MARCXML"]
    # Here the long record has no end mark. The next record is found, because its leader states its length.
    assert outcome(read_binary(io.BytesIO(first + long[:-1] + third + third))) == [
        "First",
        2,
        "Third",
        "Third",
    ]
    [_first, fault] = read_binary(io.BytesIO(first + long[:-1]))
    assert fault.reason == f"it is cut off after {len(long) - 1} bytes"


@pytest.mark.parametrize("harvested", [False, True])
def test_xml_record_with_a_text_of_4_mb_does_not_affect_other_records(harvested):
    texts = [pymarc.record_to_xml(titled(title)).decode() for title in ("First", LONG, "Third")]
    if harvested:
        texts = [f"<record><header/><metadata>{text}</metadata></record>" for text in texts]
    reason = "it has more than 1 MB. Shorten it in your system, and export it again"
    found = list(read_xml(in_collection(*texts)))
    assert (outcome(found), reasons(found)) == (["First", 2, "Third"], [reason])
    # Here the long record has no end tag. Another record follows in the first file, and none in the second.
    without_end = texts[1].replace("</record>", "")
    found = list(read_xml(in_collection(texts[0], without_end, texts[2])))
    assert (outcome(found), reasons(found)) == (["First", 2, "Third"], [reason])
    assert outcome(read_xml(in_collection(texts[0], without_end))) == ["First", 2]


def test_error_says_that_a_record_has_no_end_even_if_a_long_record_follows():
    text, long = (pymarc.record_to_xml(titled(title)).decode() for title in ("First", LONG))
    found = list(read_xml(in_collection(text.replace("</record>", ""), long, text)))
    assert outcome(found) == [1, 2, "First"]
    assert reasons(found)[0] == "it has no end"


def in_collection(*texts):
    return io.BytesIO(f"<collection>{''.join(texts)}</collection>".encode())


@pytest.mark.parametrize("title", ["\u200b\u200b", "\u2800", "\u3164", "\u00ad\u034f", "\U000e0041"])
def test_title_with_only_invisible_characters_counts_as_missing(title):
    found = list(read_table(io.BytesIO(f"title,author\n{title},me\nSeen,me\n".encode()), mapping={}))
    assert outcome(found) == [1, "Seen"]


@pytest.mark.django_db
def test_import_counts_all_faults_but_lists_only_the_first_ones():
    records = (Fault(number, f"reason {number}") for number in range(1, 1001))
    *_, tally = import_records(records, source="x", branch=None, at=timezone.now(), faults_kept=3)
    assert (len(tally.faults), tally.seen) == (1000, 1000)
    assert [fault.number for fault in tally.faults.first] == [1, 2, 3]


@pytest.mark.django_db
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_import_explains_that_it_cannot_read_a_pipe_or_a_folder(tmp_path, make):
    make(tmp_path / "given")
    with pytest.raises(CommandError, match="given is not a file, but a folder or a pipe") as refused:
        call_command("import_items", str(tmp_path / "given"))
    assert refused.value.returncode == 2


@pytest.mark.django_db(transaction=True)
def test_simultaneous_imports_of_the_same_items_add_each_item_once(monkeypatch):
    monkeypatch.setattr(actions, "BATCH", 50)
    rows = [f"Title {number},{number}\n" for number in range(1000)]

    def work(rows):
        file = io.BytesIO(("title,id\n" + "".join(rows)).encode())
        *_, tally = import_records(read_table(file, mapping={}), source="x", branch=None, at=timezone.now())
        return tally.added

    shuffled = [random.Random(seed).sample(rows, len(rows)) for seed in range(3)]  # noqa: S311 (no secret)
    added = run_simultaneously(*(functools.partial(work, order) for order in shuffled))
    assert sum(added) == Item.objects.count() == len(rows)


class Deadlock(Exception):
    sqlstate = "40P01"


@pytest.mark.django_db
@pytest.mark.parametrize("error", [IntegrityError("one_item_per_source_key"), OperationalError("deadlock")])
def test_import_succeeds_after_three_conflicts_with_other_imports(monkeypatch, error):
    error.__cause__ = Deadlock()
    add, errors = type(Item.objects).bulk_create, [error] * 3

    def meet_others(self, items, **options):
        if errors:
            raise errors.pop()
        return add(self, items, **options)

    monkeypatch.setattr(type(Item.objects), "bulk_create", meet_others)
    records = read_table(io.BytesIO(b"title\nFirst\n"), mapping={})
    *_, tally = import_records(records, source="x", branch=None, at=timezone.now())
    assert (tally.added, Item.objects.get().title, errors) == (1, "First", [])


@pytest.mark.django_db
def test_stopped_import_saves_the_finished_batches_and_says_how_to_continue(monkeypatch, tmp_path):
    monkeypatch.setattr(actions, "BATCH", 2)
    file = tmp_path / "titles.csv"
    file.write_text("title\nFirst\nSecond\nThird\n")
    import_batch = actions._import_batch

    def stop_after_the_first_batch(*args):
        if Item.objects.exists():
            raise KeyboardInterrupt
        return import_batch(*args)

    monkeypatch.setattr(actions, "_import_batch", stop_after_the_first_batch)
    with pytest.raises(CommandError, match="^Stopped. .* Run the command again") as stopped:
        call_command("import_items", str(file))
    assert stopped.value.returncode == 130
    assert sorted(Item.objects.values_list("title", flat=True)) == ["First", "Second"]
