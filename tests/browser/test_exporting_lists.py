"""Download, email and cite a list on a phone."""

import csv
import io
import json
from pathlib import Path

import bibtexparser
import pytest
import rispy
from django.utils import timezone
from playwright.sync_api import expect

from portal.lists.models import SavedItem
from portal.lists.own_words import add_title
from tests.extent import rarely
from tests.factories import HelpSessionFactory, SavedListFactory, recommend_in

from .conftest import LOOKS

pytestmark = pytest.mark.browser

with_and_without_javascript = pytest.mark.parametrize(
    "javascript", [True, False], ids=["with JavaScript", "without JavaScript"]
)


@pytest.fixture
def saved_list(patron, staff, branch):
    saved_list = SavedListFactory(patron=patron, name="Para el invierno")
    [recommendation] = recommend_in(
        HelpSessionFactory(patron=patron, staff=staff, branch=branch),
        item__title="Cien años {1} = 2",
        reason="Clear.",
    )
    SavedItem.objects.create(
        saved_list=saved_list,
        item=recommendation.item,
        recommendation=recommendation,
        saved_at=timezone.now(),
    )
    return saved_list


READ = {
    # Leave out the first line, which has the names of the columns. The first column has the titles.
    "csv": lambda text: [row[0] for row in csv.reader(io.StringIO(text))][1:],
    "ris": lambda text: [reference["title"] for reference in rispy.loads(text)],
    "bibtex": lambda text: [entry.key for entry in bibtexparser.parse_string(text).entries],
    "csl": lambda text: [item["title"] for item in json.loads(text)],
}


@pytest.mark.core
@pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), rarely("en", False), rarely("es", True)],
    ids=["with JavaScript", "without JavaScript", "in Spanish, dark and large"],
)
def test_patron_downloads_a_list_in_each_format(language, javascript, saved_list, patron, phone, show):
    page = show(phone(**LOOKS[language], javascript=javascript), patron)
    page.goto(saved_list.get_absolute_url())
    page.locator("#list-options").tap()
    for form, read in READ.items():
        with page.expect_download() as download:
            page.locator(f"#export-{form}").tap()
        text = Path(download.value.path()).read_bytes().decode()
        assert read(text) == (["writer"] if form == "bibtex" else ["Cien años {1} = 2"])
        assert download.value.suggested_filename.startswith("Para el invierno.")
        assert "Clear." in text


@with_and_without_javascript
def test_patron_emails_a_list_to_themselves(javascript, saved_list, patron, phone, show, post):
    page = show(phone(javascript=javascript), patron)
    page.goto(f"/lists/{saved_list.public_id}/options/")
    page.locator("#email-list").tap()
    page.locator("#send-list").tap()
    expect(page.locator("#notices p").first).to_contain_text(patron.email)
    page.wait_for_url(f"**/lists/{saved_list.public_id}/options/")


def test_one_tap_copies_a_citation_with_its_italics(saved_list, patron, phone, show):
    page = show(phone(), patron)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    saved = SavedItem.objects.get()
    page.goto(f"/lists/titles/{saved.public_id}/")
    page.locator("#cite-title").tap()
    page.locator("#copy-mla").tap()
    expect(page.locator("#copy-mla span").first).to_have_text("Copied")
    expect(page.locator("#announce")).to_have_text("Copied")
    read = """async () => {
        const [item] = await navigator.clipboard.read();
        return [await (await item.getType("text/plain")).text(), await (await item.getType("text/html")).text()];
    }"""
    plain, rich = page.evaluate(read)
    assert plain == "Writer, A. Cien años {1} = 2."
    assert "<i>Cien años {1} = 2</i>" in rich


def test_citation_is_selected_if_the_browser_cannot_copy(saved_list, patron, phone, show):
    page = show(phone(), patron)
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false;"
    )
    page.goto(f"/lists/{saved_list.public_id}/cite/?style=apa")
    page.locator("#copy-1").tap()
    expect(page.locator("#copy-hint")).not_to_be_empty()
    assert page.evaluate("getSelection().toString().trim()") == "Writer, A. (n.d.). Cien años {1} = 2."
    page.locator("#copy-all").tap()
    field = page.locator("#all-citations")
    assert (
        field.evaluate("field => field.value.slice(field.selectionStart, field.selectionEnd)")
        == field.input_value()
    )


def test_patron_without_javascript_reads_citations_in_the_chosen_style_and_language(
    saved_list, patron, phone, show
):
    add_title(saved_list, title="كتاب الشتاء", creators="نجيب محفوظ", at=timezone.now())
    page = show(phone(javascript=False), patron)
    page.goto(f"/lists/{saved_list.public_id}/options/")
    page.locator("#cite-list").tap()
    expect(page.locator("#style-apa")).to_have_attribute("aria-pressed", "true")
    page.locator("#in-es").tap()
    expect(page.locator("#citation-1")).to_contain_text("(s. f.)")
    page.locator("#style-chicago").tap()
    expect(page.locator("#style-chicago")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#in-es")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#copy-all")).to_be_hidden()
    expect(page.locator("#all-citations")).to_contain_text("كتاب الشتاء")
