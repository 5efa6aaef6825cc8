import re
import uuid
from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from portal.helpsessions.models import HelpSession
from portal.imports.matching import match
from portal.kits.actions import make_kit
from portal.kits.models import GotCount, Kit, KitCount, KitItem, KitReason, KitWords
from portal.kits.own_kits import fill_own_kits
from portal.lists.links import address_of
from portal.lists.models import StaffLink
from recommendations.chosen_items import ChosenItem
from recommendations.models import Item, Recommendation
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    RecommendationFactory,
    SharedSessionFactory,
    StaffFactory,
    TopicFactory,
    recommend_in,
)
from tests.portal.pages import text

pytestmark = pytest.mark.django_db


def signed_in(person, sign_in):
    client = Client()
    sign_in(client, person)
    return client


@pytest.fixture
def desk(staff, sign_in):
    return signed_in(staff, sign_in)


def kit_of(staff, branch, *items, name="First job applications", language="en", reason="", topic=None):
    return make_kit(
        branch=branch,
        topic=topic,
        language=language,
        name=name,
        description="For people who have never applied",
        items=[ChosenItem(item=item, reason=reason) for item in items],
        by=staff,
        at=timezone.now(),
    )


def fields(**values):
    return {"name": "First job", "description": "", "topic": "", "language": "en", **values}


def rows(*items, **each):
    data = {"items-TOTAL_FORMS": str(len(items))}
    for number, item in enumerate(items):
        data |= {f"items-{number}-item": str(item.public_id), f"items-{number}-starred": "on"}
        data |= {f"items-{number}-{name}": value for name, value in each.items()}
    return data


def names_on(page):
    return re.findall(r'<strong dir="auto">([^<]*)</strong>', page.content.decode())


def test_staff_can_make_a_kit_for_their_branch(desk, staff, branch):
    first, second = ItemFactory.create_batch(2)
    data = fields(branch=branch.pk) | rows(first, second, reason="It is short")
    response = desk.post(reverse("add_kit"), data)
    kit = Kit.objects.get()
    assert response.url == kit.get_absolute_url()
    assert (kit.branch, kit.name, kit.retired_at) == (branch, "First job", None)
    assert [(row.item, row.starred, row.reason_in("en")) for row in kit.items.all()] == [
        (first, True, "It is short"),
        (second, True, "It is short"),
    ]


def test_sending_the_kit_form_twice_makes_one_kit(desk, branch):
    page = desk.get(reverse("add_kit"))
    token = re.search(r'name="client_token" value="([^"]+)"', page.content.decode())[1]
    data = fields(branch=branch.pk, client_token=token) | rows(ItemFactory())
    desk.post(reverse("add_kit"), data)
    desk.post(reverse("add_kit"), data)
    assert Kit.objects.count() == 1


def test_only_coordinators_can_make_kits_for_all_branches(desk, branch, sign_in):
    data = fields(branch="") | rows(ItemFactory())
    assert desk.post(reverse("add_kit"), data).status_code == 422
    assert not Kit.objects.exists()
    coordinator = StaffFactory(branch=branch, branch__role="coordinator")
    signed_in(coordinator, sign_in).post(reverse("add_kit"), data)
    assert Kit.objects.get().branch is None


def test_pages_that_show_and_edit_and_make_a_kit_have_different_titles(desk, staff, branch):
    kit = kit_of(staff, branch, ItemFactory(), name="Bees & wasps")
    titles = []
    for url in (kit.get_absolute_url(), reverse("change_kit", args=[kit.public_id]), reverse("add_kit")):
        page = " ".join(desk.get(url).content.decode().split())
        titles.append(re.search(r"<h1[^>]*> ?(.*?) ?</h1>", page)[1])
        assert re.search(r"<title>(.*?) · ", page)[1].strip() == titles[-1]
    assert titles == ["Bees &amp; wasps", "Edit the kit: Bees &amp; wasps", "Make a kit"]


def test_staff_see_the_kits_of_their_branches_and_of_all_branches(desk, staff, branch):
    other = StaffFactory()
    item = ItemFactory()
    kit_of(staff, branch, item, name="Ours")
    kit_of(staff, None, item, name="Everybody's")
    hidden = kit_of(other, other.roles[0].branch, item, name="Theirs")
    own = Kit.objects.create(owner=other, changed_at=timezone.now())
    KitItem.objects.create(kit=own, item=item, position=0)
    assert names_on(desk.get(reverse("desk_kits"))) == ["Everybody&#x27;s", "Ours"]
    for kit in (hidden, own):
        assert desk.get(kit.get_absolute_url()).status_code == 404
        assert desk.get(reverse("share_kit", args=[kit.public_id])).status_code == 404
        assert desk.get(reverse("change_kit", args=[kit.public_id])).status_code == 404


def test_only_coordinators_can_edit_a_kit_of_all_branches(desk, staff):
    kit = kit_of(staff, None, ItemFactory())
    page = desk.get(kit.get_absolute_url())
    assert page.status_code == 200
    assert 'id="change-kit"' not in page.content.decode()
    assert desk.get(reverse("change_kit", args=[kit.public_id])).status_code == 404
    assert desk.post(reverse("retire_kit", args=[kit.public_id])).status_code == 404


def test_saving_a_translation_of_a_kit_does_not_change_other_languages(desk, staff, branch):
    item = ItemFactory()
    kit = kit_of(staff, branch, item, reason="It is short")
    url = reverse("change_kit", args=[kit.public_id])
    page = desk.get(url + "?language=es")
    assert 'name="name" value=' not in page.content.decode()
    data = fields(name="Primer empleo", language="es", branch=branch.pk, version="1")
    assert desk.post(url, data | rows(item, reason="Es breve")).status_code == 302
    assert dict(KitWords.objects.values_list("language", "name")) == {
        "en": "First job applications",
        "es": "Primer empleo",
    }
    assert dict(KitReason.objects.values_list("language", "text")) == {"en": "It is short", "es": "Es breve"}


def test_outdated_kit_form_is_refused_after_a_colleague_changed_the_kit(desk, staff, branch):
    first, second = ItemFactory.create_batch(2)
    kit = kit_of(staff, branch, first)
    url = reverse("change_kit", args=[kit.public_id])
    desk.post(url, fields(name="Theirs", branch=branch.pk, version="1") | rows(first))
    response = desk.post(url, fields(name="Mine", branch=branch.pk, version="1") | rows(second))
    assert response.status_code == 422
    page = response.content.decode()
    assert "A colleague has changed this kit in the meantime." in page
    assert 'value="Mine"' in page
    assert 'name="version" value="2"' in page
    assert Kit.objects.get().name == "Theirs"
    desk.post(url, fields(name="Mine", branch=branch.pk, version="2") | rows(second))
    assert (Kit.objects.get().name, Kit.objects.get().items.get().item) == ("Mine", second)


def test_retired_kit_is_not_offered_until_staff_offer_it_again(desk, staff, branch):
    kit = kit_of(staff, branch, ItemFactory(), name="Old")
    desk.post(reverse("retire_kit", args=[kit.public_id]))
    assert names_on(desk.get(reverse("desk_kits"))) == []
    assert names_on(desk.get(reverse("desk_kits") + "?show=retired")) == ["Old"]
    page = desk.post(reverse("record"), {"action": "kits"}, follow=True)
    assert f'value="kit-{kit.public_id}"' not in page.content.decode()
    desk.post(reverse("retire_kit", args=[kit.public_id]))
    assert names_on(desk.get(reverse("desk_kits"))) == ["Old"]


def test_kit_adds_its_items_to_the_record_form_in_the_patrons_language(desk, staff, branch):
    items = ItemFactory.create_batch(3)
    kit = kit_of(staff, branch, *items, reason="It is short")
    KitItem.objects.filter(item=items[1]).update(starred=False)
    KitReason.objects.create(kit_item=kit.items.get(item=items[0]), language="es", text="Es breve")
    data = {"action": f"kit-{kit.public_id}", "language": "es", "question": "?"} | rows(items[2])
    page = desk.post(reverse("record"), data, headers={"HX-Request": "true"}).content.decode()
    chosen = re.findall(r'name="items-\d+-item" value="([^"]+)"', page)
    assert chosen == [str(items[2].public_id), str(items[0].public_id), str(items[1].public_id)]
    assert re.findall(r'name="items-\d+-reason"[^>]*?value="([^"]*)"', page) == ["", "Es breve", ""]
    assert len(re.findall(r'name="items-\d+-starred"[^>]*checked', page)) == 2


def test_recorded_visit_stores_from_which_kit_an_item_came(desk, staff, branch):
    item, other = ItemFactory.create_batch(2)
    kit = kit_of(staff, branch, item)
    day = timezone.localdate() - timedelta(days=1)
    data = {
        "action": "save_only",
        "question": "How do I apply?",
        "mode": "in_person",
        "question_type": "reference",
        "people": "1",
        "language": "en",
        "branch": branch.pk,
        "happened_on": day.isoformat(),
        "hour": "0",
        "token": str(uuid.uuid4()),
    } | rows(item, other)
    data["items-0-kit"] = str(kit.public_id)
    desk.post(reverse("record"), data)
    given = Recommendation.objects.order_by("pk")
    assert [(row.item, row.from_kit) for row in given] == [(item, kit.public_id), (other, None)]
    assert {row.visit_number for row in given} == {HelpSession.objects.get().pk}


def test_kit_of_another_branch_adds_no_items(desk, branch):
    other = StaffFactory()
    kit = kit_of(other, other.roles[0].branch, ItemFactory(title="SECRET"))
    data = {"action": f"kit-{kit.public_id}", "language": "en", "question": "?"}
    page = desk.post(reverse("record"), data, headers={"HX-Request": "true"})
    assert "SECRET" not in page.content.decode()


def test_kit_does_not_add_retired_items_or_past_events(desk, staff, branch):
    gone, over, rare, good = (ItemFactory(title=title) for title in ("Gone", "Over", "Rare", "Good"))
    kit = kit_of(staff, branch, gone, over, rare, good)
    Item.objects.filter(pk=gone.pk).update(retired_at=timezone.now())
    Item.objects.filter(pk=over.pk).update(kind="event", starts_on=date(2020, 1, 1))
    GotCount.objects.create(item=rare, missed=8, visits=10, is_hard_to_get=True)
    GotCount.objects.create(item=good, missed=0, visits=10, is_hard_to_get=False)
    page = text(desk.get(kit.get_absolute_url()))
    assert page.count("no longer in the catalog") == 1
    assert page.count("often unavailable") == 1
    data = {"action": f"kit-{kit.public_id}", "language": "en", "question": "?"}
    form = desk.post(reverse("record"), data, headers={"HX-Request": "true"}).content.decode()
    assert "2 items of the kit were left out" in form
    assert re.findall(r'name="items-\d+-item" value="([^"]+)"', form) == [
        str(rare.public_id),
        str(good.public_id),
    ]


def test_making_a_kit_from_a_visit_copies_the_items_but_no_text(desk, staff, branch, patron):
    session = HelpSessionFactory(
        branch=branch, staff=staff, patron=patron, question="My QUESTION", summary="SUMMARY"
    )
    first, second = recommend_in(session, 2, reason="because of the DIVORCE")
    url = reverse("kit_from_session", args=[session.public_id])
    page = desk.get(url).content.decode()
    assert re.findall(r'name="items-\d+-item" value="([^"]+)"', page) == [
        str(first.item.public_id),
        str(second.item.public_id),
    ]
    for word in ("QUESTION", "SUMMARY", "DIVORCE"):
        assert word not in page
    # Only the link Back has the id of the visit. The form doesn't send it.
    form = page[page.index('id="kit-form"') : page.index("</form>", page.index('id="kit-form"'))]
    assert str(session.public_id) not in form
    assert AuditEvent.objects.filter(subject=str(session.public_id)).exists()


def test_items_of_a_visit_can_be_added_to_an_existing_kit(desk, staff, branch):
    session = HelpSessionFactory(branch=branch, staff=staff)
    given = recommend_in(session)[0]
    old = ItemFactory()
    kit = kit_of(staff, branch, old, reason="Kept")
    KitItem.objects.create(kit=kit, item=ItemFactory(), position=5)
    url = reverse("kit_from_session", args=[session.public_id])
    assert f"?to={kit.public_id}" in desk.get(url).content.decode()
    page = desk.get(f"{url}?to={kit.public_id}").content.decode()
    chosen = re.findall(r'name="items-\d+-item" value="([^"]+)"', page)
    assert (chosen[0], chosen[-1], len(chosen)) == (str(old.public_id), str(given.item.public_id), 3)
    assert kit.items.count() == 2


@pytest.mark.parametrize("make", [QuietSessionFactory, SharedSessionFactory])
def test_items_of_quiet_and_childrens_visits_cannot_be_added_to_kits(desk, staff, branch, make):
    session = make(branch=branch, staff=staff)
    recommend_in(session)
    assert 'id="to-kit"' not in desk.get(reverse("desk_session", args=[session.public_id])).content.decode()
    response = desk.get(reverse("kit_from_session", args=[session.public_id]))
    assert response.url == reverse("desk_session", args=[session.public_id])


def test_items_of_a_visit_in_a_childs_record_cannot_be_added_to_kits(desk, staff, branch):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=ChildFactory())
    response = desk.get(reverse("kit_from_session", args=[session.public_id]))
    assert response.status_code == 302


def test_own_kit_has_the_items_that_its_owner_recommended_in_at_least_five_visits(
    desk, staff, branch, sign_in
):
    often, rarely, quiet = ItemFactory.create_batch(3)
    for number in range(1, 6):
        given = {"recommended_by": staff, "visit_number": number}
        RecommendationFactory(item=often, **given)
        RecommendationFactory(item=rarely, **{**given, "visit_number": min(number, 4)})
        RecommendationFactory(item=quiet, never_counted=True, **given)
    fill_own_kits(at=timezone.now())
    kit = Kit.objects.get()
    assert (kit.owner, [row.item for row in kit.items.all()]) == (staff, [often])
    assert names_on(desk.get(reverse("desk_kits"))) == ["My own kit"]
    colleague = signed_in(StaffFactory(branch=branch, branch__role="coordinator"), sign_in)
    assert names_on(colleague.get(reverse("desk_kits"))) == []
    assert colleague.get(kit.get_absolute_url()).status_code == 404


def test_item_that_staff_removed_from_their_own_kit_is_not_added_again(desk, staff):
    item = ItemFactory()
    for number in range(5):
        RecommendationFactory(item=item, recommended_by=staff, visit_number=number)
    fill_own_kits(at=timezone.now())
    kit = Kit.objects.get()
    url = reverse("remove_from_own_kit", args=[kit.public_id, item.public_id])
    desk.post(url)
    fill_own_kits(at=timezone.now())
    assert "This kit has no items yet." in text(desk.get(kit.get_absolute_url()))
    desk.post(url + "?restore=1")
    assert names_on(desk.get(kit.get_absolute_url())) == [item.title]


def test_own_kit_is_deleted_after_the_last_role_of_its_owner_ends(staff):
    Kit.objects.create(owner=staff, changed_at=timezone.now())
    staff.staff_roles.all().delete()
    fill_own_kits(at=timezone.now())
    assert not Kit.objects.exists()


def test_link_to_a_kit_shows_the_items_but_no_name_or_reason(desk, staff, branch, client):
    kit = kit_of(staff, branch, ItemFactory(title="Snow country"), name="KITNAME", reason="REASON")
    response = desk.post(reverse("share_kit", args=[kit.public_id]), {"days": "90"})
    assert response.status_code == 302
    address = address_of(StaffLink.objects.get())
    page = client.get(address).content.decode()
    assert "Snow country" in page
    assert "KITNAME" not in page
    assert "REASON" not in page


def test_kit_pages_show_in_how_many_visits_the_kit_helped(desk, staff, branch):
    kit = kit_of(staff, branch, ItemFactory())
    assert "Once enough patrons have answered, you can see here" in text(desk.get(kit.get_absolute_url()))
    KitCount.objects.create(kit=kit, helped=8, visits=10)
    assert "An item of this kit helped in 8 of 10 visits." in text(desk.get(kit.get_absolute_url()))
    assert "helped in 8 of 10 visits" in text(desk.get(reverse("desk_kits")))


@pytest.mark.parametrize("count", [1, 30])
def test_list_of_kits_runs_the_same_number_of_queries_for_1_and_30_kits(
    desk, staff, branch, count, django_assert_num_queries
):
    for number in range(count):
        kit_of(staff, branch, ItemFactory(), name=f"Kit {number}", topic=TopicFactory())
    desk.get(reverse("desk_kits"))
    with django_assert_num_queries(7):
        desk.get(reverse("desk_kits"))


@pytest.mark.parametrize("count", [1, 20])
def test_kit_page_runs_the_same_number_of_queries_for_1_and_20_items(
    desk, staff, branch, count, django_assert_num_queries
):
    kit = kit_of(staff, branch, *ItemFactory.create_batch(count), reason="Because")
    desk.get(kit.get_absolute_url())
    with django_assert_num_queries(11):
        desk.get(kit.get_absolute_url())


def test_kit_shows_the_imported_record_after_an_item_added_by_hand_was_matched(desk, staff, branch):
    by_hand, record = ItemFactory(title="Typed"), ItemFactory(title="Imported", source="marc", source_key="1")
    kit = kit_of(staff, branch, by_hand, record)
    match(by_hand, record, by=staff, at=timezone.now())
    assert names_on(desk.get(kit.get_absolute_url())) == ["Imported"]


def test_record_form_says_how_many_items_of_a_kit_do_not_fit(desk, staff, branch):
    kit = kit_of(staff, branch, *ItemFactory.create_batch(3))
    data = {"action": f"kit-{kit.public_id}", "language": "en", "question": "?"}
    data |= rows(*ItemFactory.create_batch(18))
    form = desk.post(reverse("record"), data, headers={"HX-Request": "true"}).content.decode()
    assert "1 item of the kit was left out, because there is no room for it." in form
    assert len(re.findall(r'name="items-\d+-item"', form)) == 20


def test_staff_can_add_a_kit_to_an_answer(desk, staff, branch):
    conversation = ConversationFactory(help_session=HelpSessionFactory(branch=branch, staff=staff))
    item = ItemFactory()
    kit = kit_of(staff, branch, item, reason="It is short")
    url = reverse("desk_reply", args=[conversation.public_id])
    offered = desk.post(url, {"action": "kits"}, headers={"HX-Request": "true"}).content.decode()
    assert f'value="kit-{kit.public_id}"' in offered
    data = {"action": f"kit-{kit.public_id}", "language": "en"}
    for headers in ({"HX-Request": "true"}, {}):
        page = desk.post(url, data, headers=headers).content.decode()
        assert f'name="items-0-kit" value="{kit.public_id}"' in page
        assert 'value="It is short"' in page


def test_record_form_offers_kits_without_javascript(desk, staff, branch):
    kit = kit_of(staff, branch, ItemFactory())
    page = desk.post(reverse("record"), {"action": "kits", "question": "My question"}, follow=True)
    assert f'value="kit-{kit.public_id}"' in page.content.decode()
    assert "My question" in page.content.decode()


def search_of_kit(desk, **fields):
    """Search for items in the kit form, and return the part of the page that htmx loads."""
    return desk.get("/desk/items/", fields, headers={"HX-Request": "true"}).content.decode()


@pytest.mark.parametrize(("query", "button"), [("garden", "narrow-here"), ("gardne", "as-typed")])
def test_each_button_of_the_item_search_says_for_which_form_it_searches(desk, branch, query, button):
    ItemFactory(title="Garden", branch=branch, call_number="635")
    ItemFactory(title="Garden tools")
    page = search_of_kit(desk, q=query, kit="new")
    included = re.search(rf'id="{button}".*?hx-include="([^"]*)"', page, re.DOTALL)[1]
    names = ["branch", "conversation", "correcting", "kit"]
    assert [name for name in names if f"[name={name}]" not in included] == []
    field = desk.get(reverse("add_kit")).content.decode()
    of_field = re.search(r'id="q".*?hx-include="([^"]*)"', field, re.DOTALL)[1]
    assert [name for name in names if f"[name={name}]" not in of_field] == []


def test_staff_can_save_a_kit_and_continue_in_another_language(desk, staff, branch):
    item = ItemFactory()
    kit = kit_of(staff, branch, item, reason="It is short")
    url = reverse("change_kit", args=[kit.public_id])
    page = desk.get(url)
    assert 'value="save-in-es"' in page.content.decode()
    assert "?language=es" not in page.content.decode()
    data = fields(name="A first job", branch=branch.pk, version="1", action="save-in-es")
    answer = desk.post(url, data | rows(item, reason="It is very short"))
    assert answer.url == f"{url}?language=es"
    kit.refresh_from_db()
    assert (KitWords.objects.get().name, KitReason.objects.get().text) == ("A first job", "It is very short")
    assert "You are writing in español." in text(desk.get(answer.url))


def test_refused_kit_form_keeps_typed_words_when_staff_continue_in_another_language(desk, staff, branch):
    kit = kit_of(staff, branch, item := ItemFactory())
    url = reverse("change_kit", args=[kit.public_id])
    data = fields(name="", description="Typed before", branch=branch.pk, version="1", action="save-in-es")
    answer = desk.post(url, data | rows(item))
    assert answer.status_code == 422
    assert "Typed before" in answer.content.decode()


def test_new_kit_starts_in_the_language_of_the_page(desk, staff):
    staff.language = "es"
    staff.save()
    page = desk.get(reverse("add_kit"))
    assert page.context["form"]["language"].value() == "es"


def test_kit_form_with_the_items_of_a_visit_links_back_to_the_visit(desk, staff, branch):
    session = HelpSessionFactory(branch=branch, staff=staff)
    recommend_in(session, 1)
    kit = kit_of(staff, branch, ItemFactory())
    visit = reverse("desk_session", args=[session.public_id])
    for to in ("new", kit.public_id):
        page = desk.get(reverse("kit_from_session", args=[session.public_id]), {"to": to})
        back = re.search(r'id="back"\s+href="([^"]+)"', page.content.decode())[1]
        assert back == visit


def test_kit_fills_an_empty_reason_and_does_not_replace_a_typed_reason(desk, staff, branch):
    first, second = ItemFactory.create_batch(2)
    kit = kit_of(staff, branch, first, second, reason="It is short")
    data = rows(first, second) | {
        "items-1-reason": "My own words",
        "language": "en",
        "action": f"kit-{kit.public_id}",
    }
    page = desk.post("/desk/record/", data, headers={"HX-Request": "true"}).content.decode()
    assert re.findall(r'id="id_items-\d-reason"\s+value="([^"]*)"', page) == ["It is short", "My own words"]


def test_share_page_of_a_kit_mentions_the_kit_and_links_back_to_it(desk, staff, branch):
    kit = kit_of(staff, branch, ItemFactory())
    url = reverse("share_kit", args=[kit.public_id])
    shown = text(desk.get(url))
    assert "They don't see the kit's name or your reasons." in shown
    assert "The link stays if the kit changes or is retired." in shown
    assert "who asked" not in shown
    link = desk.get(desk.post(url, {"days": "30", "client_token": uuid.uuid4()}).url)
    assert re.search(r'id="back"\s+href="([^"]+)"', link.content.decode())[1] == kit.get_absolute_url()
    other = kit_of(StaffFactory(), StaffFactory().roles[0].branch, ItemFactory())
    page = desk.get(StaffLink.objects.get().get_absolute_url(), {"kit": other.public_id})
    assert re.search(r'id="back"\s+href="([^"]+)"', page.content.decode())[1] == reverse("desk_links")


def test_kit_page_says_the_language_of_each_reason_if_there_are_several_languages(desk, staff, branch):
    item = ItemFactory()
    kit = kit_of(staff, branch, item, reason="It is short")
    assert "English:" not in text(desk.get(kit.get_absolute_url()))
    KitReason.objects.create(kit_item=kit.items.get(), language="es", text="Es breve")
    KitWords.objects.create(kit=kit, language="es", name="Primer empleo")
    shown = text(desk.get(kit.get_absolute_url()))
    assert "English: It is short" in shown
    assert "español: Es breve" in shown
    assert "English · español" in shown
    assert "English · español" in text(desk.get(reverse("desk_kits")))
