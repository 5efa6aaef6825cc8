import html
import json
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from portal.lists.actions import remove
from portal.lists.models import RESTORE_FOR, SavedItem, SavedList
from portal.lists.own_lists import remove_list
from recommendations.models import Holding, Recommendation
from tests.factories import (
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
from tests.portal.pages import HTMX, part, text

SAVED, REMOVED, HOME = reverse("saved"), reverse("removed_from_lists"), reverse("home")


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def recommendation(session):
    return recommend_in(session)[0]


@pytest.fixture
def conversation_with(patron, session, staff):
    def conversation_with(item):
        """Return an answer that recommends this item to the patron."""
        message = MessageFactory(
            conversation=ConversationFactory(patron=patron, help_session=session), side="staff", author=staff
        )
        recommend_in_message(message, item=item)
        return message

    return conversation_with


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


def save(client, recommendation, **extra):
    back = extra.pop("back", "")
    return client.post(
        reverse("save_item", args=[recommendation.item.public_id]),
        {"recommendation": str(recommendation.public_id), "back": back},
        **extra,
    )


def test_saving_an_item_by_htmx_shows_the_same_button_as_a_reload(me, session, recommendation):
    page = session.get_absolute_url()
    swapped = save(me, recommendation, back=page, **HTMX)
    button = f"saving-{recommendation.public_id}"
    assert part(swapped, button) == part(me.get(page), button)
    assert SavedItem.objects.get().recommendation == recommendation
    assert recommendation.item.title in text(me.get(SAVED))


def test_saving_an_item_without_javascript_redirects_back_to_the_item(me, session, recommendation):
    for _again in range(2):
        response = save(me, recommendation, back=session.get_absolute_url())
        assert response.url == f"{session.get_absolute_url()}#rec-{recommendation.public_id}"
    assert SavedItem.objects.count() == 1


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", ""]
)
def test_saving_an_item_never_redirects_to_another_site(me, recommendation, back):
    assert save(me, recommendation, back=back).url == SAVED


def announced(response):
    """Return what screen readers announce after this response to htmx."""
    return json.loads(response["HX-Trigger"])["announce"]


def undo_address(response):
    """Return the address of the button that undoes a removal."""
    return html.unescape(re.search(r'action="(/lists/restore/[^"]+)"', response.content.decode())[1])


def values():
    """Return the columns of the only saved item, except the time of its last change."""
    row = SavedItem.objects.values().get()
    del row["changed_at"]
    return row


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("forgotten", [False, True], ids=["visit kept", "visit forgotten meanwhile"])
def test_removing_an_item_from_the_list_can_be_undone(me, recommendation, session, htmx, forgotten):
    extra = HTMX if htmx else {}
    save(me, recommendation)
    SavedItem.objects.update(note="For the bus", reading="stopped")
    before = values()
    saved = SavedItem.objects.get()
    title = recommendation.item.title
    response = me.post(reverse("remove_saved", args=[saved.public_id]), **extra)
    assert SavedItem.objects.in_lists().count() == 0
    until = date_format(timezone.localdate() + RESTORE_FOR, "F j, Y")
    said = f"“{title}” is no longer in your list. You can restore it until {until}."
    if htmx:
        assert announced(response) == said
    else:
        assert response.url == SAVED
        response = me.get(SAVED)
        assert title not in part(response, "saved")
    undo = undo_address(response)
    assert undo.startswith(reverse("restore_saved", args=[saved.public_id]))
    assert said in text(response)
    if forgotten:
        # Forget the visit. It is enough to delete the rows that restoring the item could use.
        SavedItem.objects.update(recommendation=None)
        recommendation.delete()
        session.delete()
        before["recommendation_id"] = None
    response = me.post(undo, **extra)
    if htmx:
        row = f"saved-{saved.public_id}"
        assert part(response, row).replace(" autofocus", "") == part(me.get(SAVED), row)
        assert announced(response) == f"“{title}” is in your list again."
    else:
        assert response.url == SAVED
    assert values() == before


@pytest.mark.parametrize("htmx", [True, False])
def test_save_button_of_a_saved_item_removes_the_item_and_offers_undo(me, session, recommendation, htmx):
    extra, page = HTMX if htmx else {}, session.get_absolute_url()
    data = {"recommendation": str(recommendation.public_id), "back": page}
    button, pressed = f"saving-{recommendation.public_id}", 'aria-pressed="true"'
    assert pressed not in part(me.get(page), button)
    save(me, recommendation, back=page)
    before, saved = values(), SavedItem.objects.get()
    remove = reverse("remove_saved", args=[saved.public_id])
    assert f'action="{remove}"' in part(me.get(page), button)
    assert pressed in part(me.get(page), button)

    for _in_two_tabs in range(2):
        response = me.post(remove, data, **extra)
        assert SavedItem.objects.in_lists().count() == 0
    if htmx:
        assert announced(response) == "Removed from your list."
    else:
        assert response.url == page
        response = me.get(page)
    undo = undo_address(response)
    assert pressed not in part(response, button)

    response = me.post(undo, data if htmx else {}, **extra)
    if htmx:
        assert part(response, button).replace(" autofocus", "") == part(me.get(page), button)
        assert announced(response) == "In your list"
    else:
        assert response.url == f"{page}#rec-{recommendation.public_id}"
    assert values() == before


def test_item_is_saved_in_the_list_named_in_the_form(me, patron, recommendation):
    winter = SavedListFactory(patron=patron, name="For winter")
    url = reverse("save_item", args=[recommendation.item.public_id])
    response = me.post(
        url, {"recommendation": str(recommendation.public_id), "list": str(winter.public_id)}, **HTMX
    )
    assert SavedItem.objects.get().saved_list == winter
    # The response shows the save button again, and the button's form still has the id of this list.
    assert f'name="list" value="{winter.public_id}"' in response.content.decode()


def test_item_cannot_be_saved_in_the_list_of_somebody_else(me, recommendation):
    strangers = SavedListFactory()
    url = reverse("save_item", args=[recommendation.item.public_id])
    assert me.post(url, {"list": str(strangers.public_id)}).status_code == 404
    assert SavedItem.objects.count() == 0


def test_removal_cannot_be_undone_after_the_last_day_for_restoring(me, recommendation):
    save(me, recommendation)
    saved = SavedItem.objects.get()
    remove(saved, at=timezone.now() - RESTORE_FOR - timedelta(days=2))
    assert me.post(reverse("restore_saved", args=[saved.public_id])).status_code == 404
    assert SavedItem.objects.in_lists().count() == 0


def test_removed_items_can_be_restored_from_the_page_of_removed_items(me, patron, recommendation):
    save(me, recommendation)
    saved = SavedItem.objects.get()
    others = SavedItemFactory(saved_list__patron=UserFactory(), removed_at=timezone.now())
    assert "Nothing to restore" in text(me.get(REMOVED))
    remove(saved, at=timezone.now())
    assert REMOVED in me.get(SAVED).content.decode()
    page = text(me.get(REMOVED))
    until = date_format(timezone.localdate() + RESTORE_FOR, "F j, Y")
    assert (saved.item.title in page, f"You can restore it until {until}." in page) == (True, True)
    assert others.item.title not in page
    response = me.post(reverse("restore_saved", args=[saved.public_id]), {"back": REMOVED}, follow=True)
    assert f"“{saved.item.title}” is in your list again." in text(response)
    assert SavedItem.objects.in_lists().get() == saved


@pytest.mark.parametrize("htmx", [True, False])
def test_removed_item_can_be_deleted_immediately(me, recommendation, htmx):
    save(me, recommendation)
    saved = SavedItem.objects.get()
    delete = reverse("delete_saved", args=[saved.public_id])
    assert me.post(delete).status_code == 404  # The item is still in the list.
    remove(saved, at=timezone.now())
    response = me.post(delete, **(HTMX if htmx else {}))
    said = f"“{saved.item.title}” is deleted."
    assert said in (announced(response) if htmx else text(me.get(response.url)))
    assert "Nothing to restore" in text(me.get(REMOVED))
    assert me.post(reverse("restore_saved", args=[saved.public_id])).status_code == 404
    assert me.post(delete).status_code == 404


@pytest.mark.parametrize("rows", [1, 20])
def test_page_of_removed_items_runs_the_same_number_of_queries_for_1_and_20_rows(
    me, patron, django_assert_num_queries, rows
):
    SavedItemFactory.create_batch(rows, saved_list=SavedListFactory(patron=patron), removed_at=timezone.now())
    with django_assert_num_queries(8):
        me.get(REMOVED)


@pytest.mark.parametrize("htmx", [True, False])
def test_viewer_with_only_a_code_must_add_the_visit_to_an_account_before_saving_an_item(
    client, branch, show_code, htmx
):
    session = HelpSessionFactory(branch=branch)
    [recommendation] = recommend_in(session)
    show_code(client, code_for(session))
    response = save(client, recommendation, **(HTMX if htmx else {}))
    keep = f"{reverse('keep_session', args=[session.public_id])}?save={recommendation.public_id}"
    assert (response["HX-Redirect"] if htmx else response.url) == keep
    assert "To save items, first add this visit to a library account." in text(client.get(keep))
    assert SavedItem.objects.count() == 0


def test_items_of_a_quiet_visit_cannot_be_saved(me, branch, show_code):
    quiet = QuietSessionFactory(branch=branch)
    [recommendation] = recommend_in(quiet)
    show_code(me, code_for(quiet))
    assert save(me, recommendation).url == quiet.get_absolute_url()
    assert SavedItem.objects.count() == 0


@pytest.mark.parametrize("who", ["nobody", "another patron", "staff of the branch"])
def test_only_the_patron_can_save_or_remove_or_restore_or_delete_their_items(
    client, recommendation, patron, staff, sign_in, who
):
    saved = SavedItemFactory(saved_list=SavedListFactory(patron=patron))
    if who != "nobody":
        sign_in(client, staff if who == "staff of the branch" else UserFactory())
    status = 302 if who == "nobody" else 404
    assert save(client, recommendation).status_code == status
    assert client.post(reverse("remove_saved", args=[saved.public_id])).status_code == status
    assert SavedItem.objects.in_lists().get() == saved
    remove(saved, at=timezone.now())
    assert client.post(reverse("restore_saved", args=[saved.public_id])).status_code == status
    assert client.post(reverse("delete_saved", args=[saved.public_id])).status_code == status
    assert SavedItem.objects.in_lists().count() == 0
    assert SavedItem.objects.restorable(timezone.now()).count() == 1
    assert saved.item.title not in text(client.get(SAVED, follow=True))


def test_empty_saved_list_explains_how_to_save_items(client, library, patron, sign_in, branch, show_code):
    assert "Sign in to see your lists" in text(client.get(SAVED, follow=True))
    show_code(client, code_for(HelpSessionFactory(branch=branch)))
    assert "To save items, first add a visit to a library account." in text(client.get(SAVED))
    sign_in(client, patron)
    assert "Press “Save” on an item" in text(client.get(SAVED))


@pytest.mark.parametrize("removed", ["the item", "its list"])
def test_no_page_shows_a_removed_item_as_saved(
    me, patron, session, recommendation, conversation_with, removed
):
    save(me, recommendation)
    message = conversation_with(recommendation.item)
    pages = [session.get_absolute_url(), message.conversation.get_absolute_url()]

    def says_saved():
        shown = [recommendation.item.title in text(me.get(SAVED)), "Saved recently" in text(me.get(HOME))]
        return [*shown, *("In your list" in text(me.get(page)) for page in pages)]

    assert says_saved() == [True] * 4
    if removed == "the item":
        remove(SavedItem.objects.get(), at=timezone.now())
    else:
        remove_list(SavedList.objects.get(), at=timezone.now())
    assert says_saved() == [False] * 4


def test_saved_item_shows_its_reason_only_while_its_visit_can_be_opened(me, patron, recommendation, branch):
    """Compare the patron's own visit, a child's visit shared with the patron, and a stranger's visit."""
    saved_list = SavedListFactory(patron=patron)
    shared = SharedSessionFactory(shared_with=patron, branch=branch)
    strangers = HelpSessionFactory(patron=UserFactory(), branch=branch)
    reasons = {
        "own": recommendation,
        "shared": recommend_in(shared)[0],
        "strangers": recommend_in(strangers)[0],
    }
    for reason, each in reasons.items():
        Recommendation.objects.filter(pk=each.pk).update(reason=f"the {reason} reason")
        SavedItemFactory(saved_list=saved_list, item=each.item, recommendation=each)
    page = text(me.get(SAVED))
    assert [reason for reason in reasons if f"the {reason} reason" in page] == ["own", "shared"]
    assert all(each.item.title in page for each in reasons.values())


def test_pages_of_a_saved_list_show_each_item_once(me, patron):
    SavedItemFactory.create_batch(25, saved_list=SavedListFactory(patron=patron))
    first = me.get(SAVED)
    second = me.get(SAVED, {"after": first.context["older"]})
    shown = [*first.context["saved_items"], *second.context["saved_items"]]
    assert shown == list(SavedItem.objects.in_order())
    assert second.context["older"] is None


@pytest.mark.parametrize("rows", [1, 20])
def test_saved_list_runs_the_same_number_of_queries_for_1_and_20_rows(
    me, session, patron, branch, django_assert_num_queries, rows
):
    saved_list = SavedListFactory(patron=patron)
    for recommendation in recommend_in(session, rows):
        Holding.objects.create(item=recommendation.item, branch=branch, call_number="1")
        SavedItemFactory(saved_list=saved_list, item=recommendation.item, recommendation=recommendation)
    SavedItemFactory(saved_list=saved_list, item=ItemFactory())
    with django_assert_num_queries(8):
        me.get(SAVED)
