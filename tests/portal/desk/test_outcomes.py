"""Test how the desk shows what a patron said about a visit, and that staff can't send an unwanted answer."""

import uuid
from datetime import timedelta
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import library
from accounts.hours import Calendar
from portal.conversations import attachments, bulk, drafts, merging, moved_promises, outcomes, verdicts
from portal.conversations.desk_lists import FAILED, HAS_FAILED
from portal.conversations.models import Attachment, Conversation, Draft, Message, Side
from portal.notifications.models import Notification
from tests.conversations import ask, now_of, say
from tests.factories import HelpSessionFactory, StaffFactory, UserFactory, picture_file, recommend_in
from tests.portal.desk.test_conversation_composer import address, typed
from tests.portal.pages import HTMX, text

QUEUE = "/desk/"


@pytest.fixture
def at():
    """Return the time of the patron's answer: an hour ago, because the queue hides an answer for a minute."""
    return timezone.now() - timedelta(hours=1)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="Where is the tax form?")


def answer(session, at, found="no", **fields):
    outcomes.take_outcome(session, by=session.patron, at=at, found=found, **fields)
    return session.conversations.get(is_about_outcome=True)


def wish(about, at, wanted=False, **fields):
    return outcomes.wish_for_answer(about, wanted=wanted, by=about.patron, at=at, language="en", **fields)


@pytest.fixture
def told(session, at):
    """Return a conversation whose patron wants no answer."""
    answer(session, at)
    return wish(session, at)


def fail(session, at, **fields):
    [item] = recommend_in(session, item__title="The Rodale Book")
    verdict = {"verdict": "did_not_help", "why": "too_hard", "comment": "Only formulas."} | fields
    verdicts.take_verdict(item, by=session.patron, at=at, **verdict)
    return Conversation.objects.get(recommendation=item)


def test_queue_row_shows_the_outcome_with_the_helper_and_the_patrons_comment(desk, session, staff, at):
    answer(session, at, found="part")
    wish(session, at, wanted=True, body="The year is wrong.")
    fail(session, at)
    page = text(desk.get(QUEUE))
    for words in ("Found only a part", "Where is the tax form?", "The year is wrong."):
        assert words in page
    for words in ("Did not help", "The Rodale Book", "Too hard: Only formulas."):
        assert words in page
    assert page.count(f"Helped by {staff.name}") == 2


def test_queue_row_says_that_the_patron_wants_no_answer(desk, told):
    page = text(desk.get(QUEUE))
    assert "Did not find it" in page
    assert "No answer wanted" in page


def test_conversation_about_an_outcome_is_hidden_from_the_queue_for_a_minute(desk, session):
    row = answer(session, timezone.now())
    assert str(row.public_id) not in desk.get(QUEUE).content.decode()


def test_queue_can_be_filtered_to_patrons_who_were_not_helped(desk, session, staff, branch, patron, at):
    rows = [fail(session, at + timedelta(minutes=2)), answer(session, at)]
    asked = ask(patron, branch=branch, at=at - timedelta(minutes=5))
    far = HelpSessionFactory(patron=patron)
    answer(far, at)
    page = desk.get(QUEUE, {"reason": "failed"}).content.decode()
    places = [page.index(str(row.public_id)) for row in reversed(rows)]
    assert places == sorted(places)
    assert str(asked.public_id) not in page
    assert str(far.conversations.get().public_id) not in page
    assert f'value="{FAILED}" selected' in page


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 30])
def test_filtered_queue_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, branch, at, count, django_assert_num_queries
):
    for _number in range(count):
        answer(HelpSessionFactory(branch=branch, patron=UserFactory()), at)
    with django_assert_num_queries(9):
        page = desk.get(QUEUE, {"reason": "failed"})
    assert len(page.context["rows"]) == min(count, 25)


def test_filtered_queue_uses_its_database_index(desk, session, at):
    answer(session, at)
    with CaptureQueriesContext(connection) as queries:
        desk.get(QUEUE, {"reason": FAILED})
    [rows] = [query["sql"] for query in queries if HAS_FAILED in query["sql"] and "subject" in query["sql"]]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Without this setting, PostgreSQL reads small tables without their indexes.
            cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{rows}")
        assert "failed_rows" in str(cursor.fetchall())


def test_timeline_shows_the_outcome_that_the_patron_gave(desk, session, at):
    row = answer(session, at, satisfaction="poor")
    page = text(desk.get(address(row)))
    assert "The patron answered “Did you find what you needed?”: no" in page
    assert "poor" not in page.lower()
    assert "by link, not signed in" not in page


def test_desk_pages_mark_outcomes_and_messages_that_were_sent_through_an_email_link(desk, session, at):
    outcomes.take_outcome(session, by=None, at=at, found="no", by_link=True)
    row = outcomes.wish_for_answer(
        session, wanted=True, by=None, at=at, language="en", body="Hm", by_link=True
    )
    [item] = recommend_in(session)
    verdicts.take_verdict(item, verdict="did_not_help", why="", comment="", by=None, at=at, by_link=True)
    assert text(desk.get(address(row))).count("by link, not signed in") >= 3
    assert "by link, not signed in" in text(desk.get(reverse("desk_session", args=[session.public_id])))


def test_conversation_page_has_no_composer_if_the_patron_wants_no_answer(desk, told):
    page = desk.get(address(told))
    content = page.content.decode()
    assert "No answer wanted" in text(page)
    for part in ('id="id_body"', 'id="reply-form"', address(told, "merge/")):
        assert part not in content
    assert 'id="close-it"' in content


def test_conversation_whose_patron_wants_no_answer_stays_in_the_queue_until_it_is_closed(desk, told):
    assert "Until then, it stays in the queue." in text(desk.get(address(told)))
    row = f'data-conversation="{told.public_id}"'
    assert row in desk.get(QUEUE).content.decode()
    desk.post(address(told, "close/"))
    assert row not in desk.get(QUEUE).content.decode()
    assert "it stays in the queue" not in text(desk.get(address(told)))


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_answer_is_not_sent_if_the_patron_declines_an_answer_meanwhile(desk, told, headers):
    response = desk.post(address(told, "reply/"), typed(told, body="Have you tried this?"), **headers)
    page = text(response)
    assert "Your answer hasn't been sent:" in page
    assert "Have you tried this?" in page
    assert not Message.objects.exists()


@pytest.mark.few_cases
@pytest.mark.parametrize("action", ["templates", "send_take", "send_close", "send_next", "send_count"])
def test_composer_buttons_send_nothing_if_the_patron_wants_no_answer(desk, told, action):
    desk.post(address(told, "reply/"), typed(told, action=action))
    assert (Message.objects.count(), now_of(told).status) == (0, "waiting_for_staff")
    assert 'id="id_body"' not in desk.get(address(told)).content.decode()


def test_staff_can_draft_a_note_but_no_answer_if_the_patron_wants_no_answer(desk, told):
    fields = typed(told, sequence="1") | {"kind": "reply"}
    assert desk.post(address(told, "draft/"), fields).status_code == 410
    assert not Draft.objects.exists()
    assert desk.post(address(told, "draft/"), fields | {"kind": "note"}).status_code == 204


def test_staff_cannot_add_a_file_if_the_patron_wants_no_answer(desk, told, staff):
    file = picture_file()
    [usable], _refused = attachments.checked([(file.name, file, "")])
    with pytest.raises(attachments.NotAdded):
        attachments.add(
            told,
            by=staff,
            side=Side.STAFF,
            client_token=uuid.uuid4(),
            at=timezone.now(),
            name=usable[0],
            usable=usable[1],
        )
    assert not Attachment.objects.exists()


def test_merging_into_a_conversation_whose_patron_wants_no_answer_is_refused(
    desk, told, session, staff, patron
):
    other = ask(patron, help_session=session)
    # A new question about the same visit goes into this conversation. So the patron wants an answer again.
    assert other.pk == told.pk
    wish(session, timezone.now())
    told = now_of(told)
    other = ask(patron, branch=session.branch)
    assert told.wants_no_answer
    with pytest.raises(merging.CannotMerge):
        merging.merge(other, into=told, by=staff, at=timezone.now())
    assert not merging.mergeable(told).exists()
    merged = merging.merge(told, into=other, by=staff, at=timezone.now())
    assert merged.wants_no_answer is False
    say(merged, staff)


def test_bulk_close_includes_a_conversation_whose_patron_wants_no_answer(told, staff):
    done = bulk.close_many({told: told.desk_version}, by=staff, at=timezone.now())
    assert [row.pk for row in done.changed] == [told.pk]
    assert now_of(told).status == "closed"


def test_patron_who_wants_no_answer_is_not_emailed_about_a_new_promised_day(
    told, session, coordinator, patron
):
    session = HelpSessionFactory(patron=patron, branch=session.branch)
    row = answer(session, timezone.now())
    wish(session, timezone.now(), body="Only so that you know.")
    assert now_of(row).last_message_at
    moved_promises.change_calendar(
        session.branch,
        partial(library.change_branch, promise_hours=96),
        seen=Calendar.of(session.branch).fingerprint(),
        email=True,
        by=coordinator,
        at=timezone.now(),
    )
    assert not Notification.objects.filter(kind__startswith="conversations/promise").exists()


def test_closing_a_conversation_whose_patron_wants_no_answer_can_be_undone(desk, told, staff):
    desk.post(address(told, "close/"))
    row = now_of(told)
    assert (row.status, row.wants_no_answer) == ("closed", True)
    desk.post(address(told, "undo/"), {"done_at": row.changed_at.isoformat()})
    assert now_of(told).status in {"waiting_for_staff", "closed"}


def test_staff_of_another_branch_cannot_open_a_conversation_about_an_outcome(client, told, sign_in):
    stranger = StaffFactory()
    assert sign_in(client, stranger).get(address(told)).status_code == 404


def test_draft_answer_is_in_the_composer_again_after_the_patron_writes(told, staff, patron, session, at):
    wish(session, at, wanted=True)
    row = now_of(told)
    drafts.save_draft(
        row,
        person=staff,
        side=Side.STAFF,
        kind=Draft.Kind.REPLY,
        client_token=uuid.uuid4(),
        sequence=1,
        body="Here is",
        at=at,
    )
    wish(session, at + timedelta(minutes=1))
    assert Draft.objects.get().body == "Here is"
