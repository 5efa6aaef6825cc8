"""Test that a merge moves all rows of one record to the other record, or changes nothing."""

import uuid

import pytest
from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Consent, NameWord, StaffRole, User
from accounts.patron import people
from accounts.patron.retention_choice import choose
from portal.conversations import actions as conversations
from portal.conversations import search, verdicts
from portal.conversations.models import BranchQueue, Conversation, Draft, Message, Participation
from portal.helpsessions.models import HelpSession
from portal.lists.actions import remove, save
from portal.lists.links import address_of, end_link, make_link
from portal.lists.models import ListLink, SavedItem, SavedList
from portal.lists.own_words import add_title
from portal.privacy import holds, merging
from portal.privacy.merging import CannotMerge, merge_people, what_moves
from recommendations.models import Recommendation
from tests.accounts.test_sign_in import ask_for_code, mailed_code
from tests.architecture import world as worlds
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    SavedItemFactory,
    SavedListFactory,
    StaffFactory,
    UserFactory,
    attach_to,
    recommend_in,
    recommend_in_message,
)
from tests.mailers import use_outbox
from tests.portal.pages import part

pytestmark = [pytest.mark.sql, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def _mail_goes_to_the_outbox(settings):
    use_outbox(settings)


@pytest.fixture
def device(library):
    """Return Noor, a patron without an email address, who can use her account on one device only."""
    return people.person_without_address(at=timezone.now(), name="Noor", language="es")


def visit(person, branch, **more):
    return HelpSessionFactory(
        branch=branch, staff=StaffFactory(branch=branch), patron=person, kept_at=timezone.now(), **more
    )


def ask(person, **about):
    return conversations.ask(
        by=person, at=timezone.now(), body="And the flies?", language="en", client_token=uuid.uuid4(), **about
    )


def say(conversation, person, *, side="patron"):
    return conversations.reply(
        conversation,
        by=person,
        side=side,
        at=timezone.now(),
        body="Here.",
        language="en",
        client_token=uuid.uuid4(),
    )


def test_merged_record_has_the_visits_and_conversations_of_both_records(device, patron, branch, staff):
    theirs, own = visit(device, branch), visit(patron, branch, question="Where is the atlas?")
    item = recommend_in(theirs)[0]
    conversation, asked = ask(device, help_session=theirs), ask(device)
    given = recommend_in_message(say(conversation, staff, side="staff"))[0]
    Recommendation.objects.filter(pk=given.pk).update(patron=device)
    merge_people(device, patron, by=patron, at=timezone.now())
    assert set(HelpSession.objects.filter(patron=patron)) == {theirs, own}
    assert set(Conversation.objects.filter(patron=patron)) == {conversation, asked}
    assert set(Message.objects.filter(side="patron").values_list("author", flat=True)) == {patron.pk}
    assert set(Recommendation.objects.filter(patron=patron)) == {item, given}
    assert not User.objects.filter(pk=device.pk).exists()
    patron.refresh_from_db()
    assert (patron.name, patron.email, patron.language) == ("Sam Okafor", "sam@example.org", "en")


@pytest.mark.parametrize(("own", "theirs", "left"), [("", "30", "30"), ("90", "30", "90"), ("", "", "365")])
def test_merge_copies_the_retention_choice_to_a_record_without_a_choice(device, patron, own, theirs, left):
    for person, remember in ((patron, own), (device, theirs)):
        if remember:
            choose(person, remember=remember, wording="", language="en", at=timezone.now())
    merge_people(device, patron, by=patron, at=timezone.now())
    patron.refresh_from_db()
    assert (patron.remember, patron.remember_chosen_at is None) == (left, left == "365")


def test_remaining_record_is_under_the_legal_hold_of_the_deleted_record(device, patron, coordinator):
    holds.hold(device, reason="Case 12", by=coordinator, at=timezone.now())
    merge_people(device, patron, by=patron, at=timezone.now())
    assert holds.held(patron)


def test_merge_deletes_no_rows_except_one_record_and_its_search_words_and_export():
    """Merge a record that has rows of every kind, and count the rows of all models before and after.

    The export is deleted, because it contains the data of only one record.
    """
    world = worlds.build()
    theirs = world.patron
    Consent.objects.create(
        person=theirs,
        purpose="keep_session",
        subject=world.session.public_id,
        wording="Yes",
        language="en",
        given_at=timezone.now(),
    )
    for conversation in Conversation.objects.all():
        search.index_conversation(conversation)
    name_words = NameWord.objects.filter(person=theirs).count()
    before = {model: model._base_manager.count() for model in apps.get_models()}
    merge_people(theirs, world.other_patron, by=world.other_patron, at=timezone.now())
    changed = {
        model._meta.label: model._base_manager.count() - count
        for model, count in before.items()
        if model._base_manager.count() != count
    }
    assert changed == {
        "accounts.User": -1,
        "accounts.NameWord": -name_words,
        "accounts.AuditEvent": 2,
        "privacy.Export": -1,
    }
    assert not SavedItem.objects.exclude(saved_list__patron=world.other_patron).exists()


def test_merge_creates_one_audit_event_per_record_and_keeps_earlier_events(device, patron):
    public_ids = {str(device.public_id), str(patron.public_id)}
    merge_people(device, patron, by=device, at=timezone.now())
    found = AuditEvent.objects.filter(patron=patron)
    assert {event.subject for event in found.filter(action="merged_people", by=patron)} == public_ids
    assert found.filter(action="joined_without_address", by=patron).exists()


def test_merge_copies_the_email_address_to_a_record_without_an_address(device, patron):
    EmailAddress.objects.create(user=patron, email=patron.email, primary=True, verified=True)
    User.objects.filter(pk=device.pk).update(name="")
    merge_people(patron, device, by=patron, at=timezone.now())
    device.refresh_from_db()
    assert (device.email, device.name, device.language) == ("sam@example.org", "Sam Okafor", "es")
    browser = Client()
    ask_for_code(browser, "sam@example.org")
    browser.post(reverse("account_confirm_login_code"), {"code": mailed_code("sam@example.org")})
    assert browser.session["_auth_user_id"] == str(device.pk)


def test_remaining_record_keeps_its_own_email_address_after_a_merge(patron):
    other = UserFactory(email="other@example.org")
    for person in (patron, other):
        EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    merge_people(other, patron, by=patron, at=timezone.now())
    assert list(EmailAddress.objects.values_list("user", "email")) == [(patron.pk, "sam@example.org")]


def test_merging_two_records_signs_out_browsers_of_the_deleted_record(patron):
    other, browser = UserFactory(email="other@example.org"), Client()
    ask_for_code(browser, other.email)
    browser.post(reverse("account_confirm_login_code"), {"code": mailed_code(other.email)})
    merge_people(other, patron, by=patron, at=timezone.now())
    assert not UserSession.objects.exists()
    assert not browser.get(reverse("me")).wsgi_request.user.is_authenticated


@pytest.mark.parametrize("shared", ["device", "patron"])
def test_list_with_a_working_link_is_not_merged_with_a_list_of_the_same_name(device, patron, client, shared):
    items = {person: save(ItemFactory(), patron=person, at=timezone.now()) for person in (device, patron)}
    link = make_link(
        items[device if shared == "device" else patron].saved_list, with_notes=True, at=timezone.now()
    )
    before = part(client.get(address_of(link)), "shown")
    merge_people(device, patron, by=patron, at=timezone.now())
    assert sorted(SavedList.objects.values_list("patron", "name")) == [
        (patron.pk, ""),
        (patron.pk, "Your list (2)"),
    ]
    assert part(client.get(address_of(link)), "shown") == before


@pytest.mark.parametrize("names", [("Winter", "Winter (2)"), ("Winter (2)", "Winter")])
def test_list_renamed_by_a_merge_gets_a_number_that_no_other_list_has(device, patron, names):
    make_link(SavedListFactory(patron=patron, name="Winter"), with_notes=False, at=timezone.now())
    rows = {name: SavedItemFactory(saved_list__patron=device, saved_list__name=name) for name in names}
    merge_people(device, patron, by=patron, at=timezone.now())
    after = {name: SavedItem.objects.get(pk=row.pk).saved_list.name for name, row in rows.items()}
    assert after == {"Winter": "Winter (3)", "Winter (2)": "Winter (2)"}


def test_ended_link_moves_with_the_titles_of_its_list(device, patron):
    saved = {person: save(ItemFactory(), patron=person, at=timezone.now()) for person in (device, patron)}
    link = make_link(saved[device].saved_list, with_notes=True, at=timezone.now())
    end_link(link, at=timezone.now())
    merge_people(device, patron, by=patron, at=timezone.now())
    assert ListLink.objects.get().saved_list == saved[patron].saved_list
    assert SavedList.objects.count() == 1


def test_saved_lists_with_the_same_name_are_merged(device, patron):
    both, theirs, own = ItemFactory.create_batch(3)
    for person, item in ((device, both), (device, theirs), (patron, both), (patron, own)):
        save(item, patron=person, at=timezone.now())
    SavedListFactory(patron=device, name="For winter")
    merge_people(device, patron, by=patron, at=timezone.now())
    assert sorted(SavedList.objects.values_list("patron", "name")) == [
        (patron.pk, ""),
        (patron.pk, "For winter"),
    ]
    assert set(SavedItem.objects.values_list("item", flat=True)) == {both.pk, theirs.pk, own.pk}
    assert SavedItem.objects.count() == 3


def test_merge_combines_the_notes_about_an_item_that_is_in_both_lists(device, patron):
    item = ItemFactory()
    rows = {person: save(item, patron=person, at=timezone.now()) for person in (device, patron)}
    SavedItem.objects.filter(pk=rows[device].pk).update(note="From the phone", reading="done")
    SavedItem.objects.filter(pk=rows[patron].pk).update(note="From the desk")
    own_title = add_title(rows[device].saved_list, title="By hand", at=timezone.now())
    merge_people(device, patron, by=patron, at=timezone.now())
    merged = SavedItem.objects.get(item=item)
    assert (merged.note, merged.reading) == ("From the desk\n\nFrom the phone", "done")
    assert SavedItem.objects.get(item=None) == own_title
    assert SavedItem.objects.filter(saved_list=merged.saved_list).count() == 2


def test_merge_keeps_a_saved_item_that_was_removed_from_only_one_of_the_two_lists(device, patron):
    kept_there, kept_here = ItemFactory.create_batch(2)
    at = timezone.now()
    for item in (kept_there, kept_here):
        rows = {person: save(item, patron=person, at=at) for person in (device, patron)}
        remove(rows[patron if item == kept_there else device], at=at)
    assert what_moves(device).saved_items == 1
    merge_people(device, patron, by=patron, at=at)
    in_list = SavedItem.objects.in_lists().filter(saved_list__patron=patron)
    assert set(in_list.values_list("item", flat=True)) == {kept_there.pk, kept_here.pk}


def test_merge_combines_the_drafts_of_both_records_into_one(device, patron, branch):
    for person, body in ((device, "From the phone."), (patron, "From the desk.")):
        Draft.objects.create(
            kind="ask",
            side="patron",
            person=person,
            client_token=uuid.uuid4(),
            body=body,
            sequence=3,
            saved_at=timezone.now(),
        )
    conversation = ask(device, help_session=visit(device, branch))
    Draft.objects.create(
        kind="reply",
        side="patron",
        person=device,
        conversation=conversation,
        client_token=uuid.uuid4(),
        body="More",
        sequence=1,
        saved_at=timezone.now(),
    )
    merge_people(device, patron, by=patron, at=timezone.now())
    assert sorted(Draft.objects.values_list("person", "kind", "body", "sequence")) == [
        (patron.pk, "ask", "From the desk.\n\nFrom the phone.", 4),
        (patron.pk, "reply", "More", 1),
    ]


def test_attached_files_belong_to_the_remaining_record_after_a_merge(device, patron, branch):
    conversation = ask(device, help_session=visit(device, branch))
    attachment = attach_to(conversation.messages.get())
    merge_people(device, patron, by=patron, at=timezone.now())
    attachment.refresh_from_db()
    assert attachment.added_by == patron


def test_merge_keeps_the_later_time_at_which_a_conversation_was_read(device, patron, branch):
    conversation, early, late = (
        ask(device, help_session=visit(device, branch)),
        timezone.now(),
        timezone.now() + timezone.timedelta(hours=1),
    )
    Participation.objects.filter(conversation=conversation).update(read_until=late)
    Participation.objects.create(conversation=conversation, person=patron, read_until=early)
    merge_people(device, patron, by=patron, at=timezone.now())
    assert list(Participation.objects.values_list("person", "read_until")) == [(patron.pk, late)]


def test_merge_updates_names_in_the_search_index_and_refreshes_open_desk_pages(device, patron, branch):
    conversation = ask(device, help_session=visit(device, branch))
    version, desk_version, queue = (
        conversation.version,
        conversation.desk_version,
        BranchQueue.objects.get(branch=branch).version,
    )
    merge_people(device, patron, by=patron, at=timezone.now())
    assert search.look_up("okafor") == ({conversation.pk}, [])
    assert search.look_up("noor") == (set(), [])
    conversation.refresh_from_db()
    assert (conversation.version, conversation.desk_version) == (version + 1, desk_version + 1)
    assert BranchQueue.objects.get(branch=branch).version == queue + 1


@pytest.mark.parametrize("why", ["identical", "works at a desk", "deactivated", "deleted"])
def test_merge_of_identical_or_deactivated_or_deleted_or_staff_records_is_refused(
    why, device, patron, branch
):
    going, into = device, patron
    if why == "identical":
        going = patron
    elif why == "works at a desk":
        StaffRole.objects.create(user=device, branch=branch)
    elif why == "deleted":
        User.objects.filter(pk=device.pk).delete()
    else:
        User.objects.filter(pk=patron.pk).update(is_active=False)
    before = User.objects.count()
    with pytest.raises(CannotMerge):
        merge_people(going, into, by=patron, at=timezone.now())
    assert (User.objects.count(), AuditEvent.objects.filter(action="merged_people").count()) == (before, 0)


def test_staff_member_can_merge_their_patron_record_into_their_staff_record(device, staff, branch):
    ask(device, help_session=visit(device, branch))
    merge_people(device, staff, by=staff, at=timezone.now())
    assert Conversation.objects.get().patron == staff
    assert staff.staff_roles.count() == 1


def test_failed_merge_changes_nothing(device, patron, branch, monkeypatch):
    conversation = ask(device, help_session=visit(device, branch))
    monkeypatch.setattr(merging, "raise_queue", lambda branch_id: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        merge_people(device, patron, by=patron, at=timezone.now())
    conversation.refresh_from_db()
    assert conversation.patron == device
    assert Message.objects.get().author == device


def test_merge_preview_counts_visits_and_conversations_and_saved_items(device, patron, branch):
    assert not what_moves(device)
    session = visit(device, branch)
    ask(device, help_session=session)
    # This verdict opens a conversation. The conversation has no messages, so the preview doesn't count it.
    verdicts.take_verdict(
        recommend_in(session)[0], verdict="did_not_help", why="", comment="", by=device, at=timezone.now()
    )
    save(ItemFactory(), patron=device, at=timezone.now())
    ask(patron)
    assert what_moves(device) == merging.Moving(visits=1, conversations=1, saved_items=1)


# The tests below fail for a new model until MERGED_BY has a function for this model.


def is_unique_per_person(model, field):
    """Return whether the field is in a unique key. A merge of two people can violate such a key."""
    together = [
        set(constraint.fields)
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint)
    ]
    return model._meta.get_field(field).unique or any(
        field in fields for fields in [*together, *map(set, model._meta.unique_together)]
    )


def test_every_unique_foreign_key_to_a_person_has_a_merge_function():
    """Require a merge function in MERGED_BY if a person can have only one row of a model."""
    clashing = {
        (model._meta.label, field)
        for model, field in merging.references()
        if is_unique_per_person(model, field)
    }
    assert clashing <= set(merging.MERGED_BY)


def test_merge_functions_exist_only_for_existing_foreign_keys():
    assert set(merging.MERGED_BY) <= {(model._meta.label, field) for model, field in merging.references()}


def test_unique_foreign_keys_to_a_person_are_detected():
    assert is_unique_per_person(StaffRole, "user")
    assert not is_unique_per_person(Consent, "person")
    # `references` must find Message.author, although User has no reverse accessor for it.
    assert (Message, "author") in merging.references()
