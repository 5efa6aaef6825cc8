"""Test the list of emails that were not matched: who sees the list, and how staff handle an email."""

import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from portal.conversations import actions
from portal.conversations.models import Attachment, Message
from portal.incoming import readers
from portal.incoming.models import EmailReader, IncomingEmail
from portal.notifications.models import Notification
from portal.privacy import holds
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    IncomingEmailFactory,
    MessageFactory,
    StaffFactory,
    UserFactory,
    attach_to,
)

pytestmark = pytest.mark.django_db

LIST = reverse("not_matched")


@pytest.fixture(autouse=True)
def reply_address(settings):
    settings.REPLY_ADDRESS = "reply@library.example"


@pytest.fixture
def desk(client, coordinator, sign_in):
    return sign_in(client, coordinator)


@pytest.fixture
def conversation(patron, branch, staff):
    session = HelpSessionFactory(patron=patron, branch=branch, staff=staff)
    conversation = ConversationFactory(help_session=session)
    two_hours_ago = timezone.now() - timedelta(hours=2)
    MessageFactory(conversation=conversation, author=patron, sent_at=two_hours_ago)
    answer = {"by": staff, "side": "staff", "body": "Try vinegar.", "language": "en"}
    an_hour_ago = timezone.now() - timedelta(hours=1)
    actions.reply(conversation, at=an_hour_ago, client_token=uuid.uuid4(), **answer)
    conversation.refresh_from_db()
    return conversation


@pytest.fixture
def email(conversation, patron):
    return IncomingEmailFactory(conversation=conversation, person=patron)


def page_of(email):
    return reverse("not_matched_email", args=[email.public_id])


def to(name, email):
    return reverse(name, args=[email.public_id])


def listed(desk):
    return [email.pk for email in desk.get(LIST).context["emails"]]


class TestWhoSeesTheList:
    def test_coordinator_sees_emails_about_their_branches_and_emails_without_a_conversation(
        self, desk, email, patron, coordinator
    ):
        far = ConversationFactory(patron=UserFactory(), help_session=None, branch=BranchFactory())
        StaffFactory(branch=far.branch, branch__role="coordinator")
        elsewhere = IncomingEmailFactory(conversation=far, person=far.patron)
        unknown = IncomingEmailFactory(reason="no_address", came_at=timezone.now() + timedelta(seconds=1))
        assert listed(desk) == [unknown.pk, email.pk]
        for name in ("not_matched_email", "not_matched_original"):
            assert desk.get(to(name, elsewhere)).status_code == 404
        for name in ("add_not_matched", "delete_not_matched"):
            assert desk.post(to(name, elsewhere)).status_code == 404

    def test_staff_can_open_unmatched_emails_only_after_a_coordinator_gives_permission(
        self, client, email, coordinator, staff, sign_in
    ):
        sign_in(client, staff)
        addresses = [LIST, page_of(email), to("not_matched_original", email)]
        assert [client.get(address).status_code for address in addresses] == [404] * 3
        readers.add_reader(person=staff, by=coordinator, at=timezone.now())
        assert [client.get(address).status_code for address in addresses] == [200] * 3

    def test_coordinator_can_give_a_colleague_access_to_unmatched_emails_and_end_the_access(
        self, desk, staff, coordinator
    ):
        page, change = (
            reverse("person", args=[staff.public_id]),
            reverse("email_reader", args=[staff.public_id]),
        )
        assert (
            "This person can see the emails that match no conversation."
            not in desk.get(page).content.decode()
        )
        assert (
            "Rosa Lindqvist can see the emails"
            in desk.post(change, {"reads": "1"}, follow=True).content.decode()
        )
        assert "This person can see the emails that match no conversation." in desk.get(page).content.decode()
        assert list(EmailReader.objects.values_list("person", "named_by")) == [(staff.pk, coordinator.pk)]
        assert "can no longer see the emails" in desk.post(change, follow=True).content.decode()
        assert not EmailReader.objects.exists()
        actions = AuditEvent.objects.filter(patron=staff).order_by("pk").values_list("action", flat=True)
        assert list(actions) == ["named_email_reader", "ended_email_reader"]

    def test_coordinator_cannot_allow_a_colleague_of_another_branch_to_read_unmatched_emails(
        self, desk, coordinator
    ):
        far = StaffFactory(branch=BranchFactory())
        StaffFactory(branch=far.staff_roles.get().branch, branch__role="coordinator")
        assert desk.post(reverse("email_reader", args=[far.public_id]), {"reads": "1"}).status_code == 404

    def test_permission_to_read_unmatched_emails_is_deleted_after_the_last_role_ends(
        self, staff, coordinator
    ):
        for person in (staff, StaffFactory()):
            readers.add_reader(person=person, by=coordinator, at=timezone.now())
        staff.staff_roles.all().delete()
        readers.forget_former_readers(at=timezone.now())
        assert EmailReader.objects.filter(person=staff).count() == 0
        assert EmailReader.objects.count() == 1


class TestList:
    def test_list_of_unmatched_emails_shows_the_reason_and_the_masked_sender_but_no_text(
        self, desk, email, conversation
    ):
        page = desk.get(LIST).content.decode()
        assert "The email came from an address that is not the patron&#x27;s." in page
        assert "s•••<wbr>@example<wbr>.net" in page
        for words in ("sam.at.work", email.text, email.subject, conversation.subject, "Sam Okafor"):
            assert words not in page

    def test_email_to_an_erased_conversation_is_listed_but_has_no_page(self, desk):
        email = IncomingEmail.objects.create(came_at=timezone.now(), reason="erased")
        page = desk.get(LIST).content.decode()
        assert "the library stored only the time" in page
        assert page_of(email) not in page
        assert desk.get(page_of(email)).status_code == 404

    @pytest.mark.parametrize("rows", [1, 30])
    def test_list_of_unmatched_emails_runs_the_same_number_of_queries_for_1_and_30_emails(
        self, desk, rows, conversation, patron, django_assert_num_queries
    ):
        IncomingEmailFactory.create_batch(rows, conversation=conversation, person=patron)
        desk.get(LIST)
        with django_assert_num_queries(5):
            desk.get(LIST)

    def test_empty_list_of_unmatched_emails_says_that_every_email_belongs_to_a_conversation(self, desk):
        assert "Every incoming email belongs to a conversation." in desk.get(LIST).content.decode()

    def test_email_that_became_a_message_is_not_listed(self, desk, patron, conversation):
        IncomingEmailFactory(message=MessageFactory(conversation=conversation, author=patron))
        assert listed(desk) == []

    def test_queue_and_settings_say_how_many_emails_match_no_conversation(self, desk, email):
        assert 'id="to-not-matched"' in desk.get(reverse("desk")).content.decode()
        assert "1 incoming email matches no conversation." in desk.get(reverse("settings")).content.decode()

    def test_queue_has_no_chip_for_emails_if_every_email_matches_a_conversation(self, desk):
        assert 'id="to-not-matched"' not in desk.get(reverse("desk")).content.decode()

    def test_queue_has_no_chip_for_emails_if_staff_may_not_read_the_emails(
        self, client, email, staff, sign_in
    ):
        assert 'id="to-not-matched"' not in sign_in(client, staff).get(reverse("desk")).content.decode()


class TestPageOfAnEmail:
    def test_page_of_an_unmatched_email_shows_its_sender_and_text_and_the_confirmed_address(
        self, desk, email, conversation
    ):
        page = desk.get(page_of(email)).content.decode()
        for words in (
            "sam<wbr>.at<wbr>.work<wbr>@example<wbr>.net",
            "sam<wbr>@example<wbr>.org",
            "Still no luck.",
        ):
            assert words in page
        assert reverse("desk_conversation", args=[conversation.public_id]) in page
        assert "The email didn't come from the patron's confirmed address." in page

    def test_page_of_an_unmatched_email_says_whether_it_came_from_the_confirmed_address(
        self, desk, conversation, patron
    ):
        email = IncomingEmailFactory(
            conversation=conversation, person=patron, reason="expired", sender=patron.email
        )
        page = desk.get(page_of(email)).content.decode()
        assert "The email came from the patron's confirmed address." in page
        assert "The email didn't come from" not in page

    def test_access_log_records_that_staff_opened_an_unmatched_email(
        self, client, desk, email, coordinator, patron, sign_in
    ):
        desk.get(page_of(email))
        event = AuditEvent.objects.get(subject=str(email.public_id))
        assert (event.action, event.by, event.patron) == ("opened", coordinator, patron)
        page = sign_in(client, patron).get(reverse("who_looked")).content.decode()
        assert "opened an email that may be from you" in page

    def test_email_that_belongs_to_no_conversation_can_only_be_deleted(self, desk):
        email = IncomingEmailFactory(reason="no_address")
        page = desk.get(page_of(email)).content.decode()
        assert "add-email" not in page
        assert "delete-email" in page
        assert desk.post(to("add_not_matched", email)).status_code == 302
        assert not Message.objects.exists()

    def test_html_in_an_email_is_escaped(self, desk, email):
        IncomingEmail.objects.update(text="<img src=x onerror=alert(1)>", subject="<b>x</b>")
        page = desk.get(page_of(email)).content.decode()
        assert "<img src=x" not in page
        assert "<b>x</b>" not in page

    def test_access_log_records_that_staff_downloaded_an_original_email(self, desk, email):
        response = desk.get(to("not_matched_original", email))
        assert response["Content-Type"] == "message/rfc822"
        assert response["Content-Disposition"].startswith("attachment")
        assert AuditEvent.objects.filter(action="opened", subject=str(email.public_id)).count() == 1

    def test_deleting_an_email_deletes_its_original(self, desk, email, django_capture_on_commit_callbacks):
        name, storage = email.file.name, email.file.storage
        with django_capture_on_commit_callbacks(execute=True):
            assert (
                "Email deleted." in desk.post(to("delete_not_matched", email), follow=True).content.decode()
            )
        assert not IncomingEmail.objects.exists()
        assert not storage.exists(name)

    @pytest.mark.parametrize("what", ["conversation", "patron", "visit"])
    def test_email_under_a_legal_hold_cannot_be_deleted(
        self, desk, email, conversation, patron, coordinator, what
    ):
        record = {"conversation": conversation, "patron": patron, "visit": conversation.help_session}[what]
        legal_hold = holds.hold(record, reason="Court order", by=coordinator, at=timezone.now())
        page = desk.post(to("delete_not_matched", email), follow=True).content.decode()
        assert "This email is under a legal hold." in page
        assert IncomingEmail.objects.filter(pk=email.pk).exists()
        holds.lift(legal_hold, by=coordinator, at=timezone.now())
        desk.post(to("delete_not_matched", email))
        assert not IncomingEmail.objects.exists()

    def test_email_cannot_be_added_if_the_patron_no_longer_has_the_conversation(
        self, desk, conversation, patron
    ):
        email = IncomingEmailFactory(conversation=conversation, person=patron, reason="no_access")
        page = desk.get(page_of(email)).content.decode()
        assert "no longer has this conversation in their account" in page
        assert "add-email" not in page
        desk.post(to("add_not_matched", email))
        assert not conversation.messages.filter(by_email="added").exists()


class TestAdding:
    def add(self, desk, email):
        return desk.post(to("add_not_matched", email), {"reason": email.reason}, follow=True)

    def undo(self, desk, email, reason="other_sender"):
        return desk.post(f"{to('undo_adding_email', email)}?reason={reason}", follow=True)

    def test_added_email_becomes_a_message_that_waits_for_an_answer(
        self, desk, email, conversation, patron, coordinator
    ):
        page = self.add(desk, email).content.decode()
        assert "Email added to the conversation." in page
        message = conversation.messages.get(by_email="added")
        assert (message.body, message.author, message.side) == ("Still no luck.", patron, "patron")
        conversation.refresh_from_db()
        assert conversation.status == "waiting_for_staff"
        email.refresh_from_db()
        assert (email.message, email.reason, email.added_by) == (message, "", coordinator)
        assert f"{coordinator.name} added an email from an address that is not the patron&#x27;s" in page

    def test_answers_to_an_added_email_are_sent_to_the_confirmed_address(
        self, client, desk, email, conversation, patron, coordinator, staff, sign_in
    ):
        self.add(desk, email)
        page = sign_in(client, patron).get(conversation.get_absolute_url()).content.decode()
        assert f"{coordinator.name} added an email that came from a different address than yours" in page
        assert "You · by email, added by staff" in page
        assert "sam.at.work" not in page
        Notification.objects.all().delete()
        answer = {"by": staff, "side": "staff", "body": "Vinegar.", "language": "en"}
        actions.reply(conversation, at=timezone.now(), client_token=uuid.uuid4(), **answer)
        assert [mail.to_address for mail in Notification.objects.all()] == [patron.email]

    @pytest.mark.parametrize(("sender", "status"), [("friend@example.net", 404), ("sam@example.org", 200)])
    def test_patron_can_download_an_added_email_only_if_it_came_from_their_address(
        self, client, desk, conversation, patron, sign_in, sender, status
    ):
        email = IncomingEmailFactory(
            conversation=conversation, person=patron, reason="expired", sender=sender
        )
        self.add(desk, email)
        message = conversation.messages.get(by_email="added")
        original = reverse("original_email", args=[message.public_id])
        sign_in(client, patron)
        assert client.get(original).status_code == status
        page = client.get(conversation.get_absolute_url()).content.decode()
        assert (original in page) == (status == 200)

    def test_patron_sees_which_staff_member_added_the_patrons_email(
        self, client, desk, conversation, patron, coordinator, sign_in
    ):
        email = IncomingEmailFactory(
            conversation=conversation, person=patron, reason="expired", sender=patron.email
        )
        self.add(desk, email)
        page = sign_in(client, patron).get(conversation.get_absolute_url()).content.decode()
        assert f"{coordinator.name} added an email that came from your address ·" in page

    def test_access_log_records_that_staff_added_an_email(
        self, client, desk, email, patron, coordinator, sign_in
    ):
        self.add(desk, email)
        page = sign_in(client, patron).get(reverse("who_looked")).content.decode()
        assert "added an email to one of your conversations" in page

    def test_email_is_added_once_if_two_colleagues_add_it(self, desk, email, conversation):
        stale = IncomingEmail.objects.select_related("conversation", "person").get(pk=email.pk)
        self.add(desk, email)
        assert stale.message_id is None
        assert desk.post(to("add_not_matched", email)).status_code == 404
        assert conversation.messages.filter(by_email="added").count() == 1

    def test_undo_after_adding_an_email_removes_the_message_and_lists_the_email_again(
        self, desk, email, conversation
    ):

        def state():
            conversation.refresh_from_db()
            names = "status", "waiting_since", "queued_at", "closes_at"
            return [getattr(conversation, name) for name in names]

        before = state()
        page = self.add(desk, email).content.decode()
        assert f"{to('undo_adding_email', email)}?reason=other_sender" in page
        assert "The email is back in this list." in self.undo(desk, email).content.decode()
        assert state() == before
        assert conversation.last_message_at == conversation.messages.in_order().last().shown_from
        assert not conversation.messages.filter(by_email="added").exists()
        assert not conversation.events.exists()
        email.refresh_from_db()
        assert (email.message, email.reason, email.conversation, email.added_by) == (
            None,
            "other_sender",
            conversation,
            None,
        )
        assert email.text == "Still no luck."
        assert listed(desk) == [email.pk]

    def test_email_can_be_added_again_after_adding_was_undone(self, desk, email, conversation):
        self.add(desk, email)
        self.undo(desk, email)
        self.add(desk, email)
        assert conversation.messages.filter(by_email="added").count() == 1

    def test_undo_after_adding_an_email_deletes_the_files_of_the_message(
        self, desk, email, conversation, patron, django_capture_on_commit_callbacks
    ):
        self.add(desk, email)
        message = conversation.messages.get(by_email="added")
        attachment = attach_to(message)
        with django_capture_on_commit_callbacks(execute=True):
            self.undo(desk, email)
        assert not Attachment.objects.exists()
        assert not attachment.file.storage.exists(attachment.file.name)

    def test_adding_an_email_cannot_be_undone_after_staff_answer_the_conversation(
        self, desk, email, conversation, staff
    ):
        self.add(desk, email)
        answer = {"by": staff, "side": "staff", "body": "Vinegar.", "language": "en"}
        actions.reply(conversation, at=timezone.now(), client_token=uuid.uuid4(), **answer)
        assert "It&#x27;s too late to undo this" in self.undo(desk, email).content.decode()
        assert conversation.messages.filter(by_email="added").exists()

    def test_adding_an_email_cannot_be_undone_after_ten_minutes(
        self, desk, email, conversation, time_machine
    ):
        self.add(desk, email)
        time_machine.move_to(timezone.now() + timedelta(minutes=11))
        assert "It&#x27;s too late to undo this" in self.undo(desk, email).content.decode()
        assert conversation.messages.filter(by_email="added").exists()

    @pytest.mark.few_cases
    @pytest.mark.parametrize("reason", ["nothing", "erased", "no_access", "no_address", ""])
    def test_undo_after_adding_an_email_is_refused_if_the_url_has_an_invalid_reason(
        self, desk, email, conversation, reason
    ):
        self.add(desk, email)
        self.undo(desk, email, reason=reason)
        assert conversation.messages.filter(by_email="added").exists()

    def test_staff_cannot_undo_adding_an_email_that_a_colleague_added(
        self, client, desk, email, branch, sign_in
    ):
        self.add(desk, email)
        other = StaffFactory(branch=branch, branch__role="coordinator")
        response = sign_in(client, other).post(f"{to('undo_adding_email', email)}?reason=other_sender")
        assert response.status_code == 404
