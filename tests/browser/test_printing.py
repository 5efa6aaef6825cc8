"""Print slips to PDF, and check the number and size of the pages."""

import re

import pytest

from recommendations.models import Holding
from tests.extent import rarely
from tests.factories import HelpSessionFactory, ItemFactory, recommend_in

from .conftest import DESK

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

MM = 25.4 / 72
REASON = (
    "Starts from nothing and needs no tools. The third chapter answers your question about flies, and the last "
    "one has a table of what may go in. Ask for the large-print copy if you want to read it on the balcony."
)
MOTIVO = (
    "Empieza desde cero y no requiere herramientas. El capítulo tercero responde a su pregunta sobre las moscas, "
    "y el último trae una tabla de lo que se puede echar. Pida el ejemplar con letra grande."
)


def printed_pages(page):
    """Print the page to PDF. Return [(width, height)] of the pages, in millimeters, rounded."""
    content = page.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)\s*\]", content)
    assert len(boxes) == len(re.findall(rb"/Type\s*/Page\b", content))
    return [(round(float(width) * MM), round(float(height) * MM)) for width, height in boxes]


@pytest.fixture
def slip(branch, staff, patron, opened, show):
    """Return slip(paper, count, …), which opens the printed slip of a visit with `count` items."""

    def slip(paper, count, *, language="en", reason=REASON, javascript=True, **fields):
        session = HelpSessionFactory(branch=branch, staff=staff, language=language, **fields)
        for number in range(count):
            item = ItemFactory(title=f"Compost City: Practical Composting {number}", creators="Rebecca Louie")
            Holding.objects.create(
                item=item, branch=branch, call_number="631.875 LOU", location="Adults, floor 2"
            )
            recommend_in(session, item=item, reason=reason)
        page = show(opened(DESK, javascript=javascript), staff)
        page.goto(f"/desk/sessions/{session.public_id}/slip/")
        if fields.get("with_child") != "paper":
            page.locator("#new-code").click()
            page.locator("#code").wait_for()
        page.goto(f"/desk/sessions/{session.public_id}/slip/?paper={paper}")
        return page

    return slip


def content_height(page):
    """Return the height of the slip in millimeters, as it is printed."""
    page.emulate_media(media="print")
    height = page.locator(".paper").evaluate("paper => paper.getBoundingClientRect().height")
    page.emulate_media(media="null")
    return height * 25.4 / 96


@pytest.mark.parametrize(
    ("count", "language"), [(1, "en"), (14, "es"), rarely(1, "es"), rarely(5, "en"), rarely(14, "en")]
)
def test_receipt_has_one_page_with_the_height_of_its_content(slip, count, language):
    page = slip("receipt", count, language=language, reason={"en": REASON, "es": MOTIVO}[language])
    content = content_height(page)
    [(width, height)] = printed_pages(page)
    assert width == 80
    assert 1 <= height - content <= 4


def test_receipt_of_a_paper_only_visit_has_the_height_of_its_content(slip):
    summary = "\n\n".join([REASON] * 6)
    page = slip("receipt", 3, with_child="paper", summary=summary)
    content = content_height(page)
    [(width, height)] = printed_pages(page)
    assert width == 80
    assert 1 <= height - content <= 4


def test_receipt_has_only_one_page_even_if_its_content_grows_after_loading(slip):
    page = slip("receipt", 1)
    page.locator(".paper").evaluate("paper => paper.append(paper.querySelector('.given').cloneNode(true))")
    page.emulate_media(media="print")
    assert len(printed_pages(page)) == 1


@pytest.mark.parametrize(
    ("count", "reason"),
    [(1, ""), (14, "這本書適合初學者。" * 30), rarely(14, REASON), rarely(14, "W" * 400)],
)
def test_receipt_without_javascript_has_at_most_twice_the_height_of_its_content(slip, count, reason):
    page = slip("receipt", count, reason=reason, javascript=False)
    content = content_height(page)
    [(width, height)] = printed_pages(page)
    assert width == 80
    assert content <= height <= 2 * content


# Slips with up to 3, 4, 8 and 14 items have different styles. `make test` prints the fullest slip of each style.
FULLEST = [(3, "en"), (4, "en"), (8, "en"), (14, "en"), (14, "es")]
OTHERS = [(1, "en"), (9, "en"), (1, "es"), (3, "es"), (4, "es"), (8, "es"), (9, "es")]


@pytest.mark.parametrize(("count", "language"), [*FULLEST, *(rarely(*other) for other in OTHERS)])
@pytest.mark.parametrize(("paper", "size"), [("a4", (210, 297)), ("letter", (216, 279))])
def test_slip_with_14_long_reasons_fits_one_sheet(slip, paper, size, count, language):
    page = slip(paper, count, language=language, reason={"en": REASON, "es": MOTIVO}[language])
    assert printed_pages(page) == [size]
    page.emulate_media(media="print")
    smallest = page.locator(".paper p").evaluate_all(
        "all => Math.min(...all.map(p => parseFloat(getComputedStyle(p).fontSize)))"
    )
    assert smallest * 72 / 96 >= 9
