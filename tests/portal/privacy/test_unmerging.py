"""Test that a merge can be undone within a day.

Every row is restored, and messages that are newer than the merge move with their conversation.
"""

import datetime
import uuid

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db import connection
from django.utils import timezone

from accounts import audit
from accounts.models import AddressChange, AuditEvent, Consent, RefusedPost, User
from accounts.sessions import SessionStore
from portal.conversations import actions as conversations
from portal.conversations import drafts
from portal.conversations.models import Conversation, Draft, Message, Participation
from portal.lists.links import address_of, end_link, make_link
from portal.lists.models import ListLink, SavedItem, SavedList
from portal.notifications import bounces
from portal.notifications.models import FailingAddress
from portal.privacy import unmerging
from portal.privacy.merging import CannotMerge
from portal.privacy.models import MergedRecords
from tests.architecture import world as worlds
from tests.factories import (
    HelpSessionFactory,
    PasskeyFactory,
    SavedItemFactory,
    SavedListFactory,
    StaffFactory,
    UserFactory,
    attach_to,
)
from tests.mailers import use_outbox
from tests.portal.pages import part

pytestmark = [pytest.mark.sql, pytest.mark.sqlite_first, pytest.mark.django_db, pytest.mark.slow]

# The tables that may differ after a merge is undone. The merge deletes the export. The merge and its undoing
# add audit events and raise the counters that refresh open pages.
LEFT = {"accounts.AuditEvent", "conversations.BranchQueue", "sessions.Session", "privacy.Export"}
LEFT_COLUMNS = {"version", "desk_version", "changed_at"}
# The models whose rows unmerging writes again, with new primary keys.
SEARCH_INDEXES = {"accounts.NameWord", "conversations.ConversationWords"}


def rows():
    """Return {model label: sorted rows}, without the tables in LEFT and the columns in LEFT_COLUMNS."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.label not in LEFT:
                hidden = LEFT_COLUMNS | ({"id"} if model._meta.label in SEARCH_INDEXES else set())
                columns = [
                    field.column for field in model._meta.concrete_fields if field.column not in hidden
                ]
                names = ", ".join(connection.ops.quote_name(column) for column in columns)
                cursor.execute(f"SELECT {names} FROM {connection.ops.quote_name(model._meta.db_table)}")
                found[model._meta.label] = sorted(map(repr, cursor.fetchall()))
    return found


def say(conversation, by, side="patron"):
    return conversations.reply(
        conversation,
        by=by,
        side=side,
        at=timezone.now(),
        body="Here.",
        language="en",
        client_token=uuid.uuid4(),
    )


def a_draft(person, body, *, conversation=None, kind="ask"):
    return drafts.save_draft(
        conversation,
        person=person,
        side="patron",
        kind=kind,
        client_token=uuid.uuid4(),
        sequence=1,
        body=body,
        at=timezone.now(),
    )


@pytest.fixture
def two(settings):
    """Return (going, into, world). `going` and `into` are patrons in `world`, which worlds.build() built.

    `going` has rows of every kind. A merge combines some of these rows with rows of `into`.
    """
    use_outbox(settings)
    world = worlds.build()
    going, into = world.patron, world.other_patron
    for person in (going, into):
        EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
        a_draft(person, f"{person.name} was writing")
    Authenticator.objects.create(user=going, type="webauthn", data={"credential": {"id": "x"}})
    Consent.objects.create(
        person=going,
        purpose="keep_session",
        subject=world.session.public_id,
        wording="Yes",
        language="en",
        given_at=timezone.now(),
    )
    # While a link to a list works, a merge doesn't combine this list with another list.
    end_link(world.list_link, at=timezone.now())
    shared = SavedItem.objects.get(saved_list__patron=going).item
    here, there = SavedList.objects.get(patron=going), SavedListFactory(patron=into)
    there.name = here.name
    there.save()
    SavedItemFactory(saved_list=there, item=shared, note="Of the record that stays")
    SavedItem.objects.filter(saved_list=here).update(note="Of the record that goes", reading="done")
    SavedItemFactory(saved_list=here)
    SavedItemFactory(saved_list=SavedListFactory(patron=going, name="Only here"))
    a_draft(going, "An answer, half written", conversation=world.conversation, kind="reply")
    for conversation in Conversation.objects.exclude(help_session=None):
        conversations.search.index_conversation(conversation)
    return going, into, world


def merge(going, into, by):
    return unmerging.merge_for_a_day(going, into, by=by, at=timezone.now())


def test_unmerging_restores_the_name_and_link_of_a_shared_list(two, client):
    going, into, world = two
    here = SavedList.objects.get(patron=going, name="")
    link = make_link(here, with_notes=False, name="Sam", at=timezone.now())
    address = address_of(link)
    before = client.get(address)
    joined = merge(going, into, world.coordinator)
    here.refresh_from_db()
    assert (here.patron, here.name) == (into, "Your list (2)")
    assert ListLink.objects.get(pk=link.pk).saved_list == here
    assert part(client.get(address), "shown") == part(before, "shown")
    person = unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    here.refresh_from_db()
    assert (here.patron, here.name) == (person, "")
    assert client.get(address).content == before.content


def test_unmerging_restores_every_row(two):
    going, into, world = two
    before = rows()
    joined = merge(going, into, world.coordinator)
    assert rows() != before
    assert not User.objects.filter(pk=going.pk).exists()
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert rows() == before
    assert set(
        AuditEvent.objects.filter(action="unmerged_people", by=world.coordinator).values_list(
            "patron", flat=True
        )
    ) == {going.pk, into.pk}


def test_unmerging_restores_the_name_and_email_of_the_original_record(two):
    going, into, world = two
    into.emailaddress_set.all().delete()
    into.email, into.name, into.language = None, "", ""
    into.save()
    before = rows()
    joined = merge(going, into, world.coordinator)
    into.refresh_from_db()
    assert (into.email, into.name) == ("sam@example.org", "Sam Okafor")
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert rows() == before


def test_notices_to_a_failing_address_stay_off_after_merging_and_unmerging(two):
    going, into, world = two
    into.emailaddress_set.all().delete()
    into.email = None
    into.save()
    at = timezone.now()
    FailingAddress.objects.create(person=going, email=going.email, failed_at=at, off_at=at)
    before = rows()
    joined = merge(going, into, world.coordinator)
    into.refresh_from_db()
    assert bounces.is_off(into)
    person = unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert bounces.is_off(person)
    assert rows() == before


def test_unmerging_moves_new_messages_together_with_their_conversation(two):
    going, into, world = two
    joined = merge(going, into, world.coordinator)
    conversation = Conversation.objects.get(pk=world.conversation.pk)
    said, answered = say(conversation, into), say(conversation, world.staff, side="staff")
    attach_to(said)
    own = conversations.ask(
        by=into, at=timezone.now(), body="Something of my own?", language="en", client_token=uuid.uuid4()
    )
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert set(Message.objects.filter(pk__in=[said.pk, answered.pk]).values_list("author", flat=True)) == {
        going.pk,
        world.staff.pk,
    }
    conversation.refresh_from_db()
    own.refresh_from_db()
    assert (conversation.patron, own.patron) == (going, into)
    assert Participation.objects.filter(conversation=conversation, person=into, side="patron").count() == 0
    assert own.messages.get().author == into


def test_unmerging_keeps_changes_made_to_the_remaining_record_after_the_merge(two):
    going, into, world = two
    into.emailaddress_set.all().delete()
    User.objects.filter(pk=into.pk).update(email=None, name="")
    joined = merge(going, into, world.coordinator)
    User.objects.filter(pk=into.pk).update(name="Chosen since")
    into_draft = Draft.objects.get(person=into, conversation=None)
    Draft.objects.filter(pk=into_draft.pk).update(body="Written on", sequence=90)
    SavedItem.objects.filter(saved_list__patron=into).first().delete()
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    into.refresh_from_db()
    going.refresh_from_db()
    assert (into.name, into.email, going.email) == ("Chosen since", None, "sam@example.org")
    assert Draft.objects.get(pk=into_draft.pk).body == "Written on"
    assert Draft.objects.get(person=going, conversation=None).body == "Sam Okafor was writing"


def test_unmerging_does_not_restore_a_draft_sent_after_the_merge(two):
    going, into, world = two
    joined = merge(going, into, world.coordinator)
    conversation = Conversation.objects.get(pk=world.conversation.pk)
    draft = Draft.objects.get(conversation=conversation, person=into, kind="reply")
    conversations.reply(
        conversation,
        by=into,
        side="patron",
        at=timezone.now(),
        body=draft.body,
        language="en",
        client_token=draft.client_token,
        draft_sequence=draft.sequence,
    )
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert not Draft.objects.filter(conversation=conversation, side="patron").exists()


def test_records_cannot_be_unmerged_after_a_day(two):
    going, into, world = two
    joined = merge(going, into, world.coordinator)
    late = timezone.now() + datetime.timedelta(hours=24, minutes=1)
    assert list(unmerging.can_be_unmerged(into, at=timezone.now())) == [joined]
    assert list(unmerging.can_be_unmerged(into, at=late)) == []
    with pytest.raises(unmerging.CannotUnmerge):
        unmerging.unmerge(joined, by=world.coordinator, at=late)
    unmerging.forget_merged_records(at=timezone.now())
    assert MergedRecords.objects.count() == 1
    unmerging.forget_merged_records(at=late)
    assert MergedRecords.objects.count() == 0


def test_unmerging_twice_is_refused_and_changes_nothing(two):
    going, into, world = two
    joined = merge(going, into, world.coordinator)
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    after = rows()
    with pytest.raises(unmerging.CannotUnmerge):
        unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert rows() == after


def test_two_merges_into_one_record_can_be_undone_oldest_first(library):
    into, first, second = UserFactory(), UserFactory(name="First"), UserFactory(name="Second")
    visits = {person: HelpSessionFactory(patron=person) for person in (into, first, second)}
    by = StaffFactory(branch=library.default_branch)
    before = rows()
    joined = [merge(person, into, by) for person in (first, second)]
    for one in joined:
        unmerging.unmerge(one, by=by, at=timezone.now())
    assert rows() == before
    assert {person: visit.patron for person, visit in visits.items()} == {person: person for person in visits}


def test_staff_record_cannot_be_merged_into_a_patrons_record(two):
    going, into, world = two
    before = rows()
    with pytest.raises(CannotMerge):
        merge(world.staff, into, world.coordinator)
    assert rows() == before


def test_unmerging_returns_a_refused_form_to_its_author(two):
    going, into, world = two
    joined = merge(going, into, world.coordinator)
    assert RefusedPost.objects.get().person == into
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert RefusedPost.objects.get().person == going


def signed_in(person, at):
    key = SessionStore()
    key.create()
    UserSession.objects.create(
        user=person, session_key=key.session_key, ip="127.0.0.1", user_agent="Firefox", created_at=at
    )
    return key.session_key


def test_unmerging_removes_sign_ins_and_passkeys_added_after_the_merge(two):
    going, into, world = two
    now = timezone.now()
    before, made_before = signed_in(into, now - datetime.timedelta(days=30)), PasskeyFactory(person=into)
    joined = unmerging.merge_for_a_day(going, into, by=world.coordinator, at=now)
    since = signed_in(into, now + datetime.timedelta(hours=1))
    made_since = PasskeyFactory(person=into)
    audit.record("added_passkey", made_since, by=into, patron=into, at=now + datetime.timedelta(hours=1))
    unmerging.unmerge(joined, by=world.coordinator, at=now + datetime.timedelta(hours=2))
    assert list(UserSession.objects.filter(user=into).values_list("session_key", flat=True)) == [before]
    assert (SessionStore().exists(before), SessionStore().exists(since)) == (True, False)
    assert list(into.passkeys.all()) == [made_before]


@pytest.mark.parametrize("had_one", [True, False])
def test_unmerging_removes_an_email_address_added_after_the_merge(two, had_one):
    going, into, world = two
    if not had_one:
        into.emailaddress_set.all().delete()
        User.objects.filter(pk=into.pk).update(email=None)
    before = rows()
    joined = merge(going, into, world.coordinator)
    User.objects.filter(pk=into.pk).update(email="since@example.org")
    EmailAddress.objects.filter(user=into).delete()
    EmailAddress.objects.create(user=into, email="since@example.org", primary=True, verified=True)
    AddressChange.objects.create(
        person=into, email=going.email, token_hash="of a mail to them", begun_at=timezone.now()
    )
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert rows()["accounts.User"] == before["accounts.User"]
    # The email change that was begun after the merge is deleted too.
    assert not AddressChange.objects.exists()
    assert set(
        EmailAddress.objects.filter(user__in=[going, into]).values_list("user", "email", "verified")
    ) == {
        (person, email, True)
        for person, email in ((going.pk, going.email), (into.pk, into.email if had_one else None))
        if email
    }


def test_unmerging_assigns_access_log_entries_to_the_owner_of_the_opened_visit(two):
    going, into, world = two
    now = timezone.now()
    joined = unmerging.merge_for_a_day(going, into, by=world.coordinator, at=now)
    own = HelpSessionFactory(patron=into)
    for subject in (world.conversation, world.session, own):
        audit.record(
            "opened",
            subject,
            by=world.staff,
            patron=into,
            at=now + datetime.timedelta(hours=1),
            reason="They ask for it",
        )
    unmerging.unmerge(joined, by=world.coordinator, at=now + datetime.timedelta(hours=2))
    looks = AuditEvent.objects.filter(action="opened", at__gt=now)
    assert set(looks.filter(patron=going).values_list("subject", flat=True)) == {
        str(world.conversation.public_id),
        str(world.session.public_id),
    }
    assert list(looks.filter(patron=into).values_list("subject", flat=True)) == [str(own.public_id)]
    assert {look.looking.patron_id for look in looks.filter(patron=going)} == {going.pk}


def test_staff_member_cannot_merge_their_own_record_at_the_desk(two):
    going, into, world = two
    before = rows()
    for by in (into, going):
        with pytest.raises(CannotMerge):
            merge(going, into, by)
    assert rows() == before


@pytest.mark.django_db(transaction=True)
def test_records_can_be_unmerged_after_a_conversation_was_deleted(two):
    going, into, world = two
    conversation = Conversation.objects.get(pk=world.conversation.pk)
    Participation.objects.update_or_create(conversation=conversation, person=going, side="patron")
    a_draft(into, "Of the other", conversation=conversation, kind="reply")
    joined = merge(going, into, world.coordinator)
    conversation.delete()
    unmerging.unmerge(joined, by=world.coordinator, at=timezone.now())
    assert User.objects.filter(pk=going.pk).exists()
