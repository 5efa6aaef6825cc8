"""Test that erased records are listed without a name, and erased again after a restore."""

import os
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from accounts.models import StaffRole, User, private_storage
from portal.conversations.models import Conversation
from portal.helpsessions.keeping import keep
from portal.helpsessions.models import HelpSession
from portal.privacy import deleting, erased_list, erasure, holds, merging, unmerging
from recommendations.actions import record_verdict
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    UserFactory,
    code_for,
    recommend_in,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_list():
    """Empty the list, because other tests write to the same list when they erase people."""
    for name in listed():
        private_storage().delete(f"{erased_list.FOLDER}/{name}")


def listed():
    storage = private_storage()
    return set(storage.listdir(erased_list.FOLDER)[1]) if storage.exists(erased_list.FOLDER) else set()


class RestoredAgain(Exception):
    pass


@pytest.fixture
def undone(monkeypatch):
    """Return a function that runs an action, and then undoes it in the database, as a restore does."""

    def undone(action, *args, **options):
        after_commit = []
        with monkeypatch.context() as patch:
            patch.setattr(transaction, "on_commit", lambda call, robust=False: after_commit.append(call))
            try:
                with transaction.atomic():
                    action(*args, **options)
                    raise RestoredAgain
            except RestoredAgain:
                pass
        for call in after_commit:
            call()

    return undone


def again():
    erased, problems = erased_list.erase_again(at=timezone.now())
    return dict(erased), problems


def test_person_on_the_erased_list_is_erased_again_after_a_restore(undone, patron):
    other = UserFactory()
    undone(erasure.erase, patron, language="en", at=timezone.now())
    assert listed() == {f"person-{patron.public_id}"}
    assert again() == ({"person": 1}, [])
    assert list(User.objects.filter(pk__in=[patron.pk, other.pk])) == [other]
    assert again() == ({}, [])


def test_conversation_on_the_erased_list_is_erased_again_after_a_restore(undone, branch, coordinator):
    conversation = MessageFactory(conversation=ConversationFactory(branch=branch)).conversation
    undone(holds.erase_conversation, conversation, by=coordinator, at=timezone.now())
    assert conversation.messages.count() == 1
    assert again() == ({"conversation": 1}, [])
    assert conversation.messages.count() == 0
    assert Conversation.objects.get().status == Conversation.Status.ERASED
    assert again() == ({}, [])


def test_help_session_on_the_erased_list_is_deleted_again_after_a_restore(undone, branch, staff):
    visit = HelpSessionFactory(branch=branch, staff=staff)
    undone(deleting.delete_session, visit, by=staff, at=timezone.now())
    assert again() == ({"help_session": 1}, [])
    assert not HelpSession.objects.exists()


def test_erasing_again_forgets_a_visit_that_an_erased_patron_kept_after_the_backup(
    undone, branch, staff, patron, client
):
    visit, other = HelpSessionFactory.create_batch(2, branch=branch, staff=staff)
    code = code_for(visit)
    [recommendation] = recommend_in(visit, 1)
    record_verdict(recommendation, verdict="helped", at=timezone.now())
    conversation = MessageFactory(conversation__help_session=visit).conversation

    def keep_and_erase():
        keep(visit, by=patron, at=timezone.now(), wording="yes", language="en")
        conversations.update(patron=patron)
        erasure.erase(patron, language="en", at=timezone.now())

    conversations = Conversation.objects.filter(pk=conversation.pk)
    undone(keep_and_erase)
    assert again() == ({"person": 1, "conversation": 1, "visit": 1}, [])
    visit.refresh_from_db()
    assert (visit.question, visit.patron, visit.status) == ("", None, HelpSession.Status.RECORDED)
    assert not conversation.messages.exists()
    assert client.get(f"/c/{code}/").status_code == 410
    other.refresh_from_db()
    assert other.question
    assert again() == ({}, [])


def test_merged_record_of_an_erased_person_is_erased_again_after_a_restore(undone, patron, coordinator):
    first, second, other = UserFactory.create_batch(3)

    def merge_and_erase():
        merging.merge_people(first, second, by=second, at=timezone.now())
        merging.merge_people(second, patron, by=patron, at=timezone.now())
        undo = unmerging.merge_for_a_day(other, patron, by=coordinator, at=timezone.now())
        unmerging.unmerge(undo, by=coordinator, at=timezone.now())
        erasure.erase(patron, language="en", at=timezone.now())

    undone(merge_and_erase)
    assert again() == ({"person": 3}, [])
    assert set(User.objects.values_list("pk", flat=True)) == {other.pk, coordinator.pk}


def test_person_whose_erasure_failed_is_not_on_the_erased_list(patron, branch, coordinator):
    holds.hold(patron, reason="a court order", by=coordinator, at=timezone.now())
    with pytest.raises(erasure.HeldByLaw):
        erasure.erase(patron, language="en", at=timezone.now())
    assert listed() == set()


def test_erase_again_command_says_which_records_were_not_erased_and_what_to_do(
    undone, patron, branch, coordinator
):
    held = UserFactory()
    for person in (patron, held):
        undone(erasure.erase, person, language="en", at=timezone.now())
    StaffRole.objects.create(user=patron, branch=branch, role="staff")
    holds.hold(held, reason="a court order", by=coordinator, at=timezone.now())
    with pytest.raises(CommandError) as refused:
        call_command("erase_again")
    assert str(refused.value).splitlines() == [
        "These were not erased:",
        f"person {patron.public_id}: this person works at a desk again. End the role first.",
        f"person {held.public_id}: a legal hold forbids it. Lift the hold first.",
        "Then run this again.",
    ]


def test_record_stays_on_the_erased_list_until_no_backup_contains_it(undone, patron):
    undone(erasure.erase, patron, language="en", at=timezone.now())
    [name] = listed()
    path = private_storage().path(f"{erased_list.FOLDER}/{name}")
    assert os.path.getsize(path) == 0
    written = private_storage().get_modified_time(f"{erased_list.FOLDER}/{name}")
    erased_list.forget_erased(at=written + erased_list.KEPT_FOR)
    assert listed() == {name}
    erased_list.forget_erased(at=written + erased_list.KEPT_FOR + timedelta(seconds=1))
    assert listed() == set()
