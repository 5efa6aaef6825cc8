"""Test that an email address is never broken in the middle of a word, on a phone's narrow screen."""

import pytest

from tests.factories import HelpSessionFactory, ItemFactory, recommend_in

from .conftest import PHONE

pytestmark = pytest.mark.browser

# Return the lines of the text inside an element, as the browser has broken them.
LINES = """element => {
    const lines = [], range = document.createRange(), walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node; node = walker.nextNode();) for (let at = 0; at < node.length; at++) {
        range.setStart(node, at); range.setEnd(node, at + 1);
        const box = range.getBoundingClientRect(), last = lines.at(-1);
        if (last && Math.abs(last.top - box.top) < 5) last.text += node.data[at]; else lines.push({ top: box.top, text: node.data[at] });
    }
    return lines.map(line => line.text);
}"""


@pytest.mark.parametrize(("path", "place"), [("/privacy/", "dd bdi[dir=ltr]"), ("/me/", "strong[dir=ltr]")])
def test_long_email_address_wraps_only_between_its_parts(patron, phone, show, path, place):
    page = show(phone(), patron)
    for address in ("sam@example.org", "somebody.with.a.long.name@library.school.example.org"):
        patron.email = address
        patron.save()
        page.goto(path)
        lines = page.locator(place).evaluate(LINES)
        assert "".join(lines) == address
        assert [line[0] for line in lines[1:] if line[0] not in "@."] == []
        assert len(lines) == 1 or len(address) > 20


@pytest.mark.parametrize("language", ["en", "es"])
def test_email_address_that_fits_on_one_line_is_not_wrapped_inside_a_sentence(library, phone, site, language):
    address = "new.person@example.org"
    page = phone(language=language)
    page.goto("/sign-in/")
    page.locator("#id_email").fill(address)
    page.locator("#send-code").tap()
    page.locator("#id_code").wait_for()
    assert page.locator("main strong", has_text=address).evaluate(LINES) == [f"{address}."]


def test_long_email_addresses_at_the_desk_wrap_only_between_their_parts(
    branch, staff, coordinator, opened, show
):
    staff.email = "somebody.with.a.name@library.example.org"
    staff.save()
    page = show(opened(PHONE), coordinator)
    page.goto("/desk/settings/people/")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    lines = page.locator("bdi", has_text=staff.email).evaluate(LINES)
    assert "".join(lines) == staff.email
    assert [line[0] for line in lines[1:] if line[0] not in "@."] == []


def test_web_addresses_of_items_wrap_only_between_their_parts(branch, staff, opened, show):
    visit = HelpSessionFactory(branch=branch, staff=staff)
    url = "https://neighborhood.library.example.org/employment/thursday-afternoon-club"
    recommend_in(visit, item=ItemFactory(title="Club", kind="web_page", url=url))
    page = show(opened(PHONE), staff)
    page.goto(f"/desk/sessions/{visit.public_id}/correct/")
    lines = page.locator(".chosen .address").evaluate(LINES)
    assert "".join(lines) == f"{url[:59]}…"
    assert len(lines) > 1
    assert [line[0] for line in lines[1:] if line[0] not in "./-"] == []
