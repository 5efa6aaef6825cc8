"""Test the page where patrons search their visits and lists."""

import logging
import random

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import RefusedPost
from portal.conversations.viewer import BrowserViewer
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.home.search import find
from portal.lists.models import SavedItem
from portal.lists.own_words import add_title, write_note
from portal.own_search import MAX_FOUND, typed_words
from recommendations.models import Item
from recommendations.search.entries import entry_for, index
from tests.extent import times
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    SessionNoteFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import HTMX, asks_to_sign_in, part, text

SEARCH = reverse("search")
HIDDEN = "zebra"


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def visit(patron, staff, branch):
    """Return a visit with one item. Its day is November 3, 2026."""
    staff.name = "Rosa O'Sullivan"
    staff.save()
    visit = HelpSessionFactory(
        patron=patron,
        staff=staff,
        branch=branch,
        question="How do I compost in the shade?",
        summary="We looked at what works on a balcony.",
        happened_on="2026-11-03",
    )
    item = ItemFactory(title="Cien años de soledad", creators="Gabriel García Márquez")
    recommend_in(visit, item=item, reason="It rains for four years")
    return visit


@pytest.fixture
def winter(patron):
    """Return a list with two titles: one from the catalog, which has a note, and one added by hand."""
    winter = SavedListFactory(patron=patron, name="For winter")
    item = ItemFactory(
        title="Kokoro",
        creators="Sōseki Natsume",
        original_title="こころ",
        original_creators="夏目漱石",
    )
    noted = SavedItemFactory(saved_list=winter, item=item)
    write_note(noted, note="Grandma's favorite, 100% sad")
    add_title(winter, title="L’étranger", creators="Albert Camus", at=timezone.now())
    return winter


def found_by(client, words, **more):
    """Return the titles that the page shows after this client searches for these words."""
    found = client.post(SEARCH, {"words": words, **more}).context["found"]
    return [str(row) for row in [*found.visits, *found.lists, *found.titles]]


VISIT, LIST, NOTED, BY_HAND = "How do I compost in the shade?", "For winter", "Kokoro", "L’étranger"


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("compost", [VISIT]),
        ("SHADE comp", [VISIT]),
        ("balcony", [VISIT]),
        ("Anos cien", [VISIT]),
        ("garcia", [VISIT]),
        ("rains garcía compost", [VISIT]),
        ("sullivan", [VISIT]),
        ("o'sullivan rosa", [VISIT]),
        ("harbour", [VISIT]),
        ("november 2026", [VISIT]),
        ("winter", [LIST]),
        ("soseki", [NOTED]),
        ("夏目", [NOTED]),
        ("grandmas kokoro", [NOTED]),
        ("camus etranger", [BY_HAND]),
        ("L'ETRANGER", [BY_HAND]),
        ("100%", [NOTED]),
        ("compost camus", []),
        ("ompost", []),
        ("kok_ro", []),
        ("%ompost", []),
    ],
)
def test_patrons_can_search_for_words_in_visits_and_lists(me, visit, winter, words, expected):
    assert found_by(me, words) == expected


def test_search_in_spanish_finds_the_words_on_spanish_pages(me, visit, patron):
    SavedListFactory(patron=patron)
    me.cookies["django_language"] = "es"
    spanish = {"HTTP_ACCEPT_LANGUAGE": "es"}
    patron.language = "es"
    patron.save()
    rows = [me.post(SEARCH, {"words": words}, **spanish).context["found"] for words in ("noviembre", "lista")]
    assert [str(row) for row in rows[0].visits] == [VISIT]
    assert [str(row) for row in rows[1].lists] == ["Su lista"]


def test_search_never_finds_text_that_the_patrons_pages_do_not_show(me, patron, staff, branch):
    """Put one word into many rows that the patron's pages don't show, and search for it.

    The patron must find only the last row that the test creates, because the pages show this row.
    """
    other = UserFactory()
    common = {"staff": staff, "branch": branch}
    SessionNoteFactory(help_session=HelpSessionFactory(patron=patron, **common), body=HIDDEN)
    HelpSessionFactory(patron=other, question=HIDDEN, **common)
    HelpSessionFactory(patron=None, question=HIDDEN, **common)
    HelpSessionFactory(status="unfinished", question=HIDDEN, **common)
    SharedSessionFactory(patron=other, shared_with=UserFactory(), question=HIDDEN, **common)
    corrected = HelpSessionFactory(patron=patron, **common)
    recommend_in(corrected, item__title=HIDDEN)
    SessionRecommendation.objects.update(removed_at=timezone.now())
    MessageFactory(conversation=ConversationFactory(help_session=corrected, subject=HIDDEN), body=HIDDEN)
    mine = SavedListFactory(patron=patron, name="Kept")
    SavedItemFactory(saved_list=mine, note=HIDDEN, removed_at=timezone.now())
    SavedItemFactory(saved_list=mine, item__title=HIDDEN, removed_at=timezone.now())
    removed = SavedListFactory(patron=patron, name=HIDDEN, removed_at=timezone.now())
    SavedItemFactory(saved_list=removed, item__title=HIDDEN)
    SavedItemFactory(saved_list__patron=other, item__title=HIDDEN)
    SavedListFactory(patron=other, name=HIDDEN)
    SavedItemFactory(saved_list=mine, item__title="No longer there", recommendation=None)
    # The reason stays with the visit. It is never searched as part of a list.
    [reason] = recommend_in(HelpSessionFactory(patron=None, **common), reason=HIDDEN)
    SavedItemFactory(saved_list=mine, item=reason.item, recommendation=reason)
    assert found_by(me, HIDDEN) == []
    SavedItemFactory(saved_list=mine, item__title=f"A {HIDDEN}")
    assert found_by(me, HIDDEN) == [f"A {HIDDEN}"]


def test_search_does_not_find_a_forgotten_visit(me, visit):
    assert found_by(me, "november") == [VISIT]
    HelpSession.objects.update(forgotten_on="2026-11-20", patron=None, staff=None, question="", summary="")
    assert found_by(me, "november") == []


def test_viewer_with_only_a_code_finds_the_opened_visits_except_quiet_visits(client, show_code, branch):
    opened = HelpSessionFactory(branch=branch, question=f"Where is the {HIDDEN}?")
    quiet = QuietSessionFactory(branch=branch, question=HIDDEN, summary=HIDDEN)
    recommend_in(quiet, item__title=HIDDEN)
    HelpSessionFactory(branch=branch, question=HIDDEN)
    show_code(client, code_for(quiet))
    assert "Nothing to search yet" in text(client.get(SEARCH))
    show_code(client, code_for(opened))
    assert found_by(client, HIDDEN) == [str(opened)]
    page = text(client.get(SEARCH))
    assert "You can search only the visits that you opened with a code on this device." in page


def test_child_and_adult_find_their_shared_visit_but_no_other_visits_of_each_other(sign_in, branch):
    child, adult = ChildFactory(), UserFactory()
    shared = SharedSessionFactory(patron=child, shared_with=adult, branch=branch, question=f"{HIDDEN} shared")
    childs = HelpSessionFactory(patron=child, branch=branch, question=f"{HIDDEN} of the child")
    adults = HelpSessionFactory(patron=adult, branch=branch, question=f"{HIDDEN} of the adult")
    assert set(found_by(sign_in(Client(), child), HIDDEN)) == {str(shared), str(childs)}
    assert set(found_by(sign_in(Client(), adult), HIDDEN)) == {str(shared), str(adults)}


def test_search_finds_a_title_that_is_no_longer_in_the_catalog(me, winter):
    Item.objects.update(retired_at=timezone.now())
    index(list(Item.objects.values_list("pk", flat=True)))
    for words in ("kokoro", "soseki sad", "夏目"):
        assert found_by(me, words) == [NOTED]
    SavedItem.objects.update(note="")
    assert found_by(me, "natsume") == [NOTED]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("", "Type what you are looking for."),
        ("  ", "Type what you are looking for."),
        ("%", "Type at least two letters or digits."),
        ("_", "Type at least two letters or digits."),
        ("a", "Type at least two letters or digits."),
        ("7", "Type at least two letters or digits."),
        ("a" * 121, "Ensure this value has at most 120 characters (it has 121)."),
    ],
)
@pytest.mark.parametrize("htmx", [True, False], ids=["htmx", "no JavaScript"])
def test_invalid_search_words_get_an_error_and_stay_in_the_field(me, visit, words, error, htmx):
    response = me.post(SEARCH, {"words": words}, **HTMX if htmx else {})
    assert response.status_code == (200 if htmx else 422)
    assert error in text(response)
    assert f'value="{words}"' in response.content.decode() or not words.strip()
    assert 'id="found"' not in response.content.decode()


@pytest.mark.parametrize("words", ["я", "こ", "책"])
def test_one_character_of_a_non_latin_script_is_enough_to_search(me, winter, words):
    assert me.post(SEARCH, {"words": words}).status_code == 200


def test_search_page_without_results_links_to_the_page_for_asking_the_library(me, visit):
    page = me.post(SEARCH, {"words": "volcano"})
    assert "Nothing found" in text(page)
    assert f'href="{reverse("ask")}"' in part(page, "found")


def test_new_patron_reads_that_there_is_nothing_to_search_yet(me):
    page = me.get(SEARCH)
    assert "Nothing to search yet" in text(page)
    assert 'id="search"' not in page.content.decode()


def test_htmx_response_to_a_search_matches_the_page_without_javascript(me, visit, winter):
    swapped, whole = (me.post(SEARCH, {"words": "o"}, **extra) for extra in (HTMX, {}))
    assert part(swapped, "search-part") == part(whole, "search-part")
    swapped, whole = (me.post(SEARCH, {"words": "kokoro"}, **extra) for extra in (HTMX, {}))
    assert part(swapped, "search-part") == part(whole, "search-part")


def test_signed_out_person_is_redirected_to_sign_in_without_the_search_words(client, visit):
    for answer in (client.get(SEARCH), client.post(SEARCH, {"words": "compost"})):
        assert answer.url == f"{reverse('sign_in')}?next={SEARCH}"


def test_search_words_are_not_stored_or_logged_or_put_into_links(me, visit, winter, caplog, patron):
    caplog.set_level(logging.DEBUG)
    me.get(SEARCH)
    before = me.session.items()
    with CaptureQueriesContext(connection) as queries:
        response = me.post(SEARCH, {"words": "compost"})
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
    assert me.session.items() == before
    assert response["Cache-Control"] == "no-store"
    assert set(response.cookies) <= {"csrftoken"}
    caplog.clear()
    me.post(SEARCH, {"words": "compost"})
    lines = [
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name[:6] == "portal"
    ]
    assert lines
    assert not [line for line in lines if "compost" in line]
    addresses = [line for line in response.content.decode().split('"') if line.startswith(("/", "?"))]
    assert not [address for address in addresses if "compost" in address]


@pytest.mark.parametrize("path", ["all", "list"])
def test_search_words_are_not_stored_when_the_sign_in_has_expired(me, patron, winter, path):
    address = SEARCH if path == "all" else reverse("search_list", args=[winter.public_id])
    me.get(SEARCH)
    me.session.flush()
    response = me.post(address, {"words": "compost"}, HTTP_SEC_FETCH_SITE="same-origin")
    assert asks_to_sign_in(response)
    assert RefusedPost.objects.count() == 0


@pytest.mark.parametrize("rows", [1, 30])
def test_search_in_visits_and_lists_runs_the_same_number_of_queries_for_1_and_30_rows(
    me, patron, staff, branch, django_assert_num_queries, rows
):
    for number in range(rows):
        visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch, question=f"Compost {number}")
        recommend_in(visit, 2)
        saved_list = SavedListFactory(patron=patron, name=f"Compost {number}")
        SavedItemFactory(saved_list=saved_list, item__title="Compost")
        SavedItemFactory(saved_list=saved_list, item__title="Compost", note="wet")
        add_title(saved_list, title="Compost", at=timezone.now())
    with django_assert_num_queries(10):
        response = me.post(SEARCH, {"words": "compost"})
    shown = response.context["found"]
    assert (len(shown.visits), len(shown.titles)) == (min(rows, 20), min(3 * rows, 20))


def test_show_more_button_shows_more_rows_and_moves_the_focus_to_the_first_new_row(me, patron):
    saved_list = SavedListFactory(patron=patron)
    for number in range(MAX_FOUND + 5):
        add_title(saved_list, title=f"Novel {number:03}", at=timezone.now())
    seen, show = 0, ""
    while True:
        page = me.post(SEARCH, {"words": "novel", "show": show})
        found = page.context["found"]
        titles = [str(row) for row in found.titles]
        assert titles == [f"Novel {MAX_FOUND + 4 - number:03}" for number in range(seen + 20)]
        assert page.content.decode().count("autofocus") == 1
        assert [bool(getattr(row, "is_first_new", False)) for row in found.titles].count(True) == (seen > 0)
        assert found.in_words == f"more than {MAX_FOUND} titles"
        seen += 20
        if seen == MAX_FOUND:
            break
        show = part(page, "show-more").split('value="')[1].split('"')[0]
        assert show == str(seen + 20)
    assert "Add a word to narrow the search." in text(page)


@pytest.mark.few_cases
@pytest.mark.parametrize("show", ["-1", "9" * 400, "x", "١٢٣", "0", "100000"])
def test_invalid_number_of_rows_causes_no_error(me, visit, show):
    assert found_by(me, "compost", show=show) == [VISIT]


VOCABULARY = [
    "garden",
    "gärtner",
    "García",
    "l'été",
    "C++",
    "100%",
    "a_b",
    "村上",
    "春樹",
    "Ольга",
    "œuvre",
    "x",
]


def random_text(rng, most=3):
    return " ".join(rng.choices(VOCABULARY, k=rng.randint(1, most)))


def words_in(*texts):
    """Return the normalized words of these texts. The test uses the words to find the expected rows."""
    return [word for each in texts for word in entry_words(each)]


def entry_words(words):
    entry = entry_for(Item(title=words), [])
    return f"{entry.title} {entry.names}".split()


@pytest.mark.sql
@pytest.mark.parametrize("seed", range(times(3, 30)))
def test_search_in_visits_and_lists_finds_exactly_the_rows_with_all_words(patron, staff, branch, seed):
    rng = random.Random(seed)
    at, lists = timezone.now(), []
    expected = {}
    for _number in range(3):
        name = f"{random_text(rng)} {rng.random()}"
        lists.append(SavedListFactory(patron=patron, name=name))
        expected[lists[-1]] = words_in(name)
    for _number in range(15):
        title, creators, note, reason = (random_text(rng) for _ in range(4))
        item = ItemFactory(title=title, creators=creators, original_title=rng.choice(["", "村上春樹"]))
        saved = SavedItemFactory(saved_list=rng.choice(lists), item=item, note=rng.choice(["", note]))
        expected[saved] = words_in(item.title, item.creators, item.original_title, saved.note)
        by_hand = SavedItemFactory(
            saved_list=rng.choice(lists),
            item=None,
            title=title,
            creators=creators,
            note=rng.choice(["", note]),
        )
        expected[by_hand] = words_in(title, creators, by_hand.note)
        visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch, question=note, summary=creators)
        recommend_in(visit, item=item, reason=reason)
        shown = [
            note,
            creators,
            item.title,
            item.creators,
            item.original_title,
            reason,
            staff.name,
            branch.name,
        ]
        expected[visit] = words_in(*shown)
        if rng.random() < 0.2:
            Item.objects.filter(pk=item.pk).update(retired_at=at)
            index([item.pk])
    viewer = BrowserViewer(patron, [])
    for _number in range(times(20, 60)):
        words = typed_words(random_text(rng, 2)[: rng.choice([2, 3, 50])])
        found = find(viewer, words, show=1000)
        wanted = {
            row
            for row, there in expected.items()
            if all(any(each.startswith(word) for each in there) for word in words)
        }
        assert {*found.visits, *found.lists, *found.titles} == wanted, words
