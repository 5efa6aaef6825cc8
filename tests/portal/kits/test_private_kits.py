"""Test that kits don't reveal what quiet, children's and sensitive visits were about."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from portal.helpsessions.models import HelpSession
from portal.imports.matching import match
from portal.kits.actions import make_kit
from portal.kits.models import Kit
from portal.lists.models import StaffLink
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    StaffFactory,
    TopicFactory,
    recommend_in,
    recommend_in_message,
)
from tests.portal.pages import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(staff, sign_in):
    client = Client()
    sign_in(client, staff)
    return client


def kit_of(staff, branch, *items, topic=None):
    return make_kit(
        branch=branch,
        topic=topic,
        language="en",
        name="A kit",
        description="",
        items=[ChosenItem(item=item) for item in items],
        by=staff,
        at=timezone.now(),
    )


def sensitive_session(**fields):
    return HelpSessionFactory(topic=TopicFactory(never_by_message=True), **fields)


def childs_session(**fields):
    return HelpSessionFactory(patron=ChildFactory(), **fields)


PRIVATE = [QuietSessionFactory, SharedSessionFactory, sensitive_session, childs_session]


@pytest.mark.parametrize("make", PRIVATE)
def test_items_of_private_visits_cannot_be_copied_into_a_kit(desk, staff, branch, make):
    session = make(branch=branch, staff=staff)
    recommend_in(session)
    assert 'id="to-kit"' not in desk.get(reverse("desk_session", args=[session.public_id])).content.decode()
    page = desk.get(reverse("kit_from_session", args=[session.public_id]) + "?to=new", follow=True)
    assert "or a visit about a sensitive topic" in text(page)


def test_kit_about_a_sensitive_topic_is_not_shared(desk, staff, branch):
    item = ItemFactory(source="marc", source_key="1")
    kit = kit_of(staff, branch, item, topic=TopicFactory(never_by_message=True))
    assert 'id="share-kit"' not in desk.get(kit.get_absolute_url()).content.decode()
    page = desk.post(reverse("share_kit", args=[kit.public_id]), {"days": "30"}, follow=True)
    assert "be shared, because they are about a sensitive topic" in text(page)
    assert not StaffLink.objects.exists()


@pytest.mark.parametrize("make", PRIVATE)
def test_link_to_a_kit_leaves_out_items_added_by_hand_that_staff_recommended_in_private_visits(
    desk, staff, branch, make
):
    session = make(branch=branch, staff=staff)
    typed = recommend_in(session, item__title="SECRET FLAT")[0].item
    record = ItemFactory(title="In the catalog", source="marc", source_key="1")
    recommend_in(session, item=record)
    other = recommend_in(HelpSessionFactory(branch=branch, staff=staff), item__title="Open to all")[0].item
    kit = kit_of(staff, branch, typed, record, other)
    page = desk.post(reverse("share_kit", args=[kit.public_id]), {"days": "30"}, follow=True)
    assert page.status_code == 200
    assert [row.item for row in StaffLink.objects.get().items.all()] == [record, other]


@pytest.mark.parametrize("make", PRIVATE)
def test_kit_is_not_shared_if_its_only_item_was_added_by_hand_in_an_answer_about_a_private_visit(
    desk, staff, branch, make
):
    conversation = ConversationFactory(help_session=make(branch=branch, staff=staff), patron=None)
    typed = recommend_in_message(MessageFactory(conversation=conversation, side="staff"))[0].item
    kit = kit_of(staff, branch, typed)
    page = desk.get(reverse("share_kit", args=[kit.public_id]), follow=True)
    assert "be shared, because they are about a sensitive topic" in text(page)


def record_form(branch, **fields):
    return {
        "action": "save_only",
        "question": "How do I apply?",
        "mode": "in_person",
        "question_type": "reference",
        "people": "1",
        "language": "en",
        "branch": branch.pk,
        "happened_on": (timezone.localdate() - timedelta(days=1)).isoformat(),
        "hour": "0",
        "token": str(uuid.uuid4()),
        **fields,
    }


def with_item(item, kit):
    return {"items-TOTAL_FORMS": "1", "items-0-item": str(item.public_id), "items-0-kit": str(kit.public_id)}


def test_visit_stores_no_kit_if_the_kit_lacks_the_item_or_staff_may_not_use_the_kit(desk, staff, branch):
    item, elsewhere = ItemFactory(), StaffFactory()
    without = kit_of(staff, branch, ItemFactory())
    foreign = kit_of(elsewhere, elsewhere.roles[0].branch, item)
    for kit in (without, foreign):
        assert desk.post(reverse("record"), record_form(branch, **with_item(item, kit))).status_code == 302
    assert list(Recommendation.objects.values_list("item", "from_kit")) == [(item.pk, None)] * 2


def test_visit_stores_the_kit_if_the_kit_item_was_matched_with_the_recommended_record(desk, staff, branch):
    typed, record = ItemFactory(), ItemFactory(source="marc", source_key="1")
    kit = kit_of(staff, branch, typed)
    match(typed, record, by=staff, at=timezone.now())
    desk.post(reverse("record"), record_form(branch, **with_item(record, kit)))
    assert list(Recommendation.objects.values_list("item", "from_kit")) == [(record.pk, kit.public_id)]


@pytest.mark.parametrize("row", [{}, {"items-0-title": " "}])
def test_form_row_without_an_item_is_ignored_in_the_record_form_and_the_kit_form(desk, branch, row):
    empty = {"items-TOTAL_FORMS": "1", **row}
    assert desk.post(reverse("record"), record_form(branch, **empty)).status_code == 302
    kit = {"name": "First job", "branch": branch.pk, "language": "en", **empty}
    assert desk.post(reverse("add_kit"), kit).status_code == 302
    assert HelpSession.objects.count() == Kit.objects.count() == 1
    assert not Recommendation.objects.exists()
    assert not Kit.objects.get().items.exists()
