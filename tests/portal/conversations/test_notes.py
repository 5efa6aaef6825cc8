import datetime
import uuid

import pytest

from accounts.models import Absence
from portal.conversations import actions, desk_actions, drafts, notes
from portal.conversations.models import ConversationNote, Draft, Message, NoteMention
from portal.notifications.models import Notification
from tests.factories import BranchFactory, HelpSessionFactory, StaffFactory, UserFactory

NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
minute = datetime.timedelta(minutes=1)


@pytest.fixture
def conversation(patron, staff, branch):
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="SECRET MATTER")
    return actions.ask(
        by=patron,
        at=NOW,
        help_session=session,
        body="SECRET QUESTION",
        language="en",
        client_token=uuid.uuid4(),
    )


@pytest.fixture
def omar(branch):
    return StaffFactory(name="Omar Haddad", email="omar@example.org", branch=branch)


def note(conversation, by, body, *, at=NOW + minute, token=None):
    return notes.write_note(conversation, by=by, at=at, body=body, client_token=token or uuid.uuid4())


def test_note_sent_twice_creates_one_note_and_one_email(conversation, staff, omar):
    token = uuid.uuid4()
    assert note(conversation, staff, "@Omar Haddad have a look", token=token) == note(
        conversation, staff, "@Omar Haddad have a look", token=token
    )
    assert (
        ConversationNote.objects.count(),
        NoteMention.objects.count(),
        Notification.objects.filter(kind="conversations/mention").count(),
    ) == (1, 1, 1)


def test_note_does_not_change_the_pages_of_the_patron(conversation, staff):
    before = actions.Conversation.objects.values(
        "status", "version", "last_message_at", "waiting_since", "queued_at"
    ).get(pk=conversation.pk)
    note(conversation, staff, "Between us")
    conversation.refresh_from_db()
    assert {name: getattr(conversation, name) for name in before} == before
    assert conversation.desk_version == 2
    assert not Message.objects.filter(body="Between us").exists()


def test_mention_email_contains_no_text_from_the_conversation(conversation, staff, omar, patron):
    note(conversation, staff, "SECRET NOTE for @Omar")
    mail = Notification.objects.get(kind="conversations/mention")
    assert mail.to_address == "omar@example.org"
    for words in ("SECRET", conversation.subject, patron.name, patron.email, "Haddad"):
        assert words not in mail.subject + mail.text + mail.html
    assert staff.name in mail.text
    assert f"/desk/conversations/{conversation.public_id}/" in mail.text
    assert f"/desk/conversations/{conversation.public_id}/" in mail.html


def test_mentioned_colleague_without_an_email_address_sees_the_mention_at_the_desk(
    conversation, staff, branch
):
    StaffFactory(name="Bo", email=None, branch=branch)
    note(conversation, staff, "@Bo please")
    assert NoteMention.objects.count() == 1
    assert not Notification.objects.filter(kind="conversations/mention").exists()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("body", "told", "unknown"),
    [
        ("@Omar Haddad please", ["Omar Haddad"], []),
        ("@omar haddad, please", ["Omar Haddad"], []),
        ("ask @Omar.", ["Omar Haddad"], []),
        ("@Ana Ruiz and @Omar", ["Ana Ruiz", "Omar Haddad"], []),
        # Two colleagues have this first name.
        ("@Ana", [], ["Ana"]),
        ("@Ana Ruiz-Castro", ["Ana Ruiz-Castro"], []),
        ("@Ana Ruiz-Castro and @Ana Ruiz", ["Ana Ruiz", "Ana Ruiz-Castro"], []),
        ("@Omarion", [], ["Omarion"]),
        ("@Kim, and @Kimberley", ["Kim"], ["Kimberley"]),
        ("@Nobody and @Omar", ["Omar Haddad"], ["Nobody"]),
        ("write to omar@example.org", [], []),
        ("at 5 @ the desk", [], []),
        ("@Omar Haddad @Omar Haddad", ["Omar Haddad"], []),
        ("no name at all", [], []),
    ],
)
def test_names_after_an_at_sign_are_matched_to_colleagues(conversation, branch, omar, body, told, unknown):
    StaffFactory(name="Ana Ruiz", branch=branch)
    StaffFactory(name="Ana Ruiz-Castro", branch=branch)
    StaffFactory(name="Kim", branch=branch)
    assert [person.name for person in notes.mentioned_in(body, conversation)] == told
    assert notes.unknown_names(body, conversation) == unknown


def test_two_colleagues_with_the_same_name_are_both_mentioned(conversation, staff, branch):
    both = {StaffFactory(name="Kim Park", branch=branch) for _ in range(2)}
    note(conversation, staff, "@Kim Park")
    assert {mention.person for mention in NoteMention.objects.all()} == both


def test_only_colleagues_who_can_open_the_conversation_can_be_mentioned(conversation, branch, patron, omar):
    at_hill, covers, gone = (
        StaffFactory(name="At Hill"),
        StaffFactory(name="Who Covers"),
        StaffFactory(name="Gone", branch=branch, is_active=False),
    )
    assert {person.name for person in notes.may_be_mentioned(conversation)} >= {"Omar Haddad"}
    for person in (at_hill, covers, gone, patron):
        assert person not in notes.may_be_mentioned(conversation)
    desk_actions.assign(conversation, to=at_hill, by=omar, at=NOW, was=None)
    today = datetime.date.today()
    Absence.objects.create(
        person=at_hill,
        first_day=today - datetime.timedelta(days=2),
        last_day=today + datetime.timedelta(days=2),
        cover=covers,
    )
    conversation.refresh_from_db()
    assert {at_hill, covers} <= set(notes.may_be_mentioned(conversation))
    for person in notes.may_be_mentioned(conversation):
        assert actions.Conversation.objects.at_desk_of(person).filter(pk=conversation.pk).exists()


def test_patron_cannot_be_mentioned_in_a_note(conversation, staff):
    UserFactory(name="Quinn", email="quinn@example.org")
    note(conversation, staff, "@Quinn")
    assert not NoteMention.objects.exists()


def test_staff_member_who_types_their_own_name_is_not_mentioned(conversation, staff):
    note(conversation, staff, f"@{staff.name} do it")
    assert not NoteMention.objects.exists()


def test_mention_is_shown_until_the_mentioned_person_opens_the_conversation(
    conversation, staff, omar, django_assert_num_queries
):
    note(conversation, staff, "@Omar one")
    note(conversation, staff, "@Omar two", at=NOW + 2 * minute)
    omar = type(omar).objects.get(pk=omar.pk)
    omar.desk_branch_ids  # noqa: B018  Every page has already read the branches, so don't count this query.
    with django_assert_num_queries(1):
        (named_in,) = notes.unseen_mentions(omar)
    assert (named_in, named_in.mentioned_by, named_in.mentioned_at) == (
        conversation,
        [staff.name],
        NOW + 2 * minute,
    )
    notes.see_mentions(conversation, person=staff, at=NOW + 3 * minute)
    assert len(notes.unseen_mentions(omar)) == 1
    notes.see_mentions(conversation, person=omar, at=NOW + 3 * minute)
    assert notes.unseen_mentions(omar) == []


def test_mention_is_hidden_after_the_conversation_moves_to_another_branch(conversation, staff, omar):
    note(conversation, staff, "@Omar")
    desk_actions.transfer(conversation, branch=BranchFactory(), by=staff, at=NOW + minute, was=None)
    assert notes.unseen_mentions(omar) == []


def test_draft_of_a_saved_note_is_deleted_and_cannot_be_saved_again(conversation, staff):
    token = uuid.uuid4()
    typing = {"person": staff, "side": "staff", "kind": "note", "client_token": token, "at": NOW}
    drafts.save_draft(conversation, sequence=1, body="Half a", **typing)
    note(conversation, staff, "Half a note", token=token)
    assert not Draft.objects.exists()
    with pytest.raises(drafts.AlreadySent):
        drafts.save_draft(conversation, sequence=2, body="Half a note", **typing)
