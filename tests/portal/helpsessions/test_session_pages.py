import datetime
import re
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import OpeningHours
from portal.helpsessions.models import HelpSession
from recommendations.actions import record_verdict
from recommendations.models import Holding, Recommendation
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    SessionNoteFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import HTMX, part, text


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def me(client, patron, sign_in):
    return sign_in(client, patron)


def address(name, session):
    return reverse(name, args=[session.public_id])


def test_visit_page_shows_each_item_with_its_reason_and_call_number(me, session, branch):
    item = ItemFactory(title="Worms Eat My Garbage", url="https://example.org/worms")
    Holding.objects.create(item=item, branch=branch, call_number="631.8 APP", location="2nd floor")
    recommend_in(session, item=item, reason="because it is short")
    page = client_text = text(me.get(session.get_absolute_url()))
    for words in [
        "balcony compost bin",
        "We found three books",
        "Rosa Lindqvist",
        "in person",
        "Harbour Main",
        "Worms Eat My Garbage",
        "because it is short",
        "631.8 APP",
    ]:
        assert words in page
    assert "Keep this in my library account" not in client_text


def test_visit_page_lets_a_viewer_with_only_a_code_keep_or_remove_the_visit(client, branch, show_code):
    session = HelpSessionFactory(branch=branch)
    show_code(client, code_for(session))
    page = text(client.get(session.get_absolute_url()))
    assert "Keep this in my library account" in page
    assert "Remove this visit from this device" in page


def test_quiet_visit_page_shows_no_names_and_offers_a_quick_exit(client, branch, show_code, staff):
    quiet = QuietSessionFactory(branch=branch, staff=staff)
    recommend_in(quiet, 2)
    show_code(client, code_for(quiet))
    response = client.get(quiet.get_absolute_url())
    page = text(response)
    assert "Your visit on" in page
    assert "Leave quickly" in page
    for absent in [
        "violent",
        "Rosa",
        "Keep this",
        "Save",
        "Your visit overall",
        "unanswered items as helpful",
    ]:
        assert absent not in page


def test_staff_note_is_never_on_the_visit_page(me, session):
    SessionNoteFactory(help_session=session)
    assert "STAFF ONLY" not in me.get(session.get_absolute_url()).content.decode()


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "name",
    ["help_session", "session_outcome", "all_helped", "undo_all_helped", "keep_session", "ask_about_session"],
)
@pytest.mark.parametrize("who", ["nobody", "another patron", "holder of another code", "staff of the branch"])
def test_strangers_cannot_open_or_change_a_visit(
    client, session, branch, staff, sign_in, show_code, name, who
):
    if who == "another patron":
        sign_in(client, UserFactory())
    elif who == "staff of the branch":
        sign_in(client, staff)
    elif who == "holder of another code":
        show_code(client, code_for(HelpSessionFactory(branch=branch)))
    url = address(name, session)
    response = (
        client.get(url) if name == "help_session" else client.post(url, {"found": "all", "body": "hello"})
    )
    assert response.status_code == (302 if who in {"nobody", "holder of another code"} else 404)
    session.refresh_from_db()
    assert (session.found, session.conversations.count()) == ("", 0)


def test_visit_page_says_that_staff_see_opinions_about_the_help_only_as_totals(me, session):
    page = me.get(session.get_absolute_url()).content.decode()
    assert page.index("How was the help?") < page.index("Only counted: staff see totals, not your answer.")


@pytest.mark.parametrize(("field", "value"), [("found", "something_else"), ("satisfaction", "not_so_good")])
def test_one_tap_stores_the_reply_to_an_outcome_question(me, session, field, value):
    HelpSession.objects.filter(pk=session.pk).update(found="no", satisfaction="poor")
    swapped = me.post(address("session_outcome", session), {field: value}, **HTMX)
    session.refresh_from_db()
    assert {"found": session.found, "satisfaction": session.satisfaction} == {
        "found": "no",
        "satisfaction": "poor",
    } | {field: value}
    assert part(swapped, "outcome") == part(me.get(session.get_absolute_url()), "outcome")
    assert (
        me.post(address("session_outcome", session), {field: value}).url
        == f"{session.get_absolute_url()}#outcome"
    )


@pytest.mark.parametrize("htmx", [True, False])
def test_replies_to_the_outcome_questions_can_be_cleared(me, session, htmx):
    page = me.get(session.get_absolute_url())
    assert "clear-outcome" not in page.content.decode()
    me.post(address("session_outcome", session), {"found": "no"})
    me.post(address("session_outcome", session), {"satisfaction": "poor"})
    assert "clear-outcome" in me.get(session.get_absolute_url()).content.decode()
    response = me.post(address("session_outcome", session), {"clear": ""}, **(HTMX if htmx else {}))
    session.refresh_from_db()
    assert (session.found, session.satisfaction, session.answered_at) == ("", "", None)
    if htmx:
        assert "Your answers are cleared." in part(response, "outcome")
        assert "clear-outcome" not in part(response, "outcome")
    else:
        assert response.url == f"{session.get_absolute_url()}#outcome"


@pytest.mark.parametrize("data", [{}, {"found": "nonsense"}, {"satisfaction": ""}])
def test_outcome_form_without_a_valid_value_changes_nothing(me, session, data):
    assert me.post(address("session_outcome", session), data).status_code == 302
    session.refresh_from_db()
    assert session.answered_at is None


@pytest.mark.parametrize("htmx", [True, False])
def test_all_helped_button_marks_every_undecided_starred_item_as_helpful(me, session, htmx):
    recommend_in(session, 2)
    [failed] = recommend_in(session, verdict="did_not_help", decided_at=timezone.now())
    [unstarred] = recommend_in(session, starred=False)
    url = address("all_helped", session)
    response = me.post(url, **(HTMX if htmx else {}))
    assert list(Recommendation.objects.order_by("pk").values_list("verdict", flat=True)) == [
        "helped",
        "helped",
        "did_not_help",
        "",
    ]
    page = me.get(session.get_absolute_url())
    assert "unanswered items as helpful" not in text(page)
    assert "Answer saved for" not in text(page)
    marked = {"marked": Recommendation.objects.filter(verdict="helped").first().decided_at.isoformat()}
    if htmx:
        assert part(response, "items") == part(me.get(session.get_absolute_url(), marked), "items")
    else:
        assert response.url == f"{session.get_absolute_url()}?{urlencode(marked)}#items"
        response = me.get(response.url)
    assert "Answer saved for 2 items." in text(response)


def test_verdict_updates_the_number_on_the_all_helped_button(me, session):
    first, second, _ = recommend_in(session, 3)
    assert "Mark the 3 unanswered items as helpful" in text(me.get(session.get_absolute_url()))

    def give(recommendation, verdict):
        data = {"verdict": verdict, "back": session.get_absolute_url()}
        return me.post(reverse("verdict", args=[recommendation.public_id]), data, **HTMX)

    response = give(first, "partly")
    assert "Mark the 2 unanswered items as helpful" in part(response, "all-at-once")
    assert "unanswered items as helpful" not in part(give(second, "helped"), "all-at-once")
    assert "Mark the 2 unanswered items as helpful" in part(give(second, ""), "all-at-once")
    on_another_page = me.post(
        reverse("verdict", args=[second.public_id]), {"verdict": "helped", "back": "/"}, **HTMX
    )
    assert 'id="all-at-once"' not in on_another_page.content.decode()


def marked_at(response):
    return re.search(r'name="marked" value="([^"]+)"', response.content.decode())[1]


@pytest.mark.parametrize("htmx", [True, False])
def test_all_helped_button_can_be_undone_in_one_step(me, session, htmx):
    extra, undo = HTMX if htmx else {}, address("undo_all_helped", session)
    [first, second, changed] = recommend_in(session, 3)
    [before] = recommend_in(session, verdict="helped", decided_at=timezone.now())
    response = me.post(address("all_helped", session), follow=not htmx, **extra)
    step = marked_at(response)
    record_verdict(changed, verdict="helped", comment="Read twice.", at=timezone.now())

    for words in ("Your answers for 2 items are cleared.", ""):
        response = me.post(undo, {"marked": step}, **extra)
        if htmx:
            assert words in text(response)
        else:
            assert response.url == f"{session.get_absolute_url()}#items"
        rows = Recommendation.objects.filter(pk__in=[first.pk, second.pk, changed.pk, before.pk])
        assert list(rows.order_by("pk").values_list("verdict", flat=True)) == ["", "", "helped", "helped"]
    assert "Mark the 2 unanswered items as helpful" in text(me.get(session.get_absolute_url()))


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "marked",
    [
        *("", "nonsense", "2026-13-40T00:00:00+00:00", "2026-05-03T10:00:00"),
        # In another time zone, these times would be outside the range of Python's dates.
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_undo_request_with_an_invalid_time_does_not_undo_the_all_helped_button(me, session, marked):
    recommend_in(session, 2, verdict="helped", decided_at=timezone.now())
    assert me.post(address("undo_all_helped", session), {"marked": marked}).status_code == 302
    assert me.get(session.get_absolute_url(), {"marked": marked}).status_code == 200
    assert Recommendation.objects.filter(verdict="helped").count() == 2


def test_undo_of_the_all_helped_button_changes_no_other_visit(me, session, patron, branch):
    at = timezone.now()
    other = HelpSessionFactory(patron=patron, branch=branch)
    for each in (session, other):
        recommend_in(each, verdict="helped", decided_at=at)
    me.post(address("undo_all_helped", session), {"marked": at.isoformat()})
    assert [r.verdict for r in Recommendation.objects.order_by("pk")] == ["", "helped"]


def test_all_helped_button_says_how_many_items_it_marks(me, session):
    recommend_in(session, 3)
    recommend_in(session, verdict="partly", decided_at=timezone.now())
    recommend_in(session, starred=False)
    assert "Mark the 3 unanswered items as helpful" in text(me.get(session.get_absolute_url()))


@pytest.mark.parametrize("open_ones", [0, 1, 2])
def test_all_helped_button_appears_only_for_two_or_more_undecided_items(me, session, open_ones):
    recommend_in(session, open_ones)
    assert ("unanswered items as helpful" in text(me.get(session.get_absolute_url()))) is (open_ones == 2)


def test_visit_page_does_not_ask_about_an_unstarred_item_but_links_to_its_verdict_page(me, session):
    [quiet_one] = recommend_in(session, starred=False)
    address = reverse("verdict", args=[quiet_one.public_id])
    page = me.get(session.get_absolute_url()).content.decode()
    assert f'href="{address}"' in page
    assert f"helped-{quiet_one.public_id}" not in page
    assert f"helped-{quiet_one.public_id}" in me.get(address).content.decode()


def test_page_of_a_visit_without_items_says_that_nothing_was_recommended(me, session):
    assert "We didn't recommend anything at this visit" in text(me.get(session.get_absolute_url()))


def test_pages_of_the_visit_list_show_each_visit_once(me, patron, branch):
    today = timezone.localdate()
    for number in range(45):
        HelpSessionFactory(
            patron=patron,
            branch=branch,
            question=f"Question {number:02}",
            happened_on=today - datetime.timedelta(days=number // 2),
        )
    url, seen = reverse("help_sessions"), []
    while url:
        response = me.get(url)
        seen += [session.question for session in response.context["help_sessions"]]
        url = (
            f"{reverse('help_sessions')}?after={response.context['older']}"
            if response.context["older"]
            else None
        )
    in_order = HelpSession.objects.latest_first().values_list("question", flat=True)
    assert seen == list(in_order)
    assert len(seen) == 45


@pytest.mark.parametrize("after", ["x", "00000000-0000-4000-8000-000000000000"])
def test_unknown_pagination_key_shows_the_first_page_of_visits(me, session, after):
    assert session.title in text(me.get(reverse("help_sessions"), {"after": after}))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1, 30])
def test_visit_page_runs_the_same_number_of_queries_for_1_and_30_items(
    me, session, branch, patron, show_code, django_assert_num_queries, rows
):
    recommend_in(session, rows)
    for recommendation in Recommendation.objects.all():
        Holding.objects.create(item=recommendation.item, branch=branch, call_number="1")
        MessageFactory(conversation=ConversationFactory(help_session=session, recommendation=recommendation))
    SavedItemFactory(saved_list=SavedListFactory(patron=patron), item=recommendation.item)
    show_code(me, code_for(HelpSessionFactory(branch=branch)))
    with django_assert_num_queries(11):
        me.get(session.get_absolute_url())


@pytest.mark.parametrize("rows", [1, 30])
def test_visit_list_runs_the_same_number_of_queries_for_1_and_30_rows(
    me, patron, branch, staff, django_assert_num_queries, rows
):
    HelpSessionFactory.create_batch(rows, patron=patron, branch=branch, staff=staff)
    with django_assert_num_queries(5):
        me.get(reverse("help_sessions"))


@pytest.mark.parametrize(
    ("question", "summary", "shown"),
    [
        ("Where is the atlas?", "", False),
        ("Where is the atlas?", "On the second floor.", True),
        ("Where is it? " * 20, "", True),
        ("", "", False),
    ],
)
def test_summary_heading_appears_only_with_a_summary_or_a_long_question(
    me, session, question, summary, shown
):
    HelpSession.objects.filter(pk=session.pk).update(question=question, summary=summary)
    assert ("What we talked about" in text(me.get(session.get_absolute_url()))) == shown


@pytest.fixture
def reachable(branch):
    branch.phone, branch.address = "555-0100", "1 Lantern Square, Alder Bay"
    branch.save()
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=day, opens=datetime.time(0), closes=datetime.time(23, 59, 59))
        for day in range(7)
    )
    return branch


@pytest.mark.parametrize("who", ["patron", "viewer by code", "viewer by code of a quiet visit"])
def test_visit_page_shows_the_branchs_hours_and_phone_number_and_address(
    client, patron, sign_in, show_code, reachable, staff, who
):
    BranchFactory(name="Elsewhere", phone="555-0999", address="9 Far Road")
    if who == "patron":
        session = HelpSessionFactory(branch=reachable, staff=staff, patron=patron)
        sign_in(client, patron)
    else:
        factory = QuietSessionFactory if "quiet" in who else HelpSessionFactory
        session = factory(branch=reachable, staff=staff)
        show_code(client, code_for(session))
    html = part(client.get(session.get_absolute_url()), "branch")
    assert re.sub(r"\s+", " ", re.sub("<[^>]+>", "", html)).strip() == (
        "Harbour Main Open today until 11:59 p.m. 555-0100 1 Lantern Square, Alder Bay"
    )
    assert re.findall('href="([^"]+)"', html) == [
        "tel:5550100",
        "https://www.openstreetmap.org/search?query=1+Lantern+Square%2C+Alder+Bay",
    ]


def test_visit_page_shows_the_default_branch_if_the_visits_branch_has_closed(
    client, patron, sign_in, reachable, library
):
    gone = BranchFactory(name="Old Mill", phone="555-0999", closed_at=timezone.now())
    session = HelpSessionFactory(branch=gone, patron=patron)
    sign_in(client, patron)
    html = part(client.get(session.get_absolute_url()), "branch")
    assert "Old Mill is no longer in use." in html
    assert "tel:5550100" in html
    assert "5550999" not in html
    library.default_branch = gone
    library.save()
    assert 'id="branch"' not in client.get(session.get_absolute_url()).content.decode()


def test_visit_page_shows_the_three_latest_conversations_and_links_to_the_older_ones(me, session):
    now = timezone.now()
    conversations = [
        ConversationFactory(help_session=session, last_message_at=now - datetime.timedelta(hours=hours))
        for hours in range(5)
    ]
    page = me.get(session.get_absolute_url())
    assert listed(page) == [conversation.get_absolute_url() for conversation in conversations[:3]]
    assert "Show 2 older conversations" in text(page)
    everything = me.get(f"{session.get_absolute_url()}?conversations=all")
    assert listed(everything) == [conversation.get_absolute_url() for conversation in conversations]
    assert "older conversation" not in text(everything)


def listed(page):
    """Return the addresses of the conversations that the page lists."""
    return re.findall(r'href="(/messages/[0-9a-f-]+/)#latest"', page.content.decode())
