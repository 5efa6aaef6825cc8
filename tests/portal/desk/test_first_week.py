"""Test the list of first steps that coordinators see, and the pages of its steps."""

import io
import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts import audit
from accounts import library as actions
from accounts.models import Library, User
from portal.conversations.models import ReplyTemplate
from portal.conversations.reply_templates import unknown_places
from portal.conversations.starter_templates import STARTERS
from portal.desk.library.first_week import steps
from portal.notifications.actions import (
    KEEP_DELIVERED,
    TEST_EMAIL,
    forget_old_notifications,
    mark_delivered,
    mark_failed,
    take_next,
)
from portal.notifications.models import Notification
from portal.notifications.writing import write
from recommendations.models import QuestionType
from tests.factories import (
    BranchFactory,
    InvitationFactory,
    ItemFactory,
    ReplyTemplateFactory,
    StaffFactory,
)
from tests.portal.pages import text

pytestmark = pytest.mark.django_db

WEEK = [(0, "09:00", "17:00")]


@pytest.fixture
def desk(client, coordinator, sign_in, library):
    return sign_in(client, coordinator)


def done():
    """Return the names of the steps that are done."""
    return [step.name for step in steps(Library.current()) if step.done]


def test_no_step_of_the_first_week_is_done_in_a_new_library(coordinator, library):
    assert [step.name for step in steps(library)] == [
        "hours",
        "closed-days",
        "colleague",
        "logo",
        "catalog",
        "templates",
        "email",
        "check-ins",
        "backup",
    ]
    assert done() == []


def test_hours_step_is_done_when_the_hours_of_every_branch_in_use_are_saved(coordinator, branch):
    hill = BranchFactory(name="Hill")
    BranchFactory(name="Closed long ago", closed_at=timezone.now())
    actions.change_hours(branch, week=WEEK, by=coordinator, at=timezone.now())
    assert done() == []
    step = steps(Library.current())[0]
    assert step.url == f"/desk/settings/branches/of/{hill.slug}/#hours"
    assert step.hint == "Check the hours of Hill, and save them. We promise answers within these hours."
    actions.change_hours(hill, week=WEEK, by=coordinator, at=timezone.now())
    assert done() == ["hours"]


def test_hours_step_is_done_when_unchanged_hours_are_saved(desk, branch, coordinator):
    desk.post(reverse("branch_settings", args=[branch.slug]), {"day0": "", "save_hours": "1"})
    assert done() == ["hours"]


def test_pages_of_first_week_steps_link_to_the_first_week_until_the_list_is_hidden(
    desk, branch, coordinator, library
):
    pages = [
        "library_settings",
        "people",
        "invite",
        "reply_templates",
        "starter_templates",
        "check_in_settings",
    ]
    urls = [*map(reverse, pages), reverse("branch_settings", args=[branch.slug])]
    for hidden_at, count in [(None, 1), (timezone.now(), 0)]:
        library.first_week_hidden_at = hidden_at
        library.save()
        assert [desk.get(url).content.decode().count('id="to-first-week"') for url in urls] == [count] * 7


def test_closed_days_step_is_done_when_a_future_closed_day_is_added(coordinator, branch, library):
    today = library.today()
    actions.add_closed_day(
        branch, day=today.replace(year=today.year - 1, day=1), reason="", by=coordinator, at=timezone.now()
    )
    assert done() == []
    actions.add_closed_day(branch, day=today, reason="", by=coordinator, at=timezone.now())
    assert done() == ["closed-days"]


def test_closed_days_step_stays_done_after_the_closed_day(coordinator, branch, library):
    at = timezone.now()
    audit.record("set_up", library, by=coordinator, at=at - timedelta(days=6))
    day = library.today() - timedelta(days=3)
    actions.add_closed_day(branch, day=day, reason="", by=coordinator, at=at)
    assert done() == ["closed-days"]


def test_colleague_step_is_done_when_somebody_is_invited(coordinator, branch):
    InvitationFactory(branch=branch)
    assert done() == ["colleague"]


def test_colleague_step_is_done_when_a_second_person_has_a_role(coordinator, branch):
    gone = StaffFactory(branch=branch)
    gone.is_active = False
    gone.save()
    assert done() == []
    StaffFactory(branch=branch)
    assert done() == ["colleague"]


def test_steps_for_logo_and_catalog_and_templates_and_backup_are_done_separately(
    coordinator, library, tmp_path
):
    library.logo = "logo/some.png"
    library.save()
    assert done() == ["logo"]
    ItemFactory(retired_at=timezone.now())
    assert done() == ["logo"]
    ItemFactory()
    assert done() == ["logo", "catalog"]
    ReplyTemplateFactory()
    assert done() == ["logo", "catalog", "templates"]
    actions.record_backup(at=timezone.now())
    assert done() == ["logo", "catalog", "templates", "backup"]


def test_email_step_is_done_when_the_test_email_was_delivered(desk):
    write(kind="account", to="rosa@example.org", at=timezone.now(), language="en", subject="Code", text="1")
    mark_delivered(take_next(at=timezone.now()), at=timezone.now())
    assert done() == []
    desk.post(reverse("first_week_email"))
    assert done() == []
    mark_delivered(take_next(at=timezone.now()), at=timezone.now())
    assert done() == ["email"]
    forget_old_notifications(at=timezone.now() + KEEP_DELIVERED + timedelta(days=1))
    assert not Notification.objects.filter(kind=TEST_EMAIL).exists()
    assert done() == ["email"]


def test_email_step_is_not_done_while_the_last_test_email_fails(desk):
    for _time in range(2):
        desk.post(reverse("first_week_email"))
        mark_delivered(take_next(at=timezone.now()), at=timezone.now())
    desk.post(reverse("first_week_email"))
    assert done() == ["email"]
    mark_failed(take_next(at=timezone.now()), at=timezone.now(), error="535 wrong password")
    assert done() == []
    Notification.objects.update(due_at=timezone.now())
    mark_delivered(take_next(at=timezone.now()), at=timezone.now())
    assert done() == ["email"]


@pytest.mark.parametrize("switch", [{"check_ins": "on"}, {}], ids=["on", "off"])
def test_check_ins_step_is_done_when_the_coordinator_saves_the_check_in_settings(desk, library, switch):
    desk.get(reverse("check_in_settings"))
    assert done() == []
    rules = {f"since_{kind}": "never" for kind in QuestionType}
    assert desk.post(reverse("check_in_settings"), {**rules, **switch}).status_code == 302
    assert done() == ["check-ins"]


def test_first_week_page_shows_which_steps_are_done_and_links_each_step_to_a_page(desk, branch, coordinator):
    ItemFactory()
    page = desk.get(reverse("first_week")).content.decode()
    assert "1 of 9 done." in page
    assert page.count('class="step-mark done"') == 1
    urls = re.findall(r'id="step-[^"]+" href="([^"#]+)', page)
    assert [desk.get(url).status_code for url in urls] == [200] * 9


def test_first_week_page_runs_the_same_number_of_queries_for_1_and_30_branches(
    desk, branch, django_assert_num_queries
):
    desk.get(reverse("first_week"))
    with django_assert_num_queries(13):
        desk.get(reverse("first_week"))
    BranchFactory.create_batch(30)
    with django_assert_num_queries(13):
        desk.get(reverse("first_week"))


def test_first_week_link_in_the_queue_is_for_coordinators_and_can_be_hidden(
    desk, client, staff, coordinator, sign_in
):
    link = 'id="to-first-week"'
    assert link in desk.get(reverse("desk")).content.decode()
    desk.post(reverse("hide_first_week"))
    assert link not in desk.get(reverse("desk")).content.decode()
    assert "Show this list" in desk.get(reverse("first_week")).content.decode()
    desk.post(reverse("hide_first_week"), {"show": "1"})
    assert link in desk.get(reverse("desk")).content.decode()
    client.logout()
    assert link not in sign_in(client, staff).get(reverse("desk")).content.decode()


def test_settings_overview_links_to_the_first_week_until_the_list_is_hidden(desk):
    page = desk.get(reverse("settings")).content.decode()
    assert "Your first week: see the steps of setting up the portal" in page
    desk.post(reverse("hide_first_week"))
    assert "Your first week" not in desk.get(reverse("settings")).content.decode()


class TestSendingTheTestEmail:
    def test_coordinator_sends_a_test_email_to_their_own_address(self, desk, coordinator):
        desk.post(reverse("first_week_email"), {"to": "stranger@example.org"})
        email = Notification.objects.get()
        assert (email.kind, email.to_address, email.recipient) == (TEST_EMAIL, coordinator.email, coordinator)

    def test_coordinator_without_an_address_is_asked_to_add_one(self, desk, coordinator):
        User.objects.filter(pk=coordinator.pk).update(email=None)
        page = desk.post(reverse("first_week_email"), follow=True)
        assert "Your account has no email address." in page.content.decode()
        assert not Notification.objects.exists()

    def test_first_week_page_shows_whether_the_test_email_was_delivered(self, desk, coordinator):
        url = reverse("first_week_email")
        desk.post(url)
        assert "is waiting to be sent" in desk.get(url).content.decode()
        email = take_next(at=timezone.now())
        mark_failed(email, at=timezone.now(), error="connection refused <b>")
        page = desk.get(url).content.decode()
        assert "We will try again" in page
        assert "connection refused &lt;b&gt;" in page
        Notification.objects.update(due_at=timezone.now())
        mark_delivered(take_next(at=timezone.now()), at=timezone.now())
        assert f"has accepted the email to {coordinator.email}" in text(desk.get(url))

    def test_first_week_page_says_why_the_test_email_was_not_sent(self, desk):
        desk.post(reverse("first_week_email"))
        mark_failed(take_next(at=timezone.now()), at=timezone.now(), error="550 no such user", permanent=True)
        page = desk.get(reverse("first_week_email")).content.decode()
        assert "The email was not sent." in page
        assert "550 no such user" in page
        assert "EMAIL_USE_TLS" in page

    def test_poll_returns_no_content_until_the_state_of_the_test_email_changes(self, desk):
        url = reverse("first_week_email")
        desk.post(url)
        poll = f"{url}?shown=waiting"
        assert desk.get(poll, headers={"HX-Request": "true"}).status_code == 204
        mark_delivered(take_next(at=timezone.now()), at=timezone.now())
        answer = desk.get(poll, headers={"HX-Request": "true"}).content.decode()
        assert "has accepted the email" in answer
        assert "data-poll" not in answer
        assert "<html" not in answer

    def test_first_week_page_does_not_show_the_test_email_of_another_coordinator(
        self, desk, client, branch, sign_in, coordinator
    ):
        desk.post(reverse("first_week_email"))
        client.logout()
        other = sign_in(client, StaffFactory(branch=branch, branch__role="coordinator"))
        assert "is waiting" not in other.get(reverse("first_week_email")).content.decode()


def test_settings_show_when_the_last_backup_was_made(desk, library, tmp_path):
    page = desk.get(reverse("first_week_backup")).content.decode()
    assert "No backup has been made yet." in page
    call_command("backup", str(tmp_path / "afterword.tar.gz"), stdout=io.StringIO())
    assert "Last backup:" in desk.get(reverse("first_week_backup")).content.decode()


class TestStarterTemplates:
    def test_starter_templates_have_unique_names_and_only_known_placeholders(self):
        assert [unknown_places(starter.body) for starter in STARTERS] == [[]] * len(STARTERS)
        assert len({(starter.language, starter.name) for starter in STARTERS}) == len(STARTERS)

    def test_starter_templates_in_the_librarys_language_are_preselected(self, desk):
        page = desk.get(reverse("starter_templates")).content.decode()
        chosen = re.findall(r'value="(\d+)"\s+checked', page)
        assert {STARTERS[int(number)].language for number in chosen} == {"en"}
        assert len(chosen) == len([starter for starter in STARTERS if starter.language == "en"])

    def test_chosen_starter_templates_are_added_for_all_branches(self, desk):
        assert desk.post(reverse("starter_templates"), {"chosen": ["0", "2"]}).status_code == 302
        assert list(ReplyTemplate.objects.values_list("branch", "language", "name", "body")) == sorted(
            [(None, *STARTERS[0]), (None, *STARTERS[2])], key=lambda row: row[2]
        )

    def test_starter_template_with_the_name_of_an_existing_template_is_not_added(self, desk):
        ReplyTemplateFactory(branch=None, language="en", name=STARTERS[0].name.upper(), body="Ours")
        page = desk.get(reverse("starter_templates")).content.decode()
        assert page.count("Already added") == 1
        desk.post(reverse("starter_templates"), {"chosen": ["0", "1"]})
        assert set(ReplyTemplate.objects.values_list("body", flat=True)) == {"Ours", STARTERS[1].body}

    @pytest.mark.parametrize("chosen", [[], ["99"], ["x"]])
    def test_invalid_choice_of_starter_templates_shows_an_error_and_adds_nothing(self, desk, chosen):
        page = desk.post(reverse("starter_templates"), {"chosen": chosen})
        assert 'id="error-summary"' in page.content.decode()
        assert not ReplyTemplate.objects.exists()
