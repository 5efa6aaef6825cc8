"""Test how long children's visits are kept, and how exports, erasures and merges treat these visits."""

import datetime
import html
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Library, User
from accounts.patron import children, retention_choice
from portal.conversations.models import Event, Message
from portal.helpsessions.models import HelpSession
from portal.privacy import contents, erasure, holds, retention, sharing
from portal.privacy.merging import CannotMerge, may_merge_people, merge_people
from portal.privacy.unmerging import merge_for_a_day, unmerge
from portal.templatetags.portal import whole_day
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import text

pytestmark = pytest.mark.django_db

AT = datetime.datetime(2026, 11, 20, 8, 30, tzinfo=datetime.UTC)
DAY = timedelta(days=1)


@pytest.fixture
def child(library):
    return ChildFactory(child_since=AT - 400 * DAY)


@pytest.fixture
def adult(library):
    return UserFactory(name="Gudrun Adult")


def make_kept_visit(branch, days_ago, **whose):
    at = AT - timedelta(days=days_ago)
    return HelpSessionFactory(branch=branch, created_at=at, happened_on=at.date(), kept_at=at, **whose)


def make_shared_visit(branch, *, child=None, adult=None, days_ago=0, adults_days_ago=None):
    at, since = (
        AT - timedelta(days=days_ago),
        AT - timedelta(days=days_ago if adults_days_ago is None else adults_days_ago),
    )
    how = {
        "created_at": at,
        "kept_at": at,
        "patron": child,
        "shared_with": adult,
        "shared_at": since if adult else None,
    }
    return SharedSessionFactory(branch=branch, happened_on=at.date(), **how)


def is_forgotten(session):
    session.refresh_from_db()
    return session.question == ""


# Tests that a child's visit is kept for at most 90 days.


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("remember", "until", "days_ago", "gone"),
    [
        ("365", None, 89, False),
        ("365", None, 91, True),
        ("until", datetime.date(2028, 1, 1), 91, True),
        ("90", None, 89, False),
        ("30", None, 29, False),
        ("30", None, 31, True),
        ("nothing", None, 16, True),
    ],
)
@pytest.mark.parametrize("made_of", ["a child's record", "a visit with a child"])
def test_childs_visit_is_kept_at_most_90_days_for_every_retention_choice(
    branch, child, patron, remember, until, days_ago, gone, made_of
):
    person = child if made_of == "a child's record" else patron
    if remember != "365":
        retention_choice.choose(
            person, remember=remember, until=until, wording="", language="en", at=AT - 15 * DAY
        )
        person.refresh_from_db()
    with_child = "" if person is child else "own"
    session = make_kept_visit(branch, days_ago, patron=person, with_child=with_child)
    said = retention_choice.ends_at(
        person, session.kept_at, library=Library.current(), with_child=bool(with_child)
    )
    retention.forget(at=AT)
    assert is_forgotten(session) is gone
    assert (said <= AT) is gone


@pytest.mark.only_long
@pytest.mark.slow
def test_python_code_and_sql_query_find_the_same_due_visits_of_children(library, branch):
    people = []
    for number, remember in enumerate(["30", "90", "365", "until", "nothing"] * 3):
        since = [None, AT - timedelta(hours=23), AT - timedelta(hours=25)][number % 3]
        people.append(
            UserFactory(
                name="Mia",
                email=None,
                child_since=since,
                remember=remember,
                remember_until=AT.date() if remember == "until" else None,
            )
        )
        User.objects.filter(pk=people[-1].pk).update(
            remember_chosen_at=AT - timedelta(hours=[30, 3][number % 2]) if remember != "365" else None
        )
        people[-1].refresh_from_db()
        for hours in (1, 23, 25, 715, 725, 2150, 2170, 8750, 8770):
            for with_child in ("", "own", "shared"):
                at = AT - timedelta(hours=hours)
                HelpSessionFactory(
                    branch=branch, patron=people[-1], created_at=at, kept_at=at, with_child=with_child
                )
    said = {
        visit
        for visit in HelpSession.objects.select_related("patron")
        if retention_choice.ends_at(
            visit.patron, visit.kept_at, library=library, with_child=bool(visit.with_child)
        )
        <= AT
    }
    assert said == set(retention.due_sessions(AT))
    assert 50 < len(said) < 350


def test_old_visits_are_forgotten_one_day_after_a_record_becomes_a_childs_record(branch, patron, staff):
    session = make_kept_visit(branch, 200, patron=patron)
    children.make_childs_record(patron, by=staff, at=AT - timedelta(hours=23))
    retention.forget(at=AT)
    assert not is_forgotten(session)
    retention.forget(at=AT + timedelta(hours=2))
    assert is_forgotten(session)


def test_childs_conversation_without_a_visit_is_deleted_after_90_days(library, branch, child):
    conversation = ConversationFactory(
        help_session=None, patron=child, branch=branch, status="closed", opened_at=AT - 91 * DAY
    )
    retention.forget(at=AT)
    assert not type(conversation).objects.filter(pk=conversation.pk).exists()


def test_paper_only_visit_is_forgotten_after_30_days(branch):
    session = HelpSessionFactory(branch=branch, with_child="paper", created_at=AT - 31 * DAY)
    retention.forget(at=AT)
    assert is_forgotten(session)
    # Reports count forgotten visits, so the row stays.
    assert HelpSession.objects.get(pk=session.pk).with_child == "paper"


# Tests of shared visits.


def test_shared_visit_is_forgotten_when_the_childs_retention_time_ends(branch, child, adult):
    session = make_shared_visit(branch, child=child, adult=adult, days_ago=91, adults_days_ago=10)
    retention.forget(at=AT)
    assert is_forgotten(session)
    assert session.shared_with is None


@pytest.mark.parametrize(("remember", "adults_days_ago"), [("30", 31), ("365", 91)])
def test_child_keeps_a_shared_visit_when_the_adults_retention_time_ends(
    branch, child, adult, remember, adults_days_ago
):
    User.objects.filter(pk=adult.pk).update(remember=remember)
    session = make_shared_visit(
        branch, child=child, adult=adult, days_ago=80, adults_days_ago=adults_days_ago
    )
    retention.forget(at=AT)
    assert not is_forgotten(session)
    assert (session.patron, session.shared_with, session.shared_at) == (child, None, None)


@pytest.mark.parametrize(("days_ago", "gone"), [(89, False), (91, True)])
def test_shared_visit_that_only_the_adult_has_is_forgotten_after_90_days_if_no_code_works(
    branch, adult, days_ago, gone
):
    session, opened = (make_shared_visit(branch, adult=adult, days_ago=days_ago) for _ in range(2))
    code_for(opened, at=AT - DAY)
    retention.forget(at=AT)
    assert is_forgotten(session) is gone
    assert not is_forgotten(opened)


@pytest.mark.slow
def test_shared_visit_is_not_forgotten_while_the_adult_is_under_a_legal_hold(
    branch, child, adult, coordinator
):
    session = make_shared_visit(branch, child=child, adult=adult, days_ago=91, adults_days_ago=91)
    holds.hold(adult, reason="Case 7", by=coordinator, at=AT)
    retention.forget(at=AT)
    assert not is_forgotten(session)
    assert session.shared_with == adult
    with pytest.raises(erasure.HeldByLaw):
        erasure.erase(adult, language="en", at=AT)


# Tests of exports, erasures and merges.


@pytest.fixture
def world(branch, child, adult):
    """Return a visit that both the child and the adult have in their accounts, with a message from each."""
    session = make_shared_visit(branch, child=child, adult=adult)
    recommend_in(session)
    conversation = ConversationFactory(help_session=session)
    for author, body in ((child, "Zqxchild"), (adult, "Zqxadult")):
        MessageFactory(conversation=conversation, author=author, body=body, sent_at=AT)
    return session


def copy_of(person):
    return {
        name: list(contents.entries(table, person, timezone.now())) for name, table in contents.TABLES.items()
    }


def test_export_of_the_child_contains_the_shared_visit_without_the_name_of_the_adult(world, child, adult):
    copy = copy_of(child)
    assert [visit["id"] for visit in copy["visits"]] == [str(world.public_id)]
    assert [(message["text"], message["from"]) for message in copy["messages"]] == [
        ("Zqxchild", "you"),
        ("Zqxadult", "someone else with access to this visit"),
    ]
    assert "Gudrun" not in str(copy)


def test_export_of_the_adult_contains_only_the_messages_by_the_adult_in_a_shared_visit(world, child, adult):
    copy = copy_of(adult)
    assert copy["visits"] == copy["conversations"] == copy["recommendations"] == []
    assert [(message["text"], message["from"]) for message in copy["messages"]] == [("Zqxadult", "you")]
    assert "Zqxchild" not in str(copy)
    assert child.name not in str(copy)


def test_export_of_the_adult_does_not_mention_the_child_who_ended_sharing(world, child, adult):
    sharing.keep_alone(world, by=child, at=AT)
    assert child.name not in str(copy_of(adult))


def test_child_still_has_a_shared_visit_after_the_adult_is_erased(world, child, adult):
    receipt = erasure.erase(adult, language="en", at=timezone.now())
    world.refresh_from_db()
    assert (world.patron, world.shared_with, world.question) == (child, None, "Why do volcanoes erupt?")
    assert dict(Message.objects.values_list("body", "author")) == {"Zqxchild": child.pk, "Zqxadult": None}
    assert "visits" not in receipt.counts


@pytest.mark.parametrize("has_code", [False, True])
def test_visit_is_erased_with_its_only_owner_if_no_code_opens_the_visit(branch, adult, has_code):
    session = make_shared_visit(branch, adult=adult)
    conversation = ConversationFactory(help_session=session)
    MessageFactory(conversation=conversation, author=adult, body="Zqxadult")
    if has_code:
        code_for(session)
    receipt = erasure.erase(adult, language="en", at=timezone.now())
    assert is_forgotten(session) is not has_code
    assert Message.objects.filter(body="Zqxadult").exists() is has_code
    assert receipt.counts.get("visits", 0) == (0 if has_code else 1)


def test_erasing_the_child_deletes_the_visit_for_the_adult_too(world, child, adult, sign_in):
    erasure.erase(child, language="en", at=timezone.now())
    assert is_forgotten(world)
    assert world.shared_with is None
    assert not Message.objects.exists()
    adult.refresh_from_db()
    assert "Why do volcanoes" not in text(sign_in(Client(), adult).get(reverse("home")))


@pytest.mark.parametrize("reads", ["by the code", "in their account", "as the remaining adult"])
def test_message_of_an_erased_person_is_not_attributed_to_another_person(
    branch, adult, child, sign_in, show_code, reads
):
    going, stays = (child, adult) if reads == "as the remaining adult" else (adult, child)
    session = make_shared_visit(branch, child=None if reads == "by the code" else child, adult=adult)
    code = code_for(session)
    conversation = ConversationFactory(help_session=session, status="closed")
    for author, body in ((going, "Zqxgone"), (None, "Zqxcode")):
        MessageFactory(conversation=conversation, author=author, body=body)
    Event.objects.create(
        conversation=conversation, kind="closed", side="patron", by=going, at=AT, shown_from=AT
    )
    if going is child:
        sharing.stop_keeping(session, by=child, at=AT)
    erasure.erase(going, language="en", at=timezone.now())
    browser = (
        show_code(Client(), code)
        if reads == "by the code"
        else sign_in(Client(), User.objects.get(pk=stays.pk))
    )
    page = browser.get(conversation.get_absolute_url())
    headings = {message.body: message.heading for message in page.context["part"].messages}
    with_code = "You wrote" if reads == "by the code" else "Someone with the code wrote"
    assert headings == {
        "Zqxgone": "Written by someone who had this visit in their account before",
        "Zqxcode": with_code,
    }
    assert page.content.decode().count('class="message mine"') == (1 if reads == "by the code" else 0)
    assert "This conversation was closed" in text(page)
    assert "You closed this" not in text(page)


def test_export_of_the_child_does_not_attribute_anonymous_messages_to_the_child(world, child, adult):
    conversation = world.conversations.get()
    MessageFactory(conversation=conversation, author=None, body="Zqxcode", sent_at=AT + DAY)
    Event.objects.create(
        conversation=conversation, kind="closed", side="patron", by=adult, at=AT, shown_from=AT
    )
    Event.objects.create(
        conversation=conversation, kind="closed", side="patron", by=child, at=AT + DAY, shown_from=AT
    )
    erasure.erase(adult, language="en", at=timezone.now())
    copy = copy_of(child)
    said = [
        ("Zqxchild", "you"),
        ("Zqxadult", "someone with access to this visit"),
        ("Zqxcode", "someone with access to this visit"),
    ]
    assert [(message["text"], message["from"]) for message in copy["messages"]] == said
    assert [(event["from"], event["who"]) for event in copy["events"]] == [
        ("someone with access to this visit", ""),
        ("you", "Mia"),
    ]


def test_erase_page_tells_the_adult_that_the_child_keeps_shared_visits(world, adult, client, sign_in):
    adult.refresh_from_db()
    page = text(sign_in(client, adult).get(reverse("erase")))
    assert (
        "1 message that you wrote about a child's visit stays with the visit, without your name. Its files stay too."
        in html.unescape(page)
    )
    assert "Your feedback on the items in 1 visit that you share with a child stays in that visit." in page


def test_childs_record_cannot_be_merged_with_an_adults_record(child, adult, patron):
    for going, into in ((child, adult), (adult, child)):
        assert not may_merge_people(going, into)
        with pytest.raises(CannotMerge):
            merge_people(going, into, by=patron, at=AT)
    assert may_merge_people(child, ChildFactory())


def test_merging_two_records_of_an_adult_keeps_their_shared_visits(
    world, adult, coordinator, branch, sign_in
):
    other = UserFactory()
    mine = make_shared_visit(branch, adult=other)
    adult.refresh_from_db()
    into = merge_people(adult, other, by=coordinator, at=AT)
    for session in (world, mine):
        session.refresh_from_db()
        assert session.shared_with == into
        assert (
            sign_in(Client(), User.objects.get(pk=into.pk)).get(session.get_absolute_url()).status_code == 200
        )


def test_unmerging_restores_the_child_and_the_adult_of_a_shared_visit(branch, coordinator):
    """Merge the records of the child and the adult, and then undo the merge."""
    one, two = UserFactory(), UserFactory()
    session = make_shared_visit(branch, child=one, adult=two)
    at = timezone.now()
    joined = merge_for_a_day(two, one, by=coordinator, at=at)
    session.refresh_from_db()
    assert (session.patron, session.shared_with) == (one, None)
    again = unmerge(joined, by=coordinator, at=at + timedelta(hours=1))
    session.refresh_from_db()
    assert (session.patron, session.shared_with) == (one, again)


# Tests of the privacy page for children.


def test_child_sees_the_childrens_privacy_text_and_only_allowed_retention_choices(child, client, sign_in):
    sign_in(client, child)
    page = text(client.get(reverse("privacy")))
    for words in (
        "If you are a child",
        "We don't keep your last name or your birthday",
        "we remember it for 90 days",
        "or for 30 days if you want",
    ):
        assert words in page
    assert "90 days" in text(client.get(reverse("privacy")))
    choices = client.get(reverse("remember")).content.decode()
    assert [value for value in ("30", "90", "365", "until", "nothing") if f'value="{value}"' in choices] == [
        "30",
        "90",
        "nothing",
    ]
    assert client.get(reverse("remember"), {"remember": "365"}).status_code == 422


def test_viewer_with_only_the_code_of_a_childs_visit_sees_the_privacy_text_for_children(
    branch, show_code, client, patron, sign_in
):
    assert "If you are a child" not in text(sign_in(Client(), patron).get(reverse("privacy")))
    show_code(client, code_for(SharedSessionFactory(branch=branch)))
    assert "If you are a child" in text(client.get(reverse("privacy")))


def test_keep_page_says_on_which_day_a_childs_visit_will_be_forgotten(
    branch, child, show_code, client, sign_in
):
    session = SharedSessionFactory(branch=branch)
    show_code(sign_in(client, child), code_for(session))
    day = Library.current().today(timezone.now() + 90 * DAY)
    assert whole_day(day) in text(client.get(reverse("keep_session", args=[session.public_id])))


def test_messages_of_a_child_who_left_the_visit_show_no_name(world, child, adult, sign_in):
    sharing.stop_keeping(world, by=child, at=timezone.now())
    conversation = world.conversations.get()
    adult.refresh_from_db()
    page = text(sign_in(Client(), adult).get(conversation.get_absolute_url()))
    assert "Written by someone who had this visit in their account before" in page
    assert child.name not in page
