"""Check who can load a real cover, and that nobody can load it after losing access to its item."""

import shutil
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.lists.actions import remove
from portal.lists.links import address_of, end_link, make_link
from portal.lists.own_words import add_title
from portal.lists.staff_links import end_staff_link, make_staff_link
from portal.notifications.models import Notification
from portal.paging import PAGE
from recommendations.actions import change_item
from recommendations.covers.stored import FOLDER, name_of, save_cover
from recommendations.models import Item
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    code_for,
    recommend_in,
)

pytestmark = pytest.mark.django_db
ISBN = "9780141439600"
PICTURE = b"RIFF a picture WEBP"


@pytest.fixture(autouse=True)
def no_stored_covers():
    yield
    shutil.rmtree(Path(storages["private"].location) / FOLDER, ignore_errors=True)


def item_with_cover(isbn=ISBN, **facts):
    item = ItemFactory(isbn=isbn, **facts)
    save_cover(isbn, PICTURE, on=timezone.localdate())
    item.refresh_from_db()
    return item


def load(client, item):
    return client.get(reverse("item_cover", args=[item.public_id]))


def status(client, item):
    return load(client, item).status_code


def recommended_at(item, *, patron=None, branch, staff, **facts):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, **facts)
    recommendation = recommend_in(session)[0]
    recommendation.item = item
    recommendation.save()
    return session, recommendation


def test_patron_can_load_the_cover_of_a_recommended_item(sign_in, patron, branch, staff):
    item = item_with_cover()
    recommended_at(item, patron=patron, branch=branch, staff=staff)
    answer = load(sign_in(Client(), patron), item)
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; frame-ancestors 'none'"


def test_only_the_patron_can_load_the_cover_of_a_recommended_item(sign_in, patron, branch, staff):
    item = item_with_cover()
    recommended_at(item, patron=patron, branch=branch, staff=staff)
    stranger = UserFactory()
    SavedItemFactory(saved_list__patron=stranger)
    assert [status(sign_in(Client(), person), item) for person in (stranger, staff)] == [404, 404]
    assert load(Client(), item).headers["Location"].startswith("/sign-in/")


def test_signed_in_patrons_can_load_covers_of_items_in_the_catalog(sign_in, patron, branch, staff):
    item = item_with_cover(source="catalog", source_key="1")
    assert status(sign_in(Client(), patron), item) == 200
    change_item(item, retired_at=timezone.now())
    assert status(sign_in(Client(), patron), item) == 404


def test_viewer_with_only_a_code_cannot_load_covers_of_other_items(client, branch, staff, show_code):
    item = item_with_cover(source="catalog", source_key="1")
    show_code(client, code_for(HelpSessionFactory(branch=branch, staff=staff)))
    assert status(client, item) == 302


def test_cover_in_a_quiet_visit_can_be_loaded_only_while_the_code_works(client, branch, staff, show_code):
    item = item_with_cover()
    session, _ = recommended_at(item, branch=branch, staff=staff, quiet=True)
    assert status(client, item) == 302
    show_code(client, code_for(session))
    assert status(client, item) == 200
    session.claim_codes.update(expires_at=timezone.now())
    assert status(client, item) == 302


def test_cover_of_an_item_in_a_pending_answer_cannot_be_loaded_yet(sign_in, patron, branch, staff):
    item = item_with_cover()
    _, recommendation = recommended_at(item, patron=patron, branch=branch, staff=staff)
    recommendation.recommended_at = timezone.now() + timedelta(seconds=15)
    recommendation.save()
    assert status(sign_in(Client(), patron), item) == 404


def test_cover_of_a_removed_item_can_be_loaded_while_the_item_can_be_restored(sign_in, patron, time_machine):
    item = item_with_cover()
    saved = SavedItemFactory(saved_list__patron=patron, item=item)
    browser = sign_in(Client(), patron)
    assert status(browser, item) == 200
    remove(saved, at=timezone.now())
    assert status(browser, item) == 200
    saved.refresh_from_db()
    saved.removed_at -= timedelta(days=32)
    saved.save()
    assert status(browser, item) == 404


def test_request_for_a_cover_that_is_not_stored_returns_404(sign_in, patron):
    item, drawn = item_with_cover(), ItemFactory(isbn="9780000000002")
    saved_list = SavedListFactory(patron=patron)
    for each in (item, drawn):
        SavedItemFactory(saved_list=saved_list, item=each)
    browser = sign_in(Client(), patron)
    assert [status(browser, each) for each in (item, drawn)] == [200, 404]
    Item.objects.filter(pk=item.pk).update(isbn="9780000000003")
    assert status(browser, item) == 404
    Item.objects.filter(pk=item.pk).update(isbn=ISBN)
    storages["private"].delete(name_of(ISBN))
    assert status(browser, item) == 404


@pytest.mark.parametrize("rows", [1, 30])
def test_real_covers_on_a_page_run_no_extra_query(sign_in, patron, rows, django_assert_num_queries):
    saved_list = SavedListFactory(patron=patron)
    browser = sign_in(Client(), patron)
    browser.get(saved_list.get_absolute_url())
    for number in range(rows):
        SavedItemFactory(saved_list=saved_list, item=item_with_cover(f"97800000000{number:02}"))
    with django_assert_num_queries(8):
        page = browser.get(saved_list.get_absolute_url())
    assert page.content.count(b'<noscript><img src="/covers/') == min(rows, PAGE)


@pytest.fixture
def shared(patron):
    saved_list = SavedListFactory(patron=patron, name="For winter")
    saved = SavedItemFactory(saved_list=saved_list, item=item_with_cover())
    add_title(saved_list, title="By hand", creators="", at=timezone.now())
    link = make_link(saved_list, with_notes=False, at=timezone.now())
    return saved, link


def cover_of(link, item):
    return f"{address_of(link)}covers/{item.public_id}/"


def test_visitor_can_load_only_the_covers_of_the_list(shared, patron, branch, staff):
    saved, link = shared
    other = item_with_cover("9780000000001")
    SavedItemFactory(saved_list__patron=patron, item=other)
    page = Client().get(address_of(link)).content.decode()
    address = cover_of(link, saved.item)
    assert page.count("<img src=") == 1
    assert f'<img src="{address.removeprefix("http://localhost:8000")}"' in page
    answer = Client().get(address)
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert Client().get(cover_of(link, other)).status_code == 404
    assert status(Client(), saved.item) == 302


def test_visitor_cannot_load_a_cover_after_the_patron_ends_the_link(shared):
    saved, link = shared
    address = cover_of(link, saved.item)
    assert Client().get(address).status_code == 200
    end_link(link, at=timezone.now())
    assert Client().get(address).status_code == 404


def test_visitor_cannot_load_a_cover_after_the_last_day_of_the_link(shared, time_machine):
    saved, link = shared
    address = cover_of(link, saved.item)
    time_machine.move_to(link.ends_at, tick=False)
    assert Client().get(address).status_code == 404


def test_cover_of_a_removed_title_is_no_longer_shown_to_visitors(shared):
    saved, link = shared
    address = cover_of(link, saved.item)
    remove(saved, at=timezone.now())
    assert Client().get(address).status_code == 404


def test_cover_of_a_removed_list_is_no_longer_shown_to_visitors(shared):
    saved, link = shared
    address = cover_of(link, saved.item)
    saved.saved_list.removed_at = timezone.now()
    saved.saved_list.save()
    assert Client().get(address).status_code == 404


def test_request_for_a_cover_with_a_wrong_token_returns_404(shared):
    saved, _link = shared
    address = reverse("shared_cover", args=["A" * 22, saved.item.public_id])
    assert Client().get(address).status_code == 404


def test_preview_of_a_list_link_uses_the_cover_addresses_for_patrons(shared, sign_in, patron):
    saved, _link = shared
    address = reverse("share_list", args=[saved.saved_list.public_id])
    page = sign_in(Client(), patron).post(address, {"days": "30", "preview": "1"}).content.decode()
    assert f'<img src="/covers/{saved.item.public_id}/"' in page


def test_page_for_printing_has_covers_only_if_the_patron_chose_covers(shared, sign_in, patron):
    saved, _link = shared
    browser, address = sign_in(Client(), patron), reverse("print_list", args=[saved.saved_list.public_id])
    page = browser.get(address, {"paper": "a4", "covers": "on"}).content.decode()
    assert f'</span><img src="/covers/{saved.item.public_id}/" alt=""></span>' in page
    assert "/covers/" not in browser.get(address, {"paper": "a4"}).content.decode()


@pytest.mark.parametrize("way", ["email", "export"])
def test_emails_and_exported_files_contain_no_covers(shared, sign_in, patron, way):
    saved, _link = shared
    browser = sign_in(Client(), patron)
    public_id = saved.saved_list.public_id
    if way == "email":
        EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
        fields = {"client_token": str(uuid4()), "to": patron.email}
        browser.post(reverse("email_list", args=[public_id]), fields)
        sent = Notification.objects.latest("pk")
        assert "covers" not in sent.html + sent.text
        assert "<img" not in sent.html
    else:
        for kind in ("csv", "ris", "bibtex", "csl"):
            answer = browser.get(reverse("export_list", args=[public_id]), {"format": kind})
            assert b"covers" not in answer.content


def test_only_staff_can_load_covers_at_the_desk(sign_in, patron, staff):
    item = item_with_cover()
    address = reverse("desk_cover", args=[item.public_id])
    page = sign_in(Client(), staff).get(reverse("desk_item", args=[item.public_id]))
    assert f'<noscript><img src="{address}"'.encode() in page.content
    assert sign_in(Client(), staff).get(address).content == PICTURE
    assert sign_in(Client(), patron).get(address).status_code == 404


def test_visitor_can_load_only_covers_of_the_linked_items_until_the_link_ends(branch, staff):
    item, other = item_with_cover(), item_with_cover("9780000000002")
    link = make_staff_link([item], branch=branch, by=staff, at=timezone.now())
    address = urlsplit(address_of(link)).path
    page = Client().get(address)
    assert f'<noscript><img src="{address}covers/{item.public_id}/"'.encode() in page.content
    assert Client().get(f"{address}covers/{item.public_id}/").content == PICTURE
    assert Client().get(f"{address}covers/{other.public_id}/").status_code == 404
    end_staff_link(link, by=staff, at=timezone.now())
    assert Client().get(f"{address}covers/{item.public_id}/").status_code == 404
