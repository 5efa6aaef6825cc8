import dataclasses
import datetime
import html
import itertools
import re

import pytest
from django.utils import timezone

from accounts.models import Absence, User
from portal.conversations import desk_lists, search
from portal.conversations.changes import raise_queue
from portal.conversations.desk_lists import LISTS, Filters
from portal.conversations.desk_places import Place
from portal.conversations.models import BranchQueue, Conversation
from portal.desk.queue import QueueQuery
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
    recommend_in,
)

pytestmark = [pytest.mark.sql, pytest.mark.usefixtures("at_noon")]
QUEUE, NEWS = "/desk/", "/desk/queue/news/"
HTMX = {"HTTP_HX_REQUEST": "true"}


def shown(response):
    return response.content.decode()


def rows_of(response):
    """Return each row of the page as a dict.

    The dict contains the texts of the row as {CSS class: text}, and the keys `id`, `url`, `css` and `value`.
    """
    found = []
    for row in re.findall(r"<li data-conversation=.*?</li>", shown(response), re.DOTALL):
        said = {
            name: text(part)
            for name, part in re.findall(
                r'class="(cover-all|said|meta|state|wait)"[^>]*>(.*?)</(?:a|p)>', row
            )
        }
        said |= {
            name: html.unescape(re.search(f'{attribute}="(.*?)"', row)[1])
            for name, attribute in ATTRIBUTES.items()
        }
        found.append(said)
    return found


ATTRIBUTES = {"id": "data-conversation", "css": "class", "value": "value", "url": "href"}


def text(part):
    return html.unescape(re.sub("<.*?>", "", part))


def subjects(response):
    return [row["cover-all"] for row in rows_of(response)]


def counts(response):
    return {tab["name"]: tab["count"] for tab in response.context["tabs"]}


def hours_ago(hours):
    return timezone.now() - datetime.timedelta(hours=hours)


def today(days=0):
    return timezone.localdate() + datetime.timedelta(days=days)


def waiting(branch, *, hours=1, topic=None, **kwargs):
    kwargs.setdefault("topic", topic)
    kwargs.setdefault("opened_at", hours_ago(hours))
    return ConversationFactory(help_session=HelpSessionFactory(branch=branch, topic=topic), **kwargs)


def away(person, cover=None):
    return Absence.objects.create(person=person, first_day=today(), last_day=today(), cover=cover)


# Tests of the lists of the queue.


def test_queue_shows_conversations_of_own_branches_with_the_longest_wait_first(desk, branch):
    waiting(branch, hours=2, subject="Second")
    waiting(branch, hours=30, subject="First")
    waiting(HelpSessionFactory().branch, subject="Elsewhere")
    waiting(branch, subject="Answered", status="waiting_for_patron")
    waiting(branch, subject="Closed", status="closed")
    waiting(
        branch, subject="In its minute of grace", at_desk_from=timezone.now() + datetime.timedelta(seconds=30)
    )
    assert subjects(desk.get(QUEUE)) == ["First", "Second"]


def test_list_of_own_conversations_starts_with_conversations_that_need_an_answer(
    desk, branch, staff, elsewhere
):
    waiting(branch, hours=9, subject="Waiting for the patron", status="waiting_for_patron", assignee=staff)
    waiting(branch, hours=3, subject="Later", assignee=staff)
    waiting(branch, hours=5, subject="Sooner", assignee=staff)
    waiting(BranchFactory(), hours=6, subject="Given to me elsewhere", assignee=staff)
    waiting(branch, subject="Snoozed", status="snoozed", snoozed_until=today(2), assignee=staff)
    waiting(branch, subject="Closed", status="closed", assignee=staff)
    waiting(branch, subject="A colleague's", assignee=StaffFactory(branch=branch))
    waiting(branch, subject="Nobody's")
    assert subjects(desk.get(QUEUE + "?tab=mine")) == [
        "Given to me elsewhere",
        "Sooner",
        "Later",
        "Waiting for the patron",
        "Snoozed",
    ]


def test_each_queue_list_has_its_own_sort_order(desk, branch):
    for name, hours, days in (("a", 3, 5), ("b", 2, 1), ("c", 1, 3)):
        waiting(branch, hours=hours, subject=f"Answered {name}", status="waiting_for_patron")
        waiting(branch, hours=hours, subject=f"Put off {name}", status="snoozed", snoozed_until=today(days))
        waiting(branch, hours=hours, subject=f"Done {name}", status="closed")
    assert subjects(desk.get(QUEUE + "?tab=patron")) == ["Answered a", "Answered b", "Answered c"]
    assert subjects(desk.get(QUEUE + "?tab=snoozed")) == ["Put off b", "Put off c", "Put off a"]
    assert subjects(desk.get(QUEUE + "?tab=done")) == ["Done c", "Done b", "Done a"]


def test_merged_and_erased_conversations_are_in_no_list(desk, branch):
    target = waiting(branch)
    waiting(branch, subject="Joined", status="closed", merged_into=target)
    waiting(branch, subject="", status="erased")
    assert counts(desk.get(QUEUE)) == {"needs": "1", "mine": "0", "patron": "0", "snoozed": "0", "done": "0"}
    assert subjects(desk.get(QUEUE + "?tab=done")) == []


STATES = [
    {"status": "waiting_for_staff"},
    {"status": "waiting_for_patron"},
    {"status": "snoozed", "snoozed_until": datetime.date(2026, 3, 9)},
    {"status": "closed"},
]


@pytest.mark.slow
@pytest.mark.parametrize("tab", LISTS)
def test_each_queue_list_has_exactly_the_conversations_that_the_staff_member_may_open(
    desk, staff, branch, tab
):
    """Compare each list with at_desk_of(), which other pages use. Each list has its own query."""
    colleague, covered, second = StaffFactory(branch=branch), StaffFactory(), BranchFactory()
    staff.staff_roles.create(branch=second)
    away(covered, cover=staff)
    away(colleague, cover=StaffFactory())
    holders = [None, staff, colleague, covered, StaffFactory()]
    for place, holder, state in itertools.product([branch, second, BranchFactory()], holders, STATES):
        waiting(place, assignee=holder, **state)
    at_desk = Conversation.objects.at_desk_of(User.objects.get(pk=staff.pk)).filter(
        status__in=LISTS[tab].statuses
    )
    if LISTS[tab].only_own:
        at_desk = at_desk.filter(assignee__in=[staff, covered])
    first = desk.get(f"{QUEUE}?tab={tab}")
    rows = rows_of(first) + (rows_of(desk.get(first.context["more"])) if first.context["more"] else [])
    assert len(rows) == len({row["id"] for row in rows})
    assert {row["id"] for row in rows} == {str(conversation.public_id) for conversation in at_desk}


# Tests of the rows of the queue.


def test_queue_row_shows_reason_and_wait_and_promised_time(desk, branch, item):
    session = HelpSessionFactory(branch=branch, topic=TopicFactory(name="Novels"))
    given = recommend_in(session, item=item)[0]
    ConversationFactory(
        help_session=session,
        topic=session.topic,
        recommendation=given,
        reason="could_not_get_it",
        opened_at=hours_ago(30),
        promised_at=hours_ago(6),
        subject="To Kill",
    )
    page = shown(desk.get(QUEUE))
    for words in (
        "Could not get the item",
        "Waiting 1\xa0day, 6\xa0hours",
        "Overdue",
        "Novels",
        "To Kill a Mockingbird",
        branch.name,
        "someone with a code",
    ):
        assert words in page


def test_conversation_within_its_promised_time_is_not_overdue(desk, branch):
    waiting(branch, promised_at=hours_ago(-3))
    (row,) = rows_of(desk.get(QUEUE))
    # On a narrow screen, the end of this line is cut off. So the time of the promise comes first.
    assert (row["css"], row["wait"]) == ("", "Promised by today 3:30\xa0p.m. · Waiting 1\xa0hour")


def test_overdue_conversation_is_marked_with_a_word_and_an_icon_and_a_border(desk, branch):
    waiting(branch, promised_at=hours_ago(3))
    page = desk.get(QUEUE)
    assert rows_of(page)[0]["css"] == "overdue"
    assert re.search(
        r'<strong class="late"><svg [^>]*><use href="#shape-clock"/></svg>Overdue</strong>', shown(page)
    )
    assert '<symbol id="shape-clock"' in shown(page)


@pytest.mark.parametrize(("seconds", "words"), [(20, "Waiting 20 seconds"), (0, "Waiting 1 second")])
def test_new_conversation_shows_its_wait_in_seconds(desk, branch, seconds, words):
    waiting(branch, hours=seconds / 3600)
    assert rows_of(desk.get(QUEUE))[0]["wait"] == words


def test_queue_row_shows_short_and_long_waits_in_the_staff_members_language(desk, branch, staff):
    for hours in (0.1, 50, 27 * 24 + 5, 40 * 24 + 5, 800 * 24):
        waiting(branch, hours=hours)
    said = [row["wait"].replace("\xa0", " ") for row in rows_of(desk.get(QUEUE))]
    assert said == [
        "Waiting 2 years, 2 months",
        "Waiting 1 month, 1 week",
        "Waiting 3 weeks, 6 days",
        "Waiting 2 days, 2 hours",
        "Waiting 6 minutes",
    ]
    staff.language = "es"
    staff.save()
    assert [row["wait"].replace("\xa0", " ") for row in rows_of(desk.get(QUEUE))][:2] == [
        "Espera: 2 años, 2 meses",
        "Espera: 1 mes, 1 semana",
    ]


def test_queue_row_shows_the_assignee_and_whether_the_assignee_is_away(desk, branch, staff):
    colleague, gone, covered, theirs = (
        StaffFactory(name=name, branch=branch) for name in ("Omar", "Gone", "Covered", "Theirs")
    )
    away(gone)
    away(covered, cover=staff)
    away(theirs, cover=colleague)
    for hours, holder in enumerate([None, staff, colleague, gone, covered, theirs]):
        waiting(branch, hours=10 - hours, assignee=holder)
    said = [row["state"].removeprefix("Asked") for row in rows_of(desk.get(QUEUE))]
    assert said == [
        "",
        "Assigned to you",
        "Omar",
        "Anyone can take this: Gone is away",
        "You take over for Covered",
        "Omar takes over for Theirs",
    ]


def test_queue_row_shows_the_last_message_without_repeating_the_subject(desk, branch, staff):
    conversation = waiting(branch, subject="Zoning maps before 1950")
    MessageFactory(
        conversation=conversation, body="Zoning maps before 1950\nI need the harbour.", sent_at=hours_ago(5)
    )
    assert rows_of(desk.get(QUEUE))[0]["said"] == "I need the harbour."
    MessageFactory(
        conversation=conversation,
        side="staff",
        author=staff,
        body="Two of them are here",
        sent_at=hours_ago(4),
    )
    assert rows_of(desk.get(QUEUE))[0]["said"] == "The library: Two of them are here"


def test_message_in_a_queue_row_begins_with_the_word_that_the_subject_cuts_off(desk, branch):
    conversation = waiting(branch, subject="Is the type large enough for the notice b…")
    MessageFactory(
        conversation=conversation,
        body="Is the type large enough for the notice board? Ingrid",
        sent_at=hours_ago(5),
    )
    assert rows_of(desk.get(QUEUE))[0]["said"] == "…board? Ingrid"


def test_queue_escapes_html_in_names_and_subjects_and_messages(desk, branch):
    evil = "<script>alert(1)</script>"
    session = HelpSessionFactory(branch=branch, patron=UserFactory(name=evil), topic=TopicFactory(name=evil))
    conversation = ConversationFactory(
        help_session=session,
        topic=session.topic,
        subject=evil,
        assignee=StaffFactory(name=evil, branch=branch),
    )
    MessageFactory(conversation=conversation, body=evil)
    page = shown(desk.get(QUEUE, {"q": evil[:8]})) + shown(desk.get(QUEUE)) + shown(desk.get(NEWS, **HTMX))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


# Tests of pages, filters and the search.


def test_queue_pages_show_each_conversation_once(desk, branch):
    for hours in range(35):
        waiting(branch, hours=hours // 2)
    first = desk.get(QUEUE)
    rest = desk.get(first.context["more"])
    rows = [row["id"] for page in (first, rest) for row in rows_of(page)]
    assert (len(rows), len(set(rows)), rest.context["more"]) == (35, 35, "")


@pytest.mark.slow
def test_second_queue_page_stays_the_same_if_conversations_are_answered_meanwhile(desk, branch):
    for hours in range(40):
        waiting(branch, hours=50 - hours, subject=f"{hours}")
    more = desk.get(QUEUE).context["more"]
    before = subjects(desk.get(more))
    Conversation.objects.filter(subject__in=["3", "24"]).update(
        status="waiting_for_patron", waiting_since=None, queued_at=timezone.now()
    )
    assert subjects(desk.get(more)) == before == [f"{n}" for n in range(25, 40)]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "after",
    [
        "nonsense",
        "00000000-0000-0000-0000-000000000000",
        "1.2",
        "0.99999999999999999999999.1",
        "0.1.99999999999999999999",
        "٠.١.٢",
    ],
)
def test_queue_with_an_invalid_page_parameter_shows_the_first_page(desk, branch, after):
    waiting(branch)
    assert len(desk.get(QUEUE, {"after": after}).context["rows"]) == 1


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "said",
    [
        {"tab": "nothing"},
        {"branch": "elsewhere"},
        {"topic": "x"},
        {"topic": "9" * 30},
        {"topic": "²"},
        {"reason": "why"},
        {"q": "\x00 "},
    ],
)
def test_invalid_queue_filters_are_ignored(desk, branch, said):
    waiting(branch, subject="There")
    assert subjects(desk.get(QUEUE, said)) == ["There"]


def test_queue_filters_apply_to_every_list_and_every_count(desk, staff, branch):
    second, novels = BranchFactory(name="Hill", slug="hill"), TopicFactory(name="Novels")
    staff.staff_roles.create(branch=second)
    waiting(branch, topic=novels, subject="Here")
    waiting(second, topic=novels, subject="Asked")
    waiting(second, topic=novels, reason="did_not_help", subject="Failed")
    waiting(second, subject="Of no topic")
    waiting(second, topic=novels, subject="Done", status="closed")
    page = desk.get(QUEUE, {"branch": "hill", "topic": novels.pk})
    assert (sorted(subjects(page)), counts(page)["needs"], counts(page)["done"]) == (
        ["Asked", "Failed"],
        "2",
        "1",
    )
    assert subjects(desk.get(QUEUE, {"branch": "hill", "topic": novels.pk, "reason": "did_not_help"})) == [
        "Failed"
    ]
    done = next(tab["url"] for tab in page.context["tabs"] if tab["name"] == "done")
    assert subjects(desk.get(done)) == ["Done"]


@pytest.mark.parametrize(
    "name", [field.name for field in dataclasses.fields(QueueQuery) if field.name != "tab"]
)
def test_each_queue_filter_narrows_the_list_and_is_still_selected_on_the_page(desk, staff, branch, name):
    second = BranchFactory()
    staff.staff_roles.create(branch=second)
    waiting(branch, subject="Matches no filter")
    values = {
        "branch": second.slug,
        "topic": TopicFactory().pk,
        "reason": "did_not_help",
        "q": "zoning",
        "drafts": "1",
    }
    assert name in values, "Give the new filter a value that the conversation doesn't match."
    page = desk.get(QUEUE, {name: values[name]})
    assert subjects(page) == []
    assert page.context["asked"].query() == f"{name}={values[name]}"
    assert "No conversations match" in shown(page)
    control = "<input" if name in {"q", "drafts"} else "<option"
    assert re.search(rf'{control}[^>]*\svalue="{values[name]}"(\s(selected|checked))?>', shown(page))
    assert ('<details class="filters" open>' in shown(page)) == (name != "q")


@pytest.mark.parametrize("few", [5000, 0], ids=["by a rare word", "by a common word"])
def test_queue_search_applies_to_every_list_and_every_count(desk, branch, staff, monkeypatch, few):
    monkeypatch.setattr(search, "COMMON_FROM", few)
    waiting(branch, subject="Zoning maps")
    waiting(branch, subject="Compost")
    waiting(branch, subject="Zoning rules", status="closed")
    waiting(branch, subject="Zoning of mine", status="closed", assignee=staff, reason="did_not_help")
    waiting(BranchFactory(), subject="Zoning elsewhere")
    waiting(BranchFactory(), subject="Zoning elsewhere, mine", assignee=staff)
    list(search.rebuild())
    page = desk.get(QUEUE, {"q": "zoning"})
    assert (sorted(subjects(page)), counts(page)) == (
        ["Zoning elsewhere, mine", "Zoning maps"],
        {"needs": "2", "mine": "1", "patron": "0", "snoozed": "0", "done": "2"},
    )
    assert sorted(subjects(desk.get(QUEUE, {"q": "zoning", "tab": "done"}))) == [
        "Zoning of mine",
        "Zoning rules",
    ]
    assert subjects(desk.get(QUEUE, {"q": "zoning", "tab": "done", "reason": "did_not_help"})) == [
        "Zoning of mine"
    ]
    assert subjects(desk.get(QUEUE, {"q": "zoning maps"})) == ["Zoning maps"]
    assert subjects(desk.get(QUEUE, {"q": "zoning", "branch": branch.slug})) == ["Zoning maps"]
    assert subjects(desk.get(QUEUE, {"q": "zebra"})) == []


def test_queue_search_pages_show_each_conversation_once(desk, branch, staff):
    for hours in range(30):
        waiting(branch, hours=30 - hours, subject=f"Zoning {hours}", assignee=staff)
    list(search.rebuild())
    first = desk.get(QUEUE, {"q": "zoning"})
    assert subjects(first) + subjects(desk.get(first.context["more"])) == [
        f"Zoning {hours}" for hours in range(30)
    ]


def test_queue_search_finds_no_conversations_of_other_branches(desk, branch):
    waiting(HelpSessionFactory().branch, subject="Zoning elsewhere")
    list(search.rebuild())
    assert subjects(desk.get(QUEUE, {"q": "zoning"})) == []


@pytest.mark.parametrize("many", [99, 100, 130])
def test_queue_counts_are_exact_up_to_99(desk, branch, staff, many):
    session = HelpSessionFactory(branch=branch)
    rows = ConversationFactory.build_batch(
        many, help_session=session, branch=branch, assignee=staff, assigned_at=timezone.now()
    )
    Conversation.objects.bulk_create(rows)
    assert (
        counts(desk.get(QUEUE))["needs"] == counts(desk.get(QUEUE))["mine"] == ("99" if many == 99 else "99+")
    )


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("tab", "words"),
    [
        ("needs", "Nobody is waiting"),
        ("mine", "Nothing is assigned to you"),
        ("patron", "No conversation is waiting for a patron"),
        ("snoozed", "Nothing is snoozed"),
        ("done", "Nothing is closed yet"),
    ],
)
def test_empty_queue_list_says_why_it_is_empty(desk, tab, words):
    assert words in shown(desk.get(f"{QUEUE}?tab={tab}"))


def test_empty_filtered_list_links_to_lists_with_results(desk, branch):
    novels = TopicFactory()
    waiting(branch, topic=novels, status="closed")
    page = desk.get(QUEUE, {"topic": novels.pk})
    assert "No conversations match" in shown(page)
    assert [(tab["name"], tab["count"]) for tab in page.context["elsewhere"]] == [("done", "1")]
    assert 'href="/desk/"' in shown(page)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 30])
def test_queue_runs_the_same_number_of_queries_for_1_and_30_rows(
    desk, branch, patron, rows, django_assert_num_queries
):
    for _ in range(rows):
        session = HelpSessionFactory(branch=branch, topic=TopicFactory(), patron=patron)
        given = recommend_in(session)[0]
        MessageFactory(
            conversation=ConversationFactory(
                help_session=session,
                topic=session.topic,
                recommendation=given,
                assignee=StaffFactory(branch=branch),
            )
        )
    with django_assert_num_queries(9):
        assert len(desk.get(QUEUE).context["rows"]) == min(rows, 25)


# Tests of the poll of an open queue page.


def news(desk, page):
    """Poll with the URL that the page contains, and return the response.

    `page` can also be the response to an earlier poll.
    """
    return desk.get(html.unescape(re.search(r'data-poll="(.*?)"', shown(page))[1]), **HTMX)


def test_queue_poll_returns_no_content_if_nothing_has_changed(desk, branch, django_assert_max_num_queries):
    waiting(branch)
    page = desk.get(QUEUE)
    with django_assert_max_num_queries(5):
        assert news(desk, page).status_code == 204


def test_queue_poll_announces_new_conversations_and_updates_every_count(desk, branch, monkeypatch):
    waiting(branch, hours=5)
    page = desk.get(QUEUE)
    later = timezone.now() + datetime.timedelta(seconds=20)
    ConversationFactory(help_session=HelpSessionFactory(branch=branch), opened_at=later)
    waiting(branch, status="closed")
    raise_queue(branch.pk)
    monkeypatch.setattr(timezone, "now", lambda: later + datetime.timedelta(seconds=1))
    answer = news(desk, page)
    assert 'data-announce="1 new conversation in this list"' in shown(answer)
    assert re.findall(r'id="count-(\w+)" hx-swap-oob="true">(\d+)<', shown(answer)) == [
        ("needs", "2"),
        ("mine", "0"),
        ("patron", "0"),
        ("snoozed", "0"),
        ("done", "1"),
    ]
    assert news(desk, answer).status_code == 204


def test_queue_poll_updates_a_changed_row_without_announcing_it(desk, branch, staff):
    conversation = waiting(branch, hours=5)
    page = desk.get(QUEUE)
    Conversation.objects.update(desk_version=7, assignee=staff, assigned_at=timezone.now())
    raise_queue(branch.pk)
    answer = shown(news(desk, page))
    assert "data-announce" not in answer
    assert f'value="{conversation.public_id}.7"' in answer
    assert "Assigned to you" in answer


def test_queue_poll_announces_a_verdict_one_minute_after_the_patron_gave_it(desk, branch, monkeypatch):
    shows_at = timezone.now() + datetime.timedelta(minutes=1)
    waiting(branch, hours=0, at_desk_from=shows_at, reason="did_not_help")
    raise_queue(branch.pk, shows_at=shows_at)
    page = desk.get(QUEUE)
    assert (subjects(page), news(desk, page).status_code) == ([], 204)
    monkeypatch.setattr(timezone, "now", lambda: shows_at)
    assert "1 new conversation in this list" in shown(news(desk, page))


def test_queue_poll_ignores_changes_at_other_branches(desk, branch):
    page = desk.get(QUEUE)
    raise_queue(BranchFactory().pk)
    assert news(desk, page).status_code == 204
    assert BranchQueue.objects.count() == 1


def test_queue_poll_returns_rows_of_the_same_page_with_the_same_filters(desk, branch):
    for hours in range(30):
        waiting(
            branch, hours=30 - hours, status="waiting_for_patron", reason="did_not_help", subject=f"{hours}"
        )
    waiting(branch, status="waiting_for_patron")
    page = desk.get(desk.get(QUEUE, {"tab": "patron", "reason": "did_not_help"}).context["more"])
    raise_queue(branch.pk)
    assert subjects(page) == ["25", "26", "27", "28", "29"]
    assert re.findall(r'aria-label="(\d+)"', shown(news(desk, page))) == subjects(page)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "drawn", ["", "nonsense", "2026-03-04T18:30:00", "9999-01-01T00:00:00+00:00", "2026-13-45T00:00:00+00:00"]
)
def test_queue_poll_with_an_invalid_time_announces_nothing(desk, branch, drawn):
    waiting(branch)
    assert "data-announce" not in shown(desk.get(NEWS, {"drawn": drawn, "since": "?"}, **HTMX))


def test_queue_poll_url_opened_as_a_page_redirects_to_the_queue(desk):
    assert desk.get(NEWS + "?tab=mine").url == "/desk/?tab=mine"


# Tests of the links to the next and the previous conversation.


def links(desk, url):
    found = desk.get(url).context["queue"]
    return found.get("previous"), found.get("next")


def test_conversation_page_links_to_the_next_and_previous_conversation_in_the_queue(desk, branch):
    novels = TopicFactory()
    first, second, third = (
        waiting(branch, hours=9 - number, topic=novels, subject=f"{number}") for number in range(3)
    )
    waiting(branch, hours=8.5, subject="Not of this topic")
    rows = rows_of(desk.get(QUEUE, {"topic": novels.pk}))
    previous, following = links(desk, rows[1]["url"])
    assert (str(first.public_id) in previous, str(third.public_id) in following) == (True, True)
    assert links(desk, following)[1] is None
    assert str(second.public_id) in links(desk, following)[0]
    assert desk.get(following).context["queue"]["back"] == f"/desk/?topic={novels.pk}"


def test_next_and_previous_links_still_work_after_the_conversation_is_closed(desk, branch):
    conversations = [waiting(branch, hours=9 - number) for number in range(3)]
    url = rows_of(desk.get(QUEUE))[1]["url"]
    before = links(desk, url)
    Conversation.objects.filter(pk=conversations[1].pk).update(
        status="closed", closed_at=timezone.now(), waiting_since=None, queued_at=timezone.now()
    )
    assert links(desk, url) == before
    assert all(before)


@pytest.mark.parametrize(
    ("tab", "state"), [("done", {"status": "closed"}), ("snoozed", {"status": "snoozed"}), ("mine", {})]
)
def test_next_links_lead_through_every_conversation_of_a_queue_list(desk, branch, staff, tab, state):
    for hours in range(4):
        more = {"snoozed_until": today(9 - hours)} if tab == "snoozed" else {}
        waiting(branch, hours=hours, assignee=staff, **state, **more)
    rows = rows_of(desk.get(f"{QUEUE}?tab={tab}"))
    url, gone_through = rows[0]["url"], []
    while url:
        gone_through.append(re.search(r"conversations/([^/]+)/", url)[1])
        url = links(desk, url)[1]
    assert gone_through == [row["id"] for row in rows]


@pytest.mark.parametrize(
    "query", ["", "queue=tab%3Dneeds", "queue=&place=x", "queue=tab%3Dmine%26branch%3Dx&place=5.0.1"]
)
def test_conversation_page_without_queue_parameters_links_back_to_the_queue(desk, branch, query):
    conversation = waiting(branch)
    page = shown(desk.get(f"/desk/conversations/{conversation.public_id}/?{query}"))
    assert re.search(r'id="to-queue"\s+href="/desk/', page)


def test_action_on_a_conversation_keeps_the_queue_parameters_in_the_url(desk, branch):
    conversation = waiting(branch)
    page = f"/desk/conversations/{conversation.public_id}/?queue=tab%3Dneeds&place=0.1.2"
    answer = desk.post(
        f"/desk/conversations/{conversation.public_id}/take/", {}, HTTP_REFERER=f"http://testserver{page}"
    )
    assert answer.url == page


def test_queue_position_is_unchanged_after_conversion_to_text_and_back():
    for name, desk_list in LISTS.items():
        value = (
            datetime.date(2026, 3, 4)
            if name == "snoozed"
            else datetime.datetime(2026, 3, 4, 5, 6, 7, 891011, datetime.UTC)
        )
        place = Place(0, value, 17)
        assert Place.read(str(place), desk_list) == place


def test_branch_filter_also_applies_to_the_staff_members_own_conversations(branch, staff):
    """The filter must also be in the subquery that finds conversations assigned to the staff member."""
    waiting(BranchFactory(), assignee=staff)
    desk = desk_lists.Desk((branch.pk,), (staff.pk,))
    rows = desk_lists.compiled(Conversation.objects.values_list("pk"))
    mine = desk_lists.in_list(
        rows, desk, LISTS["needs"], Filters(branch=branch.pk), at=timezone.now(), size=5
    )
    assert list(mine) == []
