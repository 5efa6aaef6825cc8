"""Test the desk's pages about check-ins: the list, the page for today and tomorrow, and one check-in."""

import datetime
import html

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Absence, AuditEvent, Branch
from accounts.sign_in import desk_pins
from portal.checkins import drafting
from portal.checkins.models import CheckIn
from portal.checkins.reviewing import version_of
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification
from tests.factories import (
    AbsenceFactory,
    CheckInFactory,
    ConversationFactory,
    HelpSessionFactory,
    QuietSessionFactory,
    SessionNoteFactory,
    StaffFactory,
    TopicFactory,
    UserFactory,
    recommend_in,
)
from tests.portal import pages

pytestmark = pytest.mark.usefixtures("at_noon")
LIST, TOMORROW = "/desk/check-ins/", "/desk/check-ins/tomorrow/"
TODAY = datetime.date(2026, 3, 4)


def text(response):
    return html.unescape(pages.text(response))


def day(number):
    return TODAY + datetime.timedelta(days=number)


@pytest.fixture
def library(library):
    library.check_ins = True
    library.save()
    return library


@pytest.fixture
def ana(library):
    return UserFactory(name="Ana Ruiz", check_ins="email", check_in_titles=True)


@pytest.fixture
def visit(staff, branch, ana):
    return HelpSessionFactory(
        staff=staff, branch=branch, patron=ana, question="Tax forms", happened_on=day(-3)
    )


@pytest.fixture
def check_in(visit):
    return CheckInFactory(help_session=visit, due_on=day(1), reason="when the essay is due")


@pytest.fixture
def shared(desk, staff, branch):
    """Return the browser of a shared desk computer, which Rosa has unlocked."""
    desk_pins.set_pin(staff, pin="83619", at=timezone.now())
    desk.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    return desk


def of_colleague(branch, cover=None, **fields):
    """Create Omar's check-in about a private matter. `cover` is the colleague who covers for him today."""
    omar = StaffFactory(name="Omar Haddad", branch=branch)
    if cover:
        AbsenceFactory(person=omar, cover=cover, first_day=TODAY, last_day=day(5))
    bo = UserFactory(name="Bo Lind", check_ins="email")
    visit = HelpSessionFactory(
        staff=omar,
        branch=branch,
        patron=bo,
        question="Divorce papers",
        topic=TopicFactory(name="Law"),
        **fields,
    )
    return CheckInFactory(help_session=visit, due_on=day(1))


def page_of(check_in):
    return reverse("desk_check_in", args=[check_in.public_id])


def words_form(check_in, **changes):
    return {"body": "How is the form?", "tone": "", "seen": version_of(check_in), **changes}


class TestList:
    def test_staff_members_own_check_ins_are_grouped_by_day(self, desk, staff, branch, check_in):
        later, overdue = (
            CheckInFactory(help_session=HelpSessionFactory(staff=staff, branch=branch), due_on=day(number))
            for number in (3, -2)
        )
        of_colleague(branch)
        days = [(day, [row.check_in for row in rows]) for day, rows in desk.get(LIST).context["days"]]
        # An overdue check-in is listed under today.
        assert days == [(TODAY, [overdue]), (day(1), [check_in]), (day(3), [later])]

    def test_check_in_list_has_no_link_to_approve_check_ins_while_check_ins_are_off(
        self, desk, check_in, library
    ):
        assert 'id="to-tomorrow"' in desk.get(LIST).content.decode()
        library.check_ins = False
        library.save()
        page = desk.get(LIST)
        assert [day for day, _rows in page.context["days"]] == [day(1)]
        assert 'id="to-tomorrow"' not in page.content.decode()

    def test_check_in_row_shows_the_patron_and_the_question_and_the_reason(self, desk, check_in):
        page = text(desk.get(LIST))
        assert all(words in page for words in ("Ana Ruiz", "Tax forms", "when the essay is due"))

    @pytest.mark.parametrize("change", [{"status": "skipped", "ended_at": timezone.now()}, {"quiet": True}])
    def test_covering_colleague_sees_neither_skipped_check_ins_nor_those_about_quiet_visits(
        self, desk, staff, branch, change
    ):
        covered = of_colleague(branch, cover=staff)
        assert desk.get(page_of(covered)).status_code == 200
        if "quiet" in change:
            HelpSession.objects.filter(pk=covered.help_session_id).update(patron=None, **change)
        else:
            CheckIn.objects.filter(pk=covered.pk).update(**change)
        assert desk.get(page_of(covered)).status_code == 404

    def test_covering_colleague_cannot_open_check_ins_after_the_end_of_the_absence(self, desk, staff, branch):
        covered = of_colleague(branch, cover=staff)
        CheckIn.objects.update(due_on=day(-5))
        Absence.objects.update(first_day=day(-9), last_day=day(-2))
        assert desk.get(page_of(covered)).status_code == 404

    def test_covering_colleague_sees_only_the_topic_of_an_unopened_check_in(self, desk, staff, branch):
        covered = of_colleague(branch, cover=staff)
        page = text(desk.get(LIST))
        assert "Law" in page
        assert "Omar Haddad helped" in page
        assert "Divorce" not in page
        assert "Bo Lind" not in page
        assert "Divorce papers" in text(desk.get(page_of(covered)))

    def test_shared_desk_computer_shows_a_patrons_name_only_in_an_opened_row(self, shared, check_in):
        for address in (LIST, TOMORROW):
            assert "Ana" not in text(shared.get(address))
        assert "Hello Ana," in text(shared.get(f"{TOMORROW}?open={check_in.public_id}"))
        assert "Ana Ruiz" in text(shared.get(page_of(check_in)))

    def test_shared_desk_computer_shows_no_question_or_reason_until_a_row_is_opened(self, shared, check_in):
        secrets = ["Tax forms", "when the essay is due"]
        for address in (LIST, TOMORROW):
            assert [words for words in secrets if words in text(shared.get(address))] == []
        opened = text(shared.get(f"{TOMORROW}?open={check_in.public_id}"))
        assert [words for words in secrets if words in opened] == secrets

    def test_covering_colleague_sees_the_reason_of_a_check_in_only_in_an_opened_row(
        self, desk, staff, branch
    ):
        covered = of_colleague(branch, cover=staff)
        CheckIn.objects.update(reason="when the court decides")
        for address in (LIST, TOMORROW):
            assert "when the court decides" not in text(desk.get(address))
        assert "when the court decides" in text(desk.get(f"{TOMORROW}?open={covered.public_id}"))

    @pytest.mark.parametrize("count", [1, 30])
    def test_check_in_list_runs_the_same_number_of_queries_for_1_and_30_rows(
        self, desk, staff, branch, count, django_assert_num_queries
    ):
        for _ in range(count):
            patron = UserFactory(check_ins="email", language="")
            fields = {"patron": patron, "topic": TopicFactory(), "language": "so"}
            visit = HelpSessionFactory(staff=staff, branch=branch, **fields)
            recommend_in(visit, 2)
            CheckInFactory(help_session=visit, due_on=day(1))
        with django_assert_num_queries(15):
            assert len(desk.get(LIST).context["days"][0][1]) == count
        with django_assert_num_queries(14):
            assert len(desk.get(TOMORROW).context["days"][0][1]) == count

    def test_long_list_of_check_ins_is_paginated(self, desk, staff, branch):
        for number in range(32):
            visit = HelpSessionFactory(staff=staff, branch=branch)
            CheckInFactory(help_session=visit, due_on=day(number))
        first = desk.get(LIST)
        second = desk.get(f"{LIST}?after={first.context['after']}")
        assert [len(page.context["days"]) for page in (first, second)] == [30, 2]

    def test_staff_of_another_branch_see_no_check_ins(self, client, sign_in, elsewhere, check_in):
        browser = sign_in(client, elsewhere)
        assert browser.get(LIST).context["days"] == []
        assert browser.get(page_of(check_in)).status_code == 404
        assert browser.post(page_of(check_in), words_form(check_in)).status_code == 404

    def test_colleague_who_does_not_cover_for_the_helper_cannot_change_or_send_a_check_in(
        self, client, sign_in, branch, check_in
    ):
        browser = sign_in(client, StaffFactory(branch=branch))
        assert browser.get(page_of(check_in)).status_code == 404
        assert browser.post(page_of(check_in), words_form(check_in)).status_code == 404
        assert browser.post(reverse("send_check_in", args=[check_in.public_id])).status_code == 404

    def test_check_in_list_says_that_check_ins_are_turned_off(self, desk, library):
        library.check_ins = False
        library.save()
        assert "Check-ins are turned off" in text(desk.get(LIST))


class TestWhatRowsSay:
    """Test what a row says about how, when and in whose name the library will ask the patron."""

    def row(self, desk):
        [(_day, [row])] = desk.get(LIST).context["days"]
        return row.outlook

    def test_check_in_row_says_that_an_approved_check_in_goes_out_in_the_name_of_the_helper(
        self, desk, check_in
    ):
        CheckIn.objects.update(reviewed_at=timezone.now())
        assert self.row(desk).text == "By email in your name"
        assert self.row(desk).words == (
            "The email says only who asks. Its link opens a page with the titles of the items. The text of "
            "the check-in is on the visit's page."
        )

    def test_check_in_row_does_not_mention_titles_if_the_patron_did_not_allow_titles(
        self, desk, check_in, ana
    ):
        ana.check_in_titles = False
        ana.save()
        CheckIn.objects.update(reviewed_at=timezone.now())
        assert self.row(desk).words == (
            "The email says only who asks. The text of the check-in is on the visit's page."
        )

    def test_check_in_row_says_that_the_check_in_must_be_approved_first(self, desk, check_in):
        assert self.row(desk).text == "By email in your name, once you approve it"

    def test_check_in_row_says_that_an_unapproved_check_in_goes_out_in_the_name_of_the_branch(
        self, desk, check_in, branch
    ):
        Branch.objects.filter(pk=branch.pk).update(check_ins_unreviewed=True)
        assert self.row(desk).text == (
            "By email in the name of the branch, because no staff member approved this check-in"
        )

    def test_check_in_row_says_that_the_covering_colleague_will_ask_while_the_helper_is_away(
        self, desk, staff, branch, check_in
    ):
        AbsenceFactory(person=staff, cover=StaffFactory(name="Kim", branch=branch), first_day=day(1))
        CheckIn.objects.update(reviewed_at=timezone.now())
        assert self.row(desk).text == "By email in the name of Kim"

    @pytest.mark.parametrize(
        ("choice", "outlook"),
        [
            ("pages", "Only on the patron's pages"),
            ("", "Only on the patron's pages"),
            ("none", "The patron is not asked"),
        ],
    )
    def test_check_in_row_says_how_the_patron_chose_to_be_asked(self, desk, check_in, ana, choice, outlook):
        ana.check_ins = choice
        ana.save()
        assert self.row(desk).text == outlook
        assert self.row(desk).why

    def test_check_in_row_says_that_the_check_in_waits_until_the_conversation_is_closed(
        self, desk, check_in, visit
    ):
        ConversationFactory(help_session=visit)
        assert self.row(desk).text == "Waits until the open conversation about the visit is closed"


class TestBatchApproval:
    def test_approval_page_lists_check_ins_that_are_due_by_tomorrow(self, desk, staff, branch, check_in):
        CheckInFactory(help_session=HelpSessionFactory(staff=staff, branch=branch), due_on=day(2))
        page = desk.get(TOMORROW)
        assert [row.check_in for _day, rows in page.context["days"] for row in rows] == [check_in]
        assert "you asked us: “Tax forms”" in text(page)

    def test_approval_page_lists_check_ins_of_today_and_tomorrow_separately(
        self, desk, staff, branch, check_in
    ):
        CheckInFactory(
            help_session=HelpSessionFactory(staff=staff, branch=branch, question="Late"), due_on=day(-2)
        )
        CheckInFactory(
            help_session=HelpSessionFactory(staff=staff, branch=branch, question="Bus"), due_on=TODAY
        )
        page = text(desk.get(TOMORROW)).partition("Check-ins for today and tomorrow")[2]
        order = [page.index(words) for words in ("Due today", "Late", "Bus", "Due tomorrow", "Tax forms")]
        assert order == sorted(order)
        CheckIn.objects.exclude(pk=check_in.pk).delete()
        assert "Due today" not in text(desk.get(TOMORROW))

    @pytest.mark.parametrize(
        ("choice", "approvable"), [("email", 1), ("pages", 1), ("", 1), ("none", 0)], ids=str
    )
    def test_check_in_that_the_patron_refused_cannot_be_approved(
        self, desk, check_in, ana, choice, approvable
    ):
        ana.check_ins = choice
        ana.save()
        page = desk.get(TOMORROW)
        assert page.content.decode().count('name="approve"') == approvable
        assert page.context["to_approve"] == desk.get(LIST).context["to_approve"] == approvable
        assert desk.get("/desk/").context["check_ins_to_approve"] == approvable

    def test_check_in_that_waits_for_a_conversation_can_be_approved(self, desk, check_in, visit):
        ConversationFactory(help_session=visit, patron=visit.patron)
        assert desk.get(TOMORROW).context["to_approve"] == desk.get(LIST).context["to_approve"] == 1

    def test_only_selected_check_ins_are_approved(self, desk, staff, branch, check_in):
        other = CheckInFactory(help_session=HelpSessionFactory(staff=staff, branch=branch), due_on=day(1))
        posted = {"approve": [f"{check_in.public_id}.{version_of(check_in)}"]}
        page = desk.post(TOMORROW, posted, follow=True)
        assert "1 check-in approved." in text(page)
        assert list(CheckIn.objects.filter(reviewed_by=staff)) == [check_in]
        other.refresh_from_db()
        assert other.reviewed_at is None

    def test_check_in_is_not_approved_if_its_text_changed_after_the_page_was_loaded(self, desk, check_in):
        posted = {"approve": [f"{check_in.public_id}.{version_of(check_in)}"]}
        CheckIn.objects.update(words="Other words")
        assert "Read it again" in text(desk.post(TOMORROW, posted, follow=True))
        assert not CheckIn.objects.exclude(reviewed_at=None)

    def test_staff_cannot_approve_a_colleagues_check_in(self, desk, branch):
        other = of_colleague(branch)
        desk.post(TOMORROW, {"approve": [f"{other.public_id}.{version_of(other)}", "nonsense", ""]})
        assert not CheckIn.objects.exclude(reviewed_at=None)

    def test_covering_colleague_can_approve_a_check_in_only_after_opening_it(self, desk, staff, branch):
        covered = of_colleague(branch, cover=staff)
        page = desk.get(TOMORROW)
        assert page.context["to_approve"] == 0
        assert "Divorce" not in text(page)
        for _ in range(2):
            page = desk.get(f"{TOMORROW}?open={covered.public_id}")
        assert page.context["to_approve"] == 1
        assert "Divorce papers" in text(page)
        opened = AuditEvent.objects.get(action="opened", by=staff)
        assert (opened.patron, opened.subject) == (
            covered.help_session.patron,
            str(covered.help_session.public_id),
        )

    def test_check_in_pages_do_not_show_the_private_note_of_the_visit(self, desk, visit, check_in):
        note = SessionNoteFactory(help_session=visit)
        for address in (LIST, TOMORROW, page_of(check_in)):
            assert note.body not in text(desk.get(address))


class TestEditingWords:
    def test_saving_the_text_of_a_check_in_approves_the_check_in(self, desk, staff, check_in):
        page = desk.post(page_of(check_in), words_form(check_in, tone="brief"), follow=True)
        check_in.refresh_from_db()
        assert (check_in.words, check_in.tone, check_in.reviewed_by) == ("How is the form?", "brief", staff)
        assert "Saved and approved." in text(page)

    @pytest.mark.parametrize("send_now", [{}, {"send_now": "1"}])
    def test_staff_see_the_draft_in_a_new_tone_before_they_approve_the_check_in(
        self, desk, staff, check_in, send_now
    ):
        shown = desk.get(page_of(check_in)).context["form"]["body"].value()
        page = desk.post(page_of(check_in), words_form(check_in, body=shown, tone="brief", **send_now))
        brief = drafting.draft(check_in, by=staff, tone="brief")
        form = page.context["form"]
        assert (page.status_code, form["body"].value(), form["tone"].value()) == (200, brief, "brief")
        assert "You chose another tone, so this is a new draft." in text(page)
        check_in.refresh_from_db()
        assert (check_in.status, check_in.tone, check_in.reviewed_at) == ("planned", "", None)
        again = {name: form[name].value() for name in ("body", "tone", "seen")}
        desk.post(page_of(check_in), again)
        check_in.refresh_from_db()
        assert (check_in.words, check_in.tone, check_in.reviewed_by) == ("", "brief", staff)

    def test_access_log_records_that_staff_opened_a_check_in(self, desk, staff, check_in, ana):
        desk.get(page_of(check_in), headers={"Referer": f"http://testserver{LIST}"})
        event = AuditEvent.objects.get(action="opened")
        assert (event.by, event.patron, event.where) == (staff, ana, "sessions")

    def test_check_in_text_saved_in_another_tab_is_shown_beside_the_typed_text(self, desk, check_in):
        seen = words_form(check_in, body="Second tab")
        desk.post(page_of(check_in), words_form(check_in, body="First tab"))
        page = desk.post(page_of(check_in), seen)
        assert page.status_code == 409
        assert "First tab" in text(page)
        assert page.context["form"]["body"].value() == "Second tab"
        # The second tab has now shown the text from the first tab, so the staff member may replace that text.
        again = {name: page.context["form"][name].value() for name in ("body", "tone", "seen")}
        assert desk.post(page_of(check_in), again).status_code == 302
        check_in.refresh_from_db()
        assert check_in.words == "Second tab"

    @pytest.mark.parametrize(
        ("status", "time", "sentence"),
        [
            (
                "asked",
                "asked_at",
                "This check-in was sent on Wednesday, March 4. It can't be changed anymore.",
            ),
            ("answered", "answered_at", "The patron answered on Wednesday, March 4."),
            ("skipped", "ended_at", "won't ask about this visit."),
            ("ended", "ended_at", "This check-in ended on Wednesday, March 4."),
        ],
    )
    def test_typed_text_is_shown_but_not_saved_if_the_check_in_is_no_longer_planned(
        self, desk, check_in, status, time, sentence
    ):
        typed = words_form(check_in, body="Too late")
        CheckIn.objects.update(status=status, **{time: timezone.now()})
        page = desk.post(page_of(check_in), typed)
        assert page.status_code == 409
        assert sentence in text(page)
        assert "Too late" in text(page)
        check_in.refresh_from_db()
        assert check_in.words == ""
        assert sentence in text(desk.get(page_of(check_in)))

    def test_check_in_text_that_is_too_long_is_shown_again_in_the_form(self, desk, check_in):
        page = desk.post(page_of(check_in), words_form(check_in, body="x" * 2001))
        assert page.status_code == 422
        assert "x" * 2001 in page.content.decode()

    @pytest.mark.parametrize(("changes", "status"), [({"body": "x" * 2001}, 422), ({"seen": "old"}, 409)])
    def test_access_log_records_that_staff_saw_the_patron_in_a_refused_form(
        self, desk, staff, check_in, ana, changes, status
    ):
        assert desk.post(page_of(check_in), words_form(check_in, **changes)).status_code == status
        event = AuditEvent.objects.get(action="opened")
        assert (event.by, event.patron) == (staff, ana)


class TestMovingSkippingAndSending:
    def test_moved_check_in_keeps_its_reason(self, desk, check_in):
        desk.post(reverse("move_check_in", args=[check_in.public_id]), {"day": day(9).isoformat()})
        check_in.refresh_from_db()
        assert (check_in.due_on, check_in.set_by, check_in.reason) == (
            day(9),
            "staff",
            "when the essay is due",
        )

    @pytest.mark.parametrize("typed", ["2026-03-03", "2026-12-01", "soon", ""])
    def test_check_in_cannot_be_moved_to_an_invalid_day(self, desk, check_in, typed):
        desk.post(reverse("move_check_in", args=[check_in.public_id]), {"day": typed})
        check_in.refresh_from_db()
        assert check_in.due_on == day(1)

    def test_staff_cannot_change_a_day_that_the_patron_chose(self, desk, check_in):
        CheckIn.objects.update(set_by="patron")
        move = reverse("move_check_in", args=[check_in.public_id])
        page = desk.post(move, {"day": day(9).isoformat()}, follow=True)
        assert "The patron chose Thursday, March 5, so you can't change the day." in text(page)
        assert "The patron chose this day, so you can't change it." in text(desk.get(page_of(check_in)))

    def test_skipping_a_check_in_can_be_undone(self, desk, check_in):
        page = desk.post(reverse("skip_check_in", args=[check_in.public_id]), follow=True)
        check_in.refresh_from_db()
        assert check_in.status == "skipped"
        undo = reverse("unskip_check_in", args=[check_in.public_id])
        assert f"{undo}?back=/desk/check-ins/" in page.content.decode()
        desk.post(undo)
        check_in.refresh_from_db()
        assert check_in.status == "planned"

    def test_pressing_the_send_now_button_twice_sends_one_email(self, desk, staff, check_in, ana):
        send = reverse("send_check_in", args=[check_in.public_id])
        for words in ("We're sending the check-in.", "This check-in was sent on"):
            assert words in text(desk.post(send, follow=True))
        assert Notification.objects.get(kind="checkins/check_in").recipient == ana
        check_in.refresh_from_db()
        assert (check_in.status, check_in.asked_by) == ("asked", staff)

    def test_check_in_page_at_the_desk_says_why_the_check_in_cannot_be_sent_now(self, desk, check_in, ana):
        ana.check_ins = "none"
        ana.save()
        page = desk.post(reverse("send_check_in", args=[check_in.public_id]), follow=True)
        assert "The patron doesn't want check-ins." in text(page)

    @pytest.mark.parametrize("name", ["move_check_in", "skip_check_in", "unskip_check_in"])
    def test_staff_of_another_branch_cannot_change_a_check_in(
        self, client, sign_in, elsewhere, check_in, name
    ):
        browser = sign_in(client, elsewhere)
        assert (
            browser.post(reverse(name, args=[check_in.public_id]), {"day": "2026-03-09"}).status_code == 404
        )


class TestVisitPage:
    """Tests of the check-in on the visit page at the desk."""

    def page(self, desk, visit):
        return desk.get(reverse("desk_session", args=[visit.public_id]))

    def test_visit_page_shows_the_check_in_with_its_reason(self, desk, check_in, visit):
        page = text(self.page(desk, visit))
        assert "The check-in is planned for Thu, Mar 5" in page
        assert "when the essay is due" in page

    def test_any_staff_member_of_the_branch_can_move_a_check_in(
        self, client, sign_in, branch, check_in, visit
    ):
        browser = sign_in(client, StaffFactory(branch=branch))
        assert 'id="edit-check-in"' not in self.page(browser, visit).content.decode()
        move = reverse("move_check_in", args=[check_in.public_id])
        browser.post(move, {"day": day(9).isoformat(), "reason": "the essay is due"})
        check_in.refresh_from_db()
        assert (check_in.due_on, check_in.reason) == (day(9), "the essay is due")

    def test_staff_can_plan_a_check_in_for_a_visit_that_has_none(self, desk, visit):
        plan = reverse("plan_check_in", args=[visit.public_id])
        assert plan in self.page(desk, visit).content.decode()
        desk.post(plan, {"day": day(10).isoformat(), "reason": "the essay is due"})
        planned = CheckIn.objects.get()
        assert (planned.due_on, planned.set_by, planned.reason) == (day(10), "staff", "the essay is due")
        assert plan not in self.page(desk, visit).content.decode()

    def test_history_says_who_approved_a_check_in_and_in_whose_name_it_was_sent(
        self, desk, staff, check_in, visit
    ):
        CheckIn.objects.update(
            status="asked",
            reviewed_at=timezone.now(),
            reviewed_by=staff,
            asked_at=timezone.now(),
            asked_by=staff,
        )
        page = text(self.page(desk, visit))
        assert "Rosa Lindqvist approved the check-in on Wednesday, March 4." in page
        assert "Sent on Wednesday, March 4 in the name of Rosa Lindqvist." in page

    def test_quiet_or_paper_visit_has_no_check_in(self, desk, staff, branch):
        quiet = QuietSessionFactory(staff=staff, branch=branch)
        paper = HelpSessionFactory(staff=staff, branch=branch, with_child="paper")
        for visit in (quiet, paper):
            assert not self.page(desk, visit).context.get("shows_check_in")
            desk.post(reverse("plan_check_in", args=[visit.public_id]), {"day": day(10).isoformat()})
        assert not CheckIn.objects.exists()

    def test_patron_does_not_see_why_staff_chose_the_day_of_the_check_in(
        self, client, sign_in, check_in, visit, ana
    ):
        browser = sign_in(client, ana)
        for address in ("/", visit.get_absolute_url()):
            assert "essay" not in text(browser.get(address))


class TestLinkInTheQueue:
    def test_queue_shows_the_number_of_check_ins_that_wait_for_approval(self, desk, staff, branch, check_in):
        CheckInFactory(help_session=HelpSessionFactory(staff=staff, branch=branch), due_on=day(2))
        of_colleague(branch)
        assert "Check-ins 1" in " ".join(text(desk.get("/desk/")).split())
        CheckIn.objects.update(reviewed_at=timezone.now())
        assert 'id="to-check-ins"' in desk.get("/desk/").content.decode()

    def test_queue_has_no_link_to_check_ins_while_check_ins_are_off(self, desk, library, check_in):
        library.check_ins = False
        library.save()
        assert 'id="to-check-ins"' not in desk.get("/desk/").content.decode()
