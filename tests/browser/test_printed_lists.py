"""Print lists to PDF, and check the number, the size and the colors of the pages."""

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from portal.lists.models import SavedItem
from portal.lists.own_words import add_title
from portal.lists.views import printing
from recommendations.models import Holding
from tests.extent import rarely
from tests.factories import BranchFactory, ItemFactory, SavedListFactory

from .conftest import LOOKS
from .states import HOSTILE
from .test_printing import content_height, printed_pages

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

A4, LETTER = (210, 297), (216, 279)
TITLES = [
    ("Compost City: Practical Composting Know-How for Small-Space Living", "Rebecca Louie"),
    ("To Kill a Mockingbird", "Harper Lee"),
    ("كيمياء السعادة", "أبو حامد الغزالي"),
    ("בית יולי", "שמואל יוסף עגנון"),
    ("紅樓夢", "曹雪芹"),
    ("The Year of Magical Thinking", "Joan Didion"),
]
NOTE = "Ask for the large-print copy if you want to read it on the balcony. " * 29
SHARED = "https://help.example.org/shared/6TT5Z_9uGvL0a2b-XyQe1w/"


@pytest.fixture
def printed(patron, branch, opened, show):
    """Return printed(count, address, …), which opens the page that prints a list with `count` titles."""

    def printed(count, address, *, note="", javascript=True, titles=TITLES, **options):
        north = BranchFactory(name="Northfield", slug="northfield")
        saved_list = SavedListFactory(patron=patron, name="For winter")
        for number in range(count):
            title, creators = titles[number % len(titles)]
            item = ItemFactory(title=title, creators=creators, year="2015")
            Holding.objects.create(
                item=item,
                branch=north if number % 6 == 5 else branch,
                call_number=f"{600 + number}.{number} LOU",
            )
            SavedItem.objects.create(
                saved_list=saved_list, item=item, note=note, position=number, saved_at=timezone.now()
            )
        add_title(saved_list, title="A title by hand", creators="", at=timezone.now())
        page = show(
            opened({"viewport": {"width": 360, "height": 740}}, javascript=javascript, **options), patron
        )
        page.goto(f"/lists/{saved_list.public_id}/print/?branch={branch.pk}&{address}")
        return page

    return printed


@pytest.mark.parametrize(("paper", "size"), [("a4", A4), ("letter", LETTER)])
def test_thirty_titles_with_covers_fit_one_page(printed, paper, size):
    page = printed(29 if paper == "a4" else 26, f"paper={paper}&covers=on&with_notes=on")
    assert printed_pages(page) == [size]
    page.emulate_media(media="print")
    smallest = page.locator(".paper p").evaluate_all(
        "all => Math.min(...all.map(p => parseFloat(getComputedStyle(p).fontSize)))"
    )
    assert smallest * 72 / 96 >= 9


@pytest.mark.parametrize(
    ("count", "address", "note", "size"),
    [
        (29, "paper=a4&covers=on&large=on", "", A4),
        (3, "paper=letter&covers=on&with_notes=on&large=on", NOTE, LETTER),
        rarely(100, "paper=a4&covers=on&with_notes=on", NOTE, A4),
        rarely(499, "paper=letter&covers=on", "", LETTER),
    ],
)
def test_long_lists_continue_on_pages_of_the_same_size(printed, count, address, note, size):
    pages = printed_pages(printed(count, address, note=note))
    assert len(pages) > 1
    assert set(pages) == {size}


@pytest.mark.parametrize(
    ("count", "address", "note"),
    [
        (12, "paper=receipt&covers=on&with_notes=on", "For the bus"),
        (3, "paper=receipt&covers=on&with_notes=on&large=on", NOTE),
        rarely(1, "paper=receipt", ""),
        rarely(100, "paper=receipt&covers=on", ""),
    ],
)
def test_receipt_of_a_list_has_one_page_with_the_height_of_its_content(printed, count, address, note):
    page = printed(count, address, note=note)
    content = content_height(page)
    [(width, height)] = printed_pages(page)
    assert width == 80
    assert 1 <= height - content <= 4


@pytest.mark.parametrize(
    ("count", "address", "note", "titles"),
    [
        (1, "paper=receipt&covers=on", "", TITLES),
        (12, "paper=receipt&covers=on&with_notes=on&large=on&code=on", NOTE, TITLES),
        rarely(12, "paper=receipt&covers=on&with_notes=on&code=on", "這本書適合初學者。" * 200, TITLES),
        rarely(12, "paper=receipt&large=on&covers=on", "", [("W" * 400, "W" * 300)]),
    ],
)
def test_receipt_of_a_list_has_one_page_without_javascript(
    printed, count, address, note, titles, monkeypatch
):
    monkeypatch.setattr(printing, "address_for_paper", lambda _list, **_now: SHARED)
    page = printed(count, address, note=note, titles=titles, javascript=False)
    content = content_height(page)
    [(width, height)] = printed_pages(page)
    assert width == 80
    assert content <= height <= 2.5 * content


# Return the colors of texts, lines and backgrounds on the printed page that aren't white, black or gray.
COLORS = """() => {
    const found = new Set(), isGray = color => {
        const [red, green, blue, alpha = 1] = color.match(/[\\d.]+/g).map(Number);
        return alpha === 0 || (red === green && green === blue);
    };
    for (const part of document.querySelectorAll('html, body, main, .paper, .paper *:not(.cover, .cover *)')) {
        const { color, backgroundColor, borderTopColor } = getComputedStyle(part);
        for (const each of [color, backgroundColor, borderTopColor]) if (!isGray(each)) found.add(each);
    }
    return [...found];
}"""
DARK_BACKGROUNDS = """() => [...document.querySelectorAll('html, body, main, .paper, .paper *:not(.cover, .cover *)')]
    .filter(part => !['rgba(0, 0, 0, 0)', 'rgb(255, 255, 255)'].includes(getComputedStyle(part).backgroundColor))
    .map(part => part.outerHTML.slice(0, 80))"""


BEYOND_THE_PAPER = """() => {
    const edge = document.querySelector('.paper').getBoundingClientRect().right + 1;
    return [...document.querySelectorAll('.paper *:not(.cover, .cover *)')]
        .filter(part => part.getBoundingClientRect().right > edge).map(part => part.outerHTML.slice(0, 80));
}"""


def test_printed_list_is_black_on_white_even_in_dark_mode(printed):
    page = printed(3, "paper=a4&covers=on&with_notes=on", note="For the bus", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(COLORS) == []
    assert page.evaluate(DARK_BACKGROUNDS) == []
    for text in [".call", ".titles strong", ".note p", "h2", "h3"]:
        assert (
            page.locator(f".paper {text}").first.evaluate("e => getComputedStyle(e).color") == "rgb(0, 0, 0)"
        )


def test_only_the_sheet_with_the_list_is_printed(printed):
    page = printed(3, "paper=a4&covers=on")
    page.emulate_media(media="print")
    expect(page.locator(".paper")).to_be_visible()
    for part in ["header.top", "footer", "main form", "h1", "#print", "#how-to-print"]:
        for each in page.locator(part).all():
            expect(each).to_be_hidden()


def test_print_button_prints_the_page(printed):
    page = printed(1, "paper=a4")
    expect(page.locator("#how-to-print")).to_be_hidden()
    page.evaluate("window.print = () => document.body.dataset.printed = 'yes'")
    page.locator("#print").click()
    expect(page.locator("body")).to_have_attribute("data-printed", "yes")


def test_print_page_without_javascript_says_how_to_print(printed):
    page = printed(1, "paper=a4", javascript=False)
    expect(page.locator("#how-to-print")).to_be_visible()
    expect(page.locator("#print")).to_be_hidden()
    page.locator("#id_large").check()
    page.locator("#id_paper").select_option("receipt")
    page.locator("#show-paper").click()
    expect(page.locator(".paper.receipt.large")).to_be_visible()


@pytest.mark.parametrize("paper", ["a4", "receipt"])
def test_html_and_very_long_words_fit_on_the_paper(printed, paper, monkeypatch):
    monkeypatch.setattr(printing, "address_for_paper", lambda _list, **_now: SHARED)
    titles = [((HOSTILE + "w" * 400)[:400], (HOSTILE + "w" * 300)[:300])]
    page = printed(2, f"paper={paper}&covers=on&with_notes=on&large=on&code=on", note=HOSTILE, titles=titles)
    page.emulate_media(media="print")
    assert page.evaluate(BEYOND_THE_PAPER) == []
    assert {width for width, _height in printed_pages(page)} == {210 if paper == "a4" else 80}
    assert page.locator(".paper img, .paper script").count() == 0


@pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), ("en", False), ("es", True)],
    ids=["with JavaScript", "without JavaScript", "in Spanish, dark and large"],
)
def test_patron_prints_a_list_for_another_branch_on_a_receipt(
    language, javascript, patron, branch, phone, show
):
    north = BranchFactory(name="Northfield", slug="northfield")
    saved_list = SavedListFactory(patron=patron)
    for title, place, call_number in [
        ("Here", branch, "001"),
        ("Second", north, "QA76 .B5"),
        ("First", north, "QA9 .B5"),
    ]:
        item = ItemFactory(title=title)
        Holding.objects.create(item=item, branch=place, call_number=call_number)
        SavedItem.objects.create(saved_list=saved_list, item=item, saved_at=timezone.now())
    page = show(phone(**LOOKS[language], javascript=javascript), patron)
    page.goto("/lists/")
    page.locator("#list-options").tap()
    page.locator("#print-list").tap()
    titles = page.locator(".paper li strong")
    expect(titles).to_have_text(["Here", "First", "Second"])
    page.locator("#id_branch").select_option("Northfield")
    page.locator("#id_paper").select_option("receipt")
    page.locator("#id_covers").uncheck()
    page.locator("#show-paper").tap()
    expect(titles).to_have_text(["First", "Second", "Here"])
    expect(page.locator(".paper .cover")).to_have_count(0)
    expect(page.locator("#id_branch")).to_have_value(str(north.pk))
    [(width, _height)] = printed_pages(page)
    assert width == 80
