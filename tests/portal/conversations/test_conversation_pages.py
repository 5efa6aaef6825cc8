import datetime
import uuid

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from portal.conversations import actions, attachments, drafts, jobs
from portal.conversations.models import Conversation, Event, Message, Participation
from portal.conversations.viewer import OPENED_CODES, BrowserViewer
from recommendations.models import Holding
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    UserFactory,
    attach_to,
    code_for,
    picture_file,
    recommend_in,
    recommend_in_message,
)
from tests.portal.pages import HTMX, part, text

Status = Conversation.Status


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def conversation(session, patron):
    return actions.ask(
        by=patron,
        at=timezone.now(),
        help_session=session,
        body="Is there a class?",
        language="en",
        client_token=uuid.uuid4(),
    )


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


def address(name, conversation):
    return reverse(name, args=[conversation.public_id])


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(timezone.now()) as clock:
        yield clock


@pytest.fixture
def answer(clock):
    """Return a function that sends an answer and moves the clock to the end of the undo window."""

    def answer(conversation, staff, body="Yes, on Thursday.", language="en", **more):
        clock.shift(1)
        message = actions.reply(
            conversation,
            by=staff,
            side="staff",
            at=timezone.now(),
            body=body,
            language=language,
            client_token=uuid.uuid4(),
            **more,
        )
        clock.shift(Message.UNDO_WINDOW)
        jobs.show_pending_answers(at=timezone.now())
        return message

    return answer


@pytest.mark.slow
def test_conversation_page_shows_authors_and_who_should_write_next(me, conversation, staff, answer):
    page = text(me.get(conversation.get_absolute_url()))
    for words in ["You wrote", "Is there a class?", "Waiting for the library.", "You can expect an answer"]:
        assert words in page
    answer(conversation, staff)
    page = text(me.get(conversation.get_absolute_url()))
    for words in ["Rosa Lindqvist wrote", "Yes, on Thursday.", "The library answered"]:
        assert words in page
    assert "You can expect" not in page


def test_conversation_page_says_that_an_answer_is_late(me, conversation):
    Conversation.objects.filter(pk=conversation.pk).update(
        promised_at=timezone.now() - datetime.timedelta(hours=1)
    )
    assert "Our answer is taking longer than we promised" in text(me.get(conversation.get_absolute_url()))


def test_each_message_has_its_own_language_and_text_direction(me, conversation, staff, answer):
    answer(conversation, staff, body="نعم، يوم الخميس", language="ar")
    page = me.get(conversation.get_absolute_url()).content.decode()
    assert '<div class="bubble prose" lang="ar"><p dir="auto">نعم، يوم الخميس</p></div>' in page


def test_html_in_a_message_is_escaped(me, conversation, staff, answer):
    answer(conversation, staff, body="<script>alert(1)</script>")
    page = me.get(conversation.get_absolute_url()).content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_htmx_response_to_a_reply_matches_a_page_reload(me, conversation):
    shown = me.get(conversation.get_absolute_url()).context["part"].shown_until
    swapped = me.post(
        address("reply", conversation),
        {"body": "One more thing", "client_token": uuid.uuid4(), "shown": shown},
        **HTMX,
    )
    page = me.get(conversation.get_absolute_url())
    for element in [f"message-{conversation.messages.last().public_id}", "state", "write"]:
        assert part(swapped, element) == part(page, element)
    assert 'hx-swap-oob="beforeend:#entries"' in swapped.content.decode()
    assert "One more thing" in text(page)


def test_reply_without_javascript_redirects_to_the_new_message(me, conversation):
    response = me.post(
        address("reply", conversation), {"body": "One more thing", "client_token": uuid.uuid4()}
    )
    assert response.url == f"{conversation.get_absolute_url()}#latest"


@pytest.mark.parametrize("htmx", [True, False])
def test_reply_posted_twice_creates_one_message(me, conversation, htmx):
    data = {"body": "One more thing", "client_token": uuid.uuid4()}
    for _again in range(2):
        me.post(address("reply", conversation), data, **(HTMX if htmx else {}))
    assert conversation.messages.count() == 2


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "Write your message first"),
        (" \n ", "Write your message first"),
        ("x" * 5001, "This message is too long"),
    ],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_invalid_reply_is_shown_again_in_the_text_box(me, conversation, body, words, htmx):
    token = str(uuid.uuid4())
    response = me.post(
        address("reply", conversation), {"body": body, "client_token": token}, **(HTMX if htmx else {})
    )
    assert response.status_code == (200 if htmx else 422)
    assert words in text(response)
    assert token in response.content.decode()
    assert body.strip() in response.content.decode()
    assert conversation.messages.count() == 1


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_reply_with_a_missing_or_invalid_token_is_not_lost(me, conversation, token):
    response = me.post(address("reply", conversation), {"body": "Still here", "client_token": token})
    # If the reply is refused, the response shows the text again, with a valid token.
    if response.status_code == 422:
        response = me.post(
            address("reply", conversation), {"body": "Still here", "client_token": response.context["token"]}
        )
    assert conversation.messages.filter(body="Still here").count() == 1


def test_patron_closes_a_conversation_and_reopens_it_by_writing(me, conversation):
    shown = me.get(conversation.get_absolute_url()).context["part"].shown_until
    swapped = me.post(address("close_conversation", conversation), {"shown": shown}, **HTMX)
    page = me.get(conversation.get_absolute_url())
    assert part(swapped, "state") == part(page, "state")
    assert "You closed this" in text(swapped)
    assert "You closed this" in text(page)
    assert "You can reopen it by writing" in text(page)
    assert "I have what I need" not in text(page)
    me.post(address("reply", conversation), {"body": "Not quite", "client_token": uuid.uuid4()})
    page = text(me.get(conversation.get_absolute_url()))
    assert "This conversation was opened again" in page
    assert "Waiting for the library." in page


def test_conversation_poll_is_empty_until_the_conversation_changes(me, conversation, staff, answer):
    news, page = address("conversation_news", conversation), me.get(conversation.get_absolute_url())
    asked = {"since": page.context["version"], "shown": page.context["part"].shown_until}
    nothing = me.get(news, asked, **HTMX)
    assert (nothing.status_code, nothing.content) == (204, b"")
    message = answer(conversation, staff)
    swapped = me.get(news, asked, **HTMX)
    page = me.get(conversation.get_absolute_url())
    assert 'data-announce="Rosa Lindqvist replied"' in swapped.content.decode()
    assert part(swapped, f"message-{message.public_id}") == part(page, f"message-{message.public_id}")
    assert part(swapped, "state") == part(page, "state")
    # Messages that are already on the page are not sent again.
    assert "Is there a class?" not in text(swapped)
    # The reply form is not replaced while the patron types.
    assert 'id="write"' not in swapped.content.decode()
    assert me.get(news).url == conversation.get_absolute_url()


def test_opening_a_conversation_removes_its_unread_mark(me, conversation, staff, patron, answer):
    answer(conversation, staff)
    assert "unread" in text(me.get(reverse("conversations")))
    assert "unread" in text(me.get(reverse("home")))
    assert "unread" not in text(me.get(conversation.get_absolute_url()))
    assert "unread" not in text(me.get(reverse("conversations")))


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ["conversation", "conversation_news", "reply", "close_conversation"])
@pytest.mark.parametrize("who", ["nobody", "another patron", "holder of another code", "staff of the branch"])
def test_strangers_cannot_open_or_change_a_conversation(
    client, conversation, branch, staff, sign_in, show_code, name, who
):
    if who == "another patron":
        sign_in(client, UserFactory())
    elif who == "staff of the branch":
        sign_in(client, staff)
    elif who == "holder of another code":
        show_code(client, code_for(HelpSessionFactory(branch=branch)))
    url = address(name, conversation)
    response = (
        client.get(url)
        if name.startswith("conversation")
        else client.post(url, {"body": "hello", "client_token": uuid.uuid4()})
    )
    assert response.status_code == (302 if who in {"nobody", "holder of another code"} else 404)
    assert (conversation.messages.count(), Conversation.objects.get().status) == (1, Status.WAITING_FOR_STAFF)


def test_viewer_with_only_a_code_can_ask_about_the_visit_and_read_the_answer(
    client, branch, staff, show_code, answer
):
    session = HelpSessionFactory(branch=branch, staff=staff)
    show_code(client, code_for(session))
    ask = reverse("ask_about_session", args=[session.public_id])
    assert "Ask the library" in text(client.get(ask))
    response = client.post(ask, {"body": "Is there a class?", "client_token": uuid.uuid4()})
    conversation = Conversation.objects.get()
    assert response.url == f"{conversation.get_absolute_url()}#latest"
    answer(conversation, staff)
    assert "Yes, on Thursday." in text(client.get(conversation.get_absolute_url()))


def test_question_form_posted_twice_sends_one_question(me, session):
    data = {"body": "Is there a class?", "client_token": uuid.uuid4()}
    for _again in range(2):
        me.post(reverse("ask_about_session", args=[session.public_id]), data)
    assert Message.objects.count() == 1


def test_empty_question_about_a_visit_is_a_form_error(me, session):
    response = me.post(reverse("ask_about_session", args=[session.public_id]), {"body": ""})
    assert response.status_code == 422
    assert "Write your message first" in text(response)
    assert "<title>Error:" in response.content.decode()


def test_second_question_about_an_item_is_added_to_the_same_conversation(me, session):
    [recommendation] = recommend_in(session)
    ask = reverse("ask_about_item", args=[recommendation.public_id])
    assert recommendation.item.title in text(me.get(ask))
    me.post(ask, {"body": "It is checked out", "client_token": uuid.uuid4()})
    conversation = Conversation.objects.get()
    assert me.get(ask).url == f"{conversation.get_absolute_url()}#write"
    me.post(ask, {"body": "Anything else?", "client_token": uuid.uuid4()})
    assert conversation.messages.count() == 2


def test_conversation_of_a_quiet_visit_shows_no_name_and_no_subject(client, branch, staff, show_code):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    conversation = ConversationFactory(help_session=quiet, subject="Legal aid")
    MessageFactory(conversation=conversation, side="staff", author=staff)
    show_code(client, code_for(quiet))
    page = text(client.get(conversation.get_absolute_url()))
    assert "Leave quickly" in page
    assert "Your visit on" in page
    assert "Rosa" not in page
    assert "Legal aid" not in page


@pytest.mark.parametrize("quiet", [True, False])
def test_reading_a_conversation_by_code_does_not_store_who_is_signed_in(
    client, branch, staff, patron, sign_in, show_code, quiet
):
    session = HelpSessionFactory(branch=branch, staff=staff, quiet=quiet)
    show_code(sign_in(client, patron), code_for(session))
    ask = reverse("ask_about_session", args=[session.public_id])
    assert "We'll email you" not in text(client.get(ask))
    conversation = client.post(ask, {"body": "Please help", "client_token": uuid.uuid4()}).url.partition("#")[
        0
    ]
    question = Message.objects.get()
    MessageFactory(conversation=question.conversation, side="staff", author=staff)
    assert "new" in text(client.get(reverse("conversations")))
    client.get(conversation)
    assert BrowserViewer(patron, client.session[OPENED_CODES]).unread == set()
    client.post(reverse("close_conversation", args=[question.conversation.public_id]))
    assert question.author is None
    assert not Participation.objects.exclude(person=None).exists()
    assert Event.objects.get().by is None


def test_patron_can_give_a_verdict_on_an_item_in_an_answer(me, conversation, staff, answer):
    message = answer(conversation, staff)
    [recommendation] = recommend_in_message(message, item__title="The Enchanted April")
    page = text(me.get(conversation.get_absolute_url()))
    assert "The Enchanted April" in page
    assert "Did it work out?" in page
    swapped = me.post(
        address("verdict", recommendation),
        {"verdict": "could_not_get_it", "back": conversation.get_absolute_url()},
        **HTMX,
    )
    card = f"rec-{recommendation.public_id}"
    assert part(swapped, card) == part(me.get(conversation.get_absolute_url()), card)


def test_conversation_list_shows_subject_and_status(me, conversation, library):
    page = text(me.get(reverse("conversations")))
    assert "balcony compost" in page
    assert "Waiting for the library" in page


def test_empty_conversation_list_says_what_to_do(me):
    page = text(me.get(reverse("conversations")))
    assert "No messages yet" in page
    assert "Ask the library" in page


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 30])
def test_conversation_page_runs_the_same_number_of_queries_for_1_and_30_messages(
    me, conversation, branch, staff, django_assert_num_queries, rows
):
    for _number in range(rows):
        message = MessageFactory(conversation=conversation, side="staff", author=staff)
        [recommendation] = recommend_in_message(message)
        Holding.objects.create(item=recommendation.item, branch=branch, call_number="1")
    # On the first request the messages are unread, which takes two more queries.
    for queries in [10, 8]:
        with django_assert_num_queries(queries):
            me.get(conversation.get_absolute_url())


def test_conversation_page_with_every_feature_runs_13_queries(
    me, conversation, branch, staff, patron, django_assert_num_queries
):
    """Test a page with holdings of items, sent and unsent files, a draft, events and an absent colleague."""
    message = MessageFactory(conversation=conversation, side="staff", author=staff)
    attach_to(message)
    [recommendation] = recommend_in_message(message)
    for place in (branch, BranchFactory()):
        Holding.objects.create(item=recommendation.item, branch=place, call_number="631.875")
    actions.close(conversation, by=staff, side="staff", at=timezone.now())
    actions.reply(
        conversation,
        by=patron,
        side="patron",
        at=timezone.now(),
        body="One thing more",
        language="en",
        client_token=uuid.uuid4(),
    )
    draft = drafts.draft_of(conversation, person=patron, side="patron", kind="reply")
    whose = {"person": patron, "side": "patron", "client_token": draft.client_token, "at": timezone.now()}
    drafts.save_draft(conversation, kind="reply", sequence=1, body="I was about to say", **whose)
    [(name, usable)], _refused = attachments.checked([("balcony.jpg", picture_file(), "")])
    attachments.add(
        conversation,
        name=name,
        usable=usable,
        by=patron,
        side="patron",
        client_token=draft.client_token,
        at=timezone.now(),
    )
    AbsenceFactory(person=staff, first_day=timezone.localdate(), last_day=timezone.localdate())
    me.get(conversation.get_absolute_url())
    with django_assert_num_queries(13):
        page = me.get(conversation.get_absolute_url())
    assert [
        part in text(page)
        for part in ("I was about to say", "This conversation was opened again", "is away until")
    ] == [True] * 3
    assert text(page).count("631.875") == 2


def test_conversation_poll_without_changes_runs_four_queries(me, conversation, django_assert_num_queries):
    url = f"{address('conversation_news', conversation)}?since={Conversation.objects.get().version}"
    with django_assert_num_queries(4):
        assert me.get(url, **HTMX).status_code == 204


def test_composer_has_a_visible_label_and_is_inside_the_main_landmark(me, conversation):
    page = me.get(conversation.get_absolute_url()).content.decode()
    main = page[page.index("<main") : page.index("</main>")]
    assert 'id="write"' in main
    assert '<label for="id_body">Your message</label>' in main
    assert page.count('id="write"') == 1
