"""Test that other systems can record help sessions, and that they can do nothing else."""

import datetime

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from portal.api.models import CreatedSession
from portal.api.sessions import forget_answers
from portal.checkins.models import CheckIn
from portal.helpsessions.models import HelpSession, SessionNote
from recommendations.models import Recommendation
from tests.factories import (
    ApiTokenFactory,
    BranchFactory,
    ItemFactory,
    PatronGroupFactory,
    ServicePointFactory,
    TopicFactory,
)

pytestmark = pytest.mark.django_db
ISBN = "9780140328721"


def problem_of(answer, status):
    """Check the status and the problem details of the response. Return its errors as {field: detail}."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert (answer.status_code, body["status"], body["type"]) == (status, status, "about:blank")
    assert body["title"]
    assert body["detail"]
    return {error["field"]: error["detail"] for error in body.get("errors", [])}


def test_session_is_recorded_with_all_fields(send, token, branch):
    token.may_send_words = True
    token.save()
    topic, point = TopicFactory(name="Gardening"), ServicePointFactory(branch=branch, name="Help desk")
    group, item = PatronGroupFactory(name="Students"), ItemFactory(isbn=ISBN)
    answer = send(
        happened_at="2026-03-02T23:30:00+00:00",
        topic="Gardening",
        service_point="help desk",
        patron_group="students",
        read_level=3,
        minutes=12,
        people=2,
        language="es",
        question="How do I start a compost bin?",
        summary="We found a book.",
        items=[
            {"isbn": "0-14-032872-6", "reason": "Short and clear"},
            {"id": str(item.public_id), "asked_about": False},
        ],
    )
    assert (answer.status_code, answer.json().get("errors")) == (201, None)
    session = HelpSession.objects.get()
    assert answer.json() == {"id": str(session.public_id)}
    local = datetime.datetime(2026, 3, 2, 23, 30, tzinfo=datetime.UTC).astimezone(
        timezone.get_current_timezone()
    )
    assert (session.happened_on, session.hour) == (local.date(), local.hour)
    assert (session.mode, session.question_type, session.topic, session.service_point) == (
        "chat",
        "reference",
        topic,
        point,
    )
    assert (session.patron_group, session.read_level, session.minutes, session.people, session.language) == (
        group,
        3,
        12,
        2,
        "es",
    )
    assert (session.question, session.summary) == ("How do I start a compost bin?", "We found a book.")
    assert [(row.item, row.reason, row.starred) for row in Recommendation.objects.order_by("pk")] == [
        (item, "Short and clear", True),
        (item, "", False),
    ]


def test_session_from_another_system_has_no_helper_or_patron_or_code_or_check_in_or_note(send, library):
    library.check_ins = True
    library.save()
    assert send().status_code == 201
    session = HelpSession.objects.get()
    assert (session.status, session.staff, session.patron, session.quiet) == ("recorded", None, None, False)
    assert not session.claim_codes.exists()
    assert not CheckIn.objects.exists()
    assert not SessionNote.objects.exists()
    assert AuditEvent.objects.get(action="recorded").by is None


def test_session_without_a_time_gets_the_current_day_and_hour(send):
    before = timezone.localtime()
    assert send().status_code == 201
    now = HelpSession.objects.values_list("happened_on", "hour").get()
    assert now in {(each.date(), each.hour) for each in (before, timezone.localtime())}


def test_request_that_is_sent_twice_with_the_same_key_records_one_session(send):
    first, second = send(), send()
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json() == {"id": str(HelpSession.objects.get().public_id)}
    assert send(key="other-key").status_code == 201
    assert HelpSession.objects.count() == 2


def test_idempotency_key_cannot_be_used_again_for_a_different_request(send):
    assert send().status_code == 201
    assert problem_of(send(minutes=5), 409) == {}
    assert HelpSession.objects.count() == 1


def test_two_systems_can_use_the_same_idempotency_key(send, branch):
    assert send().status_code == 201
    assert send(token=ApiTokenFactory(name="Other", branches=[branch])).status_code == 201


def test_idempotency_key_can_be_used_again_after_a_day(send):
    send()
    day_ago = timezone.now() - datetime.timedelta(days=1)
    CreatedSession.objects.update(created_at=day_ago)
    assert send(minutes=5).status_code == 201
    assert CreatedSession.objects.count() == 1


def test_stored_responses_to_requests_are_deleted_after_a_day(send):
    send()
    now = timezone.now()
    forget_answers(at=now + datetime.timedelta(hours=23))
    assert CreatedSession.objects.count() == 1
    forget_answers(at=now + datetime.timedelta(hours=25))
    assert not CreatedSession.objects.exists()


def test_stored_response_contains_neither_the_idempotency_key_nor_the_request_body(send):
    send(key="a-key-with-a-name-Maria")
    row = CreatedSession.objects.values().get()
    assert "Maria" not in str(row)
    assert (len(row["key"]), len(row["body"])) == (64, 64)


def test_request_without_an_idempotency_key_is_refused(send):
    assert list(problem_of(send(key=""), 422)) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mode": "telepathy"}, "mode"),
        ({"question_type": ""}, "question_type"),
        ({"minutes": 601}, "minutes"),
        ({"minutes": "five"}, "minutes"),
        ({"people": 0}, "people"),
        ({"read_level": 7}, "read_level"),
        ({"patron": "Maria"}, "patron"),
        ({"items": [{}] * 21}, "items"),
        ({"language": "tlh"}, "language"),
        ({"topic": "Nothing"}, "topic"),
        ({"service_point": "Nowhere"}, "service_point"),
        ({"patron_group": "Nobody"}, "patron_group"),
        ({"happened_at": "2026-03-02T10:00:00"}, "happened_at"),
        ({"happened_at": "2999-01-01T00:00:00Z"}, "happened_at"),
        ({"happened_at": "0001-01-01T00:00:00Z"}, "happened_at"),
        ({"happened_at": "9999-12-31T23:59:59-12:00"}, "happened_at"),
        ({"branch": "nowhere"}, "branch"),
        ({"items": [{"isbn": "9780000000000"}]}, "items.0"),
        ({"items": [{}]}, "items.0"),
        ({"items": [{"id": "8c0e1b3a-7d10-4b4f-9a53-6b4f4d1f2f10"}]}, "items.0"),
        ({"items": [{"id": "8c0e1b3a-7d10-4b4f-9a53-6b4f4d1f2f10", "isbn": ISBN}]}, "items.0"),
    ],
    ids=str,
)
def test_error_names_the_invalid_field_and_nothing_is_saved(send, changes, field):
    assert list(problem_of(send(**changes), 422)) == [field]
    assert not HelpSession.objects.exists()
    assert not CreatedSession.objects.exists()


def test_error_response_lists_every_invalid_field(send):
    errors = problem_of(send(branch="nowhere", topic="Nothing", items=[{"isbn": "1"}]), 422)
    assert set(errors) == {"branch", "topic", "items.0"}


def test_session_at_a_closed_branch_or_a_branch_that_the_token_does_not_allow_is_refused(send, branch):
    other = BranchFactory()
    assert list(problem_of(send(branch=other.slug), 422)) == ["branch"]
    branch.closed_at = timezone.now()
    branch.save()
    assert list(problem_of(send(), 422)) == ["branch"]


def test_service_point_of_another_branch_is_refused(send):
    ServicePointFactory(branch=BranchFactory(), name="Elsewhere")
    assert list(problem_of(send(service_point="Elsewhere"), 422)) == ["service_point"]


def test_withdrawn_item_is_refused(send):
    item = ItemFactory(retired_at=timezone.now())
    assert list(problem_of(send(items=[{"id": str(item.public_id)}]), 422)) == ["items.0"]


@pytest.mark.parametrize("field", ["question", "summary", "items.0.reason"])
def test_question_and_answer_texts_are_refused_unless_the_token_allows_them(send, token, field):
    item = {"id": str(ItemFactory().public_id)}
    changes = {"items": [item | {"reason": "Short"}]} if "." in field else {field: "Short"}
    assert list(problem_of(send(**changes), 422)) == [field]
    token.may_send_words = True
    token.save()
    assert send(**changes).status_code == 201


@pytest.mark.parametrize(
    ("field", "words", "part"),
    [
        ("question", "Write to maria@example.org", "email address"),
        ("summary", "Card 2901 2345 67890", "card"),
        ("summary", "Patron: hi\nAna: hello\nPatron: where?\nAna: there", "transcript"),
        ("items.0.reason", "Write to maria@example.org", "email address"),
        ("items.0.reason", "Patron: hi\nAna: hello\nPatron: where?\nAna: there", "transcript"),
    ],
)
def test_text_with_private_data_is_refused_even_if_the_token_allows_texts(send, token, field, words, part):
    token.may_send_words = True
    token.save()
    changes = {field: words}
    if "." in field:
        changes = {"items": [{"id": str(ItemFactory().public_id), "reason": words}]}
    answer = send(**changes)
    [(name, detail)] = problem_of(answer, 422).items()
    assert (name, part in detail) == (field, True)
    assert words not in answer.content.decode()
    assert not HelpSession.objects.exists()


def test_control_characters_are_removed_from_the_texts_of_a_session(send, token):
    token.may_send_words = True
    token.save()
    assert send(question="Where\u202e is\x00 it?").status_code == 201
    assert HelpSession.objects.get().question == "Where is it?"


def test_recording_by_the_api_runs_the_same_number_of_queries_for_1_and_20_items(
    send, django_assert_num_queries
):
    items = ItemFactory.create_batch(20)
    send(key="first-request-of-the-day")
    for count in (1, 20):
        sent = [{"id": str(item.public_id)} for item in items[:count]]
        with django_assert_num_queries(21):
            assert send(key=f"key-{count:04}", items=sent).status_code == 201
