import datetime
import re
import uuid

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import LibraryCard
from portal.conversations import actions, pending_questions, readers_form
from portal.conversations.models import Conversation, Draft, Message, ReadersForm
from portal.helpsessions.models import ClaimCode
from portal.limit_table import LIMITS, Limit
from portal.models import LimitCount
from recommendations.chosen_items import ChosenItem
from recommendations.models import QuestionType
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    ItemFactory,
    QuietSessionFactory,
    TopicFactory,
    UserFactory,
    code_for,
    picture_file,
    recommend_in,
)
from tests.portal.pages import heading, text

ASK, SEND = reverse("ask"), reverse("send_question")
READ, SEND_READING = reverse("find_reading"), reverse("send_reading")
QUESTION = "Is there a class on worms?\nI live on the fourth floor."


pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


@pytest.fixture
def visit(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff, topic=TopicFactory())


def typed(body=QUESTION, **more):
    return {"body": body, "client_token": str(uuid.uuid4()), **more}


def token_on(page):
    return page.content.decode().split('name="client_token" value="')[1].split('"')[0]


def chosen_on(page):
    """Return the <input> tag of the only checked option."""
    [chosen] = [tag for tag in re.findall("<input[^>]*>", page.content.decode()) if "checked" in tag]
    return chosen


def send(client, address=SEND, **more):
    """Press Send on the page that shows the unsent question."""
    return client.post(address, {"client_token": token_on(client.get(address)), **more})


def sign_in_by_email(client, address):
    """Request a sign-in code by email, and sign in with it."""
    client.post(reverse("sign_in"), {"email": address, "next": SEND})
    code = next(line for line in mail.outbox[-1].body.splitlines() if line.isdecimal() and len(line) == 6)
    return client.post(reverse("account_confirm_login_code"), {"code": code, "next": SEND})


# Tests of signed-in patrons.


def test_patron_who_asks_a_question_sees_the_new_conversation(me, patron, branch):
    answer = me.post(ASK, typed(), follow=True)
    conversation = Conversation.objects.get()
    assert answer.redirect_chain == [(conversation.get_absolute_url(), 302)]
    assert (conversation.patron, conversation.help_session, conversation.branch, conversation.reason) == (
        patron,
        None,
        branch,
        Conversation.Reason.ASKED,
    )
    assert conversation.subject == "Is there a class on worms?"
    page = text(answer)
    for words in [
        "Sent. The answer will appear here.",
        "I live on the fourth floor.",
        "Waiting for the library.",
    ]:
        assert words in page


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("body", "subject"),
    [
        ("\n  Where do I park?\nI come by car.", "Where do I park?"),
        ("Where do I park my car? I come from far.", "Where do I park my car?"),
        ("Hello. Where do I park my car? I come from far.", "Hello. Where do I park my car?"),
        ("Who? I mean e.g. plumbers. Or painters.", "Who? I mean e.g. plumbers. Or painters."),
        ("w" * 200, "w" * 89 + "…"),
    ],
)
def test_conversation_subject_is_the_first_words_of_the_question(me, body, subject):
    me.post(ASK, typed(body))
    assert Conversation.objects.get().subject == subject


def test_patron_can_choose_topic_and_branch(me, branch):
    other, topic = BranchFactory(name="Hillside"), TopicFactory(name="Gardening")
    page = text(me.get(ASK))
    assert "Gardening" in page
    assert "Hillside" in page
    me.post(ASK, typed(topic=topic.pk, branch=other.pk))
    conversation = Conversation.objects.get()
    assert (conversation.topic, conversation.branch) == (topic, other)


def test_question_form_does_not_offer_closed_branches_or_retired_topics(me):
    gone, retired = (
        BranchFactory(name="Hillside", closed_at=timezone.now()),
        TopicFactory(name="Telegraphy", retired_at=timezone.now()),
    )
    page = text(me.get(ASK))
    assert "Hillside" not in page
    assert "Telegraphy" not in page
    assert me.post(ASK, typed(topic=retired.pk, branch=gone.pk)).status_code == 422


@pytest.mark.parametrize(("in_use", "is_offered"), [(True, True), (False, False)])
def test_patrons_home_branch_is_preselected_unless_the_branch_is_closed(
    me, patron, branch, in_use, is_offered
):
    home = BranchFactory(closed_at=None if in_use else timezone.now())
    LibraryCard.objects.create(
        person=patron, ils_id="7", barcode="7", home_branch=home, seen_at=timezone.now()
    )
    assert me.get(ASK).context["form"]["branch"].value() == (home.pk if is_offered else branch.pk)


def test_question_form_says_when_to_expect_an_answer(me, branch):
    branch.promise_hours = 48
    branch.save()
    assert "We usually answer within 2 days." in text(me.get(ASK))


def test_double_tap_sends_one_question(me):
    fields = typed()
    first, second = me.post(ASK, fields), me.post(ASK, fields)
    assert first.url == second.url
    assert Message.objects.count() == 1


def test_submitting_the_form_again_with_a_different_text_sends_a_second_question(me):
    fields = typed()
    me.post(ASK, fields)
    for _ in range(2):
        me.post(ASK, fields | {"body": "And what about flies?"})
    assert sorted(Message.objects.values_list("body", flat=True)) == sorted(
        [QUESTION, "And what about flies?"]
    )


def test_empty_question_is_a_form_error_and_the_form_keeps_its_token(me):
    fields = typed(body="  ")
    answer = me.post(ASK, fields)
    assert answer.status_code == 422
    assert "Your question: Write your message first." in text(answer)
    assert token_on(answer) == fields["client_token"]
    assert Conversation.objects.count() == 0


def test_question_draft_appears_on_another_device_until_the_question_is_sent(me, patron, sign_in):
    fields = typed("Is there", sequence=1, topic=TopicFactory(name="Gardening").pk)
    assert me.post(reverse("ask_draft"), fields).status_code == 204
    page = sign_in(Client(), patron).get(ASK).content.decode()
    assert ">\nIs there</textarea>" in page
    assert "selected>Gardening" in page
    assert fields["client_token"] in page
    me.post(ASK, fields | {"body": QUESTION})
    assert Draft.objects.count() == 0
    late = me.post(reverse("ask_draft"), fields | {"sequence": 2})
    assert late.status_code == 410
    assert uuid.UUID(late.content.decode()) != uuid.UUID(fields["client_token"])


def test_older_tab_does_not_overwrite_a_newer_draft(me):
    fields = typed("Newer", sequence=2)
    me.post(reverse("ask_draft"), fields)
    older = me.post(reverse("ask_draft"), fields | {"body": "Older", "sequence": 1})
    assert older.status_code == 409
    assert "Newer" in text(older)
    assert Draft.objects.get().body == "Newer"


def test_question_draft_of_an_anonymous_visitor_is_not_saved(client):
    assert client.post(reverse("ask_draft"), typed(sequence=1)).status_code == 422
    assert Draft.objects.count() == 0


@pytest.mark.parametrize("factory", [HelpSessionFactory, QuietSessionFactory])
def test_question_draft_about_a_visit_opened_by_code_is_not_saved(me, show_code, branch, staff, factory):
    visit = factory(branch=branch, staff=staff)
    show_code(me, code_for(visit))
    page = me.get(ASK).content.decode()
    # drafts.js stores a text in the browser only if the page has data-draft.
    assert (str(visit.public_id) in page, 'data-draft="' in page) == (True, False)
    assert me.post(reverse("ask_draft"), typed(sequence=1, about=str(visit.public_id))).status_code == 422
    assert Draft.objects.count() == 0


def test_pictures_are_sent_with_the_question(me):
    me.post(ASK, typed(files=[picture_file()]))
    assert Message.objects.get().attachments.count() == 1


def test_question_is_sent_even_if_a_file_is_refused(me):
    page = text(me.post(ASK, typed(files=[SimpleUploadedFile("phone.exe", b"MZ")]), follow=True))
    assert "phone.exe was not sent." in page
    assert "I live on the fourth floor." in page


def test_question_page_tells_an_anonymous_visitor_that_files_were_not_saved(client):
    page = text(client.post(ASK, typed(files=[picture_file()]), follow=True))
    assert "Your files were not saved. Add them after you have sent the question." in page


def test_pictures_are_sent_with_a_question_about_a_visit(client, visit, show_code):
    show_code(client, code_for(visit))
    client.post(reverse("ask_about_session", args=[visit.public_id]), typed(files=[picture_file()]))
    assert Message.objects.get().attachments.count() == 1


# Tests of anonymous visitors.


def test_question_of_an_anonymous_visitor_is_sent_after_confirming_an_email_address(client, branch):
    assert client.post(ASK, typed()).url == SEND
    page = text(client.get(SEND))
    for words in [
        "Where should we send the answer?",
        "I live on the fourth floor.",
        "By email",
        "With the code on your slip or code card",
    ]:
        assert words in page
    assert sign_in_by_email(client, "new@example.org").url == SEND
    ready = text(client.get(SEND))
    assert "new@example.org" in ready
    # The question is not sent until the visitor presses Send.
    assert Conversation.objects.count() == 0
    answer = send(client)
    conversation = Conversation.objects.get()
    assert answer.url == conversation.get_absolute_url()
    assert (conversation.patron.email, conversation.messages.get().body) == ("new@example.org", QUESTION)
    assert pending_questions.KEY not in client.session


def test_patron_whose_sign_in_expires_while_writing_can_sign_in_and_send_the_question(
    client, patron, sign_in
):
    sign_in(client, patron)
    fields = typed()
    client.post(reverse("ask_draft"), fields | {"sequence": 1})
    client.session.flush()
    assert client.post(ASK, fields, follow=True).redirect_chain == [(SEND, 302)]
    sign_in_by_email(client, patron.email)
    send(client)
    conversation = Conversation.objects.get()
    assert (conversation.patron, conversation.messages.get().body) == (patron, QUESTION)


def test_topic_and_branch_are_stored_with_the_unsent_question(client):
    other, topic = BranchFactory(name="Hillside"), TopicFactory(name="Gardening")
    client.post(ASK, typed(topic=topic.pk, branch=other.pk))
    sign_in_by_email(client, "new@example.org")
    send(client)
    conversation = Conversation.objects.get()
    assert (conversation.topic, conversation.branch) == (topic, other)


@pytest.mark.parametrize("kind", ["question", "reading"])
def test_invalid_email_address_is_an_error_on_the_page_where_it_was_entered(client, kind):
    if kind == "question":
        client.post(ASK, typed())
    else:
        fill_reading_form(client)
    address = {"question": SEND, "reading": SEND_READING}[kind]
    page = client.get(address)
    form = re.search(r'(?s)id="by-mail".*?</form>', page.content.decode())[0]
    assert "action=" not in form
    fields = {"client_token": token_on(page), "email": "nobody"}
    page = client.post(address, fields)
    assert page.status_code == 422
    assert heading(page) == heading(client.get(address))
    assert text(page).count("Enter the full email address, such as ana@example.org.") == 2
    assert 'value="nobody"' in page.content.decode()
    right = client.post(address, fields | {"email": "new@example.org"})
    assert (right.status_code, right.url) == (302, reverse(f"send_{kind}_code"))
    assert mail.outbox[-1].to == ["new@example.org"]


def test_unsent_question_is_still_stored_after_a_wrong_sign_in_code_and_an_invalid_email(client):
    client.post(ASK, typed())
    assert client.post(reverse("sign_in"), {"email": "nobody", "next": SEND}).status_code == 200
    client.post(reverse("sign_in"), {"email": "new@example.org", "next": SEND})
    page = text(client.post(reverse("account_confirm_login_code"), {"code": "1", "next": SEND}))
    assert "We saved what you wrote." in page
    assert "I live on the fourth floor." in text(client.get(SEND))
    assert "I live on the fourth floor." in text(client.get(ASK))
    assert "Your question isn't sent yet" in text(client.get("/"))


def test_unsent_question_can_be_changed(client):
    client.post(ASK, typed())
    composer = token_on(client.get(ASK))
    client.post(ASK, {"body": "Shorter", "client_token": composer})
    sign_in_by_email(client, "new@example.org")
    send(client)
    assert Message.objects.get().body == "Shorter"


def test_outdated_tab_cannot_send_a_question_that_was_already_sent(client):
    client.post(ASK, typed())
    sign_in_by_email(client, "new@example.org")
    stale = token_on(client.get(SEND))
    # The client is signed in, so this question is sent without another step.
    client.post(ASK, {"body": "Written here", "client_token": token_on(client.get(ASK))})
    assert Message.objects.get().body == "Written here"
    for token in (stale, "nonsense", ""):
        assert client.post(SEND, {"client_token": token}).url == ASK


def test_outdated_tab_cannot_send_a_question_that_was_changed_in_another_tab(client, visit, show_code):
    client.post(ASK, typed())
    client.post(reverse("open_code"), {"code": code_for(visit)})
    stale = token_on(client.get(SEND))
    client.post(ASK, {"body": "Changed", "client_token": token_on(client.get(ASK)), "about": "new"})
    answer = client.post(SEND, {"client_token": stale, "about": str(visit.public_id)}, follow=True)
    assert "You made changes in another tab." in text(answer)
    assert Message.objects.count() == 0


def test_visitor_must_confirm_that_a_new_question_replaces_an_unsent_question(client):
    client.post(ASK, typed())
    second = typed("Where do I park?")
    answer = client.post(ASK, second)
    assert answer.status_code == 409
    for words in [
        "You have another question that isn't sent yet",
        "Is there a class on worms?",
        "Where do I park?",
    ]:
        assert words in text(answer)
    client.post(ASK, second | {"instead": "1"})
    assert "Where do I park?" in text(client.get(SEND))


def test_question_is_sent_once_if_the_send_button_is_pressed_in_two_tabs(client):
    client.post(ASK, typed())
    sign_in_by_email(client, "new@example.org")
    token = token_on(client.get(SEND))
    first, second = client.post(SEND, {"client_token": token}), client.post(SEND, {"client_token": token})
    assert first.url == second.url
    assert Message.objects.count() == 1


def test_unsent_question_and_the_visitors_session_expire_after_a_day(client, monkeypatch):
    client.post(ASK, typed())
    assert client.session.get_expiry_age() == pytest.approx(
        pending_questions.KEPT_FOR.total_seconds(), abs=60
    )
    monkeypatch.setattr(
        pending_questions.timezone,
        "now",
        lambda: datetime.datetime.now(datetime.UTC) + pending_questions.KEPT_FOR,
    )
    assert client.get(SEND).url == ASK
    assert pending_questions.KEY not in client.session


def test_unsent_question_expires_even_if_the_session_lasts_longer(client, visit, show_code, monkeypatch):
    show_code(client, code_for(visit))
    client.post(ASK, typed(about="new"))
    monkeypatch.setattr(pending_questions, "KEPT_FOR", datetime.timedelta())
    assert client.get(SEND).url == ASK
    assert pending_questions.KEY not in client.session


def test_worker_deletes_an_expired_unsent_question_from_a_valid_session(client, visit, show_code):
    show_code(client, code_for(visit))
    client.post(ASK, typed(about="new"))
    now = timezone.now()
    for late, is_kept in [(datetime.timedelta(hours=23), True), (datetime.timedelta(hours=25), False)]:
        pending_questions.forget_pending_questions(at=now + late)
        assert (pending_questions.KEY in client.session) == is_kept
    assert client.get(visit.get_absolute_url()).status_code == 200


@pytest.mark.parametrize("how", ["by mail", "by code"])
def test_signing_in_or_opening_a_visit_extends_a_session_with_an_unsent_question(
    client, visit, how, settings
):
    client.post(ASK, typed())
    if how == "by mail":
        sign_in_by_email(client, "new@example.org")
    else:
        client.post(reverse("open_code"), {"code": code_for(visit), "next": SEND})
    assert client.session.get_expiry_age() == settings.SESSION_COOKIE_AGE


def test_unsent_question_can_be_discarded(client):
    client.post(ASK, typed())
    client.post(reverse("discard_question"))
    assert client.get(SEND).url == ASK
    assert "fourth floor" not in text(client.get(ASK))


@pytest.mark.parametrize("kind", ["question", "reading"])
def test_discarding_an_unsent_text_can_be_undone_once(client, kind):
    if kind == "question":
        client.post(ASK, typed())
    else:
        client.post(READ, {"words": "fourth floor"})
    send = {"question": SEND, "reading": SEND_READING}[kind]
    before = client.session[pending_questions.KEY]
    page = client.post(reverse(f"discard_{kind}"), follow=True)
    assert "Deleted. Nothing was sent." in text(page)
    assert f'action="{reverse("restore_discarded")}"' in page.content.decode()
    assert pending_questions.KEY not in client.session
    assert client.post(reverse("restore_discarded")).url == send
    assert client.session[pending_questions.KEY] == before
    assert "This can&#x27;t be undone anymore." in text(
        client.post(reverse("restore_discarded"), follow=True)
    )


def test_restoring_a_discarded_question_does_not_overwrite_a_newer_question(client):
    client.post(ASK, typed("The first question"))
    client.post(reverse("discard_question"))
    client.post(ASK, typed("The second question"))
    client.post(reverse("restore_discarded"))
    assert "The second question" in text(client.get(SEND))


def test_discarded_question_is_removed_from_the_session_after_a_day(client, visit, show_code):
    show_code(client, code_for(visit))
    client.post(ASK, typed(about="new"))
    client.post(reverse("discard_question"))
    assert pending_questions.DISCARDED in client.session
    pending_questions.forget_pending_questions(at=timezone.now() + datetime.timedelta(hours=25))
    assert pending_questions.DISCARDED not in client.session


def test_anonymous_visitor_cannot_send_a_question(client):
    client.post(ASK, typed())
    token = client.session[pending_questions.KEY][pending_questions.QUESTION]["client_token"]
    assert client.post(SEND, {"client_token": token, "about": "new"}).status_code == 200
    assert Conversation.objects.count() == 0


def test_question_that_is_too_long_is_refused_and_not_stored(client):
    assert client.post(ASK, typed("x" * 5001)).status_code == 422
    assert pending_questions.KEY not in client.session


# Tests of viewers by code.


def test_question_is_linked_to_the_visit_whose_code_is_entered_before_the_question_is_sent(client, visit):
    client.post(ASK, typed())
    assert client.post(reverse("open_code"), {"code": code_for(visit), "next": SEND}).url == SEND
    assert visit.question in text(client.get(SEND))
    send(client, about=str(visit.public_id))
    conversation = Conversation.objects.get()
    assert (conversation.help_session, conversation.patron, conversation.topic, conversation.branch) == (
        visit,
        None,
        visit.topic,
        visit.branch,
    )


def test_unsent_question_is_still_stored_after_a_wrong_visit_code(client, visit):
    client.post(ASK, typed())
    for code in ("1", "1234567890123"):
        page = client.post(reverse("open_code"), {"code": code, "next": SEND}).content.decode()
        assert f'name="next" value="{SEND}"' in page
    assert "fourth floor" in text(client.get(SEND))


def test_entering_a_visit_code_never_redirects_to_another_site(client, visit):
    assert (
        client.post(reverse("open_code"), {"code": code_for(visit), "next": "https://evil.example/"}).url
        == visit.get_absolute_url()
    )


def test_most_recently_opened_visit_is_preselected_in_the_question_form(client, visit, branch, show_code):
    older = HelpSessionFactory(branch=branch, question="Older")
    show_code(show_code(client, code_for(older)), code_for(visit))
    assert str(visit.public_id) in chosen_on(client.get(ASK))


def test_viewer_with_only_a_code_can_ask_about_the_visit_without_signing_in(client, visit, show_code):
    show_code(client, code_for(visit))
    answer = client.post(ASK, typed(about=str(visit.public_id)))
    assert answer.url == visit.conversations.get().get_absolute_url()


def test_question_about_a_visit_goes_to_the_branch_of_the_visit(client, visit, show_code):
    show_code(client, code_for(visit))
    client.post(ASK, typed(about=str(visit.public_id), branch=BranchFactory().pk))
    assert Conversation.objects.get().branch == visit.branch


def test_viewer_with_only_a_code_can_ask_about_something_new_after_confirming_an_email(
    client, visit, show_code
):
    show_code(client, code_for(visit))
    assert client.post(ASK, typed(about="new")).url == SEND
    sign_in_by_email(client, "new@example.org")
    assert 'value="new"' in chosen_on(client.get(SEND))
    send(client, about="new")
    conversation = Conversation.objects.get()
    assert (conversation.help_session, conversation.patron.email) == (None, "new@example.org")


def test_viewer_with_only_a_code_cannot_ask_about_something_new_before_confirming_an_email(
    client, visit, branch, show_code
):
    show_code(client, code_for(visit))
    client.post(ASK, typed(about="new"))
    page = text(client.get(SEND))
    assert "Where should we send the answer?" in page
    assert "Send now" not in page
    client.post(reverse("open_code"), {"code": code_for(HelpSessionFactory(branch=branch)), "next": SEND})
    assert "Send now" in text(client.get(SEND))
    answer = send(client, about="new")
    assert answer.status_code == 422
    assert "To ask about something new, enter your email address below." in text(answer)
    assert Conversation.objects.count() == 0


def test_viewer_with_only_a_code_cannot_choose_a_strangers_visit(client, visit, branch, show_code):
    show_code(client, code_for(visit))
    assert client.post(ASK, typed(about=str(HelpSessionFactory(branch=branch).public_id))).status_code == 422
    assert Conversation.objects.count() == 0


def test_question_is_stored_but_not_sent_if_the_visit_code_is_revoked(client, visit):
    client.post(ASK, typed())
    client.post(reverse("open_code"), {"code": code_for(visit), "next": SEND})
    token = token_on(client.get(SEND))
    ClaimCode.objects.update(state=ClaimCode.State.REVOKED)
    answer = client.post(SEND, {"client_token": token, "about": str(visit.public_id)})
    assert "Where should we send the answer?" in text(answer)
    assert "fourth floor" in text(answer)
    assert Conversation.objects.count() == 0


def test_asking_about_a_quiet_visit_stores_no_name_and_reveals_no_visit_text(
    client, patron, branch, sign_in, show_code
):
    quiet = QuietSessionFactory(branch=branch)
    show_code(sign_in(client, patron), code_for(quiet))
    page = text(client.get(ASK))
    assert "violent" not in page
    assert "Leave quickly" in page
    client.post(ASK, typed(about=str(quiet.public_id)))
    conversation = Conversation.objects.get()
    assert (conversation.help_session, conversation.patron, conversation.messages.get().author) == (
        quiet,
        None,
        None,
    )


def test_leave_quickly_button_deletes_unsent_questions_and_reading_requests(client):
    client.post(ASK, typed())
    client.post(READ, {"words": "Piranesi"})
    client.post(reverse("leave"))
    assert pending_questions.KEY not in client.session


# Tests of limits.


@pytest.mark.only_long
@pytest.mark.slow
def test_patron_can_ask_twenty_questions_a_day_and_then_sees_when_to_try_again(me):
    for number in range(20):
        assert me.post(ASK, typed(f"Question {number}")).status_code == 302
    topic = TopicFactory()
    answer = me.post(ASK, typed("One more", topic=topic.pk))
    assert (answer.status_code, 86_000 < int(answer["Retry-After"]) <= 86_400) == (429, True)
    assert "Your question stays here. You can send it tomorrow at" in text(answer)
    assert "One more" in text(answer)
    assert Conversation.objects.count() == 20
    later = me.get(ASK).content.decode()
    assert ">\nOne more</textarea>" in later
    assert f'<option value="{topic.pk}" selected>' in later


@pytest.mark.parametrize("address", [SEND, SEND_READING])
def test_unsent_question_is_still_stored_if_the_question_limit_is_reached(
    client, visit, monkeypatch, address
):
    client.post(ASK, typed()) if address == SEND else fill_reading_form(client)
    client.post(reverse("open_code"), {"code": code_for(visit)})
    monkeypatch.setitem(LIMITS, "question", Limit("questions", target="0/d"))
    refused = send(client, address, about=str(visit.public_id))
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    monkeypatch.undo()
    assert (
        send(client, address, about=str(visit.public_id)).url == Conversation.objects.get().get_absolute_url()
    )


@pytest.mark.slow
def test_double_tap_counts_once_toward_the_question_limit(me):
    fields = typed()
    for _ in range(25):
        assert me.post(ASK, fields).status_code == 302


@pytest.mark.only_long
@pytest.mark.slow
def test_all_viewers_with_only_the_code_of_a_visit_share_a_limit_of_twenty_questions_a_day(
    client, visit, show_code
):
    show_code(client, code_for(visit))
    for number in range(19):
        client.post(reverse("ask_about_session", args=[visit.public_id]), typed(f"Question {number}"))
    assert client.post(ASK, typed(about=str(visit.public_id))).status_code == 302
    refused = client.post(reverse("ask_about_session", args=[visit.public_id]), typed("One more"))
    assert refused.status_code == 429
    assert "One more" in text(refused)


@pytest.mark.parametrize("factory", [HelpSessionFactory, QuietSessionFactory])
def test_question_limit_does_not_store_who_asked_about_a_visit_opened_by_code(
    me, show_code, branch, staff, factory
):
    visit = factory(branch=branch, staff=staff)
    show_code(me, code_for(visit))
    me.post(reverse("ask_about_session", args=[visit.public_id]), typed())
    me.post(ASK, typed(about=str(visit.public_id)))
    assert Message.objects.count() == 2
    # A LimitCount for the person would show that they asked about the visit, and when.
    assert not LimitCount.objects.filter(key__startswith="question:person").exists()
    assert LimitCount.objects.filter(key__startswith="question:target").count() == 1


def test_one_ip_address_can_store_only_a_few_unsent_questions(library, monkeypatch):
    monkeypatch.setitem(LIMITS, "unsent_question", Limit("questions", network="2/d"))
    for _ in range(2):
        assert Client().post(ASK, typed()).status_code == 302
    for address, fields in [(ASK, typed()), (READ, {"words": "Piranesi"})]:
        refused = Client().post(address, fields)
        assert refused.status_code == 429
        assert (fields.get("words") or "fourth floor") in text(refused)


# Tests of reading requests.

ANSWERS = {
    "loved": {"words": "Piranesi"},
    "mood": {"chosen": ["comforting", "funny"], "words": "like a warm bath"},
    "avoid": {"words": "Violence"},
    "whom": {"chosen": "child_9", "words": "she loves horses"},
    "format": {"chosen": ["large_print", "audiobook"]},
}


def fill_reading_form(client, answers=ANSWERS):
    address = READ
    for step, fields in answers.items():
        assert address in (READ, f"{READ}?step={step}")
        address = client.post(f"{READ}?step={step}", fields).url
    assert address == SEND_READING


def test_reading_request_becomes_a_readers_advisory_conversation(me, patron):
    fill_reading_form(me)
    page = text(me.get(SEND_READING))
    for words in [
        "Piranesi",
        "comforting, funny, like a warm bath",
        "Violence",
        "a child, 9–12, she loves horses",
        "large print, audiobook",
    ]:
        assert words in page
    answer = send(me, SEND_READING)
    conversation = Conversation.objects.get()
    assert answer.url == conversation.get_absolute_url()
    assert (conversation.patron, conversation.reason, conversation.subject) == (
        patron,
        Conversation.Reason.READERS_ADVISORY,
        "Something to read",
    )
    assert conversation.messages.get().body.split("\n\n") == [
        "Can you find me something to read?",
        "I recently loved: Piranesi",
        "I'm in the mood for: comforting, funny, like a warm bath",
        "Please leave out: Violence",
        "Please choose for: a child, 9–12, she loves horses",
        "Format: large print, audiobook",
    ]
    found = conversation.readers_form
    assert (found.loved, found.mood, found.avoid) == (
        "Piranesi",
        "comforting, funny, like a warm bath",
        "Violence",
    )
    assert (found.for_whom, found.formats) == ("a child, 9–12, she loves horses", "large print, audiobook")


def test_desk_shows_a_reading_request_in_the_language_of_the_staff_member(library):
    with translation.override("es"):
        assert readers_form.fields_of(ANSWERS, "en")["formats"] == "large print, audiobook"


@pytest.mark.parametrize("language", ["en", "es"])
def test_longest_possible_reading_request_fits_the_database_columns_and_one_message(language):
    most = {}
    for step, form in readers_form.STEPS.items():
        fields = form.base_fields
        chosen = [value for value, _label in fields["chosen"].choices] if "chosen" in fields else []
        most[step] = {
            "chosen": chosen,
            "words": "w" * fields["words"].max_length if "words" in fields else "",
        }
    most["whom"]["chosen"] = max(
        readers_form.WhomStep.base_fields["chosen"].choices, key=lambda choice: len(str(choice[1]))
    )[0]
    ReadersForm(conversation_id=1, **readers_form.fields_of(most, language)).clean_fields(
        exclude=["conversation"]
    )
    with translation.override(language):
        assert len(readers_form.message_of(most)) < 5000


def test_reading_request_can_be_sent_if_it_says_only_who_the_reader_is(me):
    fill_reading_form(me, {step: {"chosen": "me"} if step == "whom" else {} for step in ANSWERS})
    send(me, SEND_READING)
    assert Message.objects.get().body == "Can you find me something to read?\n\nPlease choose for: me"


def test_reading_request_gets_a_form_error_if_it_does_not_say_who_the_reader_is(me):
    answer = me.post(f"{READ}?step=whom", {})
    assert answer.status_code == 422
    assert "Choose who the reader is." in text(answer)


def test_reading_request_form_keeps_the_entered_values_when_the_patron_goes_back(me):
    me.post(READ, {"words": "Piranesi"})
    assert me.post(f"{READ}?step=mood", {"chosen": "funny", "back": "1"}).url == f"{READ}?step=loved"
    assert "Piranesi" in text(me.get(READ))
    assert 'value="funny"' in chosen_on(me.get(f"{READ}?step=mood"))
    assert (
        me.post(f"{READ}?step=whom", {"words": "she loves horses", "back": "1"}).url == f"{READ}?step=avoid"
    )
    assert "she loves horses" in me.get(f"{READ}?step=whom").content.decode()


def test_changing_one_step_of_a_reading_request_redirects_to_the_overview(me):
    fill_reading_form(me)
    assert f"{READ}?step=mood&amp;then=check" in me.get(SEND_READING).content.decode()
    assert me.post(f"{READ}?step=mood&then=check", {"chosen": "dark"}).url == SEND_READING
    assert "comforting" not in text(me.get(SEND_READING))


@pytest.mark.few_cases
@pytest.mark.parametrize("step", readers_form.STEPS)
def test_reading_request_form_turns_browser_autocomplete_off(client, step):
    page = client.get(READ, {"step": step}).content.decode()
    assert re.search(r'<form method="post" action="#" class="stack"[^>]* autocomplete="off"', page)


def test_send_page_of_an_incomplete_reading_request_redirects_to_the_missing_step(me):
    assert me.get(SEND_READING).url == f"{READ}?step=loved"
    me.post(READ, {"words": "Piranesi"})
    assert me.get(SEND_READING).url == f"{READ}?step=mood"
    for step in ("mood", "avoid"):
        me.post(f"{READ}?step={step}", {})
    me.post(f"{READ}?step=whom", {"back": "1"})
    me.post(f"{READ}?step=format", {})
    assert me.get(SEND_READING).url == f"{READ}?step=whom"


def test_reading_request_of_an_anonymous_visitor_is_sent_after_confirming_an_email(client):
    fill_reading_form(client)
    assert "Where should we send the answer?" in text(client.get(SEND_READING)) or "By email" in text(
        client.get(SEND_READING)
    )
    sign_in_by_email(client, "new@example.org")
    assert Conversation.objects.count() == 0
    send(client, SEND_READING)
    assert Conversation.objects.get().patron.email == "new@example.org"
    assert pending_questions.KEY not in client.session


def test_reading_request_of_a_viewer_with_only_a_code_is_linked_to_the_visit(client, visit):
    fill_reading_form(client)
    client.post(reverse("open_code"), {"code": code_for(visit), "next": SEND_READING})
    send(client, SEND_READING, about=str(visit.public_id))
    conversation = Conversation.objects.get()
    assert (conversation.help_session, conversation.readers_form.loved) == (visit, "Piranesi")


def test_items_in_an_answer_to_a_reading_request_count_as_readers_advisory(me, staff, visit, branch):
    fill_reading_form(me)
    send(me, SEND_READING)
    conversation = Conversation.objects.get()
    item = ItemFactory()
    actions.reply(
        conversation,
        by=staff,
        side="staff",
        at=timezone.now(),
        body="This one",
        language="en",
        client_token=uuid.uuid4(),
        items=[ChosenItem(item=item, reason="because")],
    )
    assert item.recommendations.get().question_type == QuestionType.READERS_ADVISORY


def test_sending_a_reading_request_twice_creates_one_conversation(me):
    fill_reading_form(me)
    token = token_on(me.get(SEND_READING))
    first, second = (me.post(SEND_READING, {"client_token": token}) for _ in range(2))
    assert first.url == second.url
    assert Conversation.objects.count() == 1


def test_reading_request_can_be_discarded(me):
    fill_reading_form(me)
    me.post(reverse("discard_reading"))
    assert me.get(SEND_READING).url == f"{READ}?step=loved"


def test_reading_request_is_not_shown_to_the_next_person_who_signs_in(client, patron, sign_in):
    sign_in(client, patron)
    client.post(READ, {"words": "Piranesi"})
    client.post(reverse("sign_out"))
    sign_in(client, UserFactory())
    assert "Piranesi" not in text(client.get(READ))


# Tests of links to the question form and the reading form.


@pytest.mark.parametrize("page", ["/", reverse("conversations")])
@pytest.mark.parametrize("who", ["nobody", "patron"])
def test_home_page_and_messages_page_link_to_the_question_form_and_reading_form(
    page, who, client, patron, sign_in
):
    if who == "patron":
        sign_in(client, patron)
    shown = client.get(page).content.decode()
    assert f'href="{ASK}"' in shown
    assert f'href="{READ}"' in shown


@pytest.mark.parametrize("rows", [1, 30])
def test_question_form_runs_the_same_number_of_queries_for_1_and_30_choices(
    rows, me, branch, show_code, django_assert_num_queries
):
    BranchFactory.create_batch(rows)
    TopicFactory.create_batch(rows)
    for _ in range(rows):
        show_code(me, code_for(HelpSessionFactory(branch=branch)))
    with django_assert_num_queries(15):
        me.get(ASK)


def test_subject_of_the_second_question_about_a_visit_comes_from_the_question(patron, branch):
    def asked(session, by, body, **about):
        token = uuid.uuid4()
        return actions.ask(
            by=by,
            at=timezone.now(),
            help_session=None if about else session,
            body=body,
            language="en",
            client_token=token,
            **about,
        )

    kept, quiet = (
        HelpSessionFactory(patron=patron, branch=branch, question="Worms"),
        QuietSessionFactory(branch=branch),
    )
    [given] = recommend_in(kept)
    asked(kept, patron, "Is it in?", recommendation=given)
    assert [
        asked(kept, patron, body).subject for body in ("Is there a class?", "Where do I park? I come by car.")
    ] == ["Worms", "Where do I park?"]
    assert [asked(quiet, None, body).subject for body in ("Is there a class?", "Where do I park?")] == [
        quiet.title
    ] * 2
