"""Test that the access log says from which page a staff member opened a visit or conversation."""

import pytest

from accounts.models import AuditEvent
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory, code_for

pytestmark = pytest.mark.sql

HERE = "http://testserver"


@pytest.fixture
def visit(branch, staff, patron):
    return HelpSessionFactory(branch=branch, staff=staff, patron=patron)


@pytest.fixture
def conversation(visit):
    conversation = ConversationFactory(help_session=visit)
    MessageFactory(conversation=conversation)
    return conversation


def where(**subject):
    return list(
        AuditEvent.objects.filter(action="opened", **subject).order_by("pk").values_list("where", flat=True)
    )


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("came_from", "address", "expected"),
    [
        ("/desk/", "?queue=tab%3Dneeds&place=0.1.1", "queue"),
        ("/desk/?q=bees", "?queue=tab%3Dneeds%26q%3Dbees&place=0.1.1", "search"),
        ("/desk/", "", "queue"),
        ("/desk/?q=bees", "", "search"),
        ("/desk/sessions/00000000-0000-4000-8000-000000000001/", "", "session"),
        ("/desk/conversations/00000000-0000-4000-8000-000000000001/", "", "conversation"),
        ("/desk/people/00000000-0000-4000-8000-000000000001/", "", "people"),
        ("/desk/cards/", "", ""),
        ("/no/such/page/", "", ""),
        ("", "", ""),
    ],
)
def test_access_log_says_from_which_page_staff_opened_a_conversation(
    desk, conversation, came_from, address, expected
):
    headers = {"Referer": HERE + came_from} if came_from else {}
    desk.get(f"/desk/conversations/{conversation.public_id}/{address}", headers=headers)
    assert where(subject=str(conversation.public_id)) == [expected]


def test_access_log_mentions_no_previous_page_if_staff_came_from_another_site(desk, conversation):
    desk.get(
        f"/desk/conversations/{conversation.public_id}/", headers={"Referer": "http://evil.example/desk/"}
    )
    assert where() == [""]


@pytest.mark.parametrize("referer", ["https://[", "http://[v1.x/desk/"])
def test_access_log_mentions_no_previous_page_if_its_address_is_invalid(desk, conversation, referer):
    desk.get(f"/desk/conversations/{conversation.public_id}/", headers={"Referer": referer})
    assert where() == [""]


def test_access_log_mentions_no_previous_page_if_staff_reload_the_conversation(desk, conversation):
    desk.get(
        f"/desk/conversations/{conversation.public_id}/",
        headers={"Referer": f"{HERE}/desk/conversations/{conversation.public_id}/"},
    )
    assert where() == [""]


def test_access_log_says_from_which_page_staff_opened_a_visit(desk, visit):
    desk.get(f"/desk/sessions/{visit.public_id}/", headers={"Referer": f"{HERE}/desk/sessions/?show=mine"})
    desk.get(
        f"/desk/sessions/{visit.public_id}/slip/",
        headers={"Referer": f"{HERE}/desk/sessions/{visit.public_id}/"},
    )
    assert where(subject=str(visit.public_id)) == ["sessions", "session"]


def test_access_log_says_that_staff_opened_a_conversation_by_visit_code(
    client, sign_in, elsewhere, visit, conversation
):
    visit.patron = None
    visit.save()
    sign_in(client, elsewhere).post("/desk/sessions/open/", {"code": code_for(visit)})
    client.get(f"/desk/conversations/{conversation.public_id}/", headers={"Referer": f"{HERE}/desk/"})
    assert where(subject=str(conversation.public_id)) == ["code"]


def test_access_log_records_that_staff_opened_the_form_that_counts_a_contact(desk, conversation):
    desk.get(f"/desk/record/?conversation={conversation.public_id}")
    assert where() == ["record"]


def test_access_log_records_that_staff_saw_a_conversation_in_a_merge_preview(desk, visit, conversation):
    other = ConversationFactory(help_session=visit)
    MessageFactory(conversation=other)
    desk.get(
        f"/desk/conversations/{conversation.public_id}/merge/?with={other.public_id}",
        headers={"Referer": f"{HERE}/desk/conversations/{conversation.public_id}/merge/"},
    )
    assert where(subject=str(other.public_id)) == [AuditEvent.Where.CONVERSATION]
