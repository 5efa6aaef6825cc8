"""Test forms that a phone sends again after days, and forms from before a merge of the person's records."""

import uuid
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from portal.conversations import actions as conversations
from portal.conversations.models import Conversation, Message
from portal.lists.actions import delete_now, remove, save
from portal.lists.models import RESTORE_FOR, SavedItem
from portal.models import Removal, SentForm
from portal.privacy import retention
from portal.privacy.merging import merge_people
from portal.privacy.unmerging import merge_for_a_day, unmerge
from portal.sent_forms import forget_removals, forget_sent_forms
from recommendations.actions import record_verdict
from recommendations.models import Recommendation
from tests.accounts import test_waiting_forms
from tests.accounts.test_waiting_forms import CHANGED, SENT, rows, send
from tests.factories import SavedItemFactory, UserFactory

pytestmark = pytest.mark.django_db
session, recommendation, conversation, saved, me, reply, answer = (
    getattr(test_waiting_forms, name)
    for name in ("session", "recommendation", "conversation", "saved", "me", "reply", "answer")
)

HOUR, DAY = 3600, 24 * 3600


def forget_marks():
    """Delete the SentForms, as the worker does a few days after the forms arrived."""
    forget_sent_forms(at=timezone.now() + SentForm.KEPT_FOR)
    assert not SentForm.objects.exists()


@pytest.mark.parametrize("days", [0, 12])
def test_verdict_sent_again_days_later_changes_nothing(answer, recommendation, staff, sign_in, patron, days):
    """The conversation about the verdict must not wait for staff again, because staff have answered it."""
    assert answer("did_not_help", waited=HOUR) == SENT
    conversation = Conversation.objects.get(recommendation=recommendation)
    conversations.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now() + timedelta(minutes=1),
        body="Try this one.",
        language="en",
        client_token=uuid.uuid4(),
    )
    forget_marks()
    before = Recommendation.objects.values().get()
    with time_machine.travel(timezone.now() + timedelta(days=days, minutes=5), tick=False):
        again = sign_in(Client(), patron)
        assert answer("did_not_help", waited=HOUR + days * DAY + 300, client=again) == SENT
    assert Recommendation.objects.values().get() == before
    conversation.refresh_from_db()
    assert conversation.status == Conversation.Status.WAITING_FOR_PATRON


def test_tapping_the_same_verdict_again_later_saves_a_new_answer(answer, recommendation):
    record_verdict(recommendation, verdict="did_not_help", at=timezone.now() - timedelta(days=3))
    assert answer("did_not_help", waited=HOUR) == SENT
    recommendation.refresh_from_db()
    assert timezone.now() - recommendation.decided_at < timedelta(minutes=1)


def test_verdict_sent_again_days_later_does_not_replace_a_newer_choice(
    answer, recommendation, sign_in, patron
):
    assert answer("helped", waited=HOUR) == SENT
    forget_marks()
    record_verdict(recommendation, verdict="partly", at=timezone.now() + timedelta(days=2))
    with time_machine.travel(timezone.now() + timedelta(days=12), tick=False):
        again = sign_in(Client(), patron)
        assert answer("helped", waited=HOUR + 12 * DAY, client=again) == CHANGED
    assert rows(Recommendation, "verdict") == [("partly",)]


def test_removal_sent_again_days_later_does_not_replace_a_newer_choice(me, patron, saved, sign_in):
    address = reverse("remove_saved", args=[saved.public_id])
    assert send(me, address, {}, writer=patron) == SENT
    forget_marks()
    saved.refresh_from_db()
    # Two days after the removal, the patron saves the item again.
    saved.removed_at, saved.changed_at = None, timezone.now() + timedelta(days=2)
    saved.save()
    with time_machine.travel(timezone.now() + timedelta(days=12), tick=False):
        again = sign_in(Client(), patron)
        assert send(again, address, {}, writer=patron, waited=HOUR + 12 * DAY) == CHANGED
    saved.refresh_from_db()
    assert saved.removed_at is None


@pytest.mark.parametrize("has_arrived", [True, False], ids=["sent again", "sent late"])
@pytest.mark.parametrize("is_forgotten", [True, False], ids=["row deleted", "row not deleted yet"])
def test_form_sent_days_after_the_tap_does_not_restore_an_item_removed_in_between(
    me, patron, recommendation, sign_in, has_arrived, is_forgotten
):
    address = reverse("save_item", args=[recommendation.item.public_id])
    fields, tapped = {"recommendation": str(recommendation.public_id)}, timezone.now()
    if has_arrived:
        assert send(me, address, fields, writer=patron, waited=0) == SENT
        forget_marks()
    saved = save(recommendation.item, patron=patron, at=tapped + timedelta(hours=1))
    remove(saved, at=tapped + timedelta(hours=2))
    if is_forgotten:
        delete_now(saved, at=tapped + timedelta(hours=3))
    for days in (2, 12, 40):
        with time_machine.travel(tapped + timedelta(days=days), tick=False):
            if is_forgotten:
                retention.forget(at=timezone.now())
                forget_removals(at=timezone.now())
                assert not SavedItem.objects.exists()
            again = sign_in(Client(), patron)
            assert send(again, address, fields, writer=patron, waited=days * DAY) == CHANGED
    assert not SavedItem.objects.in_lists().exists()


def test_form_sent_days_after_the_tap_saves_an_item_removed_before_the_tap(me, patron, recommendation, saved):
    remove(saved, at=timezone.now() - timedelta(days=3))
    delete_now(saved, at=timezone.now() - timedelta(days=3))
    retention.forget(at=timezone.now())
    address = reverse("save_item", args=[recommendation.item.public_id])
    fields = {"recommendation": str(recommendation.public_id)}
    assert send(me, address, fields, writer=patron, waited=2 * DAY) == SENT
    assert SavedItem.objects.in_lists().get().item == recommendation.item


def test_form_sent_days_after_the_tap_is_saved_if_only_other_saved_items_were_removed(
    me, patron, recommendation
):
    at = timezone.now() - timedelta(days=2)
    others = [
        SavedItemFactory(saved_list__patron=patron),
        SavedItemFactory(saved_list__patron=UserFactory(), item=recommendation.item),
    ]
    for other in others:
        remove(other, at=at)
        delete_now(other, at=at)
    retention.forget(at=timezone.now())
    address = reverse("save_item", args=[recommendation.item.public_id])
    fields = {"recommendation": str(recommendation.public_id)}
    assert send(me, address, fields, writer=patron, waited=3 * DAY) == SENT
    assert SavedItem.objects.in_lists().get().item == recommendation.item


def test_latest_removal_counts_for_an_item_that_was_removed_from_two_lists(me, patron, recommendation):
    at = timezone.now() - timedelta(days=4)
    # The item is removed from the first list three days later than from the second, so the latest removal
    # isn't the one with the highest primary key.
    for days in (3, 0):
        saved = SavedItemFactory(
            saved_list__patron=patron, saved_list__name=f"List {days}", item=recommendation.item
        )
        remove(saved, at=at + timedelta(days=days))
        delete_now(saved, at=at + timedelta(days=days))
    retention.forget(at=timezone.now())
    assert not SavedItem.objects.exists()
    address = reverse("save_item", args=[recommendation.item.public_id])
    fields = {"recommendation": str(recommendation.public_id)}
    assert send(me, address, fields, writer=patron, waited=2 * DAY) == CHANGED


def test_form_that_saves_an_item_is_refused_if_the_tap_is_too_long_ago(me, patron, recommendation, saved):
    saved.delete()
    address = reverse("save_item", args=[recommendation.item.public_id])
    fields = {"recommendation": str(recommendation.public_id)}
    kept_for = int(Removal.KEPT_FOR.total_seconds())
    assert send(me, address, fields, writer=patron, waited=kept_for + 60) == (
        410,
        "You pressed this button too long ago, so nothing was changed. To do it now, press the button "
        "again on the page.",
    )
    assert not SavedItem.objects.exists()
    assert send(me, address, fields, writer=patron, waited=kept_for - 60) == SENT


def test_stored_removal_of_an_item_names_no_person_and_is_deleted_after_a_fixed_time(saved):
    at = timezone.now()
    remove(saved, at=at)
    assert not Removal.objects.exists()
    retention.forget(at=at + RESTORE_FOR + timedelta(days=1))
    [mark] = Removal.objects.all()
    assert (len(mark.mark), mark.removed_at) == (64, at)
    forget_removals(at=at + Removal.KEPT_FOR - timedelta(seconds=1))
    assert Removal.objects.exists()
    forget_removals(at=at + Removal.KEPT_FOR)
    assert not Removal.objects.exists()


def test_reply_sent_again_days_later_is_saved_once(reply, sign_in, patron):
    client_token = uuid.uuid4()
    assert reply(client_token=client_token) == SENT
    forget_marks()
    with time_machine.travel(timezone.now() + timedelta(days=12), tick=False):
        assert reply(client_token=client_token, client=sign_in(Client(), patron)) == SENT
    assert rows(Message, "body") == [("Where is it?",), ("Thank you.",)]


@pytest.fixture
def kept(patron, conversation):
    """Merge the patron's record into another record, and return the remaining record."""
    kept = UserFactory()
    merge_people(patron, kept, by=kept, at=timezone.now())
    return kept


def former(client):
    return client.get(reverse("who_sends")).json()["former"]


def test_phone_gets_the_ids_of_the_records_merged_into_the_persons_record(patron, kept, sign_in):
    client = sign_in(Client(), kept)
    assert former(client) == [str(patron.public_id)]
    again = UserFactory()
    merge_people(kept, again, by=again, at=timezone.now())
    assert sorted(former(sign_in(Client(), again))) == sorted([str(patron.public_id), str(kept.public_id)])
    assert former(sign_in(Client(), UserFactory())) == []
    assert former(Client()) == []


def test_phone_does_not_get_the_id_of_an_unmerged_record(patron, staff, sign_in, branch):
    kept = UserFactory()
    coordinator = staff
    merged = merge_for_a_day(patron, kept, by=coordinator, at=timezone.now())
    assert former(sign_in(Client(), kept)) == [str(patron.public_id)]
    unmerge(merged, by=coordinator, at=timezone.now())
    assert User.objects.filter(public_id=patron.public_id).exists()
    assert former(sign_in(Client(), kept)) == []


def test_form_sent_again_after_the_secret_key_changed_is_saved_once(reply, settings):
    token, at_first = uuid.uuid4(), settings.SECRET_KEY
    assert reply(token=token) == SENT
    # SECRET_KEY_FALLBACKS keeps the session and the CSRF token valid.
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new " * 20, [at_first]
    assert reply(token=token) == SENT
    assert rows(Message, "body") == [("Where is it?",), ("Thank you.",)]
    assert SentForm.objects.count() == 1


def test_form_sent_again_after_a_merge_of_the_records_is_saved_once(
    answer, recommendation, patron, sign_in, conversation
):
    token, kept = uuid.uuid4(), UserFactory()
    assert answer("helped", token=token) == SENT
    record_verdict(recommendation, verdict="partly", at=timezone.now())
    merge_people(patron, kept, by=kept, at=timezone.now())
    assert answer("helped", token=token, client=sign_in(Client(), kept), writer=kept, waited=0) == SENT
    assert rows(Recommendation, "verdict") == [("partly",)]


def test_form_is_not_saved_if_the_phone_sends_the_old_id_of_a_merged_record(reply, patron, kept, sign_in):
    """Refuse the form, because the phone must first ask for the person's new id."""
    assert reply(client=sign_in(Client(), kept), writer=patron) == (
        401,
        "Sign in to send what is waiting on this phone.",
    )
    assert rows(Message, "body") == [("Where is it?",)]
