import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from accounts.models import AuditEvent
from portal import keys
from portal.lists import links, own_lists
from portal.lists.links import address_of, end_link, make_link, seal_links_anew
from portal.lists.models import MAX_LINKS, ListLink, SavedItem
from tests.factories import (
    ChildFactory,
    HelpSessionFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import asks_to_sign_in, heading, part, shown_to_visitors, text

CHOICES = {"days": "90"}


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def winter(patron):
    saved_list = SavedListFactory(patron=patron, name="For winter")
    SavedItemFactory(saved_list=saved_list, item__title="Snow", note="Lend it to Ana", reading="done")
    return saved_list


@pytest.fixture
def make(winter):
    def make(saved_list=winter, **choices):
        return make_link(saved_list, **{"with_notes": False, "at": timezone.now()} | choices)

    return make


def url(name, each):
    return reverse(name, args=[each.public_id])


def day_after(days):
    return date_format(timezone.localdate() + timedelta(days=days), "F j, Y")


def open_address(link):
    return Client().get(address_of(link))


def test_other_people_cannot_open_a_list_until_the_patron_makes_a_link(me, winter):
    page = text(me.get(url("list_options", winter)))
    assert "Share by link" in page
    assert ListLink.objects.count() == 0
    assert asks_to_sign_in(Client().get(winter.get_absolute_url()))


def test_options_page_of_a_list_has_its_sections_in_a_fixed_order_and_no_primary_button(me, winter, make):
    for links_made in (0, 1):
        page = me.get(url("list_options", winter)).content.decode()
        headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
        assert headings == ["Share by link", "Print", "Download", "Email", "Cite"]
        assert 'class="button"' not in page
        assert ("Make another link" in page) == bool(links_made)
        make()


def test_page_of_a_title_says_whether_visitors_can_read_the_note(me, winter, make):
    page = url("saved_title", winter.saved_items.first())
    only_me, others = "Only you can read this note.", "Anyone with your link to this list can read this note."

    def said():
        words = text(me.get(page))
        return (only_me in words, others in words)

    make()
    make(SavedListFactory(patron=winter.patron, name="Summer"), with_notes=True)
    assert said() == (True, False)
    link = make(with_notes=True)
    assert said() == (False, True)
    too_long = text(me.post(page, {"note": "x" * 2001}))
    assert (only_me in too_long, others in too_long) == (False, True)
    links.end_link(link, at=timezone.now())
    assert said() == (True, False)


def test_page_of_a_title_mentions_the_other_lists_in_which_visitors_can_read_its_note(me, winter, make):
    page = url("saved_title", winter.saved_items.first())
    hint = "Anyone with your link to “Summer” can read the notes there."
    summer = SavedListFactory(patron=winter.patron, name="Summer")
    make(summer)
    links.end_link(make(summer, with_notes=True), at=timezone.now())
    make(SavedListFactory(name="Summer"), with_notes=True)
    assert hint not in text(me.get(page))
    make(summer, with_notes=True)
    assert text(me.get(page)).count(hint) == 1


def test_form_of_a_link_offers_durations_in_the_language_of_the_page(me, winter, patron):
    days = {
        "en": ["7 days", "30 days", "90 days", "one year"],
        "es": ["7 días", "30 días", "90 días", "un año"],
    }
    for language, names in days.items():
        patron.language = language
        patron.save()
        page = me.get(url("share_list", winter)).content.decode()
        assert re.findall(r"<option[^>]*>([^<]+)</option>", page) == names


def test_preview_before_a_link_is_made_shows_what_visitors_will_see(me, winter, patron):
    address = url("share_list", winter)
    assert "You have 0 working links. You can have 20." in text(me.get(address))
    for choices in (CHOICES, CHOICES | {"with_notes": "on", "name": "Sam from the garden"}):
        preview = me.post(address, choices)
        assert (preview.status_code, heading(preview), ListLink.objects.count()) == (200, "Preview", 0)
        assert "a page with its publisher, ISBN and call numbers" in text(preview)
        response = me.post(address, choices | {"make": "1"})
        link = ListLink.objects.get()
        assert response.url == link.get_absolute_url()
        page = open_address(link)
        assert shown_to_visitors(page) == shown_to_visitors(preview)
        assert ("Lend it to Ana" in text(page)) == ("with_notes" in choices)
        assert ("Shared by Sam from the garden" in text(page)) == ("name" in choices)
        link.delete()


def token_in(preview):
    return re.search(r'name="client_token" value="([^"]+)"', preview.content.decode())[1]


def test_double_tap_on_the_make_button_makes_one_link(me, winter):
    address = url("share_list", winter)
    first, second = (token_in(me.post(address, CHOICES)) for _preview in range(2))
    make_it = CHOICES | {"make": "1"}
    responses = [me.post(address, make_it | {"client_token": first}) for _tap in range(2)]
    link = ListLink.objects.get()
    assert [response.url for response in responses] == [link.get_absolute_url()] * 2
    assert AuditEvent.objects.filter(action="made_list_link").count() == 1
    # The token of another preview makes another link, even if the patron chooses the same options.
    me.post(address, make_it | {"client_token": second})
    assert ListLink.objects.count() == 2
    end_link(link, at=timezone.now())
    me.post(address, make_it | {"client_token": first})
    assert ListLink.objects.working(timezone.now()).count() == 2


def test_double_tap_that_makes_the_last_allowed_link_shows_no_error(me, winter, make):
    token = token_in(me.post(url("share_list", winter), CHOICES))
    for _ in range(MAX_LINKS - 1):
        make()
    make_it = CHOICES | {"make": "1", "client_token": token}
    responses = [me.post(url("share_list", winter), make_it) for _tap in range(2)]
    link = ListLink.objects.latest("pk")
    assert [response.url for response in responses] == [link.get_absolute_url()] * 2
    assert ListLink.objects.count() == MAX_LINKS


def test_link_is_made_even_if_links_of_other_lists_have_the_same_form_token(me, winter, make, patron):
    token = uuid.uuid4()
    summer = SavedListFactory(patron=patron, name="Summer")
    strangers = SavedListFactory(name="For winter")
    others = [make(saved_list, client_token=token) for saved_list in (summer, strangers)]
    me.post(url("share_list", winter), CHOICES | {"make": "1", "client_token": token})
    link = ListLink.objects.get(saved_list=winter)
    assert link not in others


def test_patron_can_change_the_choices_after_the_preview(me, winter):
    response = me.post(
        url("share_list", winter), {"days": "7", "with_notes": "on", "name": "Sam", "change": "1"}
    )
    form = response.context["form"]
    assert (heading(response), form["name"].value(), form["days"].value()) == ("Share by link", "Sam", "7")
    assert ListLink.objects.count() == 0


@pytest.mark.few_cases
@pytest.mark.parametrize("choices", [{"days": "8"}, {"days": ""}, {"days": "90", "name": "x" * 81}])
@pytest.mark.parametrize("button", ["", "make"])
def test_link_form_with_invalid_choices_makes_no_link(me, winter, choices, button):
    response = me.post(url("share_list", winter), choices | ({button: "1"} if button else {}))
    assert (response.status_code, ListLink.objects.count()) == (422, 0)


@pytest.mark.parametrize("days", links.DAYS)
def test_link_works_until_the_end_of_its_last_day_at_the_library(library, winter, make, days, time_machine):
    library.time_zone = "America/Chicago"
    library.save()
    # At the library, this is November 2, 2026, half an hour before midnight.
    time_machine.move_to("2026-11-03T05:30:00+00:00", tick=False)
    link = make(days=days)
    last_day = library.today() + timedelta(days=days)
    assert timezone.localdate(link.ends_at - timedelta(seconds=1), library.zone) == last_day
    time_machine.move_to(link.ends_at - timedelta(seconds=1), tick=False)
    assert open_address(link).status_code == 200
    time_machine.move_to(link.ends_at, tick=False)
    assert open_address(link).status_code == 404


def test_patron_can_see_and_change_and_end_an_existing_link(me, winter, make, patron):
    link = make(name="Ana")
    address = address_of(link)
    assert "Link that shows the name “Ana”" in text(me.get(url("list_options", winter)))
    page = me.get(link.get_absolute_url())
    assert address in part(page, "shared-text")
    assert f"The link works until {day_after(90)}." in text(page)
    assert me.post(link.get_absolute_url(), {"days": "7"}).url == link.get_absolute_url()
    assert f"The link works until {day_after(7)}." in text(me.get(link.get_absolute_url()))
    assert Client().get(address).status_code == 200

    ended = me.post(url("end_list_link", link), follow=True)
    assert "The link has ended. Nobody can open it anymore." in text(ended)
    assert Client().get(address).status_code == 404
    link.refresh_from_db()
    assert (link.token_hmac, link.token_sealed) == (None, "")
    page = me.get(link.get_absolute_url())
    assert "You ended this link on" in text(page)
    assert "/shared/" not in page.content.decode()
    assert me.post(link.get_absolute_url(), {"days": "365"}, follow=True).status_code == 200
    assert Client().get(address).status_code == 404
    events = AuditEvent.objects.filter(patron=patron, subject=str(link.public_id)).order_by("pk")
    actions = ["made_list_link", "changed_list_link", "ended_list_link"]
    assert list(events.values_list("action", flat=True)) == actions


def test_ending_a_link_twice_does_not_change_the_recorded_time(make):
    link = make()
    at = timezone.now()
    end_link(link, at=at)
    end_link(link, at=at + timedelta(hours=1))
    assert ListLink.objects.get().ended_at == at
    assert AuditEvent.objects.filter(action="ended_list_link").count() == 1


def test_token_of_a_link_is_stored_only_encrypted_and_as_an_hmac(make):
    link = make()
    token = re.search(r"/shared/([\w-]{22})/$", address_of(link))[1]
    row = ListLink.objects.filter(pk=link.pk).values().get()
    assert [name for name, value in row.items() if token in str(value)] == []
    assert row["token_hmac"] == keys.fingerprint(links.PURPOSE, token)


def test_address_of_a_link_works_after_a_change_of_the_secret_key(make, settings):
    link, ended = make(), make()
    end_link(ended, at=timezone.now())
    address, old = address_of(link), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 60, [old]
    assert address_of(link) == address
    assert Client().get(address).status_code == 200
    seal_links_anew(at=timezone.now())
    settings.SECRET_KEY_FALLBACKS = []
    link.refresh_from_db()
    assert address_of(link) == address
    assert Client().get(address).status_code == 200


def test_link_page_says_what_to_do_if_the_address_can_no_longer_be_decrypted(me, make, settings):
    link = make()
    ListLink.objects.update(token_sealed="x" * 100)
    page = me.get(link.get_absolute_url())
    assert "We can't show the address anymore. End this link, and make a new one." in text(page)
    seal_links_anew(at=timezone.now())
    settings.SECRET_KEY_FALLBACKS = ["o" * 60]
    seal_links_anew(at=timezone.now())
    assert ListLink.objects.get().token_sealed == "x" * 100


def test_patron_has_at_most_twenty_working_links(me, winter, make, patron):
    other = make(SavedListFactory(patron=UserFactory()))
    made = [make() for _ in range(MAX_LINKS)]
    response = me.post(url("share_list", winter), CHOICES | {"make": "1"})
    assert response.status_code == 422
    assert "You have 20 links, and that is the limit. End a link first." in text(response)
    end_link(made[0], at=timezone.now())
    assert me.post(url("share_list", winter), CHOICES | {"make": "1"}).status_code == 302
    assert ListLink.objects.exclude(pk=other.pk).count() == MAX_LINKS + 1


def test_links_are_made_at_most_sixty_times_an_hour(me, winter):
    for _ in range(60):
        assert me.post(url("share_list", winter), CHOICES | {"make": "1"}).status_code == 302
        end_link(ListLink.objects.latest("pk"), at=timezone.now())
    response = me.post(url("share_list", winter), CHOICES | {"make": "1"})
    assert (response.status_code, "tried too many times." in text(response)) == (429, True)
    assert ListLink.objects.count() == 60


@pytest.mark.parametrize("rows", [1, 20])
def test_options_page_runs_the_same_number_of_queries_for_1_and_20_links(
    me, winter, make, rows, django_assert_num_queries
):
    for _ in range(rows):
        make(name="Ana")
    me.get(url("list_options", winter))
    with django_assert_num_queries(6):
        me.get(url("list_options", winter))


def test_strangers_and_signed_out_people_see_no_links(me, winter, make, sign_in):
    link = make(name="Ana")
    pages = [url("share_list", winter), url("list_link", link), url("end_list_link", link)]
    other = sign_in(Client(), UserFactory())
    assert [other.post(page, CHOICES | {"make": "1"}).status_code for page in pages] == [404] * 3
    assert [other.get(page).status_code for page in pages[:2]] == [404] * 2
    assert all(asks_to_sign_in(Client().get(page)) for page in pages[:2])
    assert ListLink.objects.get().ended_at is None


def test_links_of_a_removed_list_work_again_after_the_list_is_restored(me, winter, make):
    link, ended = make(), make()
    address, address_of_ended = address_of(link), address_of(ended)
    assert "This list has 2 working links." in text(me.get(url("change_list", winter)))
    own_lists.remove_list(winter, at=timezone.now())
    assert Client().get(address).status_code == 404
    assert me.get(url("list_link", link)).status_code == 404
    end_link(ended, at=timezone.now())
    own_lists.restore_list(winter)
    assert Client().get(address).status_code == 200
    assert Client().get(address_of_ended).status_code == 404


def test_link_is_not_made_for_a_list_that_was_removed_in_another_tab(me, winter, monkeypatch):
    def remove_first(request, what):
        own_lists.remove_list(winter, at=timezone.now())

    monkeypatch.setattr("portal.lists.views.links.count", remove_first)
    assert me.post(url("share_list", winter), CHOICES | {"make": "1"}).status_code == 404
    assert ListLink.objects.count() == 0


# Tests of the links of children.


@pytest.fixture
def child(library):
    return ChildFactory(name="Mia")


@pytest.fixture
def childs_list(child):
    saved_list = SavedListFactory(patron=child, name="Dragons")
    SavedItemFactory(saved_list=saved_list, item__title="Dragon rider")
    return saved_list


@pytest.fixture
def allow(library):
    def allow(allowed):
        library.children_may_share_lists = allowed
        library.save()

    return allow


def test_children_cannot_make_links_to_their_lists_until_the_library_allows_it(
    childs_list, child, sign_in, make, allow
):
    browser = sign_in(Client(), child)
    assert "Share by link" not in text(browser.get(url("list_options", childs_list)))
    for button in ({}, {"make": "1"}):
        assert browser.post(url("share_list", childs_list), CHOICES | button).status_code == 404
    with pytest.raises(links.NotAllowed):
        make(childs_list)
    allow(True)
    assert "Share by link" in text(browser.get(url("list_options", childs_list)))
    assert browser.post(url("share_list", childs_list), CHOICES | {"make": "1"}).status_code == 302


def test_links_of_children_show_no_name(childs_list, child, sign_in, allow):
    allow(True)
    browser = sign_in(Client(), child)
    assert "name" not in browser.get(url("share_list", childs_list)).context["form"].fields
    browser.post(url("share_list", childs_list), CHOICES | {"make": "1", "name": "Mia"})
    link = ListLink.objects.get()
    page = open_address(link)
    assert (link.name, "Dragon rider" in text(page), "Mia" in text(page)) == ("", True, False)


def test_links_of_children_stop_working_if_the_library_turns_off_their_sharing(
    childs_list, child, sign_in, make, allow
):
    allow(True)
    link = make(childs_list)
    address = address_of(link)
    assert Client().get(address).status_code == 200
    allow(False)
    assert Client().get(address).status_code == 404
    browser = sign_in(Client(), child)
    assert "The library has turned off sharing for children." in text(
        browser.get(url("list_options", childs_list))
    )
    page = text(browser.get(link.get_absolute_url()))
    assert "The library has turned off sharing for children." in page
    assert ("Anyone with this address can open the list." in page, address in page) == (False, False)
    assert "Works until" not in text(browser.get(url("list_options", childs_list)))
    assert browser.post(url("end_list_link", link)).status_code == 302
    assert ListLink.objects.get().ended_at is not None


def test_link_shows_no_name_after_the_record_of_its_owner_becomes_a_childs_record(
    make, winter, patron, allow
):
    link = make(name="Sam")
    allow(True)
    patron.name, patron.child_since = "Sam", timezone.now()
    patron.save()
    assert "Sam" not in text(open_address(link))
    allow(False)
    assert open_address(link).status_code == 404


def test_link_does_not_work_if_the_account_of_its_owner_is_disabled(make, patron):
    link = make()
    patron.is_active = False
    patron.save()
    assert open_address(link).status_code == 404


# Tests of links and items of quiet or forgotten visits.


@pytest.mark.parametrize("opened_by", ["code", "code and sign-in"])
def test_items_of_a_quiet_visit_cannot_be_in_a_shared_list(
    branch, staff, winter, make, show_code, sign_in, opened_by
):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    recommendation = recommend_in(quiet)[0]
    browser = sign_in(Client(), winter.patron) if opened_by == "code and sign-in" else Client()
    show_code(browser, code_for(quiet))
    browser.post(
        url("save_item", recommendation.item),
        {"recommendation": recommendation.public_id, "list": winter.public_id},
    )
    assert not SavedItem.objects.filter(item=recommendation.item).exists()
    assert recommendation.item.title not in text(open_address(make(with_notes=True)))


def test_link_never_shows_the_reason_for_an_item(branch, staff, winter, make):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=winter.patron)
    recommendation = recommend_in(session, reason="Because of the divorce")[0]
    SavedItemFactory(saved_list=winter, item=recommendation.item, recommendation=recommendation)
    link = make(with_notes=True)
    for gone in (False, True):
        if gone:
            SavedItem.objects.update(recommendation=None)
        page = text(open_address(link))
        assert (recommendation.item.title in page, "divorce" in page) == (True, False)
