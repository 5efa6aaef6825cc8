"""Test which pages a device may keep for reading offline, until when, and what such a page shows."""

import datetime
import re

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import OpeningHours, User
from portal.conversations.models import Participation
from portal.home.kept_pages import kept_pages
from portal.lists.actions import remove, restore, save
from portal.lists.own_lists import rename_list
from recommendations.actions import record_verdict
from tests.factories import (
    ChildFactory,
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    SavedItemFactory,
    SavedListFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
    recommend_in,
)
from tests.kept import keep_pages
from tests.portal.pages import text

pytestmark = pytest.mark.sql

NOW = datetime.datetime(2027, 5, 3, 12, tzinfo=datetime.UTC)
OVERVIEWS = ["/", "/sessions/", "/messages/", "/lists/"]
KEEPING = {"X-Keeps-Page": "1"}


@pytest.fixture
def phone(client, sign_in, patron):
    keep_pages(sign_in(client, patron), patron)
    return client


def listed(person, library, at=None):
    """Return kept_pages() as {path: KeptPage}. These are the pages that a device of the person may keep."""
    return {page.path: page for page in kept_pages(person, library, at=at or timezone.now())}


def conversation_about(session, **more):
    return MessageFactory(conversation=ConversationFactory(help_session=session, **more)).conversation


def test_kept_pages_include_home_and_lists_and_visits_and_conversations(phone, patron, branch):
    session = HelpSessionFactory(branch=branch, patron=patron, kept_at=timezone.now())
    conversation = conversation_about(session)
    HelpSessionFactory(branch=branch, patron=UserFactory(email="else@example.org"))
    HelpSessionFactory(branch=branch)
    found = phone.get(reverse("kept_pages"))
    assert found["Cache-Control"] == "no-store"
    assert [page["path"] for page in found.json()["pages"]] == [
        *OVERVIEWS,
        session.get_absolute_url(),
        conversation.get_absolute_url(),
    ]
    assert found.json()["keeps_for"] == 7 * 24 * 60 * 60 * 1000
    now = timezone.now().timestamp() * 1000
    assert now - 60_000 < found.json()["now"] <= now


def test_kept_pages_include_no_quiet_visit_and_no_visit_opened_only_by_code(
    phone, show_code, patron, branch, library
):
    quiet, opened = QuietSessionFactory(branch=branch), HelpSessionFactory(branch=branch)
    conversation_about(quiet, patron=patron)
    MessageFactory(conversation=ConversationFactory(help_session=opened), author=None)
    for session in (quiet, opened):
        show_code(phone, code_for(session))
    assert [page["path"] for page in phone.get(reverse("kept_pages")).json()["pages"]] == OVERVIEWS


def test_kept_pages_include_each_list_if_there_are_several(patron, library):
    only = SavedListFactory(patron=patron)
    assert list(listed(patron, library)) == OVERVIEWS
    other = SavedListFactory(patron=patron, name="For winter")
    SavedListFactory(patron=patron, name="Removed", removed_at=timezone.now())
    SavedListFactory(name="Of somebody else")
    pages = [other.get_absolute_url(), only.get_absolute_url()]
    assert list(listed(patron, library)) == [*OVERVIEWS, *pages]


def test_kept_pages_with_lists_get_a_new_version_when_a_list_changes(patron, library):
    saved = SavedItemFactory(saved_list__patron=patron)
    other = SavedListFactory(patron=patron, name="For winter")
    versions = set()
    for change in (
        lambda: None,
        lambda: rename_list(other, name="For spring"),
        lambda: remove(saved, at=timezone.now()),
        lambda: restore(saved, at=timezone.now()),
    ):
        change()
        pages = listed(patron, library)
        assert pages["/lists/"].version == pages[other.get_absolute_url()].version
        versions.add(pages["/lists/"].version)
    assert len(versions) == 4


def test_kept_home_page_shows_no_visit_that_was_opened_by_code(phone, show_code, branch):
    opened = HelpSessionFactory(branch=branch)
    show_code(phone, code_for(opened))
    assert opened.question in text(phone.get("/"))
    assert opened.question not in text(phone.get("/", headers=KEEPING))
    assert phone.get(opened.get_absolute_url(), headers=KEEPING).status_code == 404


def test_kept_pages_include_the_latest_20_visits_and_conversations(patron, branch, library):
    now = timezone.now()
    for number in range(21):
        session = HelpSessionFactory(
            branch=branch,
            patron=patron,
            kept_at=now,
            happened_on=now.date() - datetime.timedelta(days=number),
        )
        conversation_about(session)
    oldest = session
    paths = list(listed(patron, library))
    assert len(paths) == 4 + 20 + 20
    assert oldest.get_absolute_url() not in paths


def test_list_of_kept_pages_runs_the_same_number_of_queries_for_1_and_20_visits(
    phone, patron, branch, django_assert_num_queries
):
    def add(count):
        for _number in range(count):
            session = HelpSessionFactory(branch=branch, patron=patron, kept_at=timezone.now())
            recommend_in(session, 2)
            conversation_about(session)
            save(recommend_in(session)[0].item, patron=patron, at=timezone.now(), recommendation=None)

    add(1)
    phone.get(reverse("kept_pages"))
    with django_assert_num_queries(QUERIES):
        phone.get(reverse("kept_pages"))
    add(19)
    with django_assert_num_queries(QUERIES):
        phone.get(reverse("kept_pages"))


# The queries of the list of kept pages are: session, person, library, device, update of the device, visits,
# conversations, lists, saved items, items in the overviews, unread messages, items.
QUERIES = 12


def test_device_must_delete_a_kept_page_when_one_of_its_visits_is_due_for_deletion(patron, branch, library):
    patron.remember, patron.remember_chosen_at = User.Remember.DAYS_30, NOW - datetime.timedelta(days=2)
    patron.save()
    kept_at = NOW - datetime.timedelta(days=25)
    session = HelpSessionFactory(branch=branch, patron=patron, created_at=kept_at, kept_at=kept_at)
    conversation = conversation_about(session)
    found = listed(patron, library, NOW)
    ends = kept_at + datetime.timedelta(days=30)
    assert found[session.get_absolute_url()].ends_at == ends
    assert found[conversation.get_absolute_url()].ends_at == ends
    # The overview pages show the visit's title.
    assert {found[path].ends_at for path in OVERVIEWS} == {ends}


def test_pages_that_show_a_visit_overdue_for_deletion_are_not_kept_offline(patron, branch, library):
    patron.remember, patron.remember_chosen_at = User.Remember.DAYS_30, NOW - datetime.timedelta(days=2)
    patron.save()
    old, new = NOW - datetime.timedelta(days=31), NOW - datetime.timedelta(days=1)
    past = HelpSessionFactory(branch=branch, patron=patron, created_at=old, kept_at=old)
    conversation_about(past)
    current = HelpSessionFactory(branch=branch, patron=patron, created_at=new, kept_at=new)
    assert list(listed(patron, library, NOW)) == [current.get_absolute_url()]


@pytest.mark.parametrize("days", [25, 31], ids=["due in 5 days", "past its day"])
def test_device_must_delete_pages_with_items_of_a_visit_that_is_due_for_deletion(
    phone, patron, branch, library, days
):
    """A saved item shows the reason from its visit, so the page contains text even from an old visit."""
    patron.remember, patron.remember_chosen_at = User.Remember.DAYS_30, NOW - datetime.timedelta(days=2)
    patron.save()
    for number in range(21):
        at = NOW - datetime.timedelta(days=1 if number else days)
        visit = HelpSessionFactory(
            branch=branch, patron=patron, created_at=at, kept_at=at, happened_on=at.date()
        )
        if not number:
            oldest, [item] = visit, recommend_in(visit)
    save(item.item, patron=patron, at=NOW, recommendation=item)
    with time_machine.travel(NOW, tick=False):
        assert item.reason in text(phone.get("/lists/", headers=KEEPING))
    found = listed(patron, library, NOW)
    assert oldest.get_absolute_url() not in found
    ends = oldest.kept_at + datetime.timedelta(days=30)
    wanted = dict.fromkeys(OVERVIEWS, ends) if ends > NOW else {}
    assert {path: page.ends_at for path, page in found.items() if path in OVERVIEWS} == wanted


def test_devices_keep_a_shared_visit_until_the_first_of_two_retention_periods_ends(branch, library):
    child, adult = ChildFactory(), UserFactory(email="adult@example.org")
    kept_at, shared_at = NOW - datetime.timedelta(days=20), NOW - datetime.timedelta(days=10)
    session = SharedSessionFactory(
        branch=branch,
        patron=child,
        shared_with=adult,
        created_at=kept_at,
        kept_at=kept_at,
        shared_at=shared_at,
    )
    day = datetime.timedelta(days=90)
    assert listed(child, library, NOW)[session.get_absolute_url()].ends_at == kept_at + day
    assert listed(adult, library, NOW)[session.get_absolute_url()].ends_at == kept_at + day
    session.patron = None
    session.save()
    assert listed(adult, library, NOW)[session.get_absolute_url()].ends_at == shared_at + day


def test_device_must_delete_a_closed_conversation_when_its_retention_period_ends(patron, branch, library):
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=None, patron=patron, branch=branch)
    ).conversation
    assert listed(patron, library, NOW)[conversation.get_absolute_url()].ends_at is None
    conversation.status, conversation.closed_at, conversation.waiting_since = "closed", NOW, None
    conversation.save()
    ends = NOW + datetime.timedelta(days=365)
    assert listed(patron, library, NOW)[conversation.get_absolute_url()].ends_at == ends


def versions(patron, library):
    return {path: page.version for path, page in listed(patron, library).items()}


@pytest.mark.few_cases
@pytest.mark.parametrize("change", ["verdict", "correction", "message", "item", "saved", "language"])
def test_version_of_a_kept_page_changes_if_the_page_changes(patron, staff, branch, library, change):
    session = HelpSessionFactory(branch=branch, patron=patron, staff=staff, kept_at=timezone.now())
    item = recommend_in(session)[0]
    conversation = conversation_about(session)
    other = HelpSessionFactory(branch=branch, patron=patron, staff=staff, kept_at=timezone.now())
    before = versions(patron, library)
    assert versions(patron, library) == before
    visit, thread = {session.get_absolute_url()}, {conversation.get_absolute_url()}
    changed = set(OVERVIEWS)
    if change == "verdict":
        record_verdict(item, verdict="helped", at=timezone.now())
        changed |= visit
    elif change == "correction":
        session.summary = "Corrected."
        session.save()
        changed |= visit | thread
    elif change == "message":
        MessageFactory(conversation=conversation, side="staff", author=staff)
        conversation.version += 1
        conversation.save()
        changed |= visit | thread
    elif change == "item":
        recommend_in(session)
        changed |= visit
    elif change == "saved":
        save(item.item, patron=patron, at=timezone.now(), recommendation=item)
    else:
        changed = set(before)
        translation.activate("es")
    after = versions(patron, library)
    assert {path for path in after if after[path] != before[path]} == changed
    assert other.get_absolute_url() in after


def test_kept_page_says_when_it_was_fetched_and_has_no_relative_days(phone, patron, branch):
    with time_machine.travel(NOW, tick=False):
        session = HelpSessionFactory(
            branch=branch, patron=patron, kept_at=NOW, happened_on=NOW.date(), summary=""
        )
        page = phone.get(session.get_absolute_url())
        kept = phone.get(session.get_absolute_url(), headers=KEEPING)
        conversation = conversation_about(session)
        messages = phone.get(conversation.get_absolute_url(), headers=KEEPING)
    assert 'id="as-of"' not in page.content.decode()
    assert "today" in text(page)
    for response in (kept, messages):
        words = text(response)
        assert re.search(r"You're offline\. This page is from May 3, 2027, \d+:00\s[ap]\.m\.", words)
        assert "today" not in words
        assert response["X-Kept-Device"]


@pytest.mark.parametrize("hours", [1, 24])
def test_kept_page_of_a_conversation_says_on_which_day_the_answer_comes(phone, patron, branch, hours):
    promised = NOW + datetime.timedelta(hours=hours)
    with time_machine.travel(NOW, tick=False):
        conversation = MessageFactory(
            conversation=ConversationFactory(
                help_session=None, patron=patron, branch=branch, waiting_since=NOW, promised_at=promised
            )
        ).conversation
        words = text(phone.get(conversation.get_absolute_url(), headers=KEEPING))
        online = text(phone.get(conversation.get_absolute_url()))
    assert f"You can expect an answer {'today' if hours == 1 else 'by tomorrow'}." in online
    assert f"You can expect an answer by {'Monday, May 3' if hours == 1 else 'Tuesday, May 4'}." in words


def test_kept_page_of_a_visit_does_not_show_todays_opening_hours(phone, patron, branch):
    OpeningHours.objects.create(branch=branch, weekday=NOW.weekday(), opens="00:00", closes="23:59")
    with time_machine.travel(NOW, tick=False):
        session = HelpSessionFactory(branch=branch, patron=patron, kept_at=NOW)
        path = session.get_absolute_url()
        assert "Open today" in text(phone.get(path))
        kept = text(phone.get(path, headers=KEEPING))
    assert branch.name in kept
    assert "Open today" not in kept


def test_fetching_a_page_for_offline_reading_marks_no_message_as_read(phone, patron, staff, branch):
    session = HelpSessionFactory(branch=branch, patron=patron, staff=staff, kept_at=timezone.now())
    conversation = conversation_about(session)
    MessageFactory(conversation=conversation, side="staff", author=staff)
    kept = phone.get(conversation.get_absolute_url(), headers=KEEPING)
    assert kept.status_code == 200
    assert not Participation.objects.exists()
    phone.get(conversation.get_absolute_url())
    assert Participation.objects.get().person == patron


def test_message_about_an_action_appears_on_the_next_page_but_not_on_a_kept_page(phone):
    phone.post(reverse("set_language"), {"language": "en"})
    phone.post(reverse("end_kept_pages"), {})
    kept = text(phone.get("/", headers=KEEPING))
    words = "Your pages are no longer kept on this phone."
    assert words not in kept
    assert words in text(phone.get("/"))


def test_fetching_a_page_for_offline_reading_does_not_count_as_use_of_the_device(phone):
    with time_machine.travel(timezone.now() + datetime.timedelta(days=2), tick=False):
        before = phone.session["last_used_on"]
        phone.get("/", headers=KEEPING)
        phone.get(reverse("kept_pages"))
        assert phone.session["last_used_on"] == before
        phone.get("/")
        assert phone.session["last_used_on"] > before
