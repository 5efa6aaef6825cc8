"""Test in whose name a check-in is sent, and the text that the portal drafts."""

import datetime
import re

import pytest

from accounts.models import Branch, Library
from portal.checkins import drafting
from portal.helpsessions.models import SessionRecommendation
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    CheckInFactory,
    HelpSessionFactory,
    LibraryFactory,
    QuietSessionFactory,
    SessionNoteFactory,
    SharedSessionFactory,
    StaffFactory,
    UserFactory,
    recommend_in,
)

pytestmark = pytest.mark.django_db
AT = datetime.datetime(2026, 11, 28, 15, tzinfo=datetime.UTC)
DAY = datetime.date(2026, 11, 28)


@pytest.fixture
def library():
    return LibraryFactory()


@pytest.fixture
def branch(library):
    return library.default_branch


@pytest.fixture
def rosa(branch):
    return StaffFactory(name="Rosa Diaz", branch=branch)


@pytest.fixture
def visit(branch, rosa):
    amal = UserFactory(name="Amal Haddad")
    return HelpSessionFactory(
        branch=branch, staff=rosa, patron=amal, question="Tax forms", happened_on=datetime.date(2026, 11, 24)
    )


def away(person, cover=None, *, first=DAY, last=DAY):
    return AbsenceFactory(person=person, cover=cover, first_day=first, last_day=last)


class TestWhoAsks:
    def test_check_in_is_sent_in_the_name_of_the_helper_by_default(self, visit, rosa):
        assert drafting.asker(visit, at=AT) == rosa

    def test_check_in_is_sent_in_the_name_of_the_covering_colleague_while_the_helper_is_away(
        self, visit, rosa
    ):
        sam = StaffFactory()
        away(rosa, sam)
        assert drafting.asker(visit, at=AT) == sam

    def test_check_in_is_sent_in_the_name_of_the_helper_again_after_the_absence(self, visit, rosa):
        away(rosa, StaffFactory(), last=DAY)
        assert drafting.asker(visit, at=AT + datetime.timedelta(days=1)) == rosa

    def test_absence_begins_at_midnight_in_the_librarys_time_zone(self, visit, rosa):
        away(
            rosa,
            StaffFactory(),
            first=DAY + datetime.timedelta(days=1),
            last=DAY + datetime.timedelta(days=1),
        )
        late = datetime.datetime(2026, 11, 29, 2, tzinfo=datetime.UTC)  # It is still November 28 in Chicago.
        assert drafting.asker(visit, at=late) == rosa

    @pytest.mark.parametrize("has_cover", [False, True])
    def test_check_in_is_sent_in_the_name_of_the_branch_if_helper_and_covering_colleague_are_away(
        self, visit, rosa, has_cover
    ):
        cover = StaffFactory() if has_cover else None
        away(rosa, cover)
        if cover:
            away(cover)
        assert drafting.asker(visit, at=AT) is None

    def test_check_in_is_sent_in_the_name_of_the_branch_if_the_helper_left(self, visit, rosa):
        rosa.staff_roles.all().delete()
        assert drafting.asker(visit, at=AT) is None

    def test_check_in_is_sent_in_the_name_of_the_branch_if_the_helper_moved_to_another_branch(
        self, visit, rosa
    ):
        rosa.staff_roles.update(branch=BranchFactory())
        assert drafting.asker(visit, at=AT) is None

    def test_check_in_is_sent_in_the_name_of_the_branch_if_the_helper_is_deactivated(self, visit, rosa):
        rosa.is_active = False
        rosa.save()
        assert drafting.asker(visit, at=AT) is None

    def test_check_in_is_sent_in_the_name_of_the_branch_if_the_covering_colleague_left(self, visit, rosa):
        sam = StaffFactory()
        away(rosa, sam)
        sam.staff_roles.all().delete()
        assert drafting.asker(visit, at=AT) is None

    def test_check_in_is_sent_in_the_name_of_the_branch_if_the_visit_has_no_helper(self, visit):
        visit.staff = None
        visit.save()
        assert drafting.asker(visit, at=AT) is None

    def test_finding_out_who_asks_about_thirty_visits_runs_two_queries(
        self, branch, django_assert_num_queries
    ):
        visits = [HelpSessionFactory(branch=branch) for _ in range(30)]
        away(visits[0].staff, visits[1].staff)
        with django_assert_num_queries(2):
            found = drafting.askers((visit, DAY) for visit in visits)
        assert found[visits[0].pk] == visits[1].staff
        assert [found[visit.pk] for visit in visits[1:]] == [visit.staff for visit in visits[1:]]


class TestDraft:
    def test_draft_in_the_warm_tone_contains_the_question_and_the_titles_of_the_items(self, visit, rosa):
        one, two = recommend_in(visit, 2)
        words = drafting.draft(CheckInFactory(help_session=visit, tone="warm"), by=rosa)
        assert words == (
            "On Tuesday, November 24, you asked us: “Tax forms”\n"
            f"I suggested “{one.item.title}” and “{two.item.title}”.\n\n"
            "How did it turn out? I'd love to hear from you, even if it didn't help. Then we can look for "
            "something else."
        )

    @pytest.mark.parametrize("tone", Branch.Tone.values)
    def test_draft_has_a_different_text_in_each_tone(self, visit, rosa, tone):
        recommend_in(visit)
        others = set(Branch.Tone.values) - {tone}
        check_in = CheckInFactory(help_session=visit)
        words = drafting.draft(check_in, by=rosa, tone=tone)
        assert "Tax forms" in words
        assert all(drafting.draft(check_in, by=rosa, tone=other) != words for other in others)

    def test_draft_has_the_branchs_tone_by_default(self, visit, rosa):
        visit.branch.check_in_tone = "brief"
        check_in = CheckInFactory(help_session=visit)
        assert drafting.draft(check_in, by=rosa) == drafting.draft(check_in, by=rosa, tone="brief")
        check_in.tone = "plain"
        assert drafting.draft(check_in, by=rosa) == drafting.draft(check_in, by=rosa, tone="plain")

    def test_draft_lists_three_items_and_counts_the_rest(self, visit, rosa):
        first, second, third, *_rest = recommend_in(visit, 5)
        words = drafting.draft(CheckInFactory(help_session=visit), by=rosa)
        for named in (first, second, third):
            assert f"“{named.item.title}”" in words
        assert "and 2 more" in words

    def test_draft_does_not_name_a_removed_item(self, visit, rosa):
        removed = recommend_in(visit)[0]
        SessionRecommendation.objects.update(removed_at=AT)
        assert removed.item.title not in drafting.draft(CheckInFactory(help_session=visit), by=rosa)

    def test_draft_in_the_name_of_a_colleague_or_the_branch_does_not_contain_the_word_i(self, visit, rosa):
        recommend_in(visit)
        for tone in Branch.Tone.values:
            for neutral in (True, False):
                for by in (None, StaffFactory()):
                    words = drafting.draft(
                        CheckInFactory.build(help_session=visit), by=by, tone=tone, neutral=neutral
                    )
                    assert not re.search(r"\bI\b", words)

    def test_draft_contains_no_private_note_and_no_reason_written_by_staff(self, visit, rosa):
        note = SessionNoteFactory(help_session=visit)
        check_in = CheckInFactory(help_session=visit, reason="seemed upset about the essay")
        for tone in Branch.Tone.values:
            words = drafting.draft(check_in, by=rosa, tone=tone)
            assert note.body not in words
            assert check_in.reason not in words

    @pytest.mark.parametrize("tone", Branch.Tone.values)
    @pytest.mark.parametrize("language", ["en", "es"])
    def test_neutral_draft_does_not_depend_on_the_question_or_the_items(self, visit, rosa, tone, language):
        visit.language = language
        recommend_in(visit)
        other = HelpSessionFactory(
            branch=visit.branch, staff=rosa, language=language, question="", happened_on=DAY
        )
        check_in = CheckInFactory(help_session=visit, words="About your tax form: did it work?")
        neutral = drafting.draft(check_in, by=rosa, tone=tone, neutral=True)
        assert neutral == drafting.draft(CheckInFactory(help_session=other), by=rosa, tone=tone, neutral=True)

    def test_draft_is_in_the_language_of_the_visit(self, visit, rosa):
        visit.language = "es"
        assert drafting.draft(CheckInFactory(help_session=visit), by=rosa).startswith(
            "El martes 24 de noviembre"
        )

    def test_draft_is_in_the_patrons_language_if_the_portal_lacks_the_visits_language(self, visit, rosa):
        visit.language, visit.patron.language = "so", "es"
        assert drafting.draft(CheckInFactory(help_session=visit), by=rosa).startswith(
            "El martes 24 de noviembre"
        )

    def test_draft_for_a_visit_without_a_patron_is_in_the_librarys_language(self, visit, rosa):
        visit.language, visit.patron = "so", None
        Library.objects.update(language="es")
        assert drafting.draft(CheckInFactory(help_session=visit), by=rosa).startswith(
            "El martes 24 de noviembre"
        )

    @pytest.mark.parametrize("make", [QuietSessionFactory, SharedSessionFactory])
    def test_draft_does_not_quote_the_question_of_a_quiet_visit_or_of_a_visit_with_a_child(
        self, branch, rosa, make
    ):
        check_in = CheckInFactory(help_session=make(branch=branch, staff=rosa))
        for tone in Branch.Tone.values:
            assert check_in.help_session.question not in drafting.draft(check_in, by=rosa, tone=tone)

    def test_draft_about_a_visit_without_a_question_contains_the_day_of_the_visit(self, visit, rosa):
        visit.question = ""
        words = drafting.draft(CheckInFactory(help_session=visit), by=rosa, tone="plain")
        assert words == "You came to us on Tuesday, November 24.\n\nDid you find what you needed?"


class TestLetter:
    def test_letter_greets_the_patron_by_first_name_and_is_signed(self, visit, rosa):
        letter = drafting.letter(CheckInFactory(help_session=visit, words="How is the form?"), by=rosa)
        assert letter == "Hello Amal,\n\nHow is the form?\n\nRosa Diaz, Harbour Main"

    def test_letter_is_signed_by_the_branch_if_no_staff_member_asks(self, visit):
        letter = drafting.letter(CheckInFactory(help_session=visit, words="How is the form?"), by=None)
        assert letter == "Hello Amal,\n\nHow is the form?\n\nHarbour Main"

    def test_letter_greets_a_patron_without_a_name(self, visit, rosa):
        visit.patron.name = ""
        letter = drafting.letter(CheckInFactory(help_session=visit, words="How is the form?"), by=rosa)
        assert letter.startswith("Hello,\n\n")

    def test_neutral_letter_does_not_contain_the_helpers_text(self, visit, rosa):
        check_in = CheckInFactory(help_session=visit, words="How is the tax form?")
        assert "tax" not in drafting.letter(check_in, by=rosa, neutral=True)

    def test_writing_the_letters_of_thirty_check_ins_runs_two_queries(
        self, branch, django_assert_num_queries
    ):
        for _ in range(30):
            recommend_in(CheckInFactory(help_session__branch=branch).help_session, 2)
        with django_assert_num_queries(2):
            rows = list(drafting.with_drafts(CheckInFactory._meta.model.objects.all()))
            assert len({drafting.letter(row, by=row.help_session.staff) for row in rows}) == 30


def test_draft_does_not_quote_the_question_of_a_visit_in_a_childs_account(visit):
    visit.patron.name, visit.patron.child_since = "Amal", AT
    visit.patron.save()
    words = drafting.draft(CheckInFactory(help_session=visit), by=visit.staff)
    assert "Tax forms" not in words
