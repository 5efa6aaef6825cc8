"""Test that no page about what helped changes when one patron adds, changes or removes one verdict."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from portal.kits.actions import make_kit
from portal.kits.counting import count_now
from portal.kits.models import ItemCount, KitCount
from recommendations.actions import record_verdict
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.extent import rarely
from tests.factories import ItemFactory, TopicFactory, UserFactory

from .test_counting import AT, verdicts

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
VERDICTS = ["helped", "partly", "did_not_help", "could_not_get_it", "not_tried", ""]


@pytest.fixture
def counted(branch, staff):
    """Record visits with verdicts about two items of a kit, and publish their numbers. Return the kit."""
    topic, items = TopicFactory(name="Small business"), ItemFactory.create_batch(2)
    chosen = [ChosenItem(item=item) for item in items]
    about = {"name": "Business plans", "description": "", "language": "en", "topic": topic, "branch": branch}
    kit = make_kit(items=chosen, by=staff, at=AT, **about)
    for item in items:
        for verdict in [*["helped"] * 9, *["could_not_get_it"] * 6, "did_not_help", *VERDICTS]:
            verdicts(item, topic, verdict, from_kit=kit.public_id, patron=UserFactory())
    count_now(at=AT)
    assert ItemCount.objects.count() == 2
    assert KitCount.objects.count() == 1
    return kit


def read_everything(client, kit):
    """Return the text of each page at the desk that shows numbers about what helped."""
    topic = kit.topic
    item = Recommendation.objects.order_by("pk").first().item
    asked = {"topic": topic.pk, "question_type": "reference", "question": "a business plan"}
    pages = [
        client.get(reverse("desk_kits")),
        client.get(kit.get_absolute_url()),
        client.get(reverse("desk_item", args=[item.public_id])),
        client.get(reverse("desk_items"), {"q": item.title}),
        client.get(reverse("what_helped_before"), asked),
        client.post(reverse("asked_before"), asked, headers={"HX-Request": "true"}),
    ]
    assert {page.status_code for page in pages} == {200}
    # Every response has new tokens, so leave the tokens out of the comparison.
    return [re.sub(r'(nonce|value)="[^"]*"', "", page.content.decode()) for page in pages]


@pytest.mark.long
@pytest.mark.parametrize("before", [VERDICTS[0], VERDICTS[-1], *map(rarely, VERDICTS[1:-1])])
def test_no_page_about_what_helped_changes_if_one_verdict_changes(before, counted, client, staff, sign_in):
    sign_in(client, staff)
    assert "helped in 10 of 13 visits" in "".join(shown := read_everything(client, counted))
    for after in VERDICTS:
        given = Recommendation.objects.filter(verdict=before).latest("pk")
        record_verdict(given, verdict=after, at=AT + timedelta(days=1))
        assert read_everything(client, counted) == shown, (before, after)
        count_now(at=AT + timedelta(days=1))
        assert read_everything(client, counted) == shown, (before, after)
        record_verdict(Recommendation.objects.get(pk=given.pk), verdict=before, at=AT + timedelta(days=2))
        count_now(at=AT + timedelta(days=2))


def test_pages_about_what_helped_show_new_numbers_after_many_verdicts(counted, client, staff, sign_in):
    sign_in(client, staff)
    shown = read_everything(client, counted)
    for given in Recommendation.objects.filter(verdict="did_not_help"):
        record_verdict(given, verdict="helped", at=AT)
    for item in ItemFactory._meta.model.objects.order_by("pk")[:2]:
        verdicts(item, counted.topic, *[""], from_kit=counted.public_id)
        for _visit in range(12):
            verdicts(item, counted.topic, "helped", from_kit=counted.public_id, patron=UserFactory())
    count_now(at=AT + timedelta(days=1))
    assert read_everything(client, counted) != shown
