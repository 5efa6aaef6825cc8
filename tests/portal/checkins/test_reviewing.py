"""Test how helpers change and approve the text of their check-ins."""

import datetime

import pytest
from django.utils import timezone

from accounts.models import Branch, StaffRole
from accounts.staff_actions import RoleEnded
from portal.checkins import drafting, reviewing
from portal.checkins.models import CheckIn
from portal.helpsessions.models import HelpSession
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    CheckInFactory,
    HelpSessionFactory,
    LibraryFactory,
    StaffFactory,
    recommend_in,
)

pytestmark = pytest.mark.django_db
AT = datetime.datetime(2026, 11, 28, 15, tzinfo=datetime.UTC)
DAY = datetime.date(2026, 11, 28)


@pytest.fixture
def rosa():
    return StaffFactory(name="Rosa Diaz", branch=LibraryFactory().default_branch)


@pytest.fixture
def check_in(rosa):
    visit = HelpSessionFactory(branch=rosa.roles[0].branch, staff=rosa, question="Tax forms")
    return CheckInFactory(help_session=visit, due_on=DAY)


def edit(check_in, words, *, by, tone="", seen=None):
    seen = reviewing.version_of(check_in) if seen is None else seen
    return reviewing.edit(check_in, words=words, tone=tone, by=by, at=AT, seen=seen)


def ended(check_in, status):
    times = {"asked": "asked_at", "answered": "answered_at", "skipped": "ended_at", "ended": "ended_at"}
    CheckIn.objects.filter(pk=check_in.pk).update(status=status, **{times[status]: AT})


def add_item(visit):
    recommend_in(visit, 1)


def change_question(visit):
    HelpSession.objects.filter(pk=visit.pk).update(question="Another form")


class TestEditing:
    def test_text_that_the_helper_wrote_is_saved_and_the_check_in_counts_as_reviewed(self, check_in, rosa):
        edit(check_in, "  How is the form?\r\nRosa  ", by=rosa, tone="brief")
        check_in.refresh_from_db()
        assert (check_in.words, check_in.tone) == ("How is the form?\nRosa", "brief")
        assert (check_in.reviewed_at, check_in.reviewed_by) == (AT, rosa)

    @pytest.mark.parametrize("tone", Branch.Tone.values)
    def test_unchanged_draft_is_not_stored_as_the_helpers_text(self, check_in, rosa, tone):
        draft = drafting.draft(check_in, by=rosa, tone=tone)
        edit(check_in, draft.replace("\n", "\r\n"), by=rosa, tone=tone)
        check_in.refresh_from_db()
        assert (check_in.words, check_in.tone, check_in.reviewed_by) == ("", tone, rosa)

    @pytest.mark.parametrize("saved_tone", ["", "plain"])
    def test_unchanged_draft_is_replaced_if_the_helper_chooses_another_tone(self, check_in, rosa, saved_tone):
        check_in.tone = saved_tone
        drafts = {tone: drafting.draft(check_in, by=rosa, tone=tone) for tone in Branch.Tone.values}
        for before in Branch.Tone.values:
            for after in Branch.Tone.values:
                words = drafts[before].replace("\n", "\r\n")
                new = reviewing.draft_to_read_again(check_in, words=words, tone=after, at=AT)
                assert new == ("" if before == after else drafts[after])
        of_branch = reviewing.draft_to_read_again(check_in, words=drafts["plain"], tone="", at=AT)
        assert of_branch == drafts[check_in.help_session.branch.check_in_tone]
        own = reviewing.draft_to_read_again(check_in, words="How is the form?", tone="brief", at=AT)
        assert own == ""

    def test_draft_in_the_branchs_tone_is_not_stored_as_the_helpers_text(self, check_in, rosa):
        edit(check_in, drafting.draft(check_in, by=rosa, tone="brief"), by=rosa, tone="brief")
        branch = check_in.help_session.branch
        edit(CheckIn.objects.get(), drafting.draft(check_in, by=rosa, tone=branch.check_in_tone), by=rosa)
        check_in.refresh_from_db()
        assert (check_in.words, check_in.tone) == ("", "")

    def test_emptying_the_text_restores_the_portals_draft(self, check_in, rosa):
        edit(check_in, "How is the form?", by=rosa)
        edit(CheckIn.objects.get(), " ", by=rosa)
        check_in.refresh_from_db()
        assert check_in.words == ""

    @pytest.mark.parametrize("status", ["asked", "answered", "skipped", "ended"])
    def test_text_of_a_check_in_can_be_changed_only_while_the_check_in_is_planned(
        self, check_in, rosa, status
    ):
        seen = reviewing.version_of(check_in)
        ended(check_in, status)
        with pytest.raises(reviewing.NotPlanned) as refused:
            edit(check_in, "Too late", by=rosa, seen=seen)
        assert refused.value.check_in.status == status
        check_in.refresh_from_db()
        assert (check_in.words, check_in.reviewed_at) == ("", None)

    def test_text_saved_in_another_tab_is_not_overwritten(self, check_in, rosa):
        seen = reviewing.version_of(check_in)
        edit(check_in, "From the first tab", by=rosa)
        with pytest.raises(reviewing.ChangedMeanwhile) as refused:
            edit(check_in, "From the second tab", by=rosa, seen=seen)
        assert refused.value.check_in.words == "From the first tab"
        check_in.refresh_from_db()
        assert check_in.words == "From the first tab"

    def test_outdated_draft_of_a_corrected_visit_is_not_stored_as_the_helpers_text(self, check_in, rosa):
        seen, draft = reviewing.version_of(check_in), drafting.draft(check_in, by=rosa)
        add_item(check_in.help_session)
        with pytest.raises(reviewing.ChangedMeanwhile):
            edit(check_in, draft, by=rosa, seen=seen)
        check_in.refresh_from_db()
        assert (check_in.words, check_in.reviewed_at) == ("", None)

    def test_saving_the_same_text_of_a_check_in_twice_causes_no_conflict(self, check_in, rosa):
        seen = reviewing.version_of(check_in)
        for _ in range(2):
            edit(check_in, "Same words", by=rosa, seen=seen)
        check_in.refresh_from_db()
        assert check_in.words == "Same words"

    def test_text_of_a_check_in_is_not_saved_after_the_role_of_the_helper_has_ended(self, check_in, rosa):
        assert rosa.roles
        StaffRole.objects.all().delete()
        with pytest.raises(RoleEnded):
            edit(check_in, "New", by=rosa)
        check_in.refresh_from_db()
        assert check_in.words == ""


class TestApproving:
    def test_several_check_ins_can_be_approved_together(self, check_in, rosa):
        other = CheckInFactory(help_session__branch=check_in.help_session.branch)
        assert reviewing.approve(seen_of(check_in, other), by=rosa, at=AT) == [check_in, other]
        assert set(CheckIn.objects.values_list("reviewed_at", "reviewed_by")) == {(AT, rosa.pk)}

    def test_changed_or_sent_check_ins_are_not_approved(self, check_in, rosa):
        changed, sent = (CheckInFactory(help_session__branch=check_in.help_session.branch) for _ in range(2))
        seen = seen_of(check_in, changed, sent)
        CheckIn.objects.filter(pk=changed.pk).update(words="New")
        ended(sent, "asked")
        assert reviewing.approve(seen, by=rosa, at=AT) == [check_in]
        assert list(CheckIn.objects.exclude(reviewed_at=None)) == [check_in]

    @pytest.mark.parametrize("change", [add_item, change_question])
    def test_check_in_is_not_approved_if_a_correction_has_changed_its_draft(self, check_in, rosa, change):
        seen = seen_of(check_in)
        change(check_in.help_session)
        assert reviewing.approve(seen, by=rosa, at=AT) == []
        assert reviewing.approve(seen_of(CheckIn.objects.get()), by=rosa, at=AT) == [check_in]

    def test_approving_runs_the_same_number_of_queries_for_1_and_30_check_ins(
        self, check_in, rosa, django_assert_num_queries
    ):
        assert rosa.roles
        others = [CheckInFactory(help_session=HelpSessionFactory(staff=rosa)) for _ in range(30)]
        for rows in ([check_in], others):
            seen = seen_of(*rows)
            with django_assert_num_queries(7):
                reviewing.approve(seen, by=rosa, at=AT)


def seen_of(*check_ins):
    return {check_in: reviewing.version_of(check_in) for check_in in check_ins}


class TestWhoReviews:
    def of(self, person):
        return list(CheckIn.objects.reviewed_by_person(person, today=DAY))

    def test_helper_sees_only_their_own_check_ins(self, check_in, rosa):
        CheckInFactory(help_session__branch=rosa.roles[0].branch)
        assert self.of(rosa) == [check_in]

    @pytest.mark.parametrize(("first", "sees"), [(0, True), (2, True), (3, False)])
    def test_covering_colleague_sees_check_ins_that_are_due_while_the_helper_is_away(
        self, check_in, rosa, first, sees
    ):
        sam = StaffFactory()
        CheckIn.objects.update(due_on=DAY + datetime.timedelta(days=2))
        day = DAY + datetime.timedelta(days=first)
        AbsenceFactory(person=rosa, cover=sam, first_day=day, last_day=day)
        assert self.of(sam) == ([check_in] if sees else [])

    def test_covering_colleague_from_another_branch_can_open_the_check_in(self, check_in, rosa):
        sam = StaffFactory()
        assert list(CheckIn.objects.at_desk_of(sam)) == []
        today = timezone.localdate()
        AbsenceFactory(person=rosa, cover=sam, first_day=today, last_day=today)
        assert list(CheckIn.objects.at_desk_of(sam)) == [check_in]

    def test_coordinator_sees_check_ins_of_a_helper_who_left(self, check_in, rosa):
        branch = check_in.help_session.branch
        coordinator = StaffFactory(branch=branch, branch__role="coordinator")
        stranger = StaffFactory(branch=BranchFactory(), branch__role="coordinator")
        colleague = StaffFactory(branch=branch)
        assert self.of(coordinator) == []
        rosa.staff_roles.all().delete()
        assert self.of(coordinator) == [check_in]
        assert self.of(stranger) == self.of(colleague) == []
