"""Test the search for help sessions at the desk, and what its results show."""

import datetime
import re

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import AuditEvent, Library
from portal.helpsessions import forgetting, search
from portal.helpsessions.models import HelpSession, SessionWord
from portal.privacy.corrected_fields import COLUMNS
from portal.privacy.correcting import correct
from portal.privacy.wrong_patron import remove_wrong_patron
from recommendations.models import Item
from tests.factories import (
    BranchFactory,
    HelpSessionFactory,
    ItemFactory,
    SessionNoteFactory,
    StaffFactory,
    TopicFactory,
    recommend_in,
)

pytestmark = [pytest.mark.sql, pytest.mark.usefixtures("at_noon")]
LIST = "/desk/sessions/"


@pytest.fixture
def colleague(branch):
    return StaffFactory(name="Ben Colleague", branch=branch)


def visit(**fields):
    """Create a session and store its search words, as recording a session does. Return the session."""
    items = fields.pop("items", [])
    session = HelpSessionFactory(**fields)
    for item in items:
        recommend_in(session, item=item)
    search.index(session)
    return session


def found(desk, **asked):
    """Return the sessions that the search lists, newest first."""
    return list(desk.get(LIST, asked).context["rows"])


def correct_session(session, *, by, **changes):
    columns = {name: getattr(session, name) for name in COLUMNS} | changes
    correct(session, by=by, at=timezone.now(), version=0, items=[], note="", **columns)


def words_of(session):
    return set(SessionWord.objects.filter(help_session=session).values_list("word", flat=True))


def test_search_for_help_sessions_finds_words_of_questions_and_summaries_and_item_titles(
    desk, branch, colleague, item
):
    session = visit(
        branch=branch, staff=colleague, question="Growing ČEŠNJAK?", summary="Two books", items=[item]
    )
    visit(branch=branch, staff=colleague, question="Something else")
    for words in ("cesnjak", "two book", "Mockingbird", "GROW"):
        assert found(desk, q=words) == [session], words
    assert found(desk, q="rowing") == []


ORIGINAL = {
    "title": "Hong lou meng",
    "creators": "Cao, Xueqin",
    "original_title": "红楼梦",
    "original_creators": "曹雪芹",
}


def test_search_for_help_sessions_finds_creators_and_the_original_script_of_items(desk, branch, colleague):
    session = visit(branch=branch, staff=colleague, question="A novel?", items=[ItemFactory(**ORIGINAL)])
    hebrew = visit(
        branch=branch,
        staff=colleague,
        items=[ItemFactory(original_title="סיפור על אהבה וחושך", creators="ʻOz")],
    )
    for words in ("红楼梦", "曹雪芹", "红楼", "cao xueqin", "Hong lou"):
        assert found(desk, q=words) == [session], words
    for words in ("אהבה", "oz"):
        assert found(desk, q=words) == [hebrew], words


def test_rebuilding_the_session_search_repairs_missing_and_outdated_search_words(desk, branch, colleague):
    session = visit(branch=branch, staff=colleague, question="A novel?", items=[ItemFactory(title="Old")])
    quiet = visit(branch=branch, staff=colleague, question="Hidden", quiet=True)
    Item.objects.update(**ORIGINAL)
    assert (found(desk, q="红楼梦"), found(desk, q="old")) == ([], [session])
    call_command("rebuild_session_search", verbosity=0)
    assert (found(desk, q="红楼梦"), found(desk, q="old"), words_of(quiet)) == ([session], [], set())


def test_search_for_help_sessions_does_not_find_names_or_private_notes(desk, branch, colleague, patron):
    session = visit(branch=branch, staff=colleague, patron=patron, question="Bees?")
    SessionNoteFactory(help_session=session, body="Seemed worried")
    search.index(session)
    assert (found(desk, q=patron.name), found(desk, q="worried"), found(desk, q="bees")) == (
        [],
        [],
        [session],
    )


def test_search_finds_only_help_sessions_that_the_staff_member_may_open(desk, staff, branch):
    here = visit(branch=branch, question="Bees here")
    own = visit(staff=staff, question="Bees elsewhere, recorded by me")
    visit(branch=BranchFactory(name="Hill"), question="Bees elsewhere")
    assert set(found(desk, q="bees")) == {here, own}


def test_each_filter_narrows_the_list_of_help_sessions(desk, branch, colleague, staff):
    topic = TopicFactory(name="Gardens")
    session = visit(branch=branch, staff=colleague, topic=topic, mode="phone", happened_on="2026-03-02")
    other = visit(branch=branch, staff=staff, mode="chat", happened_on="2026-03-03")
    for asked in (
        {"topic": topic.pk},
        {"staff": colleague.public_id},
        {"mode": "phone"},
        {"last_day": "2026-03-02"},
        {"first_day": "2026-03-02", "last_day": "2026-03-02"},
        {"branch": branch.slug, "mode": "phone"},
    ):
        assert found(desk, **asked) == [session], asked
    assert found(desk, first_day="2026-03-03") == [other]
    assert found(desk, branch=branch.slug) == [other, session]
    assert found(desk, show="mine", branch=branch.slug) == [other]


def test_quiet_sessions_and_sessions_with_a_child_can_be_found_only_by_day(desk, branch, colleague):
    topic = TopicFactory(name="Health")
    fields = {"branch": branch, "staff": colleague, "topic": topic, "question": "Bees?", "mode": "phone"}
    quiet = visit(quiet=True, happened_on="2026-03-02", **fields)
    childs = visit(with_child=Library.Children.PAPER, happened_on="2026-03-02", **fields)
    for asked in (
        {"q": "bees"},
        {"topic": topic.pk},
        {"staff": colleague.public_id},
        {"mode": "phone"},
        {"branch": branch.slug},
        {"first_day": "2026-03-02", "topic": topic.pk},
    ):
        assert found(desk, **asked) == [], asked
    assert set(found(desk, first_day="2026-03-02", last_day="2026-03-02")) == {quiet, childs}
    assert (words_of(quiet), words_of(childs)) == (set(), set())


def test_search_result_of_a_colleagues_session_shows_only_its_day_and_branch_and_topic(
    desk, branch, colleague, patron
):
    session = visit(
        branch=branch,
        staff=colleague,
        patron=patron,
        topic=TopicFactory(name="Gardens"),
        question="Secret bees?",
        happened_on="2026-03-02",
    )
    page = desk.get(LIST, {"q": "bees"}).content.decode()
    row = re.search(r'<ol class="rows">.*?</ol>', page, re.S).group()
    shown = " ".join(re.sub(r"<[^>]+>", " ", row).split())
    assert shown == f"Gardens Mon, Mar 2 · {branch.name}"
    assert patron.name not in page
    assert "Secret bees?" in desk.get(f"/desk/sessions/{session.public_id}/").content.decode()


@pytest.mark.parametrize("hidden", [{"quiet": True}, {"with_child": Library.Children.PAPER}])
def test_session_list_hides_the_topic_of_quiet_sessions_and_sessions_with_a_child(
    desk, branch, colleague, staff, hidden
):
    fields = {"branch": branch, "topic": TopicFactory(name="Debt"), "happened_on": "2026-03-02"} | hidden
    visit(staff=colleague, **fields)
    page = desk.get(LIST, {"first_day": "2026-03-02"}).content.decode()
    row = re.search(r'<ol class="rows">.*?</ol>', page, re.S).group()
    assert "Debt" not in row
    visit(staff=staff, **fields)
    row = re.search(r'<ol class="rows">.*?</ol>', desk.get(LIST).content.decode(), re.S).group()
    assert row.count("Debt") == 1


def test_session_list_shows_the_question_of_ones_own_session_but_no_patron_name(desk, branch, staff, patron):
    visit(branch=branch, staff=staff, patron=patron, question="My bees?")
    page = desk.get(LIST).content.decode()
    assert "My bees?" in page
    assert patron.name not in page


def test_audit_trail_stores_the_number_of_search_results_but_not_the_search_words(desk, branch, staff):
    for _number in range(35):
        visit(branch=branch, question="Bees?")
    first = desk.get(LIST, {"q": "bees"})
    assert "35 help sessions found." in first.content.decode()
    desk.get(LIST, {"q": "bees", "after": first.context["after"]})
    desk.get(LIST)
    desk.get(LIST, {"show": "mine"})
    events = AuditEvent.objects.filter(action="searched_sessions")
    assert list(events.values_list("by", "results", "at", "patron")) == [(staff.pk, 35, timezone.now(), None)]
    assert not [value for value in events.values().get().values() if "bees" in str(value)]


@pytest.mark.parametrize("after", ["", "nonsense", "one of the results"])
def test_audit_trail_records_a_search_whose_first_request_has_a_page_parameter(desk, branch, staff, after):
    visit(branch=branch, question="Bees?", happened_on="2026-03-02")
    latest = visit(branch=branch, question="Bees and wasps?", happened_on="2026-03-03")
    after = str(latest.public_id) if after == "one of the results" else after
    assert found(desk, q="bees", after=after)
    events = AuditEvent.objects.filter(action="searched_sessions")
    assert list(events.values_list("by", "results")) == [(staff.pk, 2)]


def test_new_search_is_in_the_audit_trail_even_if_its_url_has_an_old_page_parameter(desk, branch, staff):
    for _number in range(35):
        visit(branch=branch, question="Bees and wasps?")
    first = desk.get(LIST, {"q": "bees"})
    desk.get(LIST, {"q": "wasps", "after": first.context["after"]})
    assert AuditEvent.objects.filter(action="searched_sessions", by=staff).count() == 2


def test_large_number_of_results_is_not_counted_exactly(desk, branch, monkeypatch):
    monkeypatch.setattr("portal.desk.views.sessions.MAX_COUNTED", 2)
    for _number in range(4):
        visit(branch=branch, question="Bees?")
    assert "More than 2 help sessions found." in desk.get(LIST, {"q": "bees"}).content.decode()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"first_day": "soon"}, "Enter the day as year, month and day"),
        ({"first_day": "2026-03-03", "last_day": "2026-03-02"}, "This day is before the day in “From”."),
        ({"q": "x" * 201}, "at most 200"),
        ({"staff": "00000000-0000-4000-8000-000000000000"}, "not one of the available choices"),
        ({"branch": "elsewhere"}, "not one of the available choices"),
    ],
)
def test_invalid_search_shows_the_error_and_the_typed_values(desk, branch, asked, words):
    visit(branch=branch)
    page = desk.get(LIST, asked | {"mode": "phone"})
    assert words in page.content.decode()
    assert 'value="phone" selected' in page.content.decode()
    assert not AuditEvent.objects.filter(action="searched_sessions").exists()


def test_search_for_help_sessions_says_if_no_session_matches(desk, branch):
    page = desk.get(LIST, {"q": "bees"}).content.decode()
    assert "0 help sessions found." in page
    assert "No help session matches" in page


@pytest.mark.parametrize("rows", [1, 30])
def test_search_for_help_sessions_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, branch, colleague, rows, django_assert_num_queries
):
    topics = TopicFactory.create_batch(rows)
    for topic in topics:
        visit(branch=branch, staff=colleague, topic=topic, question="Bees?")
    desk.get(LIST, {"q": "bees"})
    with django_assert_num_queries(11):
        desk.get(LIST, {"q": "bees"})


class TestStoredWords:
    def test_recording_a_session_stores_its_search_words(self, desk, typed):
        desk.post("/desk/record/", typed(question="Bees?", summary="Two hives"))
        assert words_of(HelpSession.objects.get()) == {"bees", "two", "hives"}

    def test_forgetting_a_session_deletes_its_search_words(self, branch, library):
        session = visit(branch=branch, question="Bees?")
        forgetting.forget([session], on=datetime.date(2026, 3, 4), zone=library.zone)
        assert words_of(session) == set()

    def test_forgetting_the_texts_of_a_session_deletes_its_search_words(self, branch):
        session = visit(branch=branch, question="Bees?")
        forgetting.forget_words(session)
        assert words_of(session) == set()

    def test_changing_the_text_of_a_session_deletes_its_earlier_search_words(self, branch):
        session = visit(branch=branch, question="Bees?", summary="")
        session.question = "Wasps?"
        search.index(session)
        assert words_of(session) == {"wasps"}

    def test_correcting_a_session_replaces_its_search_words(self, branch, staff):
        session = visit(branch=branch, staff=staff, question="Bees?", summary="")
        correct_session(session, by=staff, question="Wasps?")
        assert words_of(session) == {"wasps"}

    def test_search_words_are_deleted_when_the_session_becomes_quiet(self, branch, staff):
        session = visit(branch=branch, staff=staff, question="Bees?")
        correct_session(session, by=staff, quiet=True)
        assert words_of(session) == set()

    def test_search_words_move_to_the_new_session_when_a_wrong_patron_is_removed(self, branch, staff, patron):
        session = visit(branch=branch, staff=staff, patron=patron, question="Bees?", summary="")
        right, _code = remove_wrong_patron(session, patron, by=staff, at=timezone.now())
        assert (words_of(session), words_of(right)) == (set(), {"bees"})
