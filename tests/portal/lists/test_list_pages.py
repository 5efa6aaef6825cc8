import html
import json
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.lists.actions import UNDO_REMOVAL_FOR, forget_removed_items, remove
from portal.lists.models import SavedItem
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

SAVED = reverse("saved")


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def recommendation(session):
    return recommend_in(session)[0]


@pytest.fixture
def conversation_with(patron, session, staff):
    def conversation_with(item):
        """Return an answer to the patron that recommends this item."""
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
    return SavedItem.objects.values().get()


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("forgotten", [False, True], ids=["visit kept", "visit forgotten meanwhile"])
def test_removing_an_item_from_the_list_can_be_undone(me, recommendation, session, htmx, forgotten):
    extra = HTMX if htmx else {}
    save(me, recommendation)
    before = values()
    saved = SavedItem.objects.get()
    title = recommendation.item.title
    response = me.post(reverse("remove_saved", args=[saved.public_id]), **extra)
    assert SavedItem.objects.in_lists().count() == 0
    if htmx:
        assert announced(response) == f"“{title}” is no longer in your list."
    else:
        assert response.url == SAVED
        response = me.get(SAVED)
        assert title not in part(response, "saved")
    undo = undo_address(response)
    assert undo.startswith(reverse("restore_saved", args=[saved.public_id]))
    assert "is no longer in your list" in text(response)
    if forgotten:
        # Only what the undo could need is deleted here.
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
def test_save_button_of_an_item_removes_it_again_and_offers_undo(me, session, recommendation, htmx):
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


def test_item_is_saved_in_the_list_that_the_form_names(me, patron, recommendation):
    winter = SavedListFactory(patron=patron, name="For winter")
    url = reverse("save_item", args=[recommendation.item.public_id])
    response = me.post(
        url, {"recommendation": str(recommendation.public_id), "list": str(winter.public_id)}, **HTMX
    )
    assert SavedItem.objects.get().saved_list == winter
    # The button stays about this list.
    assert f'name="list" value="{winter.public_id}"' in response.content.decode()


def test_item_cannot_be_saved_in_the_list_of_somebody_else(me, recommendation):
    strangers = SavedListFactory()
    url = reverse("save_item", args=[recommendation.item.public_id])
    assert me.post(url, {"list": str(strangers.public_id)}).status_code == 404
    assert SavedItem.objects.count() == 0


def test_undo_is_impossible_after_the_item_was_deleted_for_good(me, recommendation):
    save(me, recommendation)
    saved = SavedItem.objects.get()
    remove(saved, at=timezone.now() - UNDO_REMOVAL_FOR)
    forget_removed_items(at=timezone.now())
    assert me.post(reverse("restore_saved", args=[saved.public_id])).status_code == 404


@pytest.mark.parametrize("htmx", [True, False])
def test_viewer_by_code_must_keep_the_visit_before_saving_an_item(client, branch, show_code, htmx):
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
def test_strangers_can_neither_save_nor_remove_items(client, recommendation, patron, staff, sign_in, who):
    saved = SavedItemFactory(saved_list=SavedListFactory(patron=patron))
    if who != "nobody":
        sign_in(client, staff if who == "staff of the branch" else UserFactory())
    status = 302 if who == "nobody" else 404
    assert save(client, recommendation).status_code == status
    assert client.post(reverse("remove_saved", args=[saved.public_id])).status_code == status
    assert SavedItem.objects.in_lists().get() == saved
    remove(saved, at=timezone.now())
    assert client.post(reverse("restore_saved", args=[saved.public_id])).status_code == status
    assert SavedItem.objects.in_lists().count() == 0
    assert saved.item.title not in text(client.get(SAVED, follow=True))


def test_empty_saved_list_explains_how_to_save_items(client, library, patron, sign_in, branch, show_code):
    assert "Sign in to see your lists" in text(client.get(SAVED, follow=True))
    show_code(client, code_for(HelpSessionFactory(branch=branch)))
    assert "To save items, first add a visit to a library account." in text(client.get(SAVED))
    sign_in(client, patron)
    assert "Press “Save” on an item" in text(client.get(SAVED))


def test_removed_item_is_neither_on_a_page_nor_in_a_message_of_the_patron(
    me, patron, session, recommendation, conversation_with
):
    save(me, recommendation)
    message = conversation_with(recommendation.item)
    pages = [SAVED, reverse("home"), session.get_absolute_url(), message.conversation.get_absolute_url()]
    assert [("In your list" in text(me.get(page)) or page == SAVED) for page in pages] == [True] * 4
    remove(SavedItem.objects.get(), at=timezone.now())
    assert recommendation.item.title not in text(me.get(SAVED))
    assert ["In your list" in text(me.get(page)) for page in pages] == [False] * 4


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


def test_saved_list_is_paginated_without_skipping_or_repeating_items(me, patron):
    SavedItemFactory.create_batch(25, saved_list=SavedListFactory(patron=patron))
    first = me.get(SAVED)
    second = me.get(SAVED, {"after": first.context["older"]})
    shown = [*first.context["saved_items"], *second.context["saved_items"]]
    assert shown == list(SavedItem.objects.latest_first())
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
    with django_assert_num_queries(7):
        me.get(SAVED)
