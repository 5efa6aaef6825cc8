"""Test the page of an item: who may open the page, and what it shows."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import LibraryCard
from portal.helpsessions.models import HelpSession
from portal.lists.actions import remove
from portal.lists.links import address_of, end_link, make_link
from portal.lists.own_lists import remove_list
from portal.lists.own_words import add_title
from portal.paging import PAGE
from recommendations.models import Holding, Recommendation
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
    recommend_in_message,
)
from tests.portal.pages import HTMX, asks_to_sign_in, heading, part, text


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def visit(patron, branch, staff):
    return HelpSessionFactory(patron=patron, branch=branch, staff=staff)


@pytest.fixture
def given(visit):
    [given] = recommend_in(visit, reason="Because you asked for something short", item__title="Snow country")
    return given


def address(item):
    return reverse("item", args=[item.public_id])


def status(browser, item):
    response = browser.get(address(item))
    return "sign in" if asks_to_sign_in(response) else response.status_code


def in_a_visit(person, _at):
    return recommend_in(HelpSessionFactory(patron=person))[0].item


def in_an_answer(person, _at):
    conversation = ConversationFactory(help_session=HelpSessionFactory(patron=person))
    return recommend_in_message(MessageFactory(conversation=conversation, side="staff"))[0].item


def in_a_list(person, _at):
    return SavedItemFactory(saved_list=SavedListFactory(patron=person)).item


def in_a_shared_visit(person, _at):
    return recommend_in(SharedSessionFactory(shared_with=person))[0].item


@pytest.mark.parametrize("how", [in_a_visit, in_an_answer, in_a_list, in_a_shared_visit])
def test_patron_can_open_only_items_that_were_recommended_to_them_or_that_they_saved(
    client, sign_in, patron, branch, how
):
    mine, theirs = how(patron, None), how(UserFactory(), None)
    sign_in(client, patron)
    assert (status(client, mine), status(client, theirs)) == (200, 404)
    assert (status(Client(), mine), status(Client(), theirs)) == ("sign in", "sign in")


def removed_by_staff(patron):
    [recommendation] = recommend_in(HelpSessionFactory(patron=patron))
    HelpSession.recommendation_links.rel.related_model.objects.update(removed_at=timezone.now())
    return recommendation.item


def not_shown_yet(patron):
    later = timezone.now() + timedelta(seconds=15)
    [recommendation] = recommend_in(HelpSessionFactory(patron=patron), recommended_at=later)
    return recommendation.item


def taken_out_of_the_list(patron):
    saved = SavedItemFactory(saved_list=SavedListFactory(patron=patron))
    remove(saved, at=timezone.now())
    return saved.item


def in_a_removed_list(patron):
    saved = SavedItemFactory(saved_list=SavedListFactory(patron=patron))
    remove_list(saved.saved_list, at=timezone.now())
    return saved.item


def only_in_the_catalog(_patron):
    return ItemFactory()


@pytest.mark.parametrize(
    "why", [removed_by_staff, not_shown_yet, taken_out_of_the_list, in_a_removed_list, only_in_the_catalog]
)
def test_patron_cannot_open_an_item_that_none_of_their_pages_shows(me, patron, why):
    assert status(me, why(patron)) == 404


def test_viewer_with_only_a_code_can_open_only_the_items_of_the_opened_visit(client, show_code, branch):
    opened, other = HelpSessionFactory(branch=branch), HelpSessionFactory(branch=branch)
    mine, theirs = recommend_in(opened)[0].item, recommend_in(other)[0].item
    show_code(client, code_for(opened))
    assert (status(client, mine), status(client, theirs)) == (200, "sign in")


def test_item_page_of_a_quiet_visit_shows_nobodys_name_and_has_no_save_button(
    client, show_code, branch, staff
):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    [given] = recommend_in(quiet, item__title="A safe place", reason="Because you need one")
    show_code(client, code_for(quiet))
    page = client.get(address(given.item))
    html = page.content.decode()
    assert "Because you need one" in html
    assert 'id="leave"' in html
    assert [word for word in (staff.name, f"saving-{given.public_id}") if word in html] == []
    assert "A safe place" not in re.search(r"<title>.*?</title>", html, re.DOTALL)[0]


def test_item_page_shows_what_the_library_knows_about_the_item(me, given, library):
    library.catalog_link = "https://cat.example.org/?q={title}"
    library.save()
    facts = {
        "creators": "Kawabata Yasunari",
        "year": "1956",
        "is_fiction": True,
        "publisher": "Knopf",
        "series": "Modern classics",
        "isbn": "9780679761044",
        "summary": "A man travels to the snow.",
    }
    for name, value in facts.items():
        setattr(given.item, name, value)
    given.item.save()
    page = me.get(address(given.item))
    assert heading(page) == "Snow country"
    words = text(page)
    for shown in (
        *("Kawabata Yasunari", "1956", "Book", "fiction", "Knopf", "Modern classics", "9780679761044"),
        "A man travels to the snow.",
    ):
        assert shown in words
    assert 'href="https://cat.example.org/?q=Snow%20country"' in page.content.decode()


def test_item_page_shows_the_home_branch_of_the_library_card_first(me, patron, given):
    Holding.objects.all().delete()
    for name in ("Alpha", "Harbor", "Omega"):
        Holding.objects.create(item=given.item, branch=BranchFactory(name=name), call_number=f"Z {name}")
    home = Holding.objects.get(branch__name="Omega").branch
    LibraryCard.objects.create(
        person=patron, ils_id="7", barcode="2", home_branch=home, seen_at=timezone.now()
    )
    html = me.get(address(given.item)).content.decode()
    folded = re.search(r"<details>.*?</details>", html, re.DOTALL)[0]
    assert re.findall(r"<strong>(Z \w+)</strong>", html.replace(folded, "")) == ["Z Omega"]
    assert re.findall(r"<strong>(Z \w+)</strong>", folded) == ["Z Alpha", "Z Harbor"]


def test_item_page_has_no_call_number_or_catalog_link_for_a_withdrawn_item(me, given, branch, library):
    library.catalog_link = "https://cat.example.org/?q={title}"
    library.save()
    Holding.objects.create(item=given.item, branch=branch, call_number="Z Gone")
    given.item.retired_at = timezone.now()
    given.item.save()
    page = me.get(address(given.item)).content.decode()
    assert "No longer in the catalog" in page
    assert [word for word in ("Z Gone", "cat.example.org") if word in page] == []


def test_item_page_shows_only_the_reasons_that_this_patron_got(me, visit, given, staff):
    [earlier] = recommend_in(
        HelpSessionFactory(patron=visit.patron, staff=staff),
        item=given.item,
        reason="Because of the weather",
        recommended_at=given.recommended_at - timedelta(days=3),
    )
    recommend_in(HelpSessionFactory(patron=UserFactory()), item=given.item, reason="Because of the divorce")
    conversation = ConversationFactory(help_session=HelpSessionFactory(patron=UserFactory()))
    recommend_in_message(
        MessageFactory(conversation=conversation, side="staff"),
        item=given.item,
        reason="Because of the court",
    )
    page = me.get(address(given.item))
    html = page.content.decode()
    assert re.findall(r'<blockquote class="reason".*?<p>(.*?)</p>', html, re.DOTALL) == [
        "Because you asked for something short",
        "Because of the weather",
    ]
    assert staff.display_name in html
    assert f'href="{visit.get_absolute_url()}"' in html
    assert f'href="{reverse("verdict", args=[earlier.public_id])}"' in html
    assert [word for word in ("divorce", "court") if word in html] == []


def test_item_page_shows_no_reason_after_the_visit_was_forgotten(me, patron, given):
    SavedItemFactory(saved_list=SavedListFactory(patron=patron), item=given.item, recommendation=given)
    Recommendation.objects.update(patron=None)
    page = me.get(address(given.item))
    assert page.status_code == 200
    assert "Because you asked" not in text(page)


def test_htmx_response_to_a_verdict_matches_a_page_reload(me, given):
    page = me.get(address(given.item))
    url = reverse("verdict", args=[given.public_id])
    assert f'action="{url}"' in page.content.decode()
    answer = me.post(url, {"verdict": "helped", "back": address(given.item)}, **HTMX)
    given.refresh_from_db()
    assert given.verdict == "helped"
    card = f"rec-{given.public_id}"
    assert part(answer, card) == part(me.get(address(given.item)), card)
    assert 'class="cover' not in part(answer, card)


def test_verdict_without_javascript_redirects_to_the_item_page(me, given):
    answer = me.post(
        reverse("verdict", args=[given.public_id]), {"verdict": "helped", "back": address(given.item)}
    )
    assert answer["Location"] == f"{address(given.item)}#rec-{given.public_id}"


def test_got_it_button_redirects_to_the_item_page(me, given, library):
    library.check_ins = True
    library.save()
    url = reverse("got_it", args=[given.public_id])
    page = me.get(address(given.item)).content.decode()
    assert f'action="{url}"' in page
    assert f'<input type="hidden" name="back" value="{address(given.item)}">' in page
    answer = me.post(url, {"back": address(given.item)})
    assert answer["Location"] == f"{address(given.item)}#rec-{given.public_id}"


def test_patron_can_save_an_item_and_remove_the_saved_title_on_the_item_page(me, patron, given):
    url, fields = (
        reverse("save_item", args=[given.item.public_id]),
        {"recommendation": given.public_id, "back": address(given.item)},
    )
    assert f'action="{url}"' in me.get(address(given.item)).content.decode()
    assert me.post(url, fields)["Location"] == f"{address(given.item)}#rec-{given.public_id}"
    [saved] = patron.saved_lists.get().saved_items.all()
    page = me.get(address(given.item)).content.decode()
    assert f'href="{reverse("saved_title", args=[saved.public_id])}"' in page
    me.post(reverse("remove_saved", args=[saved.public_id]), fields)
    assert reverse("saved_title", args=[saved.public_id]) not in me.get(address(given.item)).content.decode()


def test_item_page_shows_only_the_lists_and_notes_of_this_patron(me, patron, given):
    for name, note in (("For winter", "Ask Ana about it"), ("For summer", "")):
        saved_list = SavedListFactory(patron=patron, name=name)
        SavedItemFactory(saved_list=saved_list, item=given.item, note=note, reading="reading" if note else "")
    SavedItemFactory(
        saved_list=SavedListFactory(patron=UserFactory(), name="Secret"), item=given.item, note="Their note"
    )
    words = part(me.get(address(given.item)), "own-lists")
    for shown in ("For winter", "Ask Ana about it", "For summer", "Reading"):
        assert shown in words
    assert [word for word in ("Secret", "Their note") if word in words] == []


def titles_link(browser, page):
    return re.findall(r'<h3 dir="auto">\s*<a href="(.*?)"', browser.get(page).content.decode())


def test_titles_in_visits_and_answers_and_lists_link_to_the_item_page(me, patron, visit, given):
    conversation = ConversationFactory(help_session=visit)
    [answered] = recommend_in_message(MessageFactory(conversation=conversation, side="staff"))
    saved_list = SavedListFactory(patron=patron)
    saved = SavedItemFactory(saved_list=saved_list)
    add_title(saved_list, title="By hand", at=timezone.now())
    assert titles_link(me, visit.get_absolute_url()) == [address(given.item)]
    assert titles_link(me, conversation.get_absolute_url()) == [address(answered.item)]
    assert titles_link(me, saved_list.get_absolute_url()) == [address(saved.item)]
    assert titles_link(me, reverse("verdict", args=[given.public_id])) == [address(given.item)]


def test_licensed_source_is_opened_through_the_proxy(me, given, library):
    library.proxy_prefix = "https://proxy.example.org/login?url="
    library.save()
    given.item.kind, given.item.url = "database", "https://db.example.com/?a=1"
    given.item.save()
    page = me.get(address(given.item)).content.decode()
    assert 'href="https://proxy.example.org/login?url=https://db.example.com/?a=1"' in page


@pytest.mark.parametrize("rows", [1, 30])
def test_item_page_runs_the_same_number_of_queries_for_1_and_30_rows(
    me, patron, branch, given, rows, django_assert_num_queries
):
    Holding.objects.create(item=given.item, branch=branch, call_number="Z")
    for number in range(rows):
        recommend_in(HelpSessionFactory(patron=patron, branch=branch), item=given.item)
        conversation = ConversationFactory(help_session=HelpSessionFactory(patron=patron))
        recommend_in_message(MessageFactory(conversation=conversation, side="staff"), item=given.item)
        SavedItemFactory(saved_list=SavedListFactory(patron=patron, name=f"List {number}"), item=given.item)
        Holding.objects.create(item=given.item, branch=BranchFactory(), call_number="Z")
    me.get(address(given.item))
    with django_assert_num_queries(14):
        me.get(address(given.item))


# Tests of items in shared lists.


@pytest.fixture
def shared(patron, given):
    """Return the link to a list with the recommended item and a title that the patron added by hand."""
    saved_list = SavedListFactory(patron=patron, name="For winter")
    SavedItemFactory(saved_list=saved_list, item=given.item, recommendation=given, note="My lawyer has it")
    add_title(saved_list, title="By hand", at=timezone.now())
    return make_link(saved_list, with_notes=True, at=timezone.now())


def shared_address(link, item):
    return f"{address_of(link)}items/{item.public_id}/"


def test_visitor_of_a_shared_list_can_open_its_items_but_sees_nothing_about_the_patron(
    shared, given, patron, staff
):
    visitor = Client()
    page = visitor.get(address_of(shared)).content.decode()
    assert re.search(r'href="[^"]*/items/[^"]*"', page)[0].endswith(f'/items/{given.item.public_id}/"')
    response = visitor.get(shared_address(shared, given.item))
    assert heading(response) == "Snow country"
    html = response.content.decode()
    hidden = (
        *("Because you asked", "lawyer", "Did it work out", staff.name, patron.name, str(given.public_id)),
        *(str(public_id) for public_id in given.item.recommendations.values_list("public_id", flat=True)),
    )
    assert [word for word in hidden if word in html] == []
    assert settings.SESSION_COOKIE_NAME not in visitor.cookies


def test_visitor_cannot_open_an_item_that_is_not_in_the_list(shared, visit):
    [other] = recommend_in(visit)
    assert Client().get(shared_address(shared, other.item)).status_code == 404
    assert status(Client(), other.item) == "sign in"


def test_item_pages_of_ended_and_unknown_links_look_the_same(shared, given):
    url, visitor = shared_address(shared, given.item), Client()
    end_link(shared, at=timezone.now())
    ended, unknown = (
        visitor.get(url),
        visitor.get(reverse("shared_item", args=["x" * 22, given.item.public_id])),
    )
    assert (ended.status_code, unknown.status_code) == (404, 404)
    assert text(ended) == text(unknown)


def test_visitor_can_open_items_from_every_page_of_the_list(patron):
    saved_list = SavedListFactory(patron=patron)
    items = [SavedItemFactory(saved_list=saved_list).item for _ in range(PAGE + 1)]
    link = make_link(saved_list, with_notes=False, at=timezone.now())
    address = urlsplit(address_of(link)).path
    pages = [Client().get(f"{address}items/{item.public_id}/") for item in items]
    assert [page.status_code for page in pages] == [200] * (PAGE + 1)
