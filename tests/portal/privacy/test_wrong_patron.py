"""Test removing a wrong patron from a visit, and deleting a visit."""

import datetime

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.viewer import Viewer
from portal.conversations.merging import merge
from portal.conversations.models import Conversation, Draft, Message, Participation
from portal.conversations.viewer import BrowserViewer
from portal.counts.actions import rebuild
from portal.counts.outcome_counting import count_outcomes_of
from portal.counts.quarters import Quarter
from portal.desk.figures.periods import Period
from portal.desk.figures.workload import figure
from portal.helpsessions.keeping import Forgotten, keep
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.lists.models import SavedItem
from portal.notifications.models import Notification
from portal.privacy import contents, holds, retention
from portal.privacy.deleting import MustStay, delete_session
from portal.privacy.models import Export, LegalHold
from portal.privacy.session_lock import Gone
from portal.privacy.wrong_patron import NotThePatron, remove_wrong_patron
from recommendations.models import Recommendation
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    ExportFactory,
    HelpSessionFactory,
    MessageFactory,
    SavedItemFactory,
    SessionNoteFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.privacy.test_correcting import change, email_about_moved_promise

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def visit(library, branch, staff, patron):
    """Return a visit in the account of Sam, who is the wrong patron."""
    visit = HelpSessionFactory(
        branch=branch,
        staff=staff,
        patron=patron,
        kept_at=NOW,
        handed_over_at=NOW,
        found="no",
        satisfaction="poor",
        answered_at=NOW,
        read_level=4,
    )
    code_for(visit, state=ClaimCode.State.KEPT)
    SessionNoteFactory(help_session=visit)
    return visit


def remove(visit, **kwargs):
    return remove_wrong_patron(visit, visit.patron, by=visit.staff, at=NOW, **kwargs)


def test_wrong_patron_no_longer_has_any_data_about_the_visit(visit, patron, staff):
    [given] = recommend_in(visit, verdict="helped", decided_at=NOW)
    conversation = ConversationFactory(help_session=visit, patron=patron)
    MessageFactory(conversation=conversation, side="staff", author=staff, mail_id="<answer@x>")
    SavedItemFactory(saved_list__patron=patron, item=given.item, recommendation=given)
    ExportFactory(person=patron)
    Draft.objects.create(
        conversation=conversation,
        person=patron,
        side="patron",
        kind="reply",
        client_token=visit.public_id,
        sequence=1,
        saved_at=NOW,
    )
    Notification.objects.create(
        kind="conversations/answer",
        recipient=patron,
        to_address=patron.email,
        language="en",
        subject="x",
        text="x",
        message_id="<answer@x>",
        created_at=NOW,
        due_at=NOW,
    )
    remove(visit)
    viewer = BrowserViewer(patron, list(visit.claim_codes.values_list("pk", flat=True)))
    for model in (HelpSession, Conversation, Recommendation):
        assert not model.objects.belonging_to(viewer).exists(), model
    for model in (Draft, Notification, Export, SavedItem):
        assert not model.objects.exists(), model
    tables = ["visits", "conversations", "recommendations", "visit_recommendations"]
    assert [list(contents.entries(contents.TABLES[name], patron, NOW)) for name in tables] == [[]] * 4
    assert visit.claim_codes.get().state == "revoked"
    event = AuditEvent.objects.looks_at(patron).get()
    assert (event.action, event.by) == ("removed_patron", staff)


def test_removing_the_wrong_patron_deletes_the_emails_about_a_new_promised_day(visit, patron):
    own = ConversationFactory(patron=patron)
    for conversation in (ConversationFactory(help_session=visit, patron=patron), own):
        email_about_moved_promise(conversation, to=patron)
    remove(visit)
    assert own.get_absolute_url() in Notification.objects.get().text


def test_replacement_visit_has_what_staff_recorded_and_nothing_from_the_wrong_patron(visit, patron):
    [given] = recommend_in(visit, verdict="did_not_help", comment="Sam's words", decided_at=NOW)
    MessageFactory(conversation=ConversationFactory(help_session=visit, patron=patron), body="Sam's words")
    right, code = remove(visit)
    assert (right.question, right.summary, right.read_level, right.staff) == (
        visit.question,
        visit.summary,
        4,
        visit.staff,
    )
    assert (right.found, right.satisfaction, right.answered_at, right.kept_at) == ("", "", None, None)
    assert right.note.body == visit.note.body
    [link] = right.recommendation_links.all()
    assert link.recommendation.item == given.item
    assert link.recommendation.reason == given.reason
    assert (link.recommendation.verdict, link.recommendation.comment) == ("", "")
    assert not right.conversations.exists()
    assert right.claim_codes.live(NOW).count() == 1
    assert len(code) == 13


def test_open_conversations_of_a_wrong_patron_are_closed(visit, patron):
    conversation = ConversationFactory(help_session=visit, patron=patron)
    MessageFactory(conversation=conversation)
    remove(visit)
    conversation.refresh_from_db()
    assert (conversation.status, conversation.patron) == ("closed", None)


def contacts_by_question_type(visit):
    """Return the rows of the figure by question type for the day of the visit, without the total."""
    rebuild()
    day = visit.happened_on
    return figure(Period(day, day), [visit.branch_id], "question_type").table()[:-1]


def test_statistics_count_a_replaced_visit_once_and_without_the_wrong_patrons_outcome(visit, library):
    quarter = Quarter.of(visit.happened_on)
    remove(visit)
    assert contacts_by_question_type(visit) == [["Reference", 1, 0, 1, 0]]
    counted = count_outcomes_of(quarter, library.zone)
    numbers = {
        cell.numbers for cells in counted.values() for rows in cells.values() for cell in rows.values()
    }
    assert {number for row in numbers for number in row} == {0}


def test_statistics_use_the_corrected_values_of_a_help_session(visit, branch):
    change(visit, question_type="technology")
    assert [row[:2] for row in contacts_by_question_type(visit)] == [["Technology help", 1]]


def test_adult_no_longer_has_a_shared_visit_after_the_wrong_child_is_removed(library, branch, staff):
    child, adult = ChildFactory(), UserFactory()
    visit = SharedSessionFactory(branch=branch, staff=staff, patron=child, shared_with=adult)
    right, _code = remove(visit)
    for person in (child, adult):
        assert not HelpSession.objects.belonging_to(Viewer(person)).exists()
    assert (right.with_child, right.patron, right.shared_with) == ("shared", None, None)


def test_replaced_visit_is_deleted_after_30_days(visit):
    recommend_in(visit, verdict="helped", decided_at=NOW)
    right, _code = remove(visit)
    retention.forget(at=NOW + datetime.timedelta(days=31))
    assert list(HelpSession.objects.all()) == [right]
    assert not Recommendation.objects.exclude(verdict="").exists()


def test_replaced_visit_is_not_deleted_while_the_wrong_patron_is_under_a_legal_hold(
    visit, patron, coordinator
):
    [given] = recommend_in(visit)
    saved = SavedItemFactory(saved_list__patron=patron, item=given.item, recommendation=given)
    holds.hold(patron, reason="Case 7", by=coordinator, at=NOW)
    right, _code = remove(visit)
    retention.forget(at=NOW + datetime.timedelta(days=400))
    assert HelpSession.objects.filter(pk=visit.pk, question=visit.question).exists()
    assert LegalHold.objects.filter(help_session=visit).exists()
    assert not holds.held(right)
    assert SavedItem.objects.get() == saved


def test_replaced_visit_can_be_neither_added_to_an_account_nor_replaced_again(visit, patron):
    remove(visit)
    with pytest.raises(Forgotten):
        keep(visit, by=UserFactory(), at=NOW, wording="x", language="en")
    with pytest.raises(Gone):
        remove_wrong_patron(visit, patron, by=visit.staff, at=NOW)


def test_person_who_is_not_the_patron_of_the_visit_cannot_be_removed(visit):
    with pytest.raises(NotThePatron):
        remove_wrong_patron(visit, UserFactory(), by=visit.staff, at=NOW)
    assert HelpSession.objects.count() == 1


# Tests of merged conversations. A message doesn't say which conversation it came from.


@pytest.fixture
def merged(visit, patron, staff):
    """Return a function that merges two conversations of Sam: one about the visit, one about another visit.

    The function returns the merged conversation, which has the messages of both conversations.
    """
    other = HelpSessionFactory(branch=visit.branch, staff=staff, patron=patron, kept_at=NOW)

    def merge_both(*, reverse=False):
        [item] = recommend_in(other)
        about = ConversationFactory(help_session=visit, patron=patron, branch=visit.branch)
        another = ConversationFactory(
            help_session=other, recommendation=item, patron=patron, branch=visit.branch
        )
        for conversation, words in (about, "An answer about the visit"), (another, "Another answer"):
            MessageFactory(conversation=conversation, author=patron, side="patron", body="Sam's words")
            MessageFactory(conversation=conversation, author=staff, side="staff", body=words)
            Participation.objects.create(
                conversation=conversation, person=patron, side="patron", read_until=NOW
            )
        if reverse:
            about, another = another, about
        return merge(about, into=another, by=staff, at=NOW)

    return merge_both


@pytest.mark.parametrize("reverse", [False, True], ids=["into another", "from another"])
def test_wrong_patron_cannot_read_a_merged_conversation_that_includes_the_visit(
    merged, visit, patron, client, sign_in, reverse
):
    own = ConversationFactory(patron=patron, branch=visit.branch)
    MessageFactory(conversation=own, author=patron, side="patron", body="Sam's own words")
    conversation = merged(reverse=reverse)
    remove(visit)
    assert list(Conversation.objects.belonging_to(Viewer(patron))) == [own]
    sign_in(client, patron)
    for each in Conversation.objects.all():
        page = client.get(each.get_absolute_url(), follow=True)
        assert page.status_code == (200 if each == own else 404)
        assert "answer about the visit" not in page.content.decode()
    copied = contents.entries(contents.TABLES["messages"], patron, timezone.now())
    # A patron's export contains only the patron's own messages.
    assert {row["text"] for row in copied} == {"Sam's own words", "Sam's words"}
    conversation.refresh_from_db()
    assert (conversation.help_session, conversation.patron, conversation.status) == (visit, None, "closed")
    assert conversation.recommendation is None
    assert conversation.messages.count() == 4


def test_merged_conversation_is_deleted_with_the_visit_of_a_wrong_patron(merged, visit):
    merged()
    remove(visit)
    retention.forget(at=NOW + datetime.timedelta(days=31))
    assert not Message.objects.exists()


@pytest.mark.parametrize("reverse", [False, True], ids=["into another", "from another"])
def test_merged_conversation_is_not_deleted_while_its_second_visit_is_under_a_legal_hold(
    merged, visit, coordinator, reverse
):
    merged(reverse=reverse)
    other = HelpSession.objects.exclude(pk=visit.pk).get()
    legal_hold = holds.hold(other, reason="Case 7", by=coordinator, at=NOW)
    remove(visit)
    retention.forget(at=NOW + datetime.timedelta(days=400))
    assert Message.objects.count() == 4
    holds.lift(legal_hold, by=coordinator, at=NOW + datetime.timedelta(days=401))
    retention.forget(at=NOW + datetime.timedelta(days=402))
    assert not Message.objects.exists()


@pytest.mark.parametrize("reverse", [False, True], ids=["into another", "from another"])
def test_merged_conversation_does_not_name_the_patron_after_its_visit_becomes_quiet(
    merged, visit, patron, reverse
):
    conversation = merged(reverse=reverse)
    change(visit, quiet=True)
    assert not Conversation.objects.belonging_to(Viewer(patron)).exists()
    assert not Conversation.objects.filter(patron=patron).exists()
    assert not Message.objects.filter(author=patron).exists()
    assert not Participation.objects.filter(person=patron).exists()
    conversation.refresh_from_db()
    assert (conversation.help_session, conversation.subject) == (
        visit,
        HelpSession.objects.get(pk=visit.pk).title,
    )
    assert list(Conversation.objects.exclude(help_session=visit)) == []


# Tests of deleting a visit.


@pytest.fixture
def unused_visit(library, branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff, handed_over_at=NOW)


def test_deleting_an_unused_visit_deletes_its_items_and_note_and_codes(unused_visit, staff, patron):
    [given] = recommend_in(unused_visit)
    SessionNoteFactory(help_session=unused_visit)
    code_for(unused_visit)
    saved = SavedItemFactory(saved_list__patron=patron, item=given.item, recommendation=given)
    delete_session(unused_visit, by=staff, at=NOW)
    assert not HelpSession.objects.exists()
    assert not Recommendation.objects.exists()
    saved.refresh_from_db()
    assert saved.item == given.item
    code = ClaimCode.objects.get()
    assert (code.state, code.help_session) == ("forgotten", None)
    assert (
        AuditEvent.objects.filter(action="deleted", by=staff, subject=str(unused_visit.public_id)).count()
        == 1
    )


def keep_it(visit):
    HelpSession.objects.update(patron=UserFactory(), kept_at=NOW)


def keep_and_let_go(visit):
    HelpSession.objects.update(kept_at=NOW)


def write(visit):
    MessageFactory(conversation=ConversationFactory(help_session=visit))


def give_verdict(visit):
    recommend_in(visit, verdict="not_tried", decided_at=NOW)


def answer(visit):
    HelpSession.objects.update(found="all", answered_at=NOW)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (keep_it, "kept"),
        (keep_and_let_go, "kept"),
        (write, "written"),
        (give_verdict, "verdict"),
        (answer, "answered"),
    ],
)
def test_visit_that_a_patron_has_used_cannot_be_deleted(unused_visit, staff, act, why):
    act(unused_visit)
    with pytest.raises(MustStay) as refused:
        delete_session(unused_visit, by=staff, at=NOW)
    assert refused.value.why == why
    assert HelpSession.objects.count() == 1


def test_visit_under_a_legal_hold_cannot_be_deleted(unused_visit, staff, coordinator):
    holds.hold(unused_visit, reason="Case 7", by=coordinator, at=NOW)
    with pytest.raises(holds.HeldByLaw):
        delete_session(unused_visit, by=staff, at=NOW)
    assert HelpSession.objects.count() == 1


def test_second_deletion_of_a_visit_is_refused(unused_visit, staff):
    delete_session(unused_visit, by=staff, at=NOW)
    with pytest.raises(Gone):
        delete_session(unused_visit, by=staff, at=NOW)


def test_conversation_can_be_counted_again_after_its_logged_contact_was_deleted(unused_visit, staff, branch):
    conversation = ConversationFactory(
        branch=branch, logged_as=unused_visit, help_session=HelpSessionFactory()
    )
    delete_session(unused_visit, by=staff, at=NOW)
    version = conversation.desk_version
    conversation.refresh_from_db()
    assert (conversation.logged_as, conversation.desk_version) == (None, version + 1)
