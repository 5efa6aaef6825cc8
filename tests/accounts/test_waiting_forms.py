"""Test replies, verdicts and list changes that waited on a phone and are sent once or several times."""

import json
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Library, RefusedPost
from portal.conversations import actions as conversations
from portal.conversations import merging
from portal.conversations.forms import MESSAGE_MAX_LENGTH
from portal.conversations.models import Conversation, Message
from portal.helpsessions.models import SessionRecommendation
from portal.limit_table import LIMITS, Limit
from portal.lists.actions import remove, restore
from portal.lists.models import SavedItem
from portal.models import LimitCount, SentForm
from portal.sent_forms import MARGIN, forget_sent_forms
from recommendations.actions import record_verdict
from recommendations.models import Recommendation
from tests.extent import times
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    LibraryFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.processes import rounds

HOUR = 3600


def send(client, address, fields, *, writer, token=None, waited=HOUR):
    """Send a form that waited on a phone for `waited` seconds. Return (status code, text for the patron)."""
    response = client.post(
        address,
        fields,
        headers={
            "X-Form-Token": str(token or uuid.uuid4()),
            "X-Form-Writer": str(writer.public_id),
            "X-Form-Waited": str(waited),
        },
    )
    return response.status_code, response.json()["words"]


@pytest.fixture
def session(branch, staff, patron):
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron)


@pytest.fixture
def recommendation(session):
    return recommend_in(session)[0]


@pytest.fixture
def conversation(session, patron):
    conversation = ConversationFactory(patron=patron, help_session=session)
    MessageFactory(conversation=conversation, side="patron", author=patron, body="Where is it?")
    return conversation


@pytest.fixture
def saved(patron, recommendation):
    return SavedItemFactory(saved_list__patron=patron, item=recommendation.item)


@pytest.fixture
def me(client, sign_in, patron):
    return sign_in(client, patron)


@pytest.fixture
def reply(me, patron, conversation):
    """Return reply(body, **options), which sends a reply to the conversation. `options` go to `send`."""
    address = reverse("reply", args=[conversation.public_id])

    def reply(body="Thank you.", *, client_token=None, client=me, writer=patron, **options):
        fields = {"body": body, "client_token": str(client_token or uuid.uuid4())}
        return send(client, address, fields, writer=writer, **options)

    return reply


@pytest.fixture
def answer(me, patron, recommendation):
    """Return answer(verdict, **options), which sends a verdict about the item. `options` go to `send`."""
    address = reverse("verdict", args=[recommendation.public_id])

    def answer(verdict="helped", *, fields=None, client=me, writer=patron, **options):
        return send(client, address, {"verdict": verdict, **(fields or {})}, writer=writer, **options)

    return answer


def rows(model, *fields):
    return list(model.objects.order_by("pk").values_list(*fields))


SENT = 200, "Sent."
CHANGED = 409, "You changed this again later, for example on another device. We kept your later choice."
GONE = 404, "The page with this form was deleted, or you can no longer open it."


def test_reply_that_is_sent_twice_is_saved_once_and_gets_the_same_response(reply):
    token, client_token = uuid.uuid4(), uuid.uuid4()
    assert [reply(token=token, client_token=client_token) for _ in range(3)] == [SENT] * 3
    assert rows(Message, "body") == [("Where is it?",), ("Thank you.",)]


def test_reply_with_a_used_form_token_and_a_different_text_changes_nothing(reply):
    """Send two texts with the same form token. Each text has a new composer token."""
    token = uuid.uuid4()
    assert [reply(body, token=token) for body in ("One.", "Two.")] == [SENT] * 2
    assert rows(Message, "body") == [("Where is it?",), ("One.",)]


def test_reply_that_arrived_before_the_phone_lost_its_connection_is_not_saved_again(reply, me, conversation):
    client_token = uuid.uuid4()
    address = reverse("reply", args=[conversation.public_id])
    me.post(address, {"body": "Thank you.", "client_token": client_token}, headers={"HX-Request": "true"})
    assert reply(client_token=client_token) == SENT
    assert rows(Message, "body") == [("Where is it?",), ("Thank you.",)]


def test_verdict_and_reason_and_comment_are_saved_if_they_arrive_one_by_one(answer, recommendation):
    assert answer("did_not_help", waited=300) == SENT
    assert answer("did_not_help", fields={"why": "too_hard"}, waited=200) == SENT
    assert answer("did_not_help", fields={"comment": "Too much math."}, waited=100) == SENT
    assert rows(Recommendation, "verdict", "why", "comment") == [
        ("did_not_help", "too_hard", "Too much math.")
    ]
    assert Conversation.objects.filter(recommendation=recommendation).count() == 1


def test_verdict_that_is_sent_again_does_not_undo_a_later_choice(answer, recommendation):
    token = uuid.uuid4()
    assert answer("helped", token=token) == SENT
    record_verdict(recommendation, verdict="partly", at=timezone.now())
    before = rows(Recommendation, "verdict", "decided_at", "answered_at")
    assert answer("helped", token=token) == SENT
    assert rows(Recommendation, "verdict", "decided_at", "answered_at") == before


@pytest.mark.parametrize("later", ["partly", ""], ids=["another verdict", "a cleared verdict"])
def test_verdict_that_waited_on_a_phone_does_not_replace_a_choice_made_after_the_tap(
    answer, recommendation, later
):
    record_verdict(recommendation, verdict="not_tried", at=timezone.now() - timedelta(hours=3))
    record_verdict(recommendation, verdict=later, at=timezone.now() - timedelta(minutes=30))
    before = Recommendation.objects.values().get()
    assert answer("helped", waited=HOUR) == CHANGED
    assert Recommendation.objects.values().get() == before
    assert not SentForm.objects.exists()


def test_comment_that_waited_on_a_phone_does_not_replace_a_later_comment(answer, recommendation):
    record_verdict(
        recommendation, verdict="helped", comment="Later.", at=timezone.now() - timedelta(minutes=30)
    )
    assert answer("helped", fields={"comment": "Earlier."}) == CHANGED
    assert rows(Recommendation, "verdict", "comment") == [("helped", "Later.")]


@pytest.mark.parametrize("ago", [timedelta(hours=2), MARGIN / 2], ids=["much earlier", "seconds earlier"])
def test_verdict_that_waited_on_a_phone_replaces_a_choice_made_before_the_tap(answer, recommendation, ago):
    record_verdict(recommendation, verdict="partly", at=timezone.now() - ago)
    assert answer("helped", waited=0) == SENT
    assert rows(Recommendation, "verdict") == [("helped",)]


def test_same_verdict_is_accepted_from_two_devices(answer, recommendation):
    record_verdict(recommendation, verdict="helped", at=timezone.now() - timedelta(minutes=5))
    assert answer("helped") == SENT
    assert rows(Recommendation, "verdict") == [("helped",)]


def test_verdict_that_arrives_late_is_saved_with_the_time_of_the_tap(answer, recommendation):
    """Send the verdicts of two phones that were offline. The verdict that arrives second was tapped first."""
    assert answer("partly", waited=HOUR) == SENT
    assert answer("helped", waited=2 * HOUR) == CHANGED
    assert answer("not_tried", waited=HOUR // 2) == SENT
    assert rows(Recommendation, "verdict") == [("not_tried",)]


def test_list_change_that_is_sent_twice_is_made_once(me, patron, recommendation):
    address = reverse("save_item", args=[recommendation.item.public_id])
    token, fields = uuid.uuid4(), {"recommendation": str(recommendation.public_id)}
    assert [send(me, address, fields, writer=patron, token=token) for _ in range(2)] == [SENT] * 2
    [saved] = SavedItem.objects.all()
    for name, removed in [("remove_saved", True), ("restore_saved", False)]:
        token, address = uuid.uuid4(), reverse(name, args=[saved.public_id])
        # The form that removes the item is the older one, so it has waited longer than the form that restores
        # the item.
        waited = {"remove_saved": 600, "restore_saved": 300}[name]
        for _ in range(2):
            assert send(me, address, {}, writer=patron, token=token, waited=waited) == SENT
        saved.refresh_from_db()
        assert (saved.removed_at is not None) is removed
    assert SavedItem.objects.count() == 1


def test_removal_that_waited_on_a_phone_does_not_undo_a_later_change_to_the_list(me, patron, saved):
    remove(saved, at=timezone.now() - timedelta(minutes=40))
    restore(saved, at=timezone.now() - timedelta(minutes=30))
    before = SavedItem.objects.values().get()
    assert send(me, reverse("remove_saved", args=[saved.public_id]), {}, writer=patron) == CHANGED
    assert SavedItem.objects.values().get() == before


@pytest.mark.parametrize("by", ["undo", "saving"])
def test_form_that_waited_on_a_phone_does_not_restore_an_item_that_was_removed_later(
    me, patron, recommendation, saved, by
):
    remove(saved, at=timezone.now() - timedelta(minutes=30))
    before = SavedItem.objects.values().get()
    address, fields = reverse("restore_saved", args=[saved.public_id]), {}
    if by == "saving":
        address = reverse("save_item", args=[recommendation.item.public_id])
        fields = {"recommendation": str(recommendation.public_id)}
    assert send(me, address, fields, writer=patron) == CHANGED
    assert SavedItem.objects.values().get() == before


def test_next_page_shows_no_message_about_a_removal_that_waited_on_a_phone(me, patron, saved):
    send(me, reverse("remove_saved", args=[saved.public_id]), {}, writer=patron)
    assert list(me.get(reverse("saved")).context["messages"]) == []


def test_form_is_saved_even_if_a_stranger_has_used_the_same_form_token(reply, sign_in, conversation):
    token, stranger = uuid.uuid4(), UserFactory()
    assert reply(token=token, client=sign_in(Client(), stranger), writer=stranger) == GONE
    assert reply(token=token) == SENT
    assert rows(Message, "body") == [("Where is it?",), ("Thank you.",)]


def test_two_people_can_use_the_same_form_token(sign_in, branch, staff):
    token = uuid.uuid4()
    for patron in (UserFactory(), UserFactory()):
        [given] = recommend_in(HelpSessionFactory(branch=branch, staff=staff, patron=patron))
        address = reverse("verdict", args=[given.public_id])
        client = sign_in(Client(), patron)
        assert send(client, address, {"verdict": "helped"}, writer=patron, token=token) == SENT
    assert rows(Recommendation, "verdict") == [("helped",)] * 2


def test_form_is_not_saved_while_its_writer_is_signed_out(reply, answer):
    assert reply(client=Client()) == (401, "Sign in to send what is waiting on this phone.")
    assert answer(client=Client()) == (401, "Sign in to send what is waiting on this phone.")
    assert rows(Message, "body") == [("Where is it?",)]
    assert rows(Recommendation, "verdict") == [("",)]
    # The phone still has the text. If the server had a copy too, the text could be sent twice.
    assert not RefusedPost.objects.exists()


def test_form_is_not_saved_in_the_name_of_another_person(reply, sign_in, patron):
    other = sign_in(Client(), UserFactory())
    assert reply(client=other, writer=patron) == (401, "Sign in to send what is waiting on this phone.")
    assert rows(Message, "body") == [("Where is it?",)]


def test_form_without_a_csrf_token_is_refused_and_not_saved_on_the_server(patron, sign_in, conversation):
    client = sign_in(Client(enforce_csrf_checks=True), patron)
    response = client.post(
        reverse("reply", args=[conversation.public_id]),
        {"body": "Thank you."},
        headers={"X-Form-Token": str(uuid.uuid4()), "X-Form-Writer": str(patron.public_id)},
    )
    assert (response.status_code, response.headers["Content-Type"][:9]) == (403, "text/html")
    assert not RefusedPost.objects.exists()
    csrf = client.get(reverse("who_sends")).json()["csrf"]
    response = client.post(
        reverse("reply", args=[conversation.public_id]),
        {"body": "Thank you."},
        headers={
            "X-CSRFToken": csrf,
            "X-Form-Token": str(uuid.uuid4()),
            "X-Form-Writer": str(patron.public_id),
        },
    )
    assert response.json() == {"words": "Sent."}


def test_reply_to_an_erased_conversation_is_refused_with_the_reason(reply, conversation, patron):
    conversation.delete()
    assert reply() == GONE
    assert not SentForm.objects.exists()


def test_reply_to_a_closed_conversation_reopens_the_conversation(reply, conversation, patron):
    conversations.close(conversation, by=patron, side="patron", at=timezone.now())
    assert reply() == SENT
    conversation.refresh_from_db()
    assert conversation.status == Conversation.Status.WAITING_FOR_STAFF


def test_reply_to_a_merged_conversation_goes_to_the_remaining_conversation(
    reply, conversation, patron, staff
):
    other = ConversationFactory(patron=patron, help_session=conversation.help_session)
    MessageFactory(conversation=other, side="patron", author=patron)
    merging.merge(conversation, into=other, by=staff, at=timezone.now())
    assert reply() == SENT
    assert rows(Message, "conversation", "body")[-1] == (other.pk, "Thank you.")


def test_verdict_about_a_forgotten_visit_is_refused_with_the_reason(answer, recommendation):
    SessionRecommendation.objects.all().delete()
    Recommendation.objects.update(patron=None)
    assert answer() == GONE


def test_waiting_text_that_is_too_long_is_refused_with_the_error_of_its_form(reply):
    status, words = reply("x" * 5001)
    assert status == 422
    assert words.startswith("This message is too long: 5001 characters.")
    assert not SentForm.objects.exists()


def test_composer_token_of_a_sent_message_cannot_be_used_for_a_different_text(reply):
    client_token = uuid.uuid4()
    assert reply("One.", client_token=client_token) == SENT
    status, words = reply("Two.", client_token=client_token)
    assert (status, words[:28]) == (422, "This message is not sent yet")
    assert rows(Message, "body") == [("Where is it?",), ("One.",)]


def test_reply_that_is_refused_because_of_a_limit_can_be_sent_later(reply, monkeypatch):
    monkeypatch.setitem(LIMITS, "message", Limit("messages", "1/h"))
    token = uuid.uuid4()
    assert reply() == SENT
    status, words = reply("More.", token=token)
    assert (status, words[:23]) == (429, "You've sent a lot of me")
    LimitCount.objects.all().delete()
    assert reply("More.", token=token) == SENT


@pytest.mark.parametrize("kind", ["reply", "verdict", "save"])
def test_form_about_a_quiet_visit_is_refused(me, patron, branch, staff, show_code, kind):
    session = QuietSessionFactory(branch=branch, staff=staff)
    [given] = recommend_in(session)
    conversation = ConversationFactory(help_session=session, patron=None)
    MessageFactory(conversation=conversation, side="patron", author=None)
    show_code(me, code_for(session))
    address, fields = {
        "reply": (reverse("reply", args=[conversation.public_id]), {"body": "Thank you."}),
        "verdict": (reverse("verdict", args=[given.public_id]), {"verdict": "helped"}),
        "save": (reverse("save_item", args=[given.item.public_id]), {"recommendation": given.public_id}),
    }[kind]
    assert send(me, address, fields, writer=patron) == (
        403,
        "You can send this only while you're online. Open the page and try again.",
    )
    assert (Message.objects.count(), rows(Recommendation, "verdict")) == (1, [("",)])
    assert not SentForm.objects.exists()
    assert me.post(address, fields).status_code == 302


@pytest.mark.parametrize("who", ["signed out", "signed in"])
def test_form_that_does_not_identify_its_writer_is_not_saved(client, sign_in, patron, conversation, who):
    if who == "signed in":
        sign_in(client, patron)
    response = client.post(
        reverse("reply", args=[conversation.public_id]),
        {"body": "Thank you.", "client_token": str(uuid.uuid4())},
        headers={"X-Form-Token": str(uuid.uuid4())},
    )
    assert (response.status_code, response.json()["words"]) == (
        401,
        "Sign in to send what is waiting on this phone.",
    )
    assert rows(Message, "body") == [("Where is it?",)]
    assert not SentForm.objects.exists()


@pytest.mark.parametrize("token", ["", "1", "x" * 5000, "\u2603"])
def test_malformed_form_token_is_refused(me, patron, recommendation, token):
    response = me.post(
        reverse("verdict", args=[recommendation.public_id]),
        {"verdict": "helped"},
        headers={"X-Form-Token": token.encode().decode("latin-1"), "X-Form-Writer": str(patron.public_id)},
    )
    assert (response.status_code, response.json()) == (
        400,
        {"words": "The library couldn't read what you sent. Open the page and try again."},
    )
    assert rows(Recommendation, "verdict") == [("",)]


@pytest.mark.parametrize("waited", ["", "-1", "1e9", "9" * 400, "soon"])
def test_invalid_waiting_time_counts_as_zero(answer, recommendation, waited):
    record_verdict(recommendation, verdict="partly", at=timezone.now() - timedelta(hours=1))
    assert answer("helped", waited=waited) == SENT


def test_stored_hash_of_a_sent_form_does_not_reveal_the_token_or_the_sender(reply, patron):
    token = uuid.uuid4()
    reply(token=token)
    [(mark,)] = rows(SentForm, "mark")
    assert len(mark) == 64
    assert not {str(token), token.hex, str(patron.public_id), str(patron.pk)} & {mark}


def test_phone_gets_the_id_of_the_signed_in_person_or_no_id_if_nobody_is_signed_in(client, me, patron):
    assert me.get(reverse("who_sends")).json()["writer"] == str(patron.public_id)
    response = Client().get(reverse("who_sends"))
    assert json.loads(response.content)["writer"] == ""
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_form_that_arrives_six_times_simultaneously_is_saved_once(sign_in):
    LibraryFactory()
    patron = UserFactory()
    branch = Library.current().default_branch
    session = HelpSessionFactory(branch=branch, patron=patron)
    conversation = ConversationFactory(patron=patron, help_session=session)
    MessageFactory(conversation=conversation, side="patron", author=patron, body="Where is it?")
    client, address = sign_in(Client(), patron), reverse("reply", args=[conversation.public_id])

    def reply(token):
        # Each request has a new composer token, so only the form token shows that the form is the same.
        return send(client, address, {"body": f"Thank you {token}."}, writer=patron, token=token)

    def check(token, outcomes):
        assert outcomes == [SENT] * 6
        assert Message.objects.filter(body=f"Thank you {token}.").count() == 1

    count = times(4, 50)
    rounds([reply] * 6, count, before=lambda _number: uuid.uuid4(), after=check)
    assert (Message.objects.count(), SentForm.objects.count()) == (1 + count, count)


def test_script_for_waiting_forms_has_the_same_limits_as_the_server():
    """Compare the maximum length of a message, and the number of days that a form may wait on a phone.

    The server must remember a sent form for longer than a form may wait. Otherwise a form could be saved
    twice.
    """
    script = (settings.BASE_DIR / "static/js/waiting.js").read_text("utf-8")
    assert f"WAITS_FOR = {SentForm.WAITS.days} * 24 * 3600e3" in script
    assert f"MAX_LENGTH = {MESSAGE_MAX_LENGTH}," in script
    assert SentForm.WAITS < SentForm.KEPT_FOR


def test_stored_hash_of_a_sent_form_is_deleted_when_no_phone_can_send_the_form_again(reply):
    reply()
    arrived = SentForm.objects.get().arrived_at
    assert forget_sent_forms(at=arrived + SentForm.KEPT_FOR - timedelta(seconds=1)) == 0
    assert forget_sent_forms(at=arrived + SentForm.KEPT_FOR) == 1
    assert not SentForm.objects.exists()
