"""Test how headings, buttons and codes look with large text on a narrow phone."""

import datetime
import itertools

import pytest
from django.utils import timezone

from accounts.models import StaffRole
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    ServicePointFactory,
)

from . import bars
from .conftest import DESK, PHONE
from .states import Words, build

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

# Return the words of the elements that are broken over two lines, although each word would fit on one line.
BROKEN = """elements => [...document.querySelectorAll(elements)].flatMap(heading => {
  const broken = [], walker = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
  const canvas = document.createElement("canvas").getContext("2d");
  while (walker.nextNode()) {
    const style = getComputedStyle(walker.currentNode.parentElement);
    if (walker.currentNode.parentElement.closest(".visually-hidden")) continue;
    canvas.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    for (const word of walker.currentNode.data.matchAll(/[\\p{L}]{4,}/gu)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, word.index);
      range.setEnd(walker.currentNode, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
      const fits = canvas.measureText(word[0]).width < heading.getBoundingClientRect().width;
      if (lines.size > 1 && fits) broken.push(word[0]);
    }
  }
  return broken;
})"""

# Return where the lines of text in an element begin, and how far apart they should be.
LINES = """element => {
  const range = document.createRange();
  const texts = [], walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    range.selectNodeContents(walker.currentNode);
    texts.push(...[...range.getClientRects()].map(box => Math.round(box.top)));
  }
  const tops = [...new Set(texts)].sort((a, b) => a - b);
  return [tops, parseFloat(getComputedStyle(element).lineHeight)];
}"""


@pytest.mark.parametrize("language", ["en", "es"])
def test_words_of_headings_are_not_broken_at_200_percent_text_size(
    language, branch, staff, patron, opened, show
):
    built = build(branch, staff, patron, Words())
    patron.language = language
    patron.save()
    broken = {}
    for who, states in built.pages.items():
        page = built.show_as(show, opened(PHONE), who)
        look_at(page, states, broken)
    assert broken == {}


def test_words_of_desk_headings_are_not_broken_at_200_percent_text_size(branch, staff, patron, opened, show):
    built = build(branch, staff, patron, Words())
    broken = {}
    look_at(show(opened(PHONE), staff), built.desk, broken)
    assert broken == {}


def look_at(page, states, broken):
    for state in states:
        page.goto(state.path)
        state.do(page)
        page.wait_for_load_state()
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        if words := page.evaluate(BROKEN, "h1, h2, h3"):
            broken[state.name] = words


def test_words_of_buttons_are_not_broken_at_200_percent_text_size(branch, phone):
    page = phone()
    page.goto("/")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.locator("main .button").count() == 4
    assert page.evaluate(BROKEN.replace("h1, h2, h3", ".button")) == []


def test_typed_code_fits_its_field_at_200_percent_text_size(branch, phone):
    page = phone()
    page.goto("/c/1234567890123/")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    field = page.locator("#id_code")
    assert field.input_value() == "1234 567 890 123"
    assert field.evaluate("field => field.scrollWidth <= field.clientWidth")


def test_links_in_lists_do_not_break_inside_words_at_200_percent_text_size(
    branch, staff, patron, phone, show
):
    HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    page = show(phone(), patron)
    for path in ("/sessions/", "/lists/", "/"):
        page.goto(path)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.locator("#to-recommendations").count() == 1
        assert page.evaluate(BROKEN.replace("fits) broken", "true) broken"), "#to-recommendations") == []


@pytest.mark.parametrize("path", ["/desk/", "/desk/record/"])
def test_open_list_of_unfinished_sessions_fits_the_page_with_large_text(path, branch, staff, opened, show):
    StaffRole.objects.filter(user=staff).update(role=StaffRole.Role.COORDINATOR)
    HelpSessionFactory(branch=branch, staff=staff, status="unfinished")
    BranchFactory(
        covered_by=branch,
        last_seen_on=timezone.localdate() - datetime.timedelta(days=3),
        unattended_from=timezone.now() - datetime.timedelta(days=1),
    )
    page = show(opened(DESK), staff)
    page.goto(path)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    page.evaluate(bars.FONT, bars.WIDE_FONT)
    page.locator("#tray > summary").click()
    box = page.locator("#tray > .rows").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= DESK["viewport"]["width"]


def test_names_of_kinds_of_tallies_fit_their_buttons_at_200_percent_text_size(branch, staff, opened, show):
    StaffRole.objects.filter(user=staff).update(role=StaffRole.Role.COORDINATOR)
    point = ServicePointFactory(branch=branch)
    page = show(opened(PHONE), staff)
    page.goto(f"/desk/settings/branches/of/{branch.slug}/tally-kinds/?point={point.pk}")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    widths = (
        page.locator(".kind-row")
        .first.locator("input")
        .evaluate_all("fields => fields.map(field => field.offsetWidth)")
    )
    assert widths[0] >= 250


def test_search_for_sessions_has_room_for_words_at_200_percent_text_size(branch, staff, opened, show):
    page = show(opened({"viewport": {"width": 1024, "height": 800}}), staff)
    page.goto("/desk/sessions/")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    field = page.locator("#search-sessions [type=search]")
    assert field.evaluate("field => field.offsetWidth") >= 250
    assert page.evaluate(bars.OVERFLOW) == []


@pytest.mark.parametrize(("size", "width"), [("100%", 360), ("100%", 250), ("200%", 360)])
def test_lines_of_a_phone_number_do_not_overlap_other_lines(size, width, branch, staff, patron, opened, show):
    visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=timezone.now())
    conversation = ConversationFactory(help_session=visit, patron=patron)
    text = "Try the one in blue. Call (414) 555-0134 if it is out, or come to the desk."
    MessageFactory(conversation=conversation, side="staff", author=staff, body=text)
    page = show(opened(PHONE), patron)
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(conversation.get_absolute_url())
    page.evaluate("size => document.documentElement.style.fontSize = size", size)
    number = page.locator("main a[href^='tel:']").first
    tops, line_height = number.locator("xpath=..").evaluate(LINES)
    distances = {round((below - above) / line_height, 1) for above, below in itertools.pairwise(tops)}
    assert distances == {1.0}
    assert number.bounding_box()["height"] >= 44
