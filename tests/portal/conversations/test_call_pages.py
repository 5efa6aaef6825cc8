"""Test the pages where a patron asks for a call, changes the number and cancels the call."""

import re
import uuid
from html import unescape

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import RefusedPost, User
from accounts.viewer import Viewer
from portal.conversations import actions, call_backs, desk_actions, keeping, merging
from portal.conversations.call_backs import Caller
from portal.conversations.models import CallBack, Conversation, Draft
from portal.privacy import sharing
from tests.conversations import ask, now_of, say
from tests.factories import (
    HelpSessionFactory,
    QuietSessionFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
)
from tests.portal.pages import asks_to_sign_in
from tests.portal.pages import text as escaped_text

NUMBER = "414-555-0134"
FORM = {"call_number": NUMBER, "ask_for": "Ada", "may_leave_message": "no"}


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="Where is the tax form?")


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


def text(response):
    return unescape(escaped_text(response))


def about(session):
    return reverse("call_about_session", args=[session.public_id])


def within(conversation, name="call_in_conversation"):
    return reverse(name, args=[conversation.public_id])


def test_patron_who_asks_for_a_call_about_a_visit_reads_the_promised_time(me, session):
    assert about(session) in me.get(session.get_absolute_url()).content.decode()
    response = me.post(about(session), FORM, follow=True)
    page = text(response)
    assert "You are on our call list." in page
    assert "We'll call you by" in page
    assert "You asked for a call" in page
    assert NUMBER not in page
    assert CallBack.objects.get().by == session.patron
    assert "We'll call you" in text(me.get("/messages/"))
    assert Conversation.objects.belonging_to(Viewer(session.patron)).unread_by(session.patron).count() == 0


def test_viewer_with_only_a_code_can_ask_for_a_call_from_the_ask_page(client, show_code, staff, branch):
    visit = HelpSessionFactory(staff=staff, branch=branch)
    show_code(client, code_for(visit))
    assert reverse("ask_for_call") in client.get("/ask/").content.decode()
    page = text(client.post(reverse("ask_for_call"), FORM | {"body": "The copier."}, follow=True))
    assert "The copier." in page
    assert "We'll call you by" in page
    assert (CallBack.objects.get().by, Conversation.objects.get().help_session) == (None, visit)


def test_patron_can_ask_for_a_call_unrelated_to_a_visit(me, patron, branch, library):
    library.default_branch = branch
    library.save()
    me.post(reverse("ask_for_call"), FORM)
    conversation = Conversation.objects.get()
    assert (conversation.patron, conversation.help_session, conversation.branch) == (patron, None, branch)


def test_signed_out_person_reads_how_to_ask_for_a_call(client, library):
    page = client.get(reverse("ask_for_call"))
    assert "open your visit with its code, or sign in" in text(page)
    assert client.post(reverse("ask_for_call"), FORM).status_code == 200
    assert CallBack.objects.count() == 0


@pytest.mark.parametrize("name", ["call_in_conversation", "cancel_call", "restore_call"])
def test_stranger_cannot_change_or_cancel_a_patrons_call(client, sign_in, session, name):
    conversation = ask(session.patron, help_session=session)
    call_backs.ask_in(
        conversation, Caller(NUMBER), by=session.patron, at=timezone.now(), client_token=uuid.uuid4()
    )
    assert asks_to_sign_in(client.post(within(conversation, name), FORM))
    sign_in(client, UserFactory())
    assert client.post(within(conversation, name), FORM).status_code == 404
    assert CallBack.objects.get().number == NUMBER


@pytest.mark.parametrize("number", ["call me", "911", "", "1" * 30])
def test_invalid_phone_number_is_a_form_error_and_the_typed_values_stay_in_the_form(me, session, number):
    typed = {"call_number": number, "ask_for": "My sister Ada", "may_leave_message": "yes", "body": "Owls"}
    response = me.post(about(session), typed)
    page = response.content.decode()
    assert response.status_code == 422
    assert ("isn't a phone number that we can call" in text(response)) is (number != "")
    for words in ("My sister Ada", "Owls", f'value="{number}"' if number else "Enter the number"):
        assert words in page
    assert (Conversation.objects.count(), CallBack.objects.count()) == (0, 0)


def test_staff_may_leave_a_voice_message_only_if_the_patron_allows_it(me, session):
    page = me.get(about(session)).content.decode()
    [checked] = re.findall(r'<input type="radio"[^>]*checked[^>]*>', page)
    assert 'value="no"' in checked
    me.post(about(session), {"call_number": NUMBER, "may_leave_message": "no"})
    assert CallBack.objects.get().may_leave_message is False
    me.post(within(Conversation.objects.get()), FORM | {"may_leave_message": "yes"})
    assert CallBack.objects.get(done_at=None).may_leave_message is True


def test_patron_can_change_the_phone_number_but_sees_only_its_last_digits(me, session):
    me.post(about(session), FORM)
    conversation = Conversation.objects.get()
    response = me.get(about(session))
    assert response.url == within(conversation)
    page = me.get(within(conversation)).content.decode()
    assert "ends in" in page
    assert NUMBER not in page
    me.post(within(conversation), FORM | {"call_number": "+52 55 1234 5678"})
    assert call_backs.open_call(conversation).number == "+52 55 1234 5678"


def test_patron_can_cancel_a_call_and_undo_canceling(me, session):
    me.post(about(session), FORM)
    conversation = Conversation.objects.get()
    canceled = me.post(within(conversation, "cancel_call"), follow=True)
    assert "The call is canceled" in text(canceled)
    assert within(conversation, "restore_call") in canceled.content.decode()
    assert "We'll call you by" in text(me.post(within(conversation, "restore_call"), follow=True))
    assert now_of(conversation).call_since is not None


def test_patron_can_ask_for_three_calls_a_day(me, patron, staff, branch, session, sign_in):
    for _ in range(3):
        visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
        assert me.post(about(visit), FORM).status_code == 302
    response = me.post(about(session), FORM)
    assert response.status_code == 429
    assert "You've asked for several calls today" in text(response)
    assert NUMBER in response.content.decode()
    assert sign_in(Client(), patron).post(about(session), FORM).status_code == 429
    assert CallBack.objects.count() == 3
    # The patron can still change the phone number of a call, because the limit counts only new calls.
    conversation = Conversation.objects.order_by("pk").first()
    assert me.post(within(conversation), FORM | {"call_number": "555-0199"}).status_code == 302


def test_all_viewers_with_only_the_code_of_a_visit_share_a_limit_of_three_calls_a_day(
    show_code, staff, branch
):
    visit = HelpSessionFactory(staff=staff, branch=branch)
    code = code_for(visit)
    statuses = []
    for _ in range(4):
        browser = show_code(Client(), code)
        statuses.append(browser.post(about(visit), FORM).status_code)
        Conversation.objects.all().delete()
    assert statuses == [302, 302, 302, 429]


def test_one_device_can_ask_for_only_three_calls_a_day_even_about_several_visits(show_code, staff, branch):
    visits = [HelpSessionFactory(staff=staff, branch=branch) for _ in range(2)]
    browser = Client()
    for visit in visits:
        show_code(browser, code_for(visit))
    statuses = []
    for visit in [*visits, *visits]:
        statuses.append(browser.post(about(visit), FORM).status_code)
        Conversation.objects.all().delete()
    assert statuses == [302, 302, 302, 429]
    # A second device has its own limit.
    assert show_code(Client(), code_for(visits[1])).post(about(visits[1]), FORM).status_code == 302


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("spoken", "We spoke on the phone on"),
        ("no_answer", "and didn't reach you. We'll try again."),
        ("give_up", "and didn't reach you. Ask for another call"),
    ],
)
def test_patron_reads_the_outcome_of_the_call(me, session, staff, outcome, words):
    me.post(about(session), FORM)
    conversation = desk_actions.take(Conversation.objects.get(), by=staff, at=timezone.now())
    call_backs.record_outcome(conversation, outcome, by=staff, at=timezone.now())
    page = text(me.get(conversation.get_absolute_url()))
    assert words in page
    assert "The library answered." not in page


def test_patron_sees_an_open_call_while_the_answer_that_ends_the_call_is_pending(me, session, staff):
    me.post(about(session), FORM | {"body": "Where?"})
    conversation = Conversation.objects.get()
    me.get(conversation.get_absolute_url())
    before = text(me.get(conversation.get_absolute_url()))
    say(conversation, by=staff, side="staff", then="close")
    assert text(me.get(conversation.get_absolute_url())) == before
    assert "We'll call you" in text(me.get("/messages/"))


def test_child_and_adult_do_not_see_each_others_phone_numbers(client, sign_in, staff, branch):
    child, adult = UserFactory(), UserFactory(has_shared_visits=True)
    visit = SharedSessionFactory(staff=staff, branch=branch, patron=child, shared_with=adult)
    sign_in(client, adult)
    client.post(about(visit), FORM)
    conversation = Conversation.objects.get()
    assert "ends in" in text(client.get(within(conversation)))
    sign_in(client, child)
    page = text(client.get(within(conversation)))
    assert "ends in" not in page
    assert "Someone asked for a call" in text(client.get(conversation.get_absolute_url()))


def test_viewer_with_only_the_code_of_a_shared_visit_sees_no_digits_of_the_phone_number(
    client, show_code, staff, branch
):
    visit = SharedSessionFactory(staff=staff, branch=branch, patron=None, shared_with=None)
    code = code_for(visit)
    show_code(client, code).post(about(visit), FORM)
    assert CallBack.objects.get().by is None
    page = text(show_code(Client(), code).get(within(Conversation.objects.get())))
    assert "Change" in page
    assert "ends in" not in page


def test_phone_number_given_without_signing_in_is_hidden_after_the_visit_is_kept(
    client, show_code, sign_in, staff, branch
):
    visit = HelpSessionFactory(staff=staff, branch=branch)
    show_code(client, code_for(visit)).post(about(visit), FORM)
    assert "ends in" in text(client.get(within(Conversation.objects.get())))
    finder = UserFactory()
    keeping.keep(visit, by=finder, at=timezone.now(), wording="Yes.", language="en")
    page = text(sign_in(Client(), finder).get(within(Conversation.objects.get())))
    assert "Change" in page
    assert "ends in" not in page
    call_backs.add(
        Caller("414-555-0177"), by=staff, at=timezone.now(), client_token=uuid.uuid4(), help_session=visit
    )
    assert "ends in" in text(sign_in(Client(), finder).get(within(Conversation.objects.get())))


@pytest.mark.parametrize(
    ("too_late", "words"),
    [
        (False, "We can't call, because the phone number was deleted."),
        (True, "We're sorry: we didn't call you in time, and deleted your number."),
    ],
)
def test_child_who_shares_a_visit_reads_why_the_adults_call_ended(
    client, sign_in, staff, branch, too_late, words
):
    child, adult = UserFactory(), UserFactory(has_shared_visits=True)
    visit = SharedSessionFactory(staff=staff, branch=branch, patron=child, shared_with=adult)
    sign_in(client, adult).post(about(visit), FORM)
    conversation = Conversation.objects.get()
    if not too_late:
        sharing.stop_keeping(visit, by=adult, at=timezone.now())
    later = conversation.promised_at + call_backs.KEPT_FOR if too_late else timezone.now()
    with time_machine.travel(later):
        call_backs.expire_calls(at=timezone.now())
        assert now_of(conversation).call_since is None
        assert words in text(sign_in(Client(), child).get(conversation.get_absolute_url()))


def test_person_who_is_erased_while_sending_a_question_gets_a_404(me, patron, monkeypatch):
    ask = actions.ask

    def erased_before(**fields):
        User.objects.filter(pk=patron.pk).delete()
        return ask(**fields)

    monkeypatch.setattr(actions, "ask", erased_before)
    form = {"body": "Where?", "client_token": uuid.uuid4(), "about": "new"}
    assert me.post(reverse("ask"), form).status_code == 404
    assert Conversation.objects.count() == 0


def test_question_stays_in_the_form_if_its_visit_has_just_been_deleted(
    client, show_code, staff, branch, monkeypatch
):
    visit, ask = HelpSessionFactory(staff=staff, branch=branch), actions.ask
    show_code(client, code_for(visit))

    def erased_before(**fields):
        visit.delete()
        return ask(**fields)

    monkeypatch.setattr(actions, "ask", erased_before)
    form = {"body": "Where is the form?", "client_token": uuid.uuid4(), "about": str(visit.public_id)}
    response = client.post(reverse("ask"), form)
    assert response.status_code == 409
    assert "This visit was just deleted, so your question was not sent." in text(response)
    assert "Where is the form?" in text(response)


def test_phone_number_is_never_saved_in_a_refused_form_or_a_draft(client, sign_in, session, patron):
    sign_in(client, patron)
    client.get(about(session))
    client.logout()
    client.post(about(session), FORM, headers={"sec-fetch-site": "same-origin"})
    client.post(reverse("ask_for_call"), FORM, headers={"sec-fetch-site": "same-origin"})
    assert (RefusedPost.objects.count(), Draft.objects.count()) == (0, 0)


def test_call_page_of_a_quiet_visit_does_not_name_the_visit_and_turns_autocomplete_off(
    client, show_code, staff, branch
):
    visit = QuietSessionFactory(staff=staff, branch=branch, question="Divorce papers")
    show_code(client, code_for(visit))
    page = client.get(about(visit)).content.decode()
    assert "Divorce" not in page
    assert 'autocomplete="tel"' not in page
    assert client.post(about(visit), FORM).status_code == 302


def test_call_can_be_canceled_on_a_page_loaded_before_a_merge_of_conversations(me, session, staff):
    me.post(about(session), FORM)
    first = Conversation.objects.get()
    second = ask(session.patron, help_session=session, body="Which shelf?")
    merging.merge(first, into=second, by=staff, at=timezone.now())
    me.post(within(first, "cancel_call"))
    assert now_of(second).call_since is None


def test_second_call_request_without_signing_in_replaces_the_phone_number(client, show_code, staff, branch):
    visit = HelpSessionFactory(staff=staff, branch=branch)
    show_code(client, code_for(visit))
    client.post(reverse("ask_for_call"), FORM)
    page = text(
        client.post(
            reverse("ask_for_call"), FORM | {"call_number": "555-0199", "body": "It is urgent."}, follow=True
        )
    )
    assert "It is urgent." in page
    conversation = Conversation.objects.get()
    assert CallBack.objects.get(done_at=None).number == "555-0199"
    client.post(within(conversation, "cancel_call"))
    assert now_of(conversation).call_since is None


def test_patron_reads_that_canceling_a_call_can_no_longer_be_undone(me, session, staff):
    me.post(about(session), FORM | {"body": "Where?"})
    conversation = Conversation.objects.get()
    me.post(within(conversation, "cancel_call"))
    actions.close(now_of(conversation), by=staff, side="staff", at=timezone.now())
    page = text(me.post(within(conversation, "restore_call"), follow=True))
    assert "This can't be undone anymore. You can ask for another call." in page
    assert "We'll call you after all." not in page
