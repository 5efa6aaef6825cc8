import datetime

import pytest
import time_machine
from django.utils import timezone

from accounts.models import AuditEvent
from portal.helpsessions.models import ClaimCode, HelpSession, UnfinishedForm
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SessionNoteFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")
LIST = "/desk/sessions/"


def shown(response):
    return response.content.decode()


def test_visit_list_shows_visits_of_own_branches_with_the_newest_first(desk, staff, branch):
    HelpSessionFactory(question="Older", branch=branch, happened_on="2026-03-01")
    HelpSessionFactory(question="Newer", branch=branch, happened_on="2026-03-03")
    HelpSessionFactory(question="Elsewhere", happened_on="2026-03-03")
    HelpSessionFactory(question="A tally", branch=branch, status=HelpSession.Status.TALLY)
    assert [row.question for row in desk.get(LIST).context["rows"]] == ["Newer", "Older"]


def test_visit_list_can_be_limited_to_own_visits_or_to_unfinished_visits(desk, staff, branch):
    HelpSessionFactory(question="By a colleague", branch=branch)
    HelpSessionFactory(question="By me", branch=branch, staff=staff)
    draft = HelpSessionFactory(question="", branch=branch, staff=staff, status=HelpSession.Status.UNFINISHED)
    UnfinishedForm.objects.create(help_session=draft, fields={"question": "Half"}, saved_at=timezone.now())
    assert [row.question for row in desk.get(LIST + "?show=mine").context["rows"]] == ["By me"]
    page = desk.get(LIST + "?show=unfinished")
    assert [row.first_words for row in page.context["rows"]] == ["Half"]
    assert f"/desk/record/{draft.public_id}/" in shown(page)


@pytest.mark.parametrize("quiet", [True, False])
def test_row_of_a_visit_without_a_topic_shows_the_mode_of_the_visit(desk, branch, quiet):
    HelpSessionFactory(branch=branch, quiet=quiet, mode=HelpSession.Mode.PHONE)
    assert "Help session (phone)" in text(desk.get(LIST))


def test_visit_list_pages_show_each_visit_once(desk, branch):
    HelpSessionFactory.create_batch(35, branch=branch, staff=None)
    first = desk.get(LIST)
    rest = desk.get(LIST + f"?after={first.context['after']}")
    rows = [row.pk for page in (first, rest) for row in page.context["rows"]]
    assert (len(rows), len(set(rows)), rest.context["after"]) == (35, 35, None)


@pytest.mark.parametrize("rows", [1, 30])
def test_visit_list_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, staff, branch, rows, django_assert_max_num_queries
):
    for session in HelpSessionFactory.create_batch(rows, branch=branch, staff=staff):
        code_for(session)
    with django_assert_max_num_queries(15):
        desk.get(LIST)


def test_visit_page_at_the_desk_shows_details_and_verdicts_and_conversations(desk, staff, branch, item):
    session = HelpSessionFactory(
        staff=staff, branch=branch, read_level=4, minutes=25, found="part", satisfaction="good"
    )
    SessionNoteFactory(help_session=session, body="Seemed shy")
    recommend_in(
        session,
        item=item,
        verdict="did_not_help",
        decided_at=timezone.now(),
        why="too_hard",
        comment="Small print",
    )
    MessageFactory(conversation=ConversationFactory(help_session=session, subject="And now?"))
    page = shown(desk.get(f"/desk/sessions/{session.public_id}/"))
    for words in (
        "Seemed shy",
        "To Kill a Mockingbird",
        "Did not help",
        "too hard",
        "Small print",
        "only a part",
        "And now?",
        "The patron has no code for this visit yet",
        "25",
    ):
        assert words in page


def test_access_log_has_one_entry_for_opening_a_patrons_visit(desk, staff, branch, patron):
    session = HelpSessionFactory(staff=staff, branch=branch, patron=patron)
    anonymous = HelpSessionFactory(staff=staff, branch=branch)
    desk.get(f"/desk/sessions/{session.public_id}/")
    desk.get(f"/desk/sessions/{anonymous.public_id}/")
    assert list(AuditEvent.objects.values_list("action", "by", "patron", "subject")) == [
        ("opened", staff.pk, patron.pk, str(session.public_id))
    ]


@pytest.mark.parametrize(("who", "status"), [("staff", 200), ("elsewhere", 404), ("patron", 404)])
def test_only_staff_of_the_branch_can_open_a_visit_at_the_desk(client, sign_in, request, branch, who, status):
    session = HelpSessionFactory(branch=branch)
    sign_in(client, request.getfixturevalue(who))
    assert client.get(f"/desk/sessions/{session.public_id}/").status_code == status


def test_desk_pages_require_the_second_factor(client, sign_in, staff):
    sign_in(client, staff, second_factor=False)
    for page in ("/desk/", "/desk/record/", LIST, "/desk/cards/", "/desk/items/?q=x"):
        assert client.get(page).status_code == 302


def test_staff_of_another_branch_can_open_a_visit_by_code_until_the_next_day(
    client, sign_in, elsewhere, branch, patron
):
    session, other = HelpSessionFactory(branch=branch, patron=patron), HelpSessionFactory(branch=branch)
    conversation = ConversationFactory(help_session=session)
    sign_in(client, elsewhere)
    answer = client.post(LIST + "open/", {"code": code_for(session)})
    assert answer.url == f"/desk/sessions/{session.public_id}/"
    assert client.get(answer.url).status_code == 200
    assert client.get(f"/desk/conversations/{conversation.public_id}/").status_code == 200
    assert client.get(f"/desk/sessions/{other.public_id}/").status_code == 404
    assert AuditEvent.objects.filter(action="opened_by_code", by=elsewhere, patron=patron).count() == 1
    with time_machine.travel(timezone.now() + datetime.timedelta(days=1), tick=False):
        # After a day, the second factor has expired, so sign in again.
        sign_in(client, elsewhere)
        assert client.get(answer.url).status_code == 404


@pytest.mark.parametrize(
    ("state", "words"),
    [("revoked", "no longer works"), ("forgotten", "no longer works"), ("kept", "account")],
)
def test_unusable_visit_code_is_refused_at_the_desk_with_the_reason(desk, branch, state, words):
    code = code_for(HelpSessionFactory(branch=branch), state=ClaimCode.State(state))
    page = desk.post(LIST + "open/", {"code": code})
    assert page.status_code == 422
    assert words in shown(page)


@pytest.mark.parametrize(
    ("code", "words"),
    [("", "Type the code first"), ("123", "This one has 3"), ("9" * 13, "No help session has this code")],
)
def test_mistyped_visit_code_is_a_form_error_at_the_desk(desk, code, words):
    assert words in shown(desk.post(LIST + "open/", {"code": code}))


@pytest.mark.only_long
@pytest.mark.slow
def test_desk_refuses_visit_codes_after_too_many_wrong_attempts(desk, branch, staff):
    session = HelpSessionFactory(branch=branch, staff=staff)
    for _ in range(30):
        assert "No help session has this code" in shown(desk.post("/desk/sessions/open/", {"code": "1" * 13}))
        assert "No code card has this code" in shown(
            desk.post(f"/desk/sessions/{session.public_id}/card/", {"code": "1" * 13})
        )
    for page in ("/desk/sessions/open/", f"/desk/sessions/{session.public_id}/card/"):
        refused = desk.post(page, {"code": code_for(session)})
        assert refused.status_code == 429
        assert "tried too many times" in shown(refused)
