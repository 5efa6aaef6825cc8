"""Test that merging, unmerging, copying, erasing and legal holds include every row about lists and items.

The patron has rows of each kind: lists, titles and links in every state, the next step of an item that they
couldn't get, and an item that a staff member shares by a link.
"""

import datetime
from types import SimpleNamespace

import pytest
from django.utils import timezone

from portal.conversations import next_steps, verdicts
from portal.conversations.models import Conversation
from portal.conversations.next_steps import Step
from portal.helpsessions.models import HelpSession
from portal.lists.actions import remove, save
from portal.lists.copying import copy_list
from portal.lists.links import address_of, end_link, make_link
from portal.lists.models import ListLink, SavedItem, SavedList
from portal.lists.own_lists import make_list, remove_list
from portal.lists.own_words import add_title, choose_reading, write_note
from portal.lists.staff_links import make_staff_link
from portal.privacy import contents, erasure, holds, retention, unmerging
from portal.privacy.corrected_fields import COLUMNS, links_of
from portal.privacy.correcting import correct
from recommendations.chosen_items import ChosenItem
from recommendations.models import NextStep, Recommendation
from tests.factories import HelpSessionFactory, ItemFactory, UserFactory, recommend_in
from tests.mailers import use_outbox

from . import everything
from .test_unmerging import rows

pytestmark = [pytest.mark.sql, pytest.mark.sqlite_first, pytest.mark.slow, pytest.mark.django_db]

# Every text that the patron wrote contains this word.
MINE = "Qzvhjxwk"
DAY = datetime.timedelta(days=1)


@pytest.fixture
def life(settings, patron, staff, branch):
    use_outbox(settings)
    at = timezone.now()
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch, kept_at=at, handed_over_at=at)
    liked, missed = recommend_in(visit, 2)
    winter = make_list(patron, name=f"{MINE} winter", at=at)
    noted = save(liked.item, patron=patron, recommendation=liked, saved_list=winter, at=at)
    write_note(noted, note=f"{MINE} note")
    choose_reading(noted, reading="done")
    add_title(winter, title=f"{MINE} by hand", creators=f"{MINE} author", at=at)
    remove(save(ItemFactory(), patron=patron, saved_list=winter, at=at), at=at)
    working = make_link(winter, with_notes=True, name=f"{MINE} Sam", at=at)
    end_link(make_link(winter, with_notes=False, name=f"{MINE} ended", at=at), at=at)
    gone = make_list(patron, name=f"{MINE} removed", at=at)
    add_title(gone, title=f"{MINE} in a removed list", at=at)
    remove_list(gone, at=at)
    copied, _count = copy_list(working, patron=patron, name=f"{MINE} copied", at=at)
    verdicts.take_verdict(missed, verdict="could_not_get_it", why=None, comment=None, by=patron, at=at)
    conversation = Conversation.objects.get(recommendation=missed)
    step = Step("other_item", timezone.localdate() + 3 * DAY, ItemFactory(title="The replacement"))
    next_steps.record(conversation, missed, step, by=staff, at=at)
    return SimpleNamespace(
        patron=patron,
        winter=winter,
        missed=missed,
        conversation=conversation,
        working=working,
        staff_link=make_staff_link([liked.item], branch=branch, by=staff, at=at),
    )


def test_unmerging_restores_lists_and_links_and_next_steps(life, coordinator, client):
    into = UserFactory(name="Somebody Else")
    same = make_list(into, name=life.winter.name, at=timezone.now())
    save(ItemFactory(), patron=into, saved_list=same, at=timezone.now())
    shown, before = client.get(address_of(life.working)).content, rows()
    merged = unmerging.merge_for_a_day(life.patron, into, by=coordinator, at=timezone.now())
    assert NextStep.objects.get().recommendation.patron == into
    assert SavedList.objects.filter(patron=into).count() == 4
    unmerging.unmerge(merged, by=coordinator, at=timezone.now())
    assert rows() == before
    assert client.get(address_of(life.working)).content == shown


def become_quiet(visit, staff):
    columns = {name: getattr(visit, name) for name in COLUMNS} | {"quiet": True}
    items = [ChosenItem(item=link.recommendation.item) for link in links_of(visit)]
    correct(visit, by=staff, at=timezone.now(), version=0, items=items, note="", **columns)


def be_forgotten(visit, staff):
    retention.forget_session_again(visit, at=timezone.now())


@pytest.mark.parametrize(("change", "entries"), [(become_quiet, 0), (be_forgotten, 1)])
def test_unmerging_restores_no_link_between_a_list_and_a_visit_that_the_person_no_longer_has(
    life, staff, coordinator, change, entries
):
    """Give both records the same item in a list of the same name, so that the merge deletes a saved item."""
    into = UserFactory()
    [saved] = SavedItem.objects.in_lists().filter(recommendation__isnull=False)
    end_link(life.working, at=timezone.now())
    same = make_list(into, name=life.winter.name, at=timezone.now())
    save(saved.item, patron=into, saved_list=same, at=timezone.now())
    merged = unmerging.merge_for_a_day(life.patron, into, by=coordinator, at=timezone.now())
    assert not SavedItem.objects.filter(pk=saved.pk).exists()
    change(HelpSession.objects.get(), staff)
    unmerging.unmerge(merged, by=coordinator, at=timezone.now())
    theirs = SavedItem.objects.filter(saved_list=life.winter, item=saved.item)
    assert list(theirs.values_list("recommendation", flat=True)) == [None] * entries


def test_copy_of_a_patrons_data_contains_every_list_and_link_and_next_step(life):
    at = timezone.now() + datetime.timedelta(minutes=1)
    said = {table.model: list(contents.entries(table, life.patron, at)) for table in contents.TABLES.values()}
    for model in (SavedList, SavedItem, ListLink, NextStep, Recommendation):
        assert len(said[model._meta.label]) == model.objects.count(), model
    text = str(said)
    written = [
        value
        for label in ("lists.SavedList", "lists.SavedItem", "lists.ListLink")
        for row in everything.rows()[label].values()
        for value in row.values()
        if MINE in value
    ]
    assert len(written) >= 10
    assert [value for value in written if value not in text] == []
    assert "The replacement" in text


def test_erasure_deletes_every_list_and_link_and_next_step(life, client):
    address, staff_address = address_of(life.working), address_of(life.staff_link)
    erasure.erase(life.patron, language="en", at=timezone.now())
    for model in (SavedList, SavedItem, ListLink, NextStep):
        assert not model.objects.exists(), model
    assert [
        (label, pk)
        for label, table in everything.rows().items()
        for pk, row in table.items()
        for value in row.values()
        if MINE in value
    ] == []
    assert client.get(address).status_code == 404
    # The link of the staff member names no patron, so it stays.
    assert client.get(staff_address).status_code == 200


def test_legal_hold_preserves_every_list_and_link_and_next_step(life, coordinator):
    hold = holds.hold(life.patron, reason="Case 12", by=coordinator, at=timezone.now())
    models = (SavedList, SavedItem, ListLink, NextStep)
    before = {model: model.objects.count() for model in models}
    with pytest.raises(erasure.HeldByLaw):
        erasure.erase(life.patron, language="en", at=timezone.now())
    later = timezone.now() + 800 * DAY
    retention.forget(at=later)
    assert {model: model.objects.count() for model in models} == before
    holds.lift(hold, by=coordinator, at=timezone.now())
    retention.forget(at=later)
    assert not SavedList.objects.exclude(removed_at=None).exists()
    assert not ListLink.objects.exists()
    erasure.erase(life.patron, language="en", at=timezone.now())
    assert [model for model in models if model.objects.exists()] == []
