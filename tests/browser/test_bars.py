"""Open every state of every page once, and check it against all limits and rules in bars.py.

`make test` opens one state of each page, and `make test-long` every state.
"""

from urllib.parse import urlsplit

import pytest
from django.urls import Resolver404, resolve

from portal.conversations.models import Conversation
from tests.extent import rarely
from tests.factories import (
    HelpSessionFactory,
    MessageFactory,
    attach_to,
    code_for,
    photograph,
)

from . import bars
from .states import HOSTILE, State, Words, build

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
    "asked by email",
    "leaver",
]


@pytest.fixture
def built(branch, staff, patron):
    return build(branch, staff, patron, Words())


def one_state_of_each_page(states):
    """Return one state of each page: the first that the page shows without any steps.

    States that need steps are left out, because their steps can need rows from the steps of earlier states.
    """
    pages = {}
    for state in states:
        if state.do is State.do:
            pages.setdefault(route(state.path), state)
    return list(pages.values())


def every_state(states):
    return states


def route(path):
    try:
        return resolve(urlsplit(path).path).route
    except Resolver404:
        return path


# Each test creates the database rows of all states, which takes 1.5 seconds. So the viewers in WHO who have few
# pages share one test.
@pytest.mark.long
@pytest.mark.parametrize(
    "people",
    [["nobody"], ["patron"], [who for who in WHO if who not in {"nobody", "patron"}]],
    ids=["nobody", "patron", "others"],
)
def test_every_patron_page_is_small_and_fits_the_screen(people, built, phone, show):
    missed = []
    for who in people:
        missed += problems_of_pages(built.show_as(show, phone(), who), built.pages[who])
    assert not missed, "\n".join(missed)


@pytest.mark.core
def test_one_state_of_each_patron_page_is_small_and_fits_the_screen(built, phone, show):
    missed, seen = [], set()
    # Measure each page only once, even if several people can open it. The patron comes first in this list.
    for who in ["patron", *WHO]:
        states = [
            state for state in one_state_of_each_page(built.pages[who]) if route(state.path) not in seen
        ]
        missed += problems_of_pages(built.show_as(show, phone(), who), states)
        seen |= {route(state.path) for state in states}
    assert not missed, "\n".join(missed)


def problems_of_pages(page, states):
    """Return a line for each state that is too large or doesn't fit the screen."""
    missed = []
    for state in states:
        first, everything, requests = bars.weigh(page, state.path)
        state.do(page)
        page.wait_for_load_state()
        found = [f"partly under the tab bar: {said}" for said in page.evaluate(bars.CUT_TARGETS)]
        found += [f"hidden focus: {said}" for said in page.evaluate(bars.HIDDEN_FOCUS)]
        missed += [f"{state.name}: {problem}" for problem in [*bars.filled(page), *found, *bars.sizes(page)]]
        if first > bars.FIRST_PAINT or everything > bars.FIRST_VIEW or requests > bars.REQUESTS:
            missed.append(f"{state.name}: {first} bytes block, {everything} in all, {requests} requests")
    return missed


# The test uses a browser that keeps pages for reading offline, because the page loads an additional script
# there. The low pictures (1500 x 500) take little height, so more than two of them are in view.
@pytest.mark.core
@pytest.mark.parametrize(
    "pictures",
    [
        lambda: [photograph(f"{number}.jpg", seed=number) for number in range(3)],
        rarely(lambda: [photograph(f"{number}.jpg", size=(1500, 500)) for number in range(9)]),
    ],
    ids=["photographs", "low"],
)
def test_conversation_with_pictures_stays_within_the_limits_of_bytes_and_requests(
    pictures, built, phone, show
):
    states = {state.name: state for state in built.pages["patron"]}
    path = states["conversation-keeps"].path
    conversation = Conversation.objects.get(public_id=path.split("/")[2])
    message = MessageFactory(conversation=conversation, body="Is it this one?")
    attach_to(message, *pictures())
    page = built.show_as(show, phone(), "patron")
    page.goto(states["keep-pages-on"].path)
    states["keep-pages-on"].do(page)

    _first, everything, requests = bars.weigh(page, f"{path}#message-{message.public_id}")
    seen = page.locator(".files img")
    assert seen.evaluate_all("pictures => pictures.map(each => each.naturalWidth)") == [96] * 2
    assert page.locator("script[src*=kept]").count() == 1
    assert everything <= bars.FIRST_VIEW
    assert requests <= bars.REQUESTS

    page.touchscreen.tap(8, 200)
    page.wait_for_function("() => document.querySelectorAll('.files img[src$=small]').length > 2")


def test_icon_is_beside_the_text_of_a_button_with_two_lines(branch, phone, show):
    session = HelpSessionFactory(branch=branch)
    page = show(phone(viewport=bars.NARROW), codes=[code_for(session)])
    page.goto(session.get_absolute_url())
    page.evaluate(bars.FONT, bars.WIDE_FONT)
    lines, gap = page.locator(".notice .button").evaluate(LINES_AND_GAP)
    assert lines > 1
    assert gap <= 8


@pytest.mark.core
@pytest.mark.parametrize(
    "chosen", [one_state_of_each_page, rarely(every_state)], ids=["one state", "every state"]
)
def test_every_desk_page_fits_the_screen(chosen, built, staff, opened, show):
    page, missed = show(opened({}), staff), []
    for state in chosen(built.desk):
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


def test_desk_conversation_page_loads_at_most_64_kib(built, staff, opened, show):
    page = show(opened({"viewport": {"width": 1280, "height": 800}}), staff)
    weights = [
        bars.weigh(page, state.path)[1]
        for state in built.desk
        if state.name in {"desk-conversation", "desk-conversation-held"}
    ]
    assert len(weights) == 2
    assert max(weights) <= 64 * 1024


@pytest.mark.only_long
@pytest.mark.parametrize("who", [*WHO, "staff"])
def test_html_in_typed_text_is_escaped_on_every_page(who, branch, staff, coordinator, patron, phone, show):
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
