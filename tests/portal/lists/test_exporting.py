import csv
import io
import json
from datetime import timedelta

import pytest
import rispy
from django.urls import reverse
from django.utils import timezone
from django.utils.http import parse_header_parameters

from portal.lists.own_words import add_title
from portal.privacy import retention
from recommendations.models import Holding
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import text

FORMATS = ["csv", "ris", "bibtex", "csl"]
in_each_format = pytest.mark.parametrize("form", FORMATS)


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def saved_list(patron):
    return SavedListFactory(patron=patron, name="Para el invierno")


def address(saved_list):
    return reverse("export_list", args=[saved_list.public_id])


def exported(client, saved_list, form):
    return client.get(address(saved_list), {"format": form})


def rows(response):
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def full(patron, staff, branch, saved_list):
    """Return a saved item with everything that an exported file can contain.

    Other rows have data that the file must not contain.
    """
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    item = ItemFactory(title="=Ünïcödé {1}", creators="Booth, Wayne C.", year="2016", isbn="9780226239736")
    Holding.objects.create(item=item, branch=branch, call_number="001.42 BOO", location="upstairs")
    [recommendation] = recommend_in(session, item=item, reason="Clear from the first page.")
    other = HelpSessionFactory(patron=UserFactory(), staff=staff, branch=branch)
    recommend_in(other, item=item, reason="For another patron.")
    SavedItemFactory(saved_list__patron=patron, item__title="In another list")
    SavedItemFactory(saved_list=saved_list, item__title="Removed", removed_at=timezone.now())
    return SavedItemFactory(
        saved_list=saved_list, item=item, recommendation=recommendation, note="For the bus\nPage 12"
    )


@in_each_format
def test_exported_file_has_only_the_call_numbers_and_notes_and_reasons_of_its_list(
    form, me, full, saved_list, branch
):
    response = exported(me, saved_list, form)
    content = response.content.decode()
    for words in ("Ünïcödé", "001.42 BOO", branch.name, "For the bus", "Clear from the first page."):
        assert words in content
    for words in ("another", "Removed", "In another list"):
        assert words not in content


def test_csv_begins_with_title_and_author_and_escapes_formulas(me, full, saved_list, branch):
    response = exported(me, saved_list, "csv")
    assert response.content.startswith(b"\xef\xbb\xbfTitle,Author or creator,")
    [row] = rows(response)
    assert row | {"Saved on": ""} == {
        "Title": "'=Ünïcödé {1}",
        "Author or creator": "Booth, Wayne C.",
        "Call number": f"001.42 BOO ({branch.name}, upstairs)",
        "Your note": "For the bus\nPage 12",
        "Why the library recommended it": "Clear from the first page.",
        "Reading status": "",
        "Kind": "Book",
        "Year": "2016",
        "Publisher": "",
        "Series": "",
        "ISBN": "978-0226239736",
        "DOI": "",
        "Link": "",
        "Day": "",
        "Last day": "",
        "Phone": "",
        "Title in its original script": "",
        "Author in the original script": "",
        "Saved on": "",
    }


@in_each_format
def test_exported_file_has_a_reason_until_the_visit_is_forgotten(form, me, full, saved_list):
    assert "Clear from" in exported(me, saved_list, form).content.decode()
    retention.forget(at=timezone.now() + timedelta(days=400))
    content = exported(me, saved_list, form).content.decode()
    assert "Clear from" not in content
    assert "For the bus" in content


@in_each_format
def test_exported_file_never_has_the_reason_of_a_quiet_visit(form, me, saved_list, branch, show_code):
    quiet = QuietSessionFactory(branch=branch)
    [recommendation] = recommend_in(quiet, reason="A safe place.")
    show_code(me, code_for(quiet))
    # The portal refuses to save an item of a quiet visit, but the export must not rely on this refusal.
    SavedItemFactory(saved_list=saved_list, recommendation=recommendation, item=recommendation.item)
    content = exported(me, saved_list, form).content.decode()
    assert recommendation.item.title in content
    assert "A safe place." not in content


def test_title_added_by_hand_is_exported_as_the_patron_typed_it(me, saved_list):
    add_title(saved_list, title="Cien años", creators="García Márquez, Gabriel", at=timezone.now())
    [reference] = rispy.loads(exported(me, saved_list, "ris").content.decode())
    assert (reference["type_of_reference"], reference["title"], reference["authors"]) == (
        "GEN",
        "Cien años",
        ["García Márquez, Gabriel"],
    )
    [row] = rows(exported(me, saved_list, "csv"))
    assert (row["Title"], row["Kind"]) == ("Cien años", "")


@in_each_format
def test_titles_are_in_the_order_of_the_list(form, me, saved_list):
    for title in ("Third", "Second", "First"):
        add_title(saved_list, title=title, at=timezone.now())
    content = exported(me, saved_list, form).content.decode()
    assert content.index("First") < content.index("Second") < content.index("Third")


@pytest.mark.parametrize(
    ("form", "content_type", "ending"),
    [
        ("csv", "text/csv; charset=utf-8", "csv"),
        ("ris", "application/x-research-info-systems; charset=utf-8", "ris"),
        ("bibtex", "application/x-bibtex; charset=utf-8", "bib"),
        ("csl", "application/vnd.citationstyles.csl+json", "json"),
    ],
)
def test_exported_file_is_a_download_that_must_not_be_cached(
    form, content_type, ending, me, full, saved_list
):
    response = exported(me, saved_list, form)
    assert response["Content-Type"] == content_type
    assert response["Content-Disposition"] == f'attachment; filename="Para el invierno.{ending}"'
    assert response["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("name", ["كتب الشتاء", '"quoted"; filename="x.exe', "宮崎駿", "a\\b"])
def test_list_name_in_any_script_or_with_hostile_characters_is_safe_in_the_header(name, me, patron):
    saved_list = SavedListFactory(patron=patron, name=name)
    header = exported(me, saved_list, "csl")["Content-Disposition"]
    kind, parameters = parse_header_parameters(header)
    assert kind == "attachment"
    assert len(parameters) == 1
    assert header.isascii()
    assert not {"\r", "\n", '.exe"'} & set(header)


def test_exported_file_of_an_empty_list_has_no_entries(me, saved_list):
    assert rows(exported(me, saved_list, "csv")) == []
    assert exported(me, saved_list, "ris").content == b""
    assert exported(me, saved_list, "bibtex").content == b""
    assert json.loads(exported(me, saved_list, "csl").content) == []


@pytest.mark.parametrize("form", ["", "pdf", "../csv", "csv\0"])
def test_request_for_an_unknown_export_format_is_404(form, me, saved_list):
    assert exported(me, saved_list, form).status_code == 404


@pytest.mark.few_cases
@in_each_format
@pytest.mark.parametrize("count", [1, 30])
def test_export_runs_the_same_number_of_queries_for_1_and_30_titles(
    count, form, me, patron, staff, branch, saved_list, django_assert_num_queries
):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    for recommendation in recommend_in(session, count):
        Holding.objects.create(item=recommendation.item, branch=branch, call_number="1")
        SavedItemFactory(saved_list=saved_list, item=recommendation.item, recommendation=recommendation)
    exported(me, saved_list, form)
    with django_assert_num_queries(7):
        assert exported(me, saved_list, form).status_code == 200


def test_page_of_the_list_links_to_a_file_in_each_format(me, full, saved_list):
    page = me.get(reverse("list_options", args=[saved_list.public_id]))
    for form in FORMATS:
        assert f'href="{address(saved_list)}?format={form}" download' in page.content.decode()
    assert "Spreadsheet (CSV)" in text(page)
