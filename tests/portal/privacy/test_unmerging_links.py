"""Test what happens to the links to lists if two records were merged by mistake."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from portal.lists.links import address_of, end_link, make_link
from portal.lists.models import ListLink
from portal.privacy import unmerging
from tests.factories import SavedItemFactory, SavedListFactory, UserFactory
from tests.mailers import use_outbox

pytestmark = [pytest.mark.sql, pytest.mark.django_db]

LATER = timedelta(minutes=5)


@pytest.fixture
def lists(settings, patron):
    """Return the lists of two patrons. The first patron's record will be deleted by the merge."""
    use_outbox(settings)
    lists = [
        SavedListFactory(patron=UserFactory(), name="For winter"),
        SavedListFactory(patron=patron, name="For summer"),
    ]
    for saved_list in lists:
        SavedItemFactory(saved_list=saved_list, note="Lend it to Ana")
    return lists


def merge(lists, coordinator):
    going, into = (saved_list.patron for saved_list in lists)
    return unmerging.merge_for_a_day(going, into, by=coordinator, at=timezone.now())


def make(saved_list, at):
    saved_list.refresh_from_db()
    return make_link(saved_list, with_notes=True, at=at)


def test_snapshot_of_a_merge_does_not_contain_the_url_of_a_link(lists, coordinator):
    link = make(lists[0], timezone.now())
    secrets = [link.token_hmac, link.token_sealed]
    joined = merge(lists, coordinator)
    end_link(ListLink.objects.get(), at=timezone.now())
    joined.refresh_from_db()
    assert [secret for secret in secrets if secret in json.dumps(joined.before)] == []
    unmerging.unmerge(joined, by=coordinator, at=timezone.now())
    link = ListLink.objects.get()
    assert (link.token_hmac, link.token_sealed, link.ended_at is None) == (None, "", False)


def test_unmerging_ends_links_that_were_made_while_the_records_were_merged(lists, coordinator, client):
    """If such a link still worked, one patron could open a list of the other patron, with its notes."""
    before = [make(saved_list, timezone.now() - LATER) for saved_list in lists]
    joined = merge(lists, coordinator)
    since = [make(saved_list, timezone.now() + LATER) for saved_list in lists]
    addresses = [address_of(link) for link in since]
    assert [client.get(address).status_code for address in addresses] == [200, 200]
    unmerging.unmerge(joined, by=coordinator, at=timezone.now() + 2 * LATER)
    assert [client.get(address).status_code for address in addresses] == [404, 404]
    assert [client.get(address_of(link)).status_code for link in before] == [200, 200]
    ended = ListLink.objects.filter(pk__in=[link.pk for link in since])
    assert set(ended.values_list("token_hmac", "token_sealed")) == {(None, "")}
