"""Test how coordinators give and end staff roles, and that staff lose access as soon as their role ends."""

import uuid

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, StaffRole, User
from accounts.staff import roles
from accounts.staff_actions import RoleEnded
from portal.conversations import actions, departures, desk_actions, drafts, notes, presence
from portal.conversations.models import (
    Attachment,
    Conversation,
    DeskEvent,
    Draft,
    Message,
    NoteMention,
    Participation,
)
from portal.desk.item_picker import ItemPicker
from portal.helpsessions.models import HelpSession
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    PasskeyFactory,
    StaffFactory,
    picture_file,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def hill(library):
    """Return a branch that has its own coordinator."""
    hill = BranchFactory(name="Hill", slug="hill")
    StaffFactory(name="Thomas Hill", branch=hill, branch__role="coordinator")
    return hill


@pytest.fixture
def device(sign_in):
    """Return a function that signs a person in, with a second factor, and returns the new browser.

    The browser is in the list of the person's devices.
    """

    def device(person):
        browser = sign_in(Client(), person)
        UserSession.objects.create(user=person, session_key=browser.session.session_key, ip="127.0.0.1")
        return browser

    return device


@pytest.fixture
def settings_page(coordinator, device):
    return device(coordinator)


def named_roles(person):
    return sorted(StaffRole.objects.filter(user=person).values_list("branch__slug", "role"))


def give(browser, person, branch, role="staff"):
    return browser.post(
        reverse("person", args=[person.public_id]), {"branch": branch.pk, "role": role}, follow=True
    )


def end(browser, person, branch):
    return browser.post(f"{reverse('end_role', args=[person.public_id])}?branch={branch.slug}", follow=True)


# Tests of changing roles.


def test_coordinator_can_add_and_change_and_end_staff_roles(settings_page, branch, staff, coordinator):
    second = BranchFactory(name="Nobody coordinates it")
    give(settings_page, staff, branch, "coordinator")
    give(settings_page, staff, second)
    assert named_roles(staff) == sorted([(branch.slug, "coordinator"), (second.slug, "staff")])
    page = settings_page.get(
        f"{reverse('end_role', args=[staff.public_id])}?branch={second.slug}"
    ).content.decode()
    assert "this person keeps working at other branches" in page
    end(settings_page, staff, second)
    assert named_roles(staff) == [(branch.slug, "coordinator")]
    done = (
        AuditEvent.objects.filter(patron=staff)
        .order_by("pk")
        .values_list("action", "subject_type", "subject", "by")
    )
    assert list(done) == [
        ("made_coordinator", "branch", str(branch.pk), coordinator.pk),
        ("made_staff", "branch", str(second.pk), coordinator.pk),
        ("removed_role", "branch", str(second.pk), coordinator.pk),
    ]


def test_coordinator_cannot_change_roles_at_a_branch_with_its_own_coordinator(
    settings_page, coordinator, branch, hill
):
    theirs = StaffFactory(name="Hill Only", branch=hill)
    at_both = StaffFactory(name="At Both", branch=branch)
    StaffRole.objects.create(user=at_both, branch=hill)
    people = settings_page.get(reverse("people")).content.decode()
    assert ("Hill Only" in people, "At Both" in people) == (False, True)
    assert settings_page.get(reverse("person", args=[theirs.public_id])).status_code == 404
    page = settings_page.get(reverse("person", args=[at_both.public_id])).content.decode()
    assert (f'id="end-{branch.slug}"' in page, 'id="end-hill"' in page) == (True, False)
    assert end(settings_page, at_both, hill).status_code == 404
    for person in (at_both, coordinator):
        give(settings_page, person, hill, "coordinator")
    assert named_roles(at_both) == sorted([(branch.slug, "staff"), ("hill", "staff")])
    assert named_roles(coordinator) == [(branch.slug, "coordinator")]
    # A branch without a coordinator may be managed by coordinators of other branches.
    StaffRole.objects.filter(branch=hill, role="coordinator").delete()
    give(settings_page, at_both, hill, "coordinator")
    assert ("hill", "coordinator") in named_roles(at_both)


@pytest.mark.parametrize("does", [give, end])
def test_role_of_the_only_coordinator_cannot_be_changed(settings_page, branch, coordinator, staff, does):
    page = does(settings_page, coordinator, branch)
    assert "only coordinator" in page.content.decode()
    assert User.objects.get(pk=coordinator.pk).is_coordinator


def test_role_of_the_only_active_coordinator_cannot_be_changed(branch, staff, coordinator):
    StaffRole.objects.filter(user=staff).update(role="coordinator")
    User.objects.filter(pk=staff.pk).update(is_active=False)
    with pytest.raises(roles.LastCoordinator):
        roles.end_role(coordinator, branch=branch, by=coordinator, at=timezone.now())


def test_coordinator_whose_role_just_ended_cannot_change_roles(branch, patron, staff, coordinator):
    StaffFactory(branch=branch, branch__role="coordinator")
    assert coordinator.roles
    roles.end_role(User.objects.get(pk=coordinator.pk), branch=branch, by=coordinator, at=timezone.now())
    before = set(StaffRole.objects.values_list("user", "branch", "role"))
    with pytest.raises(RoleEnded):
        roles.give_role(patron, branch=branch, role="staff", by=coordinator, at=timezone.now())
    with pytest.raises(RoleEnded):
        departures.end_role(staff, branch=branch, by=coordinator, at=timezone.now())
    assert set(StaffRole.objects.values_list("user", "branch", "role")) == before


def test_staff_settings_page_of_a_patron_is_404(settings_page, patron):
    assert settings_page.get(reverse("person", args=[patron.public_id])).status_code == 404


def test_becoming_staff_deletes_passkeys_but_a_change_of_role_does_not(branch, patron, staff, coordinator):
    for person in (patron, staff):
        PasskeyFactory(person=person)
        roles.give_role(person, branch=branch, role="staff", by=coordinator, at=timezone.now())
    assert (patron.passkeys.count(), staff.passkeys.count()) == (0, 1)


@pytest.mark.parametrize("count", [1, 30])
def test_staff_list_runs_the_same_number_of_queries_for_1_and_30_people(
    settings_page, branch, count, django_assert_num_queries
):
    StaffFactory.create_batch(count, branch=branch)
    with django_assert_num_queries(10):
        settings_page.get(reverse("people"))


# Tests of ending roles.


@pytest.fixture
def conversation(branch, staff, patron):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron)
    conversation = ConversationFactory(help_session=session, assignee=staff)
    MessageFactory(conversation=conversation)
    return conversation


@pytest.fixture
def work_at_two_branches(conversation, staff, coordinator, branch, patron):
    """Give Rosa conversations, notes and drafts at two branches. Return the second branch's conversation."""
    second = BranchFactory(name="Second")
    StaffRole.objects.create(user=staff, branch=second)
    there = ConversationFactory(
        help_session=HelpSessionFactory(branch=second, staff=staff), assignee=staff, status="closed"
    )
    MessageFactory(conversation=there)
    at = timezone.now()
    for each in (conversation, there):
        notes.write_note(
            each,
            by=coordinator if each is conversation else staff,
            at=at,
            body=f"@{staff.name} look",
            client_token=uuid.uuid4(),
        )
        NoteMention.objects.get_or_create(note=each.notes.get(), person=staff)
        presence.refresh(each, person=staff, at=at)
        token = uuid.uuid4()
        drafts.save_draft(
            each,
            person=staff,
            side="staff",
            kind="reply",
            client_token=token,
            sequence=1,
            body="Not sent yet",
            at=at,
        )
    drafts.save_draft(
        conversation,
        person=patron,
        side="patron",
        kind="reply",
        client_token=uuid.uuid4(),
        sequence=1,
        body="Mine",
        at=at,
    )
    drafts.save_draft(
        conversation,
        person=coordinator,
        side="staff",
        kind="reply",
        client_token=uuid.uuid4(),
        sequence=1,
        body="Hers",
        at=at,
    )
    presence.refresh(conversation, person=coordinator, at=at)
    return there


@pytest.fixture
def unfinished_visits(work_at_two_branches, staff, conversation):
    """Return Rosa's two unfinished visits, one at each branch."""
    return [
        HelpSessionFactory(branch=each.branch, staff=staff, status="unfinished")
        for each in (conversation, work_at_two_branches)
    ]


def work_of(person):
    """Return four sets of conversations:

    - those assigned to the person
    - those with a draft by the person
    - those that the person has opened
    - those with an unseen mention of the person
    """
    return [
        set(Conversation.objects.filter(assignee=person)),
        {draft.conversation for draft in Draft.objects.filter(person=person, side="staff")},
        {row.conversation for row in Participation.objects.filter(person=person, side="staff")},
        {mention.note.conversation for mention in NoteMention.objects.filter(person=person, seen_at=None)},
    ]


def test_ending_a_role_unassigns_conversations_and_deletes_drafts_at_its_branch_only(
    work_at_two_branches, conversation, staff, coordinator, branch
):
    assert work_of(staff) == [{conversation, work_at_two_branches}] * 4
    assert departures.what_ends(staff, branch=branch) == departures.Ends(
        is_last=False, open_conversations=1, unfinished=0, drafts=1
    )
    departures.end_role(staff, branch=branch, by=coordinator, at=timezone.now())
    assert work_of(staff) == [{work_at_two_branches}] * 4
    assert {draft.body for draft in Draft.objects.filter(conversation=conversation)} == {"Mine", "Hers"}


def test_ending_the_last_role_unassigns_conversations_and_deletes_drafts_at_every_branch(
    work_at_two_branches, conversation, staff, coordinator, branch
):
    StaffRole.objects.filter(user=staff, branch=branch).delete()
    second = work_at_two_branches.branch
    assert departures.what_ends(staff, branch=second) == departures.Ends(
        is_last=True, open_conversations=1, unfinished=0, drafts=2
    )
    before = {row.pk: row.desk_version for row in (conversation, work_at_two_branches)}
    for row in (conversation, work_at_two_branches):
        row.refresh_from_db()
        before[row.pk] = row.desk_version
    departures.end_role(staff, branch=second, by=coordinator, at=timezone.now())
    assert work_of(staff) == [set()] * 4
    for row in (conversation, work_at_two_branches):
        row.refresh_from_db()
        assert (row.assigned_at, row.desk_version) == (None, before[row.pk] + 1)
        event = DeskEvent.objects.get(conversation=row)
        assert (event.kind, event.by, event.was, event.to, event.at) == (
            "unassigned",
            coordinator,
            staff,
            None,
            row.changed_at,
        )
    assert (Draft.objects.count(), Participation.objects.filter(side="staff").count()) == (2, 1)


def test_unfinished_visits_go_to_the_coordinator_who_ends_the_role(
    work_at_two_branches, unfinished_visits, conversation, staff, coordinator, branch
):
    """Patrons may have code cards for unfinished visits, so ending a role must not delete these visits."""
    here, there = unfinished_visits
    tally = HelpSessionFactory(branch=branch, staff=staff, status="tally")
    assert departures.what_ends(staff, branch=branch).unfinished == 1
    departures.end_role(staff, branch=branch, by=coordinator, at=timezone.now())
    assert list(HelpSession.objects.unfinished().filter(staff=coordinator)) == [here]
    assert departures.what_ends(staff, branch=work_at_two_branches.branch).unfinished == 1
    departures.end_role(staff, branch=work_at_two_branches.branch, by=coordinator, at=timezone.now())
    assert set(HelpSession.objects.unfinished().filter(staff=coordinator)) == {here, there}
    assert {
        session.staff for session in (conversation.help_session, HelpSession.objects.get(pk=tally.pk))
    } == {staff}


def test_ending_a_role_deletes_unsent_files_from_disk(
    conversation, staff, coordinator, branch, client, sign_in, django_capture_on_commit_callbacks
):
    token = uuid.uuid4()
    sign_in(client, staff).post(
        reverse("desk_attach", args=[conversation.public_id]),
        {"client_token": token, "files": [picture_file()]},
    )
    attachment = Attachment.objects.get()
    names = attachment.stored_names()
    with django_capture_on_commit_callbacks(execute=True):
        departures.end_role(staff, branch=branch, by=coordinator, at=timezone.now())
    assert not Attachment.objects.exists()
    assert not any(attachment.file.storage.exists(name) for name in names)


def test_ending_the_last_role_signs_the_staff_member_out_on_every_device(
    conversation, staff, coordinator, branch, device
):
    desk, phone, elsewhere = (device(staff) for _device in range(3))
    assert desk.get(reverse("desk_conversation", args=[conversation.public_id])).status_code == 200
    end(device(coordinator), staff, branch)
    news = desk.get(reverse("desk_news", args=[conversation.public_id]), headers={"HX-Request": "true"})
    assert news.status_code == 401
    assert phone.get(reverse("desk"))["Location"] == "/sign-in/?next=/desk/"
    answer = elsewhere.post(
        reverse("desk_reply", args=[conversation.public_id]),
        {"body": "Too late", "client_token": uuid.uuid4()},
    )
    assert answer["Location"].startswith("/sign-in/")
    assert elsewhere.get(reverse("me")).wsgi_request.user.is_anonymous
    assert not UserSession.objects.filter(user=staff).exists()
    assert not Message.objects.filter(side="staff").exists()


def test_staff_member_who_lost_one_of_two_roles_can_still_work_at_the_other_branch(
    work_at_two_branches, conversation, staff, coordinator, branch, device
):
    desk = device(staff)
    end(device(coordinator), staff, branch)
    pages = [
        desk.get(reverse("desk_conversation", args=[each.public_id])).status_code
        for each in (conversation, work_at_two_branches)
    ]
    assert pages == [404, 200]
    assert (
        desk.get(
            reverse("desk_news", args=[conversation.public_id]), headers={"HX-Request": "true"}
        ).status_code
        == 404
    )
    queue = desk.get(reverse("desk")).content.decode()
    assert str(conversation.public_id) not in queue


def test_coordinator_who_ends_their_own_last_role_is_signed_out(settings_page, coordinator, staff, branch):
    StaffRole.objects.filter(user=staff).update(role="coordinator")
    page = end(settings_page, coordinator, branch)
    assert page.redirect_chain[-1][0] == reverse("signed_out")
    assert settings_page.get(reverse("desk"))["Location"].startswith("/sign-in/")


def end_role_during_post(monkeypatch, person, branch, by):
    """End the person's role while a view handles a request.

    The role ends between the view's check of the role and its call of the action.
    """
    check = ItemPicker.check

    def checked(picker):
        departures.end_role(person, branch=branch, by=by, at=timezone.now())
        return check(picker)

    monkeypatch.setattr(ItemPicker, "check", checked)


@pytest.mark.parametrize("htmx", [False, True])
def test_answer_is_refused_but_saved_for_its_author_if_their_last_role_has_ended(
    conversation, staff, coordinator, branch, device, sign_in, monkeypatch, htmx
):
    desk = device(staff)
    end_role_during_post(monkeypatch, staff, branch, coordinator)
    headers = {"Origin": "http://testserver"} | ({"HX-Request": "true"} if htmx else {})
    sent = {
        "body": "Worms are the answer",
        "language": "en",
        "client_token": uuid.uuid4(),
        "seen": conversation.messages.get().pk,
    }
    answer = desk.post(reverse("desk_reply", args=[conversation.public_id]), sent, headers=headers)
    assert answer.headers.get("HX-Redirect", answer.headers.get("Location")).startswith("/sign-in/?next=")
    assert not conversation.messages.filter(side="staff").exists()
    assert "Worms are the answer" in sign_in(desk, staff).get(reverse("kept")).content.decode()


def test_sending_an_answer_is_404_if_the_authors_role_at_the_branch_just_ended(
    work_at_two_branches, conversation, staff, coordinator, branch, device, monkeypatch
):
    desk = device(staff)
    end_role_during_post(monkeypatch, staff, branch, coordinator)
    sent = {
        "body": "Worms are the answer",
        "language": "en",
        "client_token": uuid.uuid4(),
        "seen": conversation.messages.get().pk,
    }
    assert desk.post(reverse("desk_reply", args=[conversation.public_id]), sent).status_code == 404
    assert not conversation.messages.filter(side="staff").exists()


def test_undo_does_not_assign_a_conversation_to_former_staff(conversation, staff, coordinator, branch):
    at = timezone.now()
    taken = desk_actions.assign(conversation, to=coordinator, by=coordinator, at=at, was=staff)
    departures.end_role(staff, branch=branch, by=coordinator, at=at)
    assert desk_actions.undo(conversation, done_at=taken.changed_at, by=coordinator, at=at).assignee is None


def test_patron_cannot_answer_as_staff_or_be_assigned_a_conversation(
    conversation, staff, coordinator, patron
):
    with pytest.raises(RoleEnded):
        desk_actions.assign(conversation, to=patron, by=coordinator, at=timezone.now(), was=staff)
    with pytest.raises(RoleEnded):
        actions.reply(
            conversation,
            by=patron,
            side="staff",
            at=timezone.now(),
            body="x",
            language="en",
            client_token=uuid.uuid4(),
        )
