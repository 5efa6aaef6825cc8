"""Test that a button immediately shows that it was pressed, and can be pressed again if the request fails."""

import re

import pytest
from playwright.sync_api import expect

from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, code_for, recommend_in

from .steps import card, eventually, pause_clock

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

# Press a button and return what it shows 100 milliseconds later. Timers that are due by then run first.
PRESS = """async selector => {
    const button = document.querySelector(selector);
    button.focus();
    button.click();
    await new Promise(done => setTimeout(done, 100));
    await new Promise(done => setTimeout(done));
    return [button.disabled, button.getAttribute('aria-busy'), button.textContent.trim()];
}"""
PRESS_AND_GO_BACK = """async selector => {
    const button = document.querySelector(selector);
    button.click();
    await new Promise(done => setTimeout(done, 100));
    const wasDisabled = button.disabled;
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
    const { disabled, form, textContent } = button;
    return [wasDisabled, disabled, button.getAttribute('aria-busy'), textContent.trim(), 'sent' in form.dataset];
}"""
BUSY = [True, "true", "Sending…"]
# Return the label of a button, with one space in place of several.
LABEL = "button => button.textContent.trim().replace(/\\s+/g, ' ')"


@pytest.fixture
def session(branch, staff, patron):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    recommend_in(session, 3)
    return session


@pytest.fixture
def conversation(session, patron):
    conversation = ConversationFactory(help_session=session, patron=patron)
    MessageFactory(conversation=conversation)
    return conversation


def hold(page, method="POST", *, count=2):
    """Hold back the first `count` requests with this HTTP method, as a very slow network would.

    Return a list, to which each held route is added. Drafts are saved as usual.
    """
    held = []

    def handle(route):
        is_held = route.request.method == method and not route.request.url.endswith("/draft/")
        held.append(route) if is_held and len(held) < count else route.fallback()

    page.route("**/*", handle)
    return held


def first(page, held):
    """Wait for the first held request, and return its route."""
    eventually(page, lambda: bool(held), True)
    return held[0]


def paths(conversation):
    session = conversation.help_session
    visit, item = session.get_absolute_url(), session.recommendation_links.first().recommendation.public_id
    return {
        "verdict": (visit, f"#helped-{item}"),
        "save": (visit, f"#save-{item}"),
        "all helped": (visit, "#all-helped"),
        "how the visit was": (visit, "#found-all"),
        "follow-up": (f"{visit}ask/", "#send"),
        "reply": (conversation.get_absolute_url(), "#send"),
        "close": (conversation.get_absolute_url(), "#sorted"),
        "sign out": ("/me/", "form[action='/sign-out/'] button"),
    }


@pytest.mark.parametrize(
    "which",
    ["verdict", "save", "all helped", "how the visit was", "follow-up", "reply", "close", "sign out"],
)
def test_patron_page_shows_a_pressed_button_as_busy_within_100_ms(which, conversation, patron, phone, show):
    page = show(phone(), patron)
    path, selector = paths(conversation)[which]
    page.goto(path)
    if which in {"follow-up", "reply"}:
        page.locator("#id_body").fill("Is it on Thursday?")
    held = hold(page)
    assert page.evaluate(PRESS, selector) == BUSY
    eventually(page, lambda: len(held), 1)


@pytest.mark.parametrize(
    ("path", "selector", "method"),
    [
        ("/desk/", ".queue-filter button", "GET"),
        ("/desk/record/", "#save", "POST"),
        ("/desk/record/", "#find", "POST"),
        ("/desk/people/", "main form button", "POST"),
        ("conversation", "#send", "POST"),
        ("conversation", "#take", "POST"),
    ],
)
def test_desk_page_shows_a_pressed_button_as_busy_within_100_ms(
    path, selector, method, conversation, staff, desk_computer, show
):
    page = show(desk_computer(), staff)
    page.goto(f"/desk/conversations/{conversation.public_id}/" if path == "conversation" else path)
    if path == "/desk/people/":
        page.locator("#id_identifier").fill("21234000123456")
    if (path, selector) == ("conversation", "#send"):
        page.locator("#id_body").fill("We are open on Sunday.")
    hold(page, method)
    assert page.evaluate(PRESS, selector) == BUSY


def test_pressing_the_tally_button_twice_quickly_counts_two_questions(staff, desk_computer, show):
    page = show(desk_computer(), staff)
    page.goto("/desk/")
    held = hold(page, count=1)
    assert page.evaluate(PRESS, "#tally-button") == [False, "true", "Sending…"]
    page.keyboard.press("t")
    first(page, held).continue_()
    expect(page.locator("#tallied")).to_contain_text("2")
    assert HelpSession.objects.filter(status=HelpSession.Status.TALLY).count() == 2


def test_pressed_button_is_sent_with_its_form(staff, desk_computer, show):
    page = show(desk_computer(), staff)
    page.goto("/desk/record/")
    page.locator("#q").fill("nothing like this")
    with page.expect_request(lambda request: request.method == "POST" and "/record/" in request.url) as sent:
        page.locator("#find").click()
    assert "find" in sent.value.post_data


FAILURES = {
    "network": (None, "We couldn't reach the library. Try again."),
    "server": (503, "That didn't work. Please reload the page and try again."),
    "signed out": (
        401,
        "Nothing was sent, because you are signed out or your code has expired. Copy your text.",
    ),
    "limit": (429, "Please wait 5 minutes."),
    "page of a proxy": (
        401,
        "Nothing was sent, because you are signed out or your code has expired. Copy your text.",
    ),
}
BODIES = {
    "limit": {"body": "Please wait 5 minutes.", "headers": {"X-From-Portal": "1"}},
    "page of a proxy": {"body": "<h1>Sign in to the proxy</h1>"},
}


@pytest.mark.parametrize("which", ["verdict", "close", "reply"])
def test_tapped_button_on_a_phone_does_not_look_chosen(which, conversation, patron, phone, show):
    page = show(phone(), patron)
    path, selector = paths(conversation)[which]
    page.goto(path)
    color = "button => getComputedStyle(button).backgroundColor"
    before = page.locator(selector).evaluate(color)
    # Phones apply :hover to the element that was tapped last. After a failed request, the tapped button would
    # look as if it were chosen.
    tools = page.context.new_cdp_session(page)
    for name in ("DOM", "CSS"):
        tools.send(f"{name}.enable")
    root = tools.send("DOM.getDocument")["root"]["nodeId"]
    node = tools.send("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
    tools.send("CSS.forcePseudoState", {"nodeId": node, "forcedPseudoClasses": ["hover"]})
    assert page.locator(selector).evaluate("button => button.matches(':hover')")
    assert page.locator(selector).evaluate(color) == before


@pytest.mark.parametrize("failure", FAILURES)
def test_verdict_button_works_again_and_shows_a_message_if_the_request_fails(
    failure, session, patron, phone, show
):
    status, words = FAILURES[failure]
    page = show(phone(), patron)
    page.goto(session.get_absolute_url())
    title = Recommendation.objects.first().item.title
    group = card(page, title).locator(".verdict")
    button = group.locator("button[value=partly]")
    label = button.evaluate(LABEL)
    held = hold(page, count=1)
    button.tap()
    expect(button).to_be_disabled()
    for other in group.locator("button").all():
        expect(other).to_be_disabled()
    route = first(page, held)
    route.abort() if status is None else route.fulfill(status=status, **BODIES.get(failure, {}))

    expect(button).to_be_enabled()
    expect(button).to_be_focused()
    assert (button.evaluate(LABEL), button.get_attribute("aria-busy")) == (label, None)
    assert not button.get_attribute("style")
    expect(group.locator("#failed")).to_have_text(words)
    expect(page.locator("#announce")).to_have_text(words)
    assert not Recommendation.objects.exclude(verdict="").exists()

    button.tap()
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#failed")).to_have_count(0)


def test_failed_request_shows_a_message_beside_the_pressed_button(conversation, patron, phone, show):
    page = show(phone(), patron)
    for which, (path, selector) in paths(conversation).items():
        if which in {"follow-up", "sign out"}:
            continue
        page.goto(path)
        if which == "reply":
            page.locator("#id_body").fill("Is it on Thursday?")
        held = hold(page)
        page.locator(selector).tap()
        expect(page.locator(selector)).to_be_disabled()
        first(page, held).abort()
        expect(page.locator(selector)).to_be_enabled()
        notice, button = page.locator("#failed").bounding_box(), page.locator(selector).bounding_box()
        assert abs(notice["y"] - button["y"] - button["height"]) < 200, which
        page.unroute_all()


def test_buttons_work_again_after_going_back_to_their_page(session, phone):
    page = phone()
    page.goto(f"/c/{code_for(session)}/")
    page.locator("#ask a.button").tap()
    page.locator("#id_body").fill("Is it on Thursday?")
    label = page.locator("#send").evaluate(LABEL)
    hold(page)
    assert page.evaluate(PRESS_AND_GO_BACK, "#send") == [True, False, None, label, False]


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        ("form.target = '_blank'", {}),
        ("form.dataset.download = ''", {"Content-Disposition": "attachment; filename=list.csv"}),
    ],
    ids=["new tab", "download"],
)
def test_button_works_again_after_two_seconds_if_the_response_opens_no_page(
    change, headers, session, patron, phone, show
):
    page = show(phone(), patron)
    page.clock.install()
    page.goto(f"{session.get_absolute_url()}ask/")
    page.locator("#id_body").fill("Is it on Thursday?")
    pause_clock(page)
    button = page.locator("#send")
    button.evaluate(f"button => {{ const {{ form }} = button; {change}; }}")
    page.context.route("**/ask/", lambda route: route.fulfill(body="", headers=headers))
    press_while_paused(page, lambda: button.evaluate("button => button.click()"))
    page.clock.run_for(1000)
    expect(button).to_be_disabled()
    page.clock.run_for(2000)
    expect(button).to_be_enabled()
    page.clock.run_for(60_000)
    expect(page.locator("#failed")).to_have_count(0)


@pytest.mark.parametrize(
    ("button", "words"),
    [
        ("#save-name", "We couldn't reach the library. Try again. Your text is still here."),
        ("#sign-out", "We couldn't reach the library. Try again."),
    ],
)
def test_button_works_again_and_shows_a_message_if_the_next_page_does_not_load(
    button, words, patron, phone, show
):
    page = show(phone(), patron)
    sent = send_to_nowhere(page)
    button = page.locator(button)
    page.locator("#id_name").fill("Samuel Okafor")
    tap_while_paused(page, button)
    page.clock.run_for(29_000)
    expect(button).to_be_disabled()
    expect(page.locator("#failed")).to_have_count(0)
    page.clock.run_for(2_000)
    expect(button).to_be_enabled()
    expect(button).to_be_focused()
    page.clock.run_for(1_000)
    expect(page.locator("#failed")).to_have_text(words)
    expect(page.locator("#announce")).to_have_text(words)
    notice, place = page.locator("#failed").bounding_box(), button.bounding_box()
    assert 0 < notice["y"] - place["y"] - place["height"] < 100
    expect(page.locator("#id_name")).to_have_value("Samuel Okafor")
    # The button sends the form again, and the message disappears.
    tap_while_paused(page, button)
    expect(page.locator("#failed")).to_have_count(0)
    eventually(page, lambda: len(sent), 2)


def test_going_back_to_a_page_does_not_show_a_late_error_for_a_pressed_button(patron, phone, show):
    page = show(phone(), patron)
    send_to_nowhere(page)
    tap_while_paused(page, page.locator("#save-name"))
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.locator("#save-name")).to_be_enabled()
    page.clock.run_for(60_000)
    expect(page.locator("#failed")).to_have_count(0)


def send_to_nowhere(page):
    """Open the page Me and stop its forms from being sent. Return the list of submitted forms.

    The requests get the status 204, because Playwright would wait for a request without a response.
    """
    sent = []
    page.clock.install()
    page.goto("/me/")

    def handle(route):
        sent.append(route)
        route.fulfill(status=204)

    page.route(re.compile("/(me|sign-out)/"), handle)
    pause_clock(page)
    return sent


def tap_while_paused(page, button):
    """Tap a button while the clock is paused, and run the timer that disables the button."""
    press_while_paused(page, button.tap)
    page.clock.run_for(10)
    expect(button).to_be_disabled()


def press_while_paused(page, press):
    """Press a button with `press()`, and wait until its form is sent.

    The clock must not run until the form is sent, because Playwright runs no timer of a page that is about to
    be left.
    """
    with page.context.expect_event("response", lambda response: response.request.method == "POST"):
        press()
    expect(page.locator("form[data-sent]")).to_have_count(1)
