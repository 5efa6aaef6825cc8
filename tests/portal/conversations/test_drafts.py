"""Test that drafts are saved and that an older page never overwrites a newer draft.

Races between devices are tested in test_concurrency.py.
"""

import datetime
import uuid

import pytest

from portal.conversations import actions, desk_actions, drafts, merging, notes, taking_back
from portal.conversations.models import Draft
from tests.factories import HelpSessionFactory

pytestmark = pytest.mark.sql

NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
second, day = datetime.timedelta(seconds=1), datetime.timedelta(days=1)
TOKEN = uuid.UUID(int=1)


@pytest.fixture
def conversation(patron, staff, branch):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    return actions.ask(
        by=patron, at=NOW, help_session=session, body="Where?", language="en", client_token=uuid.uuid4()
    )


def save(
    conversation, person, sequence, body="words", *, side="staff", kind="reply", token=TOKEN, at=NOW, **rest
):
    drafts.save_draft(
        conversation,
        person=person,
        side=side,
        kind=kind,
        client_token=token,
        sequence=sequence,
        body=body,
        at=at,
        **rest,
    )


def send(conversation, by, *, side="staff", token=TOKEN, body="words", at=NOW):
    return actions.reply(conversation, by=by, side=side, at=at, body=body, language="en", client_token=token)


def saved(conversation, person, *, side="staff", kind="reply"):
    draft = drafts.draft_of(conversation, person=person, side=side, kind=kind)
    return draft.body, draft.sequence


def test_latest_draft_appears_on_another_device_with_all_its_fields(conversation, staff):
    save(conversation, staff, 1, "half a sen")
    save(conversation, staff, 2, "half a sentence", language="es", typed={"item-0": "1"})
    draft = drafts.draft_of(conversation, person=staff, side="staff", kind="reply")
    assert (draft.body, draft.language, draft.typed, draft.client_token, draft.sequence) == (
        "half a sentence",
        "es",
        {"item-0": "1"},
        TOKEN,
        2,
    )


def test_nul_characters_are_removed_from_all_draft_fields(conversation, staff):
    save(conversation, staff, 1, language="e\0n", typed={"item-\0": "a\0b"})
    draft = drafts.draft_of(conversation, person=staff, side="staff", kind="reply")
    assert (draft.language, draft.typed) == ("en", {"item-": "ab"})
    answer = send(conversation, staff)
    taking_back.take_back(answer, by=staff, at=NOW + second, typed={"item-\0": "a\0b"})
    assert drafts.draft_of(conversation, person=staff, side="staff", kind="reply").typed == {"item-": "ab"}


def test_opening_the_reply_form_stores_no_draft_and_creates_a_new_token(conversation, staff):
    first, second_ = (
        drafts.draft_of(conversation, person=staff, side="staff", kind="reply") for _ in range(2)
    )
    assert (first.sequence, first.body, first.pk) == (0, "", None)
    assert first.client_token != second_.client_token
    assert not Draft.objects.exists()


@pytest.mark.parametrize("sequence", [1, 4, 5])
def test_outdated_page_that_saves_a_draft_receives_the_newer_draft(conversation, staff, sequence):
    save(conversation, staff, 5, "newer")
    with pytest.raises(drafts.NewerDraft) as refused:
        save(conversation, staff, sequence, "older")
    assert refused.value.draft.body == "newer"
    assert saved(conversation, staff) == ("newer", 5)
    save(conversation, staff, 6, "older, and kept knowingly")
    assert saved(conversation, staff) == ("older, and kept knowingly", 6)


def test_saving_the_same_draft_twice_causes_no_conflict(conversation, staff):
    save(conversation, staff, 5, "words")
    save(conversation, staff, 5, "words")
    assert saved(conversation, staff) == ("words", 5)


def test_person_has_separate_drafts_as_staff_and_as_patron_and_for_each_kind_of_text(
    conversation, staff, coordinator, patron
):
    save(conversation, staff, 1, "answer")
    save(conversation, staff, 1, "note", kind="note")
    save(conversation, staff, 1, "as a patron", side="patron")
    save(conversation, coordinator, 1, "colleague's")
    save(conversation, patron, 1, "patron's", side="patron")
    save(conversation, None, 1, "by code", side="patron")
    save(None, patron, 1, "new question", side="patron", kind="ask")
    assert saved(conversation, staff) == ("answer", 1)
    assert saved(conversation, staff, kind="note") == ("note", 1)
    assert saved(conversation, patron, side="patron") == ("patron's", 1)
    assert saved(conversation, None, side="patron") == ("by code", 1)
    assert saved(None, patron, side="patron", kind="ask") == ("new question", 1)
    assert Draft.objects.count() == 7


def test_draft_saved_after_its_message_was_sent_is_refused(conversation, staff, patron):
    save(conversation, staff, 3)
    send(conversation, staff)
    assert saved(conversation, staff) == ("", 0)
    with pytest.raises(drafts.AlreadySent):
        save(conversation, staff, 4)
    save(conversation, staff, 1, "the next one", token=uuid.uuid4())
    assert saved(conversation, staff) == ("the next one", 1)


def test_draft_of_an_already_saved_note_is_refused(conversation, staff):
    save(conversation, staff, 1, kind="note")
    notes.write_note(conversation, by=staff, at=NOW, body="words", client_token=TOKEN)
    with pytest.raises(drafts.AlreadySent):
        save(conversation, staff, 2, kind="note")
    assert not Draft.objects.exists()


@pytest.mark.parametrize(
    ("happens_before", "expected"),
    [
        (lambda conversation, staff: None, ("mine", 3)),
        (lambda conversation, staff: save(conversation, staff, 7, "theirs"), ("theirs\n\nmine", 8)),
        (lambda conversation, staff: save(conversation, staff, 7, "mine"), ("mine", 8)),
        (lambda conversation, staff: send(conversation, staff, body="theirs"), ("mine", 3)),
    ],
    ids=["nothing", "newer words", "the same words", "it was sent"],
)
def test_combining_two_drafts_never_loses_the_typed_text_or_a_newer_draft(
    conversation, staff, happens_before, expected
):
    happens_before(conversation, staff)
    drafts.keep_both(
        conversation,
        person=staff,
        side="staff",
        kind="reply",
        client_token=TOKEN,
        sequence=3,
        body="mine",
        at=NOW,
    )
    assert saved(conversation, staff) == expected


def test_outdated_page_cannot_overwrite_the_draft_of_an_answer_that_was_taken_back(conversation, staff):
    save(conversation, staff, 7, "Come at five")
    message = send(conversation, staff, body="Come at five, please")
    taking_back.take_back(message, by=staff, at=NOW + second)
    with pytest.raises(drafts.NewerDraft):
        # A second device loaded the page before the answer was sent, and now saves the old text of that page.
        save(conversation, staff, 8, "Come at fi")
    body, sequence = saved(conversation, staff)
    assert body == "Come at five, please"
    save(conversation, staff, sequence + 1, "Come at six")
    again = send(conversation, staff, body="Come at six", at=NOW + 2 * second)
    taking_back.take_back(again, by=staff, at=NOW + 3 * second)
    assert saved(conversation, staff)[1] > sequence + 1


def test_draft_moves_in_a_merge_and_is_deleted_when_the_conversation_is_erased(conversation, staff, patron):
    session = conversation.help_session
    other = actions.ask(
        by=patron, at=NOW, help_session=session, body="And?", language="en", client_token=uuid.uuid4()
    )
    save(conversation, staff, 3, "first")
    merging.merge(conversation, into=other, by=staff, at=NOW + second)
    assert saved(other, staff) == ("first", 3)
    # This page was loaded before the merge, so it names the conversation that was merged into `other`.
    save(conversation, staff, 4, "from the old page")
    assert saved(other, staff) == ("from the old page", 4)
    desk_actions.erase(other, by=staff, at=NOW + 2 * second)
    with pytest.raises(drafts.AlreadySent):
        save(other, staff, 5)
    assert not Draft.objects.exists()


def test_drafts_are_deleted_after_thirty_days(conversation, staff, coordinator):
    save(conversation, staff, 1, at=NOW)
    save(conversation, coordinator, 1, at=NOW + day)
    drafts.forget_old_drafts(at=NOW + 30 * day + second)
    assert [draft.person for draft in Draft.objects.all()] == [coordinator]
