"""Open every state of every page once, and check it against all limits and rules in bars.py."""

import pytest

from tests.factories import HelpSessionFactory, code_for

from . import bars
from .states import HOSTILE, Words, build

pytestmark = pytest.mark.browser

# Return the number of lines of a button's text, and the pixels between its icon and the nearest letter.
LINES_AND_GAP = """button => {
    const range = document.createRange(), icon = button.querySelector('.icon');
    range.selectNodeContents(icon.nextSibling);
    const lines = [...range.getClientRects()].filter(line => line.width);
    return [lines.length, Math.min(...lines.map(line => line.left)) - icon.getBoundingClientRect().right];
}"""

WHO = [
    "nobody",
    "holder of a code",
    "holder of a quiet code",
    "holder of a child's code",
    "child",
    "patron",
    "new patron",
    "card holder",
    "leaver",
]


@pytest.fixture
def built(branch, staff, patron):
    return build(branch, staff, patron, Words())


@pytest.mark.long
@pytest.mark.parametrize("who", WHO)
def test_every_patron_page_is_small_and_fits_the_screen(who, built, phone, show):
    page, missed = built.show_as(show, phone(), who), []
    for state in built.pages[who]:
        first, everything, requests = bars.weigh(page, state.path)
        state.do(page)
        page.wait_for_load_state()
        found = [f"partly under the tab bar: {said}" for said in page.evaluate(bars.CUT_TARGETS)]
        found += [f"hidden focus: {said}" for said in page.evaluate(bars.HIDDEN_FOCUS)]
        missed += [f"{state.name}: {problem}" for problem in [*bars.filled(page), *found, *bars.sizes(page)]]
        if first > bars.FIRST_PAINT or everything > bars.FIRST_VIEW or requests > bars.REQUESTS:
            missed.append(f"{state.name}: {first} bytes block, {everything} in all, {requests} requests")
    assert not missed, "\n".join(missed)


def test_icon_stays_beside_the_text_of_a_button_with_two_lines(branch, phone, show):
    session = HelpSessionFactory(branch=branch)
    page = show(phone(viewport=bars.NARROW), codes=[code_for(session)])
    page.goto(session.get_absolute_url())
    page.evaluate(bars.FONT, bars.WIDE_FONT)
    lines, gap = page.locator(".notice .button").evaluate(LINES_AND_GAP)
    assert lines > 1
    assert gap <= 8


@pytest.mark.long
def test_every_desk_page_fits_the_screen(built, staff, opened, show):
    page, missed = show(opened({}), staff), []
    for state in built.desk:
        # Bring the page into its state while the window is narrow. A narrow page has the least space.
        page.set_viewport_size({"width": 360, "height": 800})
        page.goto(state.path)
        state.do(page)
        page.wait_for_load_state()
        found = {"360 px": bars.filled(page) + bars.sizes(page)}
        page.set_viewport_size({"width": 1280, "height": 800})
        found["1280 px"] = bars.sizes(page, narrower=False)
        missed += [f"{state.name} at {width}: {problem}" for width in found for problem in found[width]]
    assert not missed, "\n".join(missed)


# axe takes as long as all other checks together, and rarely finds a problem.
@pytest.mark.only_long
@pytest.mark.parametrize("who", [*WHO, "staff"])
def test_every_page_is_accessible(who, built, staff, phone, show):
    page, missed = phone(), []
    size = page.viewport_size
    show(page, staff) if who == "staff" else built.show_as(show, page, who)
    for state in built.desk if who == "staff" else built.pages[who]:
        page.goto(state.path)
        state.do(page)
        page.wait_for_load_state()
        missed += [f"{state.name}: {said}" for said in bars.violations(page)]
        page.emulate_media(color_scheme="dark")
        missed += [f"{state.name} in dark mode: {said}" for said in bars.contrast(page)]
        page.emulate_media(color_scheme="light")
        # Check only the contrast at this width. All other rules of axe give the same result at every width.
        page.set_viewport_size({"width": 1280, "height": 800})
        missed += [f"{state.name} at 1280 px: {said}" for said in bars.contrast(page)]
        page.set_viewport_size(size)
    assert not missed, "\n".join(missed)


def test_desk_conversation_page_loads_at_most_63_kib(built, staff, opened, show):
    page = show(opened({"viewport": {"width": 1280, "height": 800}}), staff)
    weights = [
        bars.weigh(page, state.path)[1]
        for state in built.desk
        if state.name in {"desk-conversation", "desk-conversation-held"}
    ]
    assert len(weights) == 2
    assert max(weights) <= 63 * 1024


@pytest.mark.only_long
@pytest.mark.parametrize("who", [*WHO, "staff"])
def test_hostile_text_is_shown_as_text_on_every_page(who, branch, staff, coordinator, patron, phone, show):
    built = build(branch, staff, patron, Words.hostile())
    page, missed = phone(viewport=bars.NARROW), []
    page.on("dialog", lambda dialog: (missed.append(f"a script ran: {dialog.message}"), dialog.dismiss()))
    show(page, staff) if who == "staff" else built.show_as(show, page, who)
    for state in built.desk if who == "staff" else built.pages[who]:
        page.goto(state.path)
        state.do(page)
        page.wait_for_load_state()
        if HOSTILE[:30] not in page.locator("body").inner_text():
            missed.append(f"{state.name}: the text is not there")
        missed += [
            f"{state.name}: {said}"
            for said in [*page.evaluate(bars.MADE_FROM_TEXT), *page.evaluate(bars.OVERFLOW)]
        ]
    assert not missed, "\n".join(missed)
