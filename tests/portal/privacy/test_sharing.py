"""Test what happens if a person leaves a child's visit or is removed from it."""

import datetime
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User, private_storage
from portal.conversations import actions as conversations
from portal.helpsessions import codes, handover, keeping
from portal.helpsessions.models import HelpSession
from portal.lists.models import SavedItem
from portal.notifications.models import Notification
from portal.privacy import contents, erasure, exports, holds, retention, sharing
from portal.privacy.models import Export, LegalHold
from portal.privacy.unmerging import merge_for_a_day, unmerge
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SavedItemFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    code_for,
    recommend_in,
    recommend_in_message,
)
from tests.portal.pages import asks_to_sign_in, text

pytestmark = pytest.mark.django_db

AT = datetime.datetime(2026, 11, 20, 8, 30, tzinfo=datetime.UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def child(library):
    return ChildFactory(name="Mia", email="mia@example.org")


@pytest.fixture
def adult(library):
    return UserFactory(name="Gudrun Adult", email="gudrun@example.org")


@pytest.fixture
def visit(branch, staff, child, adult):
    """Return a visit in the accounts of a child and an adult.

    The conversation has a message from the child, a message from the adult, and an answer that recommends an
    item.
    """
    found = SharedSessionFactory(
        branch=branch,
        staff=staff,
        patron=child,
        shared_with=adult,
        kept_at=AT,
        shared_at=AT,
        created_at=AT,
        happened_on=AT.date(),
    )
    recommend_in(found)
    conversation = ConversationFactory(help_session=found, status="closed", opened_at=AT)
    MessageFactory(conversation=conversation, author=child, body="Zqxchild", sent_at=AT)
    MessageFactory(conversation=conversation, author=adult, body="Zqxadult", sent_at=AT)
    recommend_in_message(
        MessageFactory(conversation=conversation, side="staff", author=staff, body="Zqxanswer", sent_at=AT)
    )
    return found


def stop_keeping(visit, person, **_):
    sharing.stop_keeping(visit, by=person, at=AT + HOUR)


def keep_alone(visit, _person, *, child, **_):
    sharing.keep_alone(visit, by=child, at=AT + HOUR)


def take_out(visit, person, *, staff, **_):
    sharing.take_out(visit, person, by=staff, at=AT + HOUR)


WAYS_TO_LEAVE = [
    ("adult", stop_keeping),
    ("child", stop_keeping),
    ("adult", keep_alone),
    ("adult", take_out),
    ("child", take_out),
]
every_way_to_leave = pytest.mark.parametrize(
    ("who", "leave"), WAYS_TO_LEAVE, ids=lambda value: value if isinstance(value, str) else value.__name__
)


@pytest.fixture
def people(child, adult, staff):
    return {"child": child, "adult": adult, "staff": staff}


def people_who_keep(visit):
    visit.refresh_from_db()
    return visit.patron, visit.shared_with


# Tests of legal holds.


@pytest.mark.slow
@every_way_to_leave
def test_visit_stays_under_the_legal_hold_of_a_person_who_has_left_the_visit(
    visit, people, coordinator, who, leave
):
    found = holds.hold(people[who], reason="Case 7", by=coordinator, at=AT)
    leave(visit, people[who], **people)
    assert people[who] not in people_who_keep(visit)
    left = LegalHold.objects.get(comes_from=found)
    assert (left.record, left.name, left.reason, left.set_by, left.set_at) == (
        visit,
        str(visit.public_id),
        "Case 7",
        coordinator,
        AT + HOUR,
    )
    assert list(
        AuditEvent.objects.filter(action="held", subject=str(left.public_id)).values_list("by", flat=True)
    ) == [None]
    assert (holds.held(visit), holds.held(visit.conversations.get())) == (True, True)
    retention.forget(at=AT + 1000 * DAY)
    visit.refresh_from_db()
    assert (visit.question, visit.conversations.get().messages.count()) == ("Why do volcanoes erupt?", 3)


@every_way_to_leave
def test_lifting_a_persons_legal_hold_also_lifts_the_hold_on_a_visit_that_the_person_left(
    visit, people, coordinator, who, leave
):
    found = holds.hold(people[who], reason="Case 7", by=coordinator, at=AT)
    leave(visit, people[who], **people)
    holds.lift(found, by=coordinator, at=AT + DAY)
    assert list(LegalHold.objects.values_list("lifted_at", "lifted_by")) == [(AT + DAY, coordinator.pk)] * 2
    assert not holds.held(visit)
    retention.forget(at=AT + 1000 * DAY)
    visit.refresh_from_db()
    assert visit.question == ""


@every_way_to_leave
def test_legal_hold_on_a_stranger_does_not_apply_to_a_visit_that_a_person_leaves(
    visit, people, coordinator, who, leave
):
    holds.hold(UserFactory(), reason="Another case", by=coordinator, at=AT)
    leave(visit, people[who], **people)
    assert not LegalHold.objects.exclude(comes_from=None).exists()
    assert not holds.held(visit)


@pytest.mark.slow
def test_child_cannot_be_erased_while_the_shared_visit_is_under_legal_hold(visit, child, adult, coordinator):
    found = holds.hold(adult, reason="Case 7", by=coordinator, at=AT)
    sharing.keep_alone(visit, by=child, at=AT + HOUR)
    with pytest.raises(erasure.HeldByLaw):
        erasure.erase(child, language="en", at=AT + DAY)
    holds.lift(found, by=coordinator, at=AT + DAY)
    erasure.erase(child, language="en", at=AT + DAY)
    visit.refresh_from_db()
    assert visit.question == ""


def test_lifting_a_persons_legal_hold_keeps_a_separate_hold_on_the_visit(visit, adult, coordinator):
    on_person = holds.hold(adult, reason="Case 7", by=coordinator, at=AT)
    sharing.stop_keeping(visit, by=adult, at=AT + HOUR)
    own = holds.hold(visit, reason="Case 8", by=coordinator, at=AT + HOUR)
    assert own.comes_from is None
    holds.lift(on_person, by=coordinator, at=AT + DAY)
    assert list(LegalHold.objects.filter(lifted_at=None)) == [own]
    assert holds.held(visit)


def test_lifting_the_legal_hold_on_a_visit_keeps_the_hold_on_the_person(visit, adult, coordinator):
    on_person = holds.hold(adult, reason="Case 7", by=coordinator, at=AT)
    sharing.stop_keeping(visit, by=adult, at=AT + HOUR)
    holds.lift(on_person.left.get(), by=coordinator, at=AT + DAY)
    assert (holds.held(visit), holds.held(adult)) == (False, True)


def test_visit_gets_only_one_legal_hold_if_a_person_under_a_hold_leaves_twice(
    visit, adult, child, coordinator
):
    holds.hold(adult, reason="Case 7", by=coordinator, at=AT)
    for _ in range(2):
        sharing.stop_keeping(visit, by=adult, at=AT + HOUR)
        keeping.keep(visit, by=adult, at=AT + HOUR, wording="", language="en")
    assert LegalHold.objects.exclude(comes_from=None).count() == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("who", "route"), [("adult", "stop_keeping"), ("child", "stop_keeping"), ("child", "stop_sharing")]
)
def test_leaving_a_shared_visit_does_not_reveal_a_legal_hold(visit, people, coordinator, sign_in, who, route):
    """Check that the pages are the same without a hold, with one on the child, and with one on the adult."""
    read = []
    for held in ([], [people["child"]], [people["adult"]]):
        HelpSession.objects.filter(pk=visit.pk).update(
            patron=people["child"], shared_with=people["adult"], is_the_childs_alone=False
        )
        for person in held:
            holds.hold(person, reason="Case 7", by=coordinator, at=AT)
        browser = sign_in(Client(), User.objects.get(pk=people[who].pk))
        answer = browser.post(reverse(route, args=[visit.public_id]), follow=True)
        looked = text(browser.get(reverse("who_looked")))
        read.append((answer.status_code, text(answer), looked))
    assert read == [read[0]] * 3
    assert "held" not in str(read)


def test_coordinator_sees_whose_legal_hold_caused_the_hold_on_a_visit(
    visit, adult, coordinator, client, sign_in
):
    on_person = holds.hold(adult, reason="Case 7", by=coordinator, at=AT)
    sharing.stop_keeping(visit, by=adult, at=AT + HOUR)
    sign_in(client, coordinator)
    page = client.get(reverse("legal_holds"))
    assert text(page).count("Case 7") == 2
    assert "A person under a legal hold removed this visit from their account" in text(page)
    assert f'href="#hold-{on_person.public_id}"' in page.content.decode()
    assert f'id="hold-{on_person.public_id}"' in page.content.decode()
    client.post(reverse("lift_hold", args=[on_person.public_id]))
    assert "No legal holds" in text(client.get(reverse("legal_holds")))


@pytest.mark.slow
def test_legal_hold_set_on_a_merged_record_covers_both_records_after_unmerging(coordinator, branch):
    one, two = UserFactory(), UserFactory()
    theirs = HelpSessionFactory(branch=branch, patron=one)
    joined = merge_for_a_day(one, two, by=coordinator, at=AT)
    before = holds.hold(UserFactory(), reason="Another case", by=coordinator, at=AT)
    found = holds.hold(two, reason="Case 7", by=coordinator, at=AT + HOUR)
    again = unmerge(joined, by=coordinator, at=AT + 2 * HOUR)
    assert (holds.held(again), holds.held(two), holds.held(theirs)) == (True, True, True)
    assert before.left.count() == 0
    holds.lift(found, by=coordinator, at=AT + DAY)
    assert (holds.held(again), holds.held(two), holds.held(theirs)) == (False, False, False)


def test_unmerging_returns_an_older_legal_hold_to_its_original_record(coordinator, branch):
    one, two = UserFactory(), UserFactory()
    found = holds.hold(one, reason="Case 7", by=coordinator, at=AT)
    again = unmerge(merge_for_a_day(one, two, by=coordinator, at=AT + HOUR), by=coordinator, at=AT + 2 * HOUR)
    found.refresh_from_db()
    assert (found.person, holds.held(two), LegalHold.objects.count()) == (again, False, 1)


# Tests of leaving a visit that is not in the person's account.


def test_person_who_was_removed_from_a_visit_cannot_remove_other_people(visit, child, adult, staff):
    """Use the buttons of a page that the person opened before the desk removed the person from the visit."""
    sharing.take_out(visit, adult, by=staff, at=AT)
    HelpSession.objects.filter(pk=visit.pk).update(
        shared_with=(other := UserFactory()), is_the_childs_alone=False
    )
    sharing.stop_keeping(visit, by=adult, at=AT)
    sharing.keep_alone(visit, by=adult, at=AT)
    assert not sharing.take_out(visit, adult, by=staff, at=AT)
    assert people_who_keep(visit) == (child, other)


def test_retention_job_does_not_remove_an_adult_who_has_just_kept_the_visit(visit, adult, monkeypatch):
    """Make another adult join after retention selects the visit and before retention locks the visit."""
    other, due_sharing = UserFactory(), retention.due_sharing
    HelpSession.objects.filter(pk=visit.pk).update(shared_at=AT - 100 * DAY)
    looked = []

    def adult_joins_meanwhile(at):
        found = due_sharing(at)
        if not looked:
            looked.append(list(found))
            found = HelpSession.objects.filter(pk__in=[visit.pk])
            HelpSession.objects.filter(pk=visit.pk).update(shared_with=other, shared_at=AT)
        return found

    monkeypatch.setattr(retention, "due_sharing", adult_joins_meanwhile)
    retention.forget(at=AT + HOUR)
    assert looked == [[visit]]
    assert people_who_keep(visit)[1] == other


# Tests of emails that are waiting to be sent.


@every_way_to_leave
def test_queued_answer_email_is_deleted_when_its_recipient_leaves_the_visit(
    visit, people, branch, who, leave
):
    other = SharedSessionFactory(
        branch=branch, staff=people["staff"], patron=people["child"], shared_with=people["adult"]
    )
    for about in (visit, other):
        conversation = conversations.ask(
            by=people["child"],
            at=AT,
            body="Is lava hot?",
            language="en",
            client_token=uuid.uuid4(),
            help_session=about,
        )
        answer = {"side": "staff", "at": AT, "body": "Yes.", "language": "en", "client_token": uuid.uuid4()}
        conversations.reply(conversation, by=people["staff"], **answer)
    assert Notification.objects.count() == 4
    leave(visit, people[who], **people)
    goes_on = next(name for name in ("child", "adult") if name != who)
    to = sorted(Notification.objects.values_list("recipient", flat=True))
    # The email to the person who left `visit` is deleted. Nobody left `other`, so its two emails stay.
    assert to == sorted([people[who].pk, people[goes_on].pk, people[goes_on].pk])


def test_answer_is_not_emailed_to_an_adult_just_removed_from_the_visit(visit, child, adult, staff):
    conversation = visit.conversations.select_related("help_session", "help_session__shared_with").get()
    assert conversation.help_session.shared_with == adult
    sharing.keep_alone(visit, by=child, at=AT)
    conversations.reply(
        conversation, by=staff, side="staff", at=AT, body="Yes.", language="en", client_token=uuid.uuid4()
    )
    assert list(Notification.objects.values_list("recipient", flat=True)) == [child.pk]


# In the tests below, someone else has kept a child's visit by saying that they are the child. The desk
# removes this person from the visit.


@pytest.fixture
def desk(client, staff, sign_in):
    return sign_in(client, staff)


def confirm_removal(desk, visit, person):
    """Open the confirmation page from the visit's page and confirm. Return (page text, response)."""
    address = f"{reverse('take_out', args=[visit.public_id])}?who={person.public_id}"
    assert (
        address.replace("&", "&amp;")
        in desk.get(reverse("desk_session", args=[visit.public_id])).content.decode()
    )
    before = people_who_keep(visit)
    asked = desk.get(address)
    assert people_who_keep(visit) == before
    return text(asked), desk.post(address, {"who": str(person.public_id)})


@pytest.mark.slow
def test_staff_member_can_remove_the_wrong_child_from_a_shared_visit(
    visit, child, adult, desk, sign_in, staff, django_capture_on_commit_callbacks
):
    code, conversation = code_for(visit), visit.conversations.get()
    [item, _answers] = contents.TABLES["recommendations"].rows(child, timezone.now())
    SavedItemFactory(saved_list__patron=child, item=item.item, recommendation=item)
    own = SavedItemFactory(saved_list=child.saved_lists.get())
    exports.ask_for(child, language="en", at=AT)
    exports.build_exports(at=timezone.now())
    file = Export.objects.get().file.name
    browser = sign_in(Client(), child)
    with django_capture_on_commit_callbacks(execute=True):
        asked, answer = confirm_removal(desk, visit, child)
    assert "Anyone with the slip can say that they are the child" in asked
    assert "Mia" in asked
    assert answer.url == reverse("desk_session", args=[visit.public_id])
    assert people_who_keep(visit) == (None, adult)
    for address in (
        visit.get_absolute_url(),
        conversation.get_absolute_url(),
        reverse("verdict", args=[item.public_id]),
    ):
        assert (
            browser.get(address).status_code,
            sign_in(Client(), User.objects.get(pk=adult.pk)).get(address).status_code,
        ) == (404, 200)
    for name in ("home", "help_sessions", "conversations"):
        assert "volcanoes" not in text(browser.get(reverse(name)))
    assert list(SavedItem.objects.filter(saved_list__patron=child)) == [own]
    copy = {
        name: list(contents.entries(table, child, timezone.now())) for name, table in contents.TABLES.items()
    }
    assert [copy[name] for name in ("visits", "recommendations", "conversations", "events")] == [[]] * 4
    # The export still contains the child's own message, but nothing else about the visit.
    assert [(row["text"], row["from"]) for row in copy["messages"]] == [("Zqxchild", "you")]
    assert (Export.objects.exists(), private_storage().exists(file)) == (False, False)
    assert browser.get(reverse("export")).status_code == 200
    with pytest.raises(handover.CodeRevoked):
        handover.open_by_code(code, at=timezone.now())
    assert list(AuditEvent.objects.filter(action="took_out").values_list("by", "patron", "subject")) == [
        (staff.pk, child.pk, str(visit.public_id))
    ]
    assert "removed a child's visit from your library account" in text(browser.get(reverse("who_looked")))


@pytest.mark.slow
def test_right_child_can_keep_the_visit_after_the_wrong_child_is_removed(
    visit, child, desk, show_code, sign_in
):
    sharing.keep_alone(visit, by=child, at=AT)
    asked, _answer = confirm_removal(desk, visit, child)
    for words in (
        "This person chose to hide the visit from all adults",
        "the visit is in nobody's account",
    ):
        assert words in asked
    desk.post(reverse("hand_over", args=[visit.public_id]))
    code = codes.normalize(desk.get(reverse("slip", args=[visit.public_id])).context["grouped"])
    mia, gudrun = ChildFactory(name="Mia"), UserFactory()
    for person in (mia, gudrun):
        show_code(sign_in(Client(), person), code).post(reverse("keep_session", args=[visit.public_id]))
    assert people_who_keep(visit) == (mia, gudrun)
    wrote = text(sign_in(Client(), mia).get(visit.conversations.get().get_absolute_url()))
    assert "Written by someone who had this visit in their account before" in wrote
    assert "The child wrote" not in wrote


def test_removing_the_child_from_a_visit_revokes_the_printed_code(visit, child, desk, show_code):
    HelpSession.objects.filter(pk=visit.pk).update(shared_with=None)
    holder = show_code(Client(), code_for(visit))
    assert holder.get(visit.get_absolute_url()).status_code == 200
    confirm_removal(desk, visit, child)
    assert asks_to_sign_in(holder.get(visit.get_absolute_url()))


def test_saved_items_of_a_child_under_a_legal_hold_stay_when_staff_remove_the_child(
    visit, child, coordinator, staff
):
    item = contents.TABLES["recommendations"].rows(child, timezone.now())[0]
    saved = SavedItemFactory(saved_list__patron=child, item=item.item, recommendation=item)
    holds.hold(child, reason="Case 7", by=coordinator, at=AT)
    sharing.take_out(visit, child, by=staff, at=AT)
    assert list(SavedItem.objects.all()) == [saved]


def test_removal_request_from_an_outdated_desk_page_removes_nobody(visit, child, adult, desk):
    HelpSession.objects.filter(pk=visit.pk).update(patron=(other := ChildFactory()))
    for who in (child.public_id, "", "nobody", UserFactory().public_id):
        assert desk.post(reverse("take_out", args=[visit.public_id]), {"who": str(who)}).status_code == 302
    assert people_who_keep(visit) == (other, adult)


def test_staff_member_can_remove_the_adult_from_a_visit_after_confirming(visit, child, adult, desk):
    asked, _answer = confirm_removal(desk, visit, adult)
    assert "After you remove the adult, no adult can add this visit to their account" in asked
    assert people_who_keep(visit) == (child, None)
    assert visit.is_the_childs_alone


def test_staff_member_cannot_remove_the_patron_of_an_unshared_visit(branch, staff, patron, child, desk):
    for kept in (
        HelpSessionFactory(branch=branch, staff=staff, patron=patron),
        HelpSessionFactory(branch=branch, staff=staff, patron=child, with_child="own"),
    ):
        desk.post(reverse("take_out", args=[kept.public_id]), {"who": str(kept.patron.public_id)})
        assert people_who_keep(kept)[0] is not None
        assert (
            "take-child-out" not in desk.get(reverse("desk_session", args=[kept.public_id])).content.decode()
        )


def test_staff_member_of_another_branch_cannot_remove_a_child_from_a_visit(visit, child, client, sign_in):
    HelpSession.objects.filter(pk=visit.pk).update(shared_with=None)
    desk = sign_in(client, StaffFactory())
    desk.post(reverse("open_by_patrons_code"), {"code": code_for(visit)})
    page = desk.get(reverse("desk_session", args=[visit.public_id]))
    assert page.status_code == 200
    assert reverse("take_out", args=[visit.public_id]) not in page.content.decode()
    assert (
        desk.post(reverse("take_out", args=[visit.public_id]), {"who": str(child.public_id)}).status_code
        == 404
    )


@pytest.mark.parametrize(("held_by", "told"), [(["child"], ["child"]), (["adult"], ["adult"]), ([], [None])])
def test_opening_a_visit_by_code_at_the_desk_is_logged_for_the_person_who_keeps_it(
    visit, people, desk, held_by, told
):
    both = {
        "patron": people["child"] if "child" in held_by else None,
        "shared_with": people["adult"] if "adult" in held_by else None,
    }
    HelpSession.objects.filter(pk=visit.pk).update(**both)
    desk.post(reverse("open_by_patrons_code"), {"code": code_for(visit)})
    events = AuditEvent.objects.filter(action="opened_by_code")
    assert list(events.values_list("patron", flat=True)) == [name and people[name].pk for name in told]


# Tests of merging and unmerging the record of an adult.


def test_unmerging_moves_new_messages_by_the_adult_together_with_the_shared_visit(
    visit, child, adult, coordinator, staff, sign_in
):
    other, conversation = UserFactory(), visit.conversations.get()
    joined = merge_for_a_day(adult, other, by=coordinator, at=(at := timezone.now()))
    conversations.reply(
        conversation,
        by=other,
        side="patron",
        at=at + HOUR,
        body="Zqxsince",
        language="en",
        client_token=uuid.uuid4(),
    )
    conversations.drafts.save_draft(
        conversation,
        person=other,
        side="patron",
        kind="reply",
        client_token=uuid.uuid4(),
        sequence=1,
        body="Zqxdraft",
        at=at + HOUR,
    )
    desk = sign_in(Client(), staff)
    desk.get(reverse("desk_session", args=[visit.public_id]))
    desk.get(reverse("desk_conversation", args=[conversation.public_id]))
    again = unmerge(joined, by=coordinator, at=at + 2 * HOUR)
    assert people_who_keep(visit) == (child, again)
    assert conversation.messages.get(body="Zqxsince").author == again
    assert conversation.drafts.get(body="Zqxdraft").person == again
    looks = AuditEvent.objects.filter(action="opened", by=staff)
    assert set(looks.values_list("patron", "subject")) == {
        (who.pk, str(what.public_id)) for who in (child, again) for what in (visit, conversation)
    }


def test_unmerging_does_not_add_a_removed_adult_to_the_shared_visit(branch, coordinator):
    """Merge the adult's record into the child's. The child ends the sharing before the merge is undone."""
    one, two = UserFactory(), UserFactory()
    both = SharedSessionFactory(branch=branch, patron=one, shared_with=two)
    joined = merge_for_a_day(two, one, by=coordinator, at=AT)
    found = holds.hold(one, reason="Case 7", by=coordinator, at=AT + HOUR)
    sharing.keep_alone(both, by=one, at=AT + HOUR)
    again = unmerge(joined, by=coordinator, at=AT + 2 * HOUR)
    assert (people_who_keep(both), both.is_the_childs_alone) == ((one, None), True)
    assert set(LegalHold.objects.values_list("person", "help_session", "comes_from")) == {
        (one.pk, None, None),
        (again.pk, None, found.pk),
    }
