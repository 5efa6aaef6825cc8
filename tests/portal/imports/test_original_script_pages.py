"""Test that pages and emails show titles and names in their original script, with their language.

`test_original_script.py` tests the pages on which patrons and staff see items most often.
"""

import html

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse
from django.utils import timezone

from portal.checkins.models import CheckIn
from portal.imports.matching import match
from portal.lists.staff_links import make_staff_link
from portal.notifications.models import Notification
from recommendations.actions import change_item
from recommendations.models import Item
from recommendations.search.entries import index
from recommendations.shared_text import titles_as_text
from tests.factories import HelpSessionFactory, ItemFactory, SavedItemFactory, SavedListFactory, recommend_in
from tests.portal.checkins.test_links import asked
from tests.portal.lists.test_emailing import form_of

TITLE, NAMES = "שירים & <b>", "עמיחי, יהודה"
ORIGINALS = {"original_title": TITLE, "original_creators": NAMES, "original_lang": "he"}


@pytest.fixture
def item(db):
    return ItemFactory(title="Shirim", creators="Amichai, Yehuda", **ORIGINALS)


def originals_in(page):
    """Return how often the page shows the title and the names in the original script: (title, names).

    Only texts that are marked with their language and direction count.
    """
    page = " ".join(page.split())
    return tuple(page.count(f'lang="he" dir="auto">{html.escape(text)}</span>') for text in (TITLE, NAMES))


def originals_on(client, *addresses):
    return {address: originals_in(client.get(address).content.decode()) for address in addresses}


def test_pages_of_lists_show_titles_in_the_original_script(client, sign_in, patron, staff, branch, item):
    saved_list = SavedListFactory(patron=patron)
    SavedItemFactory(saved_list=saved_list, item__title="Another")
    saved = SavedItemFactory(saved_list=saved_list, item=item)
    SavedItemFactory(saved_list=saved_list, item=ItemFactory(**ORIGINALS), removed_at=timezone.now())
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch, kept_at=timezone.now())
    [recommendation] = recommend_in(visit, item=item)
    sign_in(client, patron)
    pages = [
        reverse("order_list", args=[saved_list.public_id]),
        reverse("removed_from_lists"),
        reverse("choose_lists", args=[recommendation.public_id]),
        reverse("share_saved", args=[saved.public_id]),
    ]
    assert originals_on(client, *pages) == dict.fromkeys(pages, (1, 0))


def test_patrons_search_results_show_titles_in_the_original_script(client, sign_in, patron, item):
    change_item(item, source="catalog", source_key="1")
    index([item.pk])
    SavedItemFactory(saved_list__patron=patron, item=item)
    saved_list = SavedListFactory(patron=patron, name="Poems")
    sign_in(client, patron)
    for address, words in (
        (reverse("search"), {"words": "shirim"}),
        (reverse("find_in_catalog", args=[saved_list.public_id]), {"words": "shirim"}),
    ):
        assert originals_in(client.post(address, words).content.decode()) == (1, 1)


def test_email_with_a_list_has_titles_in_the_original_script(client, sign_in, patron, item):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    saved_list = SavedListFactory(patron=patron)
    SavedItemFactory(saved_list=saved_list, item=item)
    sign_in(client, patron)
    client.post(reverse("email_list", args=[saved_list.public_id]), form_of(client, saved_list))
    email = Notification.objects.get()
    assert originals_in(email.html) == (1, 1)
    assert f"Shirim, Amichai, Yehuda\n{TITLE}\n{NAMES}" in email.text


def test_shared_text_has_titles_in_the_original_script(library, item):
    text = titles_as_text([item], library=library)
    assert text.startswith(f"Shirim, Amichai, Yehuda\n{TITLE}, {NAMES}")


def test_check_in_page_shows_titles_in_the_original_script(client, db, item):
    check_in, token = asked()
    check_in.asked.check_in_titles = True
    check_in.asked.save()
    [recommendation] = recommend_in(check_in.help_session, item=item)
    recommendation.starred = True
    recommendation.save()
    address = reverse("how_it_went", args=[token])
    assert CheckIn.objects.count() == 1
    assert originals_on(client, address) == {address: (1, 0)}


@pytest.fixture
def desk(client, sign_in, staff):
    return sign_in(client, staff)


def test_page_of_links_to_items_shows_titles_in_the_original_script(desk, staff, branch, item):
    now = timezone.now()
    make_staff_link([item], branch=branch, by=staff, at=now)
    assert originals_on(desk, "/desk/links/") == {"/desk/links/": (1, 0)}


def test_match_pages_show_the_titles_of_both_items_in_the_original_script(desk, staff, branch, item):
    record = ItemFactory(
        source="marc", source_key="1", title="Poems", **ORIGINALS | {"original_title": "שיר"}
    )
    address = f"/desk/items/{item.public_id}/match/"
    # The heading and the comparison show the title of the item added by hand.
    assert originals_in(desk.get(address).content.decode()) == (2, 1)
    assert originals_in(desk.get(f"{address}?record={record.public_id}").content.decode()) == (2, 2)
    assert 'dir="auto">שיר</span>' in desk.get(f"{address}?record={record.public_id}").content.decode()
    match(item, record, by=staff, at=timezone.now())
    assert originals_in(desk.get("/desk/items/by-hand/").content.decode()) == (1, 0)


def test_no_page_has_an_empty_line_for_a_missing_original_script(desk, item):
    Item.objects.update(original_title="", original_creators="", original_lang="")
    page = desk.get(f"/desk/items/{item.public_id}/match/").content.decode()
    assert 'lang=""' not in page
    assert "original script" not in page
