import random
import re
import secrets
import uuid
from datetime import timedelta
from itertools import chain

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.lists import own_lists
from portal.lists.actions import remove, restore
from portal.lists.links import address_of, end_link, make_link
from portal.lists.models import ListLink, SavedItem
from portal.lists.ordering import place
from portal.lists.own_words import add_title
from tests.extent import times
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    recommend_in,
)
from tests.portal.pages import heading, part, shown_to_visitors, text


@pytest.fixture
def winter(patron):
    return SavedListFactory(patron=patron, name="For winter")


def make(saved_list, **choices):
    return make_link(saved_list, **{"with_notes": False, "at": timezone.now()} | choices)


def open_address(link, browser=None):
    return (browser or Client()).get(address_of(link))


def titles(page):
    return re.findall(r"<strong>(.*?)</strong>", part(page, "shown"))


def test_visitor_sees_only_titles_authors_years_kinds_and_links(library, branch, staff, winter):
    library.catalog_link = "https://catalog.example.org/?isbn={isbn}"
    library.save()
    session = HelpSessionFactory(
        branch=branch, staff=staff, patron=winter.patron, question="Where do I find a lawyer?"
    )
    recommendation = recommend_in(session, reason="Because of the divorce")[0]
    recommendation.item.title, recommendation.item.creators = "Snow country", "Kawabata Yasunari"
    recommendation.item.isbn, recommendation.item.year = "9780679761044", 1956
    recommendation.item.save()
    recommendation.verdict, recommendation.comment = "helped", "It helped me at court"
    recommendation.decided_at = timezone.now()
    recommendation.save()
    SavedItemFactory(
        saved_list=winter,
        item=recommendation.item,
        recommendation=recommendation,
        note="My lawyer has read it",
        reading="stopped",
    )
    add_title(winter, title="By hand", creators="Somebody", at=timezone.now())
    page = open_address(make(winter))
    assert heading(page) == "For winter"
    assert titles(page) == ["By hand", "Snow country"]
    words = text(page)
    for shown in ("Kawabata Yasunari", "1956", recommendation.item.kind_name, "Somebody"):
        assert shown in words
    html = page.content.decode()
    assert 'href="https://catalog.example.org/?isbn=9780679761044"' in html
    hidden = [
        *("lawyer", "divorce", "court", "stopped", "helped", "added by you"),
        *(winter.patron.name, winter.patron.email, staff.name, str(winter.public_id)),
        *(str(row) for row in SavedItem.objects.values_list("public_id", flat=True)),
    ]
    assert [word for word in hidden if word in html] == []


def test_list_without_a_name_has_a_neutral_title_in_the_visitors_language(patron):
    saved_list = SavedListFactory(patron=patron)
    assert heading(open_address(make(saved_list))) == "A list of titles"
    assert heading(Client().get(address_of(make(saved_list)), headers={"Accept-Language": "es"})) == (
        "Una lista de títulos"
    )


def test_shared_page_is_never_indexed_or_cached_and_sends_no_referrer(winter):
    for page in (open_address(make(winter)), Client().get(reverse("shared_list", args=["x"]))):
        assert page.headers["X-Robots-Tag"] == "noindex"
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert '<meta name="robots" content="noindex, nofollow">' in page.content.decode()
        assert page.cookies == {}


def test_shared_page_loads_only_files_that_belong_to_the_portals_design(winter):
    """Check that all files of the page belong to the portal's design."""
    SavedItemFactory(saved_list=winter)
    link = make(winter)
    page = open_address(link)
    loaded = re.findall(
        r'<(?:img|link|script|iframe|source)[^>]*(?:src|href)="([^"]*)"', page.content.decode()
    )
    own = [
        address
        for address in loaded
        if not address.startswith(("/static/", "/manifest", "/icon", "/app-icon"))
    ]
    assert own == []
    assert "<img" not in part(page, "shown")


def test_visitors_see_later_changes_of_the_list(winter):
    link = make(winter)
    assert "This list is empty at the moment." in text(open_address(link))
    rows = {title: add_title(winter, title=title, at=timezone.now()) for title in "ABC"}
    assert titles(open_address(link)) == ["C", "B", "A"]
    remove(rows["B"], at=timezone.now())
    assert titles(open_address(link)) == ["C", "A"]
    restore(rows["B"], at=timezone.now())
    place(rows["A"], to="top")
    assert titles(open_address(link)) == ["A", "C", "B"]
    own_lists.rename_list(winter, name="For spring")
    assert heading(open_address(link)) == "For spring"


def test_shared_page_shows_the_same_to_everybody_whether_signed_in_or_not(winter, sign_in):
    SavedItemFactory(saved_list=winter)
    link = make(winter, name="Sam", with_notes=True)
    pages = [
        open_address(link),
        *(open_address(link, sign_in(Client(), each)) for each in (winter.patron, UserFactory())),
    ]
    assert len({part(page, "shown") for page in pages}) == 1


@pytest.mark.parametrize("rows", [1, 30])
def test_shared_page_of_a_list_runs_the_same_number_of_queries_for_1_and_30_titles(
    winter, rows, django_assert_num_queries
):
    SavedItemFactory.create_batch(rows, saved_list=winter)
    link = make(winter)
    open_address(link)
    with django_assert_num_queries(7):
        open_address(link)


def pages_of(link, browser):
    """Return all pages that visitors see of the list."""
    pages = [browser.get(address_of(link))]
    while more := re.search(r'href="(\?after=[^"]+)" rel="next"', pages[-1].content.decode()):
        pages.append(browser.get(f"{address_of(link)}{more[1]}"))
    return pages


def test_each_page_of_a_long_shared_list_is_the_same_as_in_the_preview(winter, client, sign_in):
    for number in range(45):
        add_title(winter, title=f"Title {number}", at=timezone.now())
    SavedItem.objects.update(note="Lend it to Ana")
    me, address = sign_in(client, winter.patron), reverse("share_list", args=[winter.public_id])
    choices = {"days": "30", "with_notes": "on"}
    preview = me.post(address, choices)
    me.post(address, choices | {"make": "1"})
    shown = []
    for page in pages_of(ListLink.objects.get(), Client()):
        assert part(page, "shown") == part(preview, "shown")
        shown.append(titles(page))
        if more := re.search(r'name="after" value="([^"]+)"', preview.content.decode()):
            preview = me.post(address, choices | {"after": more[1]})
    assert [len(page) for page in shown] == [20, 20, 5]
    assert list(chain(*shown)) == [f"Title {number}" for number in reversed(range(45))]


@pytest.mark.few_cases
@pytest.mark.parametrize("after", ["x", "", "0" * 5000, "\x00", str(uuid.UUID(int=7)), "of another list"])
def test_request_for_titles_after_an_unknown_title_returns_the_first_page(winter, after):
    add_title(winter, title="Mine", at=timezone.now())
    other = SavedListFactory(name="Other")
    of_other = add_title(other, title="Theirs", at=timezone.now())
    after = of_other.public_id if after == "of another list" else after
    page = Client().get(address_of(make(winter)), {"after": after})
    assert (page.status_code, titles(page)) == (200, ["Mine"])


def test_page_of_a_full_list_with_the_longest_notes_is_smaller_than_400_kb(winter):
    note = "\n".join(["“<&>”" * 20] * 19)
    SavedItem.objects.bulk_create(
        SavedItem(saved_list=winter, title="Long", note=note[:2000], position=number, saved_at=timezone.now())
        for number in range(500)
    )
    page = open_address(make(winter, with_notes=True))
    assert len(page.content) < 400_000
    assert len(pages_of(make(winter, with_notes=True), Client())) == 25


def test_addresses_in_a_patrons_texts_do_not_become_links_on_a_shared_page(winter):
    words = "See https://evil.example.org/card and www.evil.example.org, or write to a@evil.example.org"
    add_title(
        winter, title="Pay at https://evil.example.org", creators="https://a.example", at=timezone.now()
    )
    SavedItem.objects.update(note=f"{words}\n<a href='https://evil.example.org'>Card</a>\n\nLast line")
    own_lists.rename_list(winter, name="https://evil.example.org/list")
    page = open_address(make(winter, with_notes=True, name="https://evil.example.org/name"))
    html = page.content.decode()
    assert "A patron made this list. The library hasn't checked the words in it." in text(page)
    assert words in text(page)
    assert re.findall(r'href="[^"]*example[^"]*"', html) == []
    assert "&lt;a href=&#x27;https://evil.example.org&#x27;&gt;Card&lt;/a&gt;</p>" in html
    assert '<p dir="auto">Last line</p>' in html


def test_get_and_head_requests_for_a_shared_list_change_nothing(winter):
    link = make(winter)
    before = list(ListLink.objects.values()), list(SavedItem.objects.values())
    assert Client().head(address_of(link)).status_code == 200
    assert Client().post(address_of(link)).status_code == 405
    open_address(link)
    assert (list(ListLink.objects.values()), list(SavedItem.objects.values())) == before


# Tests of links that don't work.


def dead_addresses(patron):
    """Return {reason why a link doesn't work: address of such a link}."""
    found = {"unknown": reverse("shared_list", args=[secrets.token_urlsafe(16)])}

    def link(why, **choices):
        saved_list = SavedListFactory(patron=UserFactory(), name=why)
        SavedItemFactory(saved_list=saved_list)
        made = make(saved_list, **choices)
        found[why] = address_of(made)
        return made

    end_link(link("ended by the patron"), at=timezone.now())
    ListLink.objects.filter(pk=link("over").pk).update(ends_at=timezone.now() - timedelta(seconds=1))
    own_lists.remove_list(link("of a removed list").saved_list, at=timezone.now())
    link("of an erased person").saved_list.patron.delete()
    link("of a deleted list").saved_list.delete()
    disabled = link("of a disabled person").saved_list.patron
    disabled.is_active = False
    disabled.save()
    of_child = link("of a child").saved_list.patron
    of_child.name, of_child.child_since = "Mia", timezone.now()
    of_child.save()
    found |= {"too short": "/shared/x/", "cut off": found["over"][:-4] + "/", "odd": "/shared/%F0%9F%93%9A/"}
    return found


def what_a_visitor_can_measure(response, queries):
    headers = {name: value for name, value in response.headers.items() if name != "X-Request-ID"}
    return response.status_code, headers, len(response.content), response.content, len(queries)


def test_every_dead_link_gets_the_same_response(patron, django_assert_max_num_queries):
    browser = Client()
    addresses = dead_addresses(patron)
    browser.get(addresses["unknown"])
    answers = {}
    for method in ("get", "head"):
        for path in ("", "copy/"):
            for why, address in addresses.items():
                with django_assert_max_num_queries(20) as queries:
                    response = getattr(browser, method)(f"{address}{path}")
                answers[why] = what_a_visitor_can_measure(response, queries)
            assert {answer[0] for answer in answers.values()} == {404}
            different = [why for why, answer in answers.items() if answer != answers["unknown"]]
            assert different == []


def test_page_of_a_dead_link_does_not_say_why_the_link_is_dead(patron):
    page = Client().get(dead_addresses(patron)["ended by the patron"])
    assert heading(page) == "This link doesn't work"
    assert "ended by the patron" not in page.content.decode()


def test_link_works_even_if_a_mail_program_adds_a_character_to_its_end(winter):
    address = address_of(make(winter)).removesuffix("/")
    assert Client().get(f"{address}./").status_code == 200
    assert Client().get(f"{address}>/").status_code == 200


@pytest.mark.only_long
def test_dead_links_and_working_links_have_the_same_request_limit(winter):
    working, browser = address_of(make(winter)), Client()
    for number in range(120):
        assert browser.get(working if number % 2 else "/shared/x/").status_code == (
            200 if number % 2 else 404
        )
    for address in (working, "/shared/x/", f"{working}copy/"):
        refused = browser.get(address)
        assert (refused.status_code, "Retry-After" in refused.headers) == (429, True)
        assert "For winter" not in refused.content.decode()


# Tests of the preview.


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(times(8, 80)))
def test_shared_page_shows_exactly_what_its_preview_showed(seed, branch, staff, patron, client, sign_in):
    chance = random.Random(seed)
    saved_list = SavedListFactory(patron=patron, name=chance.choice(["", "For winter", "<b>&amp;</b>"]))
    other_list = SavedListFactory(patron=patron, name="Other")
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, question="SECRET question")
    for number in range(chance.randrange(12)):
        target = chance.choice([saved_list, saved_list, other_list])
        values = {
            "note": chance.choice(["", f"NOTE {number}\nline <i>two</i>"]),
            "reading": chance.choice(["", *SavedItem.Reading.values]),
            "removed_at": chance.choice([None, None, timezone.now()]),
        }
        kind = chance.choice(["catalog", "hand", "recommended"])
        if kind == "hand":
            added = add_title(
                target, title=f"Hand {number} & <b>", creators=chance.choice(["", "أنا"]), at=timezone.now()
            )
            SavedItem.objects.filter(pk=added.pk).update(**values)
        elif kind == "recommended":
            given = recommend_in(session, reason=f"SECRET reason {number}")[0]
            SavedItemFactory(saved_list=target, item=given.item, recommendation=given, **values)
        else:
            SavedItemFactory(saved_list=target, item=ItemFactory(title=f"Item {number}"), **values)
    choices = {"days": "30", "name": chance.choice(["", "Ana <b>"])}
    choices |= chance.choice([{}, {"with_notes": "on"}])
    me, address = sign_in(client, patron), reverse("share_list", args=[saved_list.public_id])
    preview = me.post(address, choices)
    me.post(address, choices | {"make": "1"})
    page = open_address(ListLink.objects.get())
    assert shown_to_visitors(page) == shown_to_visitors(preview)
    shown_title = re.search(r'<h2 id="shown-title" dir="auto">(.*?)</h2>', preview.content.decode())[1]
    assert re.search(r'<h1 dir="auto">(.*?)</h1>', page.content.decode())[1] == shown_title
    # Search the whole page, because the comparison above leaves out some parts of it.
    assert "SECRET" not in page.content.decode()
    assert ("NOTE" in page.content.decode()) <= ("with_notes" in choices)
    rows = saved_list.saved_items.in_lists().in_order()
    assert len(titles(page)) == rows.count()
    for value, label in SavedItem.Reading.choices:
        assert f">{label.capitalize()}<" not in page.content.decode(), value


def test_visitors_open_a_licensed_source_without_the_proxy_of_the_library(library, winter):
    library.proxy_prefix = "https://proxy.example.org/login?url="
    library.save()
    item = ItemFactory(kind="database", url="https://db.example.com/")
    SavedItemFactory(saved_list=winter, item=item)
    link = make(winter)
    shown = [open_address(link), Client().get(f"{address_of(link)}items/{item.public_id}/")]
    for page in shown:
        assert 'href="https://db.example.com/"' in page.content.decode()
        assert "proxy.example.org" not in page.content.decode()
