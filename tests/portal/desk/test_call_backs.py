"""Test what staff see of a requested call: its row in the queue, the phone number and the outcome."""

import re
import uuid
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from portal.conversations import call_backs, desk_actions
from portal.conversations.call_backs import Caller
from portal.conversations.forms import CallForm
from portal.conversations.models import CallBack, Conversation
from portal.conversations.search import look_up
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification, StaffNotice
from tests.conversations import ask, now_of
from tests.factories import HelpSessionFactory, StaffFactory, UserFactory
from tests.portal.pages import text as escaped_text

NUMBER = "414-555-0134"
FORM = {"call_number": NUMBER, "ask_for": "Ada", "may_leave_message": "no"}


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="Where is the tax form?")


@pytest.fixture
def conversation(session):
    return request_call(session)


@pytest.fixture
def desk(client, staff, sign_in):
    return sign_in(client, staff)


def request_call(session, caller=None):
    return call_backs.ask(
        caller or Caller(NUMBER, "Ada", may_leave_message=False),
        by=session.patron,
        at=timezone.now(),
        client_token=uuid.uuid4(),
        language="en",
        help_session=session,
    )


def address(conversation, name="desk_conversation"):
    return reverse(name, args=[conversation.public_id])


def text(response):
    return unescape(escaped_text(response))


def take(conversation, staff):
    return desk_actions.take(conversation, by=staff, at=timezone.now())


def record_call(desk, conversation, outcome, form=None):
    """Press the button for this `outcome` of a call on the conversation's page.

    `form` contains the hidden fields of a page that was opened earlier. If `form` is None, open the page now.
    """
    form = fields(desk, conversation) if form is None else form
    return desk.post(address(conversation, "desk_called"), form | {"outcome": outcome}, follow=True)


def fields(desk, conversation):
    """Return the hidden fields of the HTML form for recording how a call went."""
    page = desk.get(address(conversation)).content.decode()
    return dict(re.findall(r'name="(call|tried)"\s+value="(\d+)"', page))


def looks():
    return list(AuditEvent.objects.filter(action="saw_number").values_list("by", "patron", "subject"))


def test_phone_number_is_hidden_until_somebody_takes_the_conversation(desk, conversation):
    queue = desk.get("/desk/")
    assert "Call back" in text(queue)
    page = desk.get(address(conversation))
    assert "Take the conversation to see the number." in text(page)
    for response in (queue, page):
        assert NUMBER not in response.content.decode()
        assert "tel:" not in response.content.decode()
    assert looks() == []


def test_access_log_records_once_that_the_assignee_sees_the_phone_number(desk, conversation, staff, patron):
    desk.post(address(conversation, "desk_take"))
    page = desk.get(address(conversation))
    assert 'href="tel:4145550134"' in page.content.decode()
    words = text(page)
    for sentence in (
        "Ask for: Ada",
        (
            "First ask whether the person expects our call. Don't say what the call is about until "
            "the person says yes."
        ),
        "Don't leave a message.",
    ):
        assert sentence in words
    desk.get(address(conversation))
    assert looks() == [(staff.pk, patron.pk, str(conversation.public_id))]


def test_assignee_reads_what_to_say_if_the_patron_allowed_a_voice_message(desk, conversation, staff):
    take(conversation, staff)
    CallBack.objects.update(may_leave_message=True)
    words = text(desk.get(address(conversation)))
    assert "You may leave a message. Say only: “The library called.”" in words
    assert "Don't leave a message." not in words


def test_access_log_tells_the_patron_who_saw_the_phone_number(desk, conversation, staff, patron, sign_in):
    take(conversation, staff)
    desk.get(address(conversation))
    sign_in(desk, patron)
    assert "saw the phone number that you asked us to call" in text(desk.get(reverse("who_looked")))


def test_viewing_the_phone_number_is_logged_even_if_the_visit_has_no_patron(desk, staff, branch):
    conversation = take(request_call(HelpSessionFactory(staff=staff, branch=branch)), staff)
    desk.get(address(conversation))
    assert looks() == [(staff.pk, None, str(conversation.public_id))]


def test_phone_number_is_hidden_from_colleagues_of_the_assignee(desk, conversation, branch):
    take(conversation, StaffFactory(branch=branch))
    assert NUMBER not in desk.get(address(conversation)).content.decode()


@pytest.mark.parametrize(
    ("outcome", "words"), [("spoken", "Recorded: you spoke"), ("give_up", "Recorded: nobody needs to call")]
)
def test_phone_number_is_hidden_after_staff_record_the_outcome_of_the_call(
    desk, conversation, staff, outcome, words
):
    take(conversation, staff)
    page = record_call(desk, conversation, outcome)
    assert words in text(page)
    assert NUMBER not in page.content.decode()
    assert address(conversation, "desk_undo") in page.content.decode()
    assert now_of(conversation).status == "waiting_for_patron"


def test_call_ends_after_three_tries_without_an_answer(desk, conversation, staff):
    take(conversation, staff)
    said = [text(record_call(desk, conversation, "no_answer")) for _ in range(3)]
    assert "Recorded: no answer. Tried 1 of 3 times." in said[0]
    assert "Recorded: no answer. Tried 2 of 3 times." in said[1]
    assert "That was the last try, so nobody needs to call again." in said[2]
    assert desk.post(address(conversation, "desk_called"), {"outcome": "spoken"}).status_code == 302
    assert now_of(conversation).events.filter(kind="call_spoken").count() == 0


def test_only_the_assignee_can_record_the_outcome_of_a_call(desk, conversation):
    page = desk.post(address(conversation, "desk_called"), {"outcome": "spoken"}, follow=True)
    assert "so your change was not made" in text(page)
    assert now_of(conversation).call_since is not None


def test_calls_filter_of_the_queue_finds_a_question_with_a_requested_call(desk, session, conversation):
    asked = ask(session.patron, help_session=session, body="Where are the owls?")
    both = ask(session.patron, help_session=session, body="Where are the maps?")
    call_backs.ask_in(both, Caller(NUMBER), by=session.patron, at=timezone.now(), client_token=uuid.uuid4())
    page = desk.get("/desk/?reason=call").content.decode()
    assert [str(row.public_id) in page for row in (conversation, asked, both)] == [True, False, True]


def test_phone_number_is_not_in_search_results_or_emails_or_notices(desk, conversation, staff, session):
    take(conversation, staff)
    desk.get(address(conversation))
    for typed in (NUMBER, "4145550134", "5550134", "Ada"):
        assert not look_up(typed)[0]
        assert str(conversation.public_id) not in desk.get(f"/desk/?q={typed}").content.decode()
        assert "tax form" not in text(desk.get(f"/desk/sessions/?q={typed}"))
    rows = [*Notification.objects.values(), *StaffNotice.objects.values(), *AuditEvent.objects.values()]
    assert not any(NUMBER in str(row) or "0134" in str(row) for row in rows)


def test_staff_can_add_a_call_to_a_conversation_and_undo_the_change(desk, session, staff):
    conversation = ask(session.patron, help_session=session)
    assert address(conversation, "desk_call") in desk.get(address(conversation)).content.decode()
    page = desk.post(address(conversation, "desk_call"), FORM, follow=True)
    assert "The patron is on the call list." in text(page)
    assert "added a call for the patron" in text(page)
    row = now_of(conversation)
    desk.post(f"{address(conversation, 'desk_undo')}?done={row.changed_at.isoformat()}".replace("+", "%2B"))
    assert now_of(conversation).call_since is None


@pytest.mark.parametrize("keeps", [True, False])
def test_staff_can_add_a_call_about_a_visit(desk, staff, branch, patron, keeps):
    visit = HelpSessionFactory(patron=patron if keeps else None, staff=staff, branch=branch)
    link = address(visit, "desk_call_session")
    assert link in desk.get(address(visit, "desk_session")).content.decode()
    assert desk.post(link, FORM).status_code == 302
    conversation = Conversation.objects.get()
    assert (conversation.help_session, conversation.patron, conversation.reason) == (
        visit,
        patron if keeps else None,
        "call",
    )
    assert CallBack.objects.get().by is None


def test_staff_can_add_a_call_for_a_patron_without_a_visit(desk, session, patron, branch, client, sign_in):
    link = address(patron, "desk_call_patron")
    assert link in desk.get(address(patron, "patron_record")).content.decode()
    assert desk.post(link, FORM).status_code == 302
    conversation = Conversation.objects.get()
    assert (conversation.patron, conversation.help_session, conversation.branch) == (patron, None, branch)
    sign_in(client, patron)
    assert "The library added you to its call list" in text(client.get(conversation.get_absolute_url()))


def test_staff_cannot_add_a_call_for_a_visit_or_patron_of_another_branch(desk):
    elsewhere = HelpSessionFactory(patron=UserFactory())
    assert desk.post(address(elsewhere, "desk_call_session"), FORM).status_code == 404
    assert desk.post(address(elsewhere.patron, "desk_call_patron"), FORM).status_code == 404
    assert CallBack.objects.count() == 0


def test_invalid_phone_number_is_a_form_error_and_the_typed_values_are_shown_again(desk, session):
    response = desk.post(address(session, "desk_call_session"), FORM | {"call_number": "soon"})
    assert (response.status_code, CallBack.objects.count()) == (422, 0)
    assert 'value="soon"' in response.content.decode()
    assert 'value="Ada"' in response.content.decode()


def test_branch_settings_show_after_how_many_tries_a_call_ends(client, coordinator, sign_in, branch):
    sign_in(client, coordinator)
    page = client.get(reverse("branch_settings", args=[branch.slug])).content.decode()
    assert 'name="call_tries" value="3"' in page


def test_pressing_a_call_outcome_button_twice_counts_as_one_try(desk, conversation, staff):
    take(conversation, staff)
    form = fields(desk, conversation)
    assert form["tried"] == "0"
    record_call(desk, conversation, "no_answer", form)
    page = text(record_call(desk, conversation, "no_answer", form))
    assert (
        "This call was already recorded. If you have called again since then, record that call now." in page
    )
    assert call_backs.tries(now_of(conversation)) == 1


@pytest.mark.parametrize("changed", [{}, {"tried": "0"}, {"call": "x", "tried": "-"}])
def test_outcome_of_a_call_is_refused_if_the_form_is_incomplete(desk, conversation, staff, changed):
    take(conversation, staff)
    assert "Nothing was recorded." in text(record_call(desk, conversation, "spoken", changed))
    assert now_of(conversation).call_since is not None


def test_call_outcome_is_refused_if_the_patron_has_changed_the_phone_number(
    desk, conversation, staff, patron
):
    take(conversation, staff)
    form = fields(desk, conversation)
    call_backs.ask_in(
        conversation, Caller("555-0199"), by=patron, at=timezone.now(), client_token=uuid.uuid4()
    )
    page = text(record_call(desk, conversation, "spoken", form))
    assert "The phone number was changed while you had this page open. Nothing was recorded." in page
    assert "555-0199" in page
    assert now_of(conversation).call_since is not None


def test_no_call_is_added_for_a_visit_that_was_removed_from_the_patrons_account(desk, session, monkeypatch):
    def lose_patron(form):
        HelpSession.objects.filter(pk=session.pk).update(patron=None)
        return Caller(NUMBER)

    monkeypatch.setattr(CallForm, "caller", property(lose_patron))
    page = text(desk.post(address(session, "desk_call_session"), FORM, follow=True))
    assert "The visit was deleted or removed from the patron's account. No call was added." in page
    assert Conversation.objects.count() == 0


def test_no_call_is_added_for_a_patron_whose_account_was_deleted(desk, session, patron, monkeypatch):
    def delete_patron(form):
        User.objects.get(pk=patron.pk).delete()
        return Caller(NUMBER)

    monkeypatch.setattr(CallForm, "caller", property(delete_patron))
    page = text(desk.post(address(patron, "desk_call_patron"), FORM, follow=True))
    assert "The account was deleted. No call was added." in page
    assert Conversation.objects.count() == 0
