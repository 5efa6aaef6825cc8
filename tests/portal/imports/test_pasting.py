"""Test how pasted text is read. Staff paste plain lines, RIS or BibTeX to add several items at once."""

import datetime
import time

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.imports.pasting.reading import MAX_ENTRIES, MAX_PASTED, items_in_catalog, read_pasted
from portal.lists.formats import bibtex, ris
from recommendations.models import Item
from tests.factories import ItemFactory
from tests.portal.lists.test_formats import LIBRARY, entry_of

MAY_3, MAY_5 = datetime.date(2027, 5, 3), datetime.date(2027, 5, 5)


def understood(text):
    return [entry.values or entry.fault for entry in read_pasted(text)[0]]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("The Overstory | Richard Powers", {"kind": "book", "title": "The Overstory", "creators": "Richard Powers"}),
        ("The Overstory\tRichard Powers", {"kind": "book", "title": "The Overstory", "creators": "Richard Powers"}),
        ("1984", {"kind": "other", "title": "1984"}),
        (
            "https://doi.org/10.1136/bmj.n71",
            {"kind": "article", "title": "10.1136/bmj.n71", "doi": "10.1136/bmj.n71"},
        ),
        ("PRISMA 2020. BMJ. doi:10.1136/bmj.n71.", {"kind": "article", "title": "PRISMA 2020. BMJ.", "doi": "10.1136/bmj.n71"}),
        ("0-306-40615-2", {"kind": "book", "title": "9780306406157", "isbn": "9780306406157"}),
        ("Physics | ISBN 978 0 306 40615 7", {"kind": "book", "title": "Physics", "isbn": "9780306406157"}),
        ("Seeds https://seeds.example.org/", {"kind": "web_page", "title": "Seeds", "url": "https://seeds.example.org/"}),
        ("www.seeds.example.org", {"kind": "web_page", "title": "https://www.seeds.example.org", "url": "https://www.seeds.example.org"}),
        ("Seed swap | 2027-05-03", {"kind": "event", "title": "Seed swap", "starts_on": MAY_3}),
        ("Seed swap | 2027-05-03 to 2027-05-05", {"kind": "event", "title": "Seed swap", "starts_on": MAY_3, "ends_on": MAY_5}),
        ("Ada, data librarian | 414-555-0134", {"kind": "person", "title": "Ada, data librarian", "phone": "414-555-0134"}),
        ("<b>Tom</b> & {Jerry}", {"kind": "other", "title": "<b>Tom</b> & {Jerry}"}),
    ],
)  # fmt: skip
def test_title_and_details_are_read_from_a_pasted_line(line, values):
    [entry] = read_pasted(line)[0]
    assert (entry.values, entry.fault) == (values, "")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("10.1000", "This is not a DOI. A DOI looks like 10.1000/182. Copy the DOI again from the article."),
        ("0-306-40615-3", "A digit of this ISBN is wrong. Compare it with the book."),
        ("Swap | 2027-02-30", "This day doesn't exist. Write a day like 2027-05-03."),
        ("Swap | 2027-05-05 to 2027-05-03", "The last day is before the first day."),
        ("Swap | 9999-12-31", "This day is more than ten years away. Check the year."),
        ("Seeds | https://", "This web address can't be right. Copy it again from the browser."),
        ("x" * 401, "This line is too long. Shorten the title or the author."),
    ],
)
def test_bad_line_is_reported_and_the_other_lines_are_read(line, fault):
    entries, unit = read_pasted(f"Emma | Jane Austen\n\n{line}\nPersuasion | Jane Austen\n")
    assert unit == "line"
    assert [(entry.number, entry.values.get("title", ""), entry.fault) for entry in entries] == [
        (1, "Emma", ""),
        (3, "", fault),
        (4, "Persuasion", ""),
    ]


@pytest.mark.parametrize(
    "text", ["TY  - BOOK\nTI  - Emma\nPY  - 9999\nER  -\n", "@book{a, title={Emma}, year={9999}}"]
)
def test_publication_year_later_than_next_year_is_left_out_and_the_preview_says_so(text):
    [entry] = read_pasted(text)[0]
    assert (entry.values["title"], "year" in entry.values) == ("Emma", False)
    assert entry.remark == "The year 9999 is after next year, so we left the year out."


RIS = """TY  - JOUR
TI  - PRISMA 2020
AU  - Page, Matthew J.
AU  - McKenzie, Joanne E.
T2  - BMJ
PY  - 2021/03/29
DO  - 10.1136/bmj.n71
UR  - https://www.bmj.com/content/372;bmj.n71
ER  -

TY  - BOOK
AU  - Nobody
PY  - 2020
TY - BOOK
T1 - Physics
A1 - Newton, Isaac
SN - 0-306-40615-2
ER -
"""


def test_incomplete_ris_record_does_not_affect_other_records():
    entries, unit = read_pasted(RIS)
    assert unit == "record"
    assert [(entry.number, entry.values, entry.fault) for entry in entries] == [
        (
            1,
            {
                "kind": "article",
                "title": "PRISMA 2020",
                "creators": "Page, Matthew J.; McKenzie, Joanne E.",
                "series": "BMJ",
                "year": "2021",
                "doi": "10.1136/bmj.n71",
                "url": "https://www.bmj.com/content/372;bmj.n71",
            },
            "",
        ),
        (2, {}, "This entry has no title. Add the title and try again."),
        (3, {"kind": "book", "title": "Physics", "creators": "Newton, Isaac", "isbn": "9780306406157"}, ""),
    ]


def test_text_outside_the_ris_records_is_reported():
    record = "TY  - BOOK\nTI  - Emma\nER  -\n"
    entries, _unit = read_pasted(
        f"Persuasion | Jane Austen\n{record}@book{{a, title={{Beloved}}}}\n\n{record}"
    )
    fault = "This text is outside the entries. If it names an item, paste only this text."
    assert [(entry.number, entry.source, entry.fault) for entry in entries] == [
        (1, "Persuasion | Jane Austen", fault),
        (2, record.strip(), ""),
        (3, "@book{a, title={Beloved}}", fault),
        (4, record.strip(), ""),
    ]


def test_lines_around_ris_records_from_databases_are_ignored():
    record = "TY  - BOOK\nTI  - Emma\nER  - \n"
    entries, _unit = read_pasted(f"Provider: ProQuest\nDatabase: ERIC\n\n1.\n{record}2.\n{record}")
    assert [(entry.number, entry.values["title"]) for entry in entries] == [(1, "Emma"), (2, "Emma")]


BIBTEX = r"""@article{page,
  title = {{PRISMA} 2020 \& more},
  author = {Garc{\'i}a, Ana and McKenzie, Joanne E.},
  journal = {BMJ}, date = {2021-03-29}, doi = {10.1136/bmj.n71}}
@comment{jabref-meta: grouping}
@book{broken, title = {Never closed
@book{same, title = "One", isbn = {0306406152}}
@book{same, title = "Two", doi = {nonsense}}
@book{twice, title = "Three", title = "Four"}
some words
@misc{empty, author = {Nobody}}
"""


def test_broken_bibtex_entry_does_not_affect_other_entries():
    entries, unit = read_pasted(BIBTEX)
    assert unit == "record"
    unreadable = "We can't read this entry. Export it again from your citation program, or type it as a line."
    assert [(entry.number, entry.values, entry.fault, entry.remark) for entry in entries] == [
        (
            1,
            {
                "kind": "article",
                "title": "PRISMA 2020 & more",
                "creators": "García, Ana; McKenzie, Joanne E.",
                "series": "BMJ",
                "year": "2021",
                "doi": "10.1136/bmj.n71",
            },
            "",
            "",
        ),
        (2, {}, unreadable, ""),
        (3, {"kind": "book", "title": "One", "isbn": "9780306406157"}, "", ""),
        (
            4,
            {"kind": "book", "title": "Two"},
            "",
            "The DOI of this entry is not valid, so we left the DOI out.",
        ),
        (5, {}, "This entry has the same field twice. Remove one of the two.", ""),
        (6, {}, "This text is outside the entries. If it names an item, paste only this text.", ""),
        (7, {}, "This entry has no title. Add the title and try again.", ""),
    ]


@pytest.mark.parametrize("module", [ris, bibtex])
def test_files_that_the_portal_exports_can_be_pasted(module):
    fields = {
        "title": "Cien años & {más}",
        "creators": "García Márquez, Gabriel; Doe, Jane",
        "publisher": "Sudamericana",
        "year": "1967",
        "isbn": "9780306406157",
    }
    [entry] = read_pasted(module.write([entry_of(kind="book", **fields)], library=LIBRARY).decode())[0]
    found = {name: value.replace("{", "").replace("}", "") for name, value in entry.values.items()}
    assert found == {"kind": "book", **fields, "title": found["title"]}
    assert found["title"] == fields["title"].replace("{", "").replace("}", "")


@given(st.text(max_size=300) | st.lists(st.sampled_from(["TY  - ", "ER  - ", "@book{", "TI  -", "\n", "{", "}", "\\", "10.1000/", "|", "=", ",", "x", "\0", "\ud800"]), max_size=40).map("".join))  # fmt: skip
def test_every_entry_from_pasted_text_has_a_title_or_a_fault(text):
    for entry in read_pasted(text)[0]:
        assert entry.fault or entry.values["title"]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "text",
    ["@a{b," * 10_000, "@a{b, title={" + "\\'" * 24_000 + "}}", "@a{b, title={" + "\\textbf{" * 3000 + "}" * 3000 + "}}",
     "TY  - \n" * 7000, "TY  - BOOK\n" + "x\n" * 20_000, "10." * 16_000, "1-" * 25_000, "http://" * 7000, "\n" * MAX_PASTED,
     "a" + " " * 49_000 + "b", "a" + " \t" * 24_000 + "b", "a | isbn" + "\u2003" * 49_000 + "x", "2027-05-03" + "\u2003" * 49_000 + "x",
     "@a{b, title={x}, author={a" + " " * 49_000 + "b}}"],
    ids=range(14),
)  # fmt: skip
@pytest.mark.slow
def test_hostile_text_of_the_maximum_length_is_read_quickly(text):
    begun = time.process_time()
    read_pasted(text[:MAX_PASTED])
    assert time.process_time() - begun < 5


def test_too_many_lines_are_reported_as_one_fault():
    entries, _unit = read_pasted("\n".join(f"Book {number}" for number in range(MAX_ENTRIES + 5)))
    assert [entry.values["title"] for entry in entries[:-1]] == [
        f"Book {number}" for number in range(MAX_ENTRIES)
    ]
    assert entries[-1].fault == "We can read up to 100 items at a time. Paste the other items afterward."
    assert entries[-1].source.startswith(f"Book {MAX_ENTRIES}\n")


@pytest.mark.django_db
@pytest.mark.sql
def test_isbn_and_doi_find_the_item_of_the_catalog(django_assert_num_queries):
    ItemFactory(title="Physics by hand", isbn="9780306406157")
    physics = ItemFactory(title="Physics", isbn="9780306406157", source="marc", source_key="1")
    prisma = ItemFactory(title="PRISMA", doi="10.1136/BMJ.n71")
    ItemFactory(title="Gone", doi="10.1000/gone", retired_at=timezone.now())
    entries, _unit = read_pasted("0306406152\n10.1136/bmj.N71\n10.1000/gone\nPhysics\n10.1000/new")
    with django_assert_num_queries(2):
        assert items_in_catalog(entries) == {1: physics, 2: prisma}


def test_pasted_records_have_only_known_kinds_of_item():
    assert {
        value["kind"] for value in understood(RIS) + understood(BIBTEX) if isinstance(value, dict)
    } <= set(Item.Kind.values)
