import datetime
import uuid

import pytest

from portal.checkins import planning, recording
from portal.checkins.ending import end_check_ins
from portal.checkins.models import CheckIn, CheckInRule
from portal.checkins.planning import Wish
from portal.checkins.rules import Rules
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification
from portal.privacy import correcting, holds, retention, sharing, wrong_patron
from portal.privacy.corrected_fields import COLUMNS
from recommendations.models import QuestionType
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    QuietSessionFactory,
    TopicFactory,
    recommend_in,
)

# It is still March 3 at the library in Chicago.
NOW = datetime.datetime(2026, 3, 4, 3, 30, tzinfo=datetime.UTC)
TODAY = datetime.date(2026, 3, 3)

pytestmark = pytest.mark.django_db


def day(number):
    """Return the day of March 2026 with this number."""
    return datetime.date(2026, 3, number)


@pytest.fixture
def library(library):
    library.check_ins = True
    library.save()
    return library


@pytest.fixture
def typed(staff, branch, library):
    return {
        "by": staff,
        "at": NOW,
        "branch": branch,
        "happened_on": TODAY,
        "hour": 14,
        "mode": HelpSession.Mode.IN_PERSON,
        "question_type": "reference",
        "topic": None,
        "read_level": 3,
        "minutes": 12,
        "people": 1,
        "language": "en",
        "question": "How do I start a balcony compost bin?",
        "summary": "Two books",
        "quiet": False,
        "note": "",
        "items": [],
    }


@pytest.fixture
def planned(library, staff, branch):
    """Return the planned check-in about a visit that happened today."""
    return planning.plan(visit_of_today(staff, branch), at=NOW)


def visit_of_today(staff, branch, **fields):
    return HelpSessionFactory(staff=staff, branch=branch, happened_on=TODAY, created_at=NOW, **fields)


def row_of(check_in):
    check_in.refresh_from_db()
    return check_in.status, check_in.due_on, check_in.set_by


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("question_type", "due_on"),
    [
        ("directional", None),
        ("technology", day(6)),
        ("reference", day(10)),
        ("known_item", day(10)),
        ("readers_advisory", day(17)),
        ("referral", day(17)),
        ("consultation", day(17)),
    ],
)
def test_each_question_type_has_its_own_default_rule(library, question_type, due_on):
    assert set(QuestionType.values) == {
        "directional", "technology", "reference", "known_item", "readers_advisory", "referral", "consultation"
    }  # fmt: skip

    assert planning.suggest(topic_id=None, question_type=question_type, happened_on=TODAY, at=NOW) == due_on


def test_rule_of_a_topic_overrides_the_rule_of_the_question_type(library):
    tax, other = TopicFactory(name="Tax forms"), TopicFactory(name="Local history")
    CheckInRule.objects.create(topic=tax, since="visit", days=3)
    CheckInRule.objects.create(question_type="reference", since="visit", days=21)

    rules = Rules.read()

    assert rules.of(tax.pk, "reference").days == 3
    assert rules.of(other.pk, "reference").days == 21
    assert rules.of(None, "technology").days == 3


def test_no_check_in_is_suggested_if_the_rule_of_the_topic_says_never(library):
    topic = TopicFactory()
    CheckInRule.objects.create(topic=topic, since="never")

    assert planning.suggest(topic_id=topic.pk, question_type="reference", happened_on=TODAY, at=NOW) is None


def test_recording_a_visit_plans_its_check_in_once(typed):
    token = uuid.uuid4()
    visit = recording.record(**typed, token=token)
    recording.record(**typed, token=token)

    assert CheckIn.objects.get().help_session == visit
    assert row_of(CheckIn.objects.get()) == ("planned", day(10), "rule")


def test_no_check_in_is_planned_while_check_ins_are_off(typed, library):
    library.check_ins = False
    library.save()

    recording.record(**typed)

    assert not CheckIn.objects.exists()
    assert planning.suggest(topic_id=None, question_type="reference", happened_on=TODAY, at=NOW) is None


def test_quiet_and_paper_only_visits_get_no_check_in(typed):
    recording.record(**typed | {"quiet": True})
    recording.record(**typed | {"with_child": "paper"})

    assert not CheckIn.objects.exists()


def test_check_in_of_a_visit_recorded_late_is_due_tomorrow_at_the_earliest(typed):
    recording.record(**typed | {"happened_on": datetime.date(2026, 2, 1)})

    assert CheckIn.objects.get().due_on == day(4)


def test_staff_can_plan_a_check_in_for_a_new_visit_even_if_the_rule_says_never(typed):
    wish = Wish(day=day(14), reason="when the essay is due", words="How did the essay go?")
    recording.record(**typed | {"question_type": "directional"}, wish=wish)

    check_in = CheckIn.objects.get()
    assert row_of(check_in) == ("planned", day(14), "staff")
    assert (check_in.reason, check_in.words) == ("when the essay is due", "How did the essay go?")


def test_dismissed_check_in_is_not_planned_again_when_the_visit_is_corrected(typed):
    visit = recording.record(**typed, wish=Wish(dismissed=True))
    planning.replan(visit, at=NOW)

    assert CheckIn.objects.get().status == "skipped"


def test_day_that_the_patron_chose_overrides_the_rule_and_the_day_that_staff_chose(planned, staff):
    visit = planned.help_session
    planning.set_day(planned, day=day(20), reason="exam", by=staff, at=NOW)
    planning.replan(visit, at=NOW)
    assert row_of(planned) == ("planned", day(20), "staff")

    planning.ask_later(visit, day=day(25), at=NOW)
    planning.set_day(planned, day=day(5), reason="other", by=staff, at=NOW)

    assert row_of(planned) == ("planned", day(25), "patron")
    assert planned.reason == "other"


def test_check_in_moves_when_the_topic_of_the_visit_is_corrected(planned, staff):
    visit, topic = planned.help_session, TopicFactory()
    CheckInRule.objects.create(topic=topic, since="visit", days=30)
    visit.topic = topic
    visit.save()

    planning.replan(visit, at=NOW)

    assert row_of(planned) == ("planned", datetime.date(2026, 4, 2), "rule")


def test_check_in_moves_when_the_question_type_of_the_visit_is_corrected(planned, staff):
    visit = planned.help_session
    columns = {name: getattr(visit, name) for name in COLUMNS} | {"question_type": "technology"}
    correcting.correct(visit, by=staff, at=NOW, version=0, items=[], note="", **columns)

    assert row_of(planned) == ("planned", day(6), "rule")


def test_check_in_and_its_link_end_when_the_visit_becomes_quiet(planned, staff):
    visit = planned.help_session
    CheckIn.objects.update(token_hmac="a" * 64, link_ends_at=NOW)  # noqa: S106  not a password
    columns = {name: getattr(visit, name) for name in COLUMNS} | {"quiet": True}
    correcting.correct(visit, by=staff, at=NOW, version=0, items=[], note="", **columns)

    assert row_of(planned)[0] == "ended"
    assert planned.token_hmac is None


def test_check_in_moves_to_a_later_day_when_the_patron_presses_the_got_it_button(library, staff, branch):
    visit = visit_of_today(staff, branch, question_type="readers_advisory")
    first, second = recommend_in(visit, 2)
    check_in = planning.plan(visit, at=NOW)
    assert check_in.due_on == day(17)

    assert planning.got_it(first, at=NOW + datetime.timedelta(days=2))
    assert row_of(check_in)[1] == day(19)
    planning.got_it(second, at=NOW + datetime.timedelta(days=5))
    assert row_of(check_in)[1] == day(22)
    assert not planning.got_it(second, at=NOW + datetime.timedelta(days=9))
    planning.undo_got_it(second, at=NOW)

    assert row_of(check_in)[1] == day(19)
    first.refresh_from_db()
    assert first.got_at == NOW + datetime.timedelta(days=2)


def test_choosing_to_be_asked_later_replaces_a_sent_check_in_with_a_new_one(planned):
    visit = planned.help_session
    CheckIn.objects.update(status="asked", asked_at=NOW, words="How is the compost?", reviewed_at=NOW)

    later = planning.ask_later(visit, day=day(28), at=NOW)

    assert row_of(planned)[0] == "ended"
    assert row_of(later) == ("planned", day(28), "patron")
    assert (later.words, later.reviewed_at) == ("How is the compost?", NOW)


def test_check_in_is_skipped_if_the_patron_leaves_out_the_visit(planned):
    visit = planned.help_session
    planning.leave_out(visit, at=NOW)
    planning.replan(visit, at=NOW)

    assert row_of(planned)[0] == "skipped"
    assert HelpSession.objects.get(pk=visit.pk).check_ins == "none"


def test_patron_who_turned_off_check_ins_for_a_visit_can_still_choose_to_be_asked_later(planned):
    visit = planned.help_session
    planning.leave_out(visit, at=NOW)

    planning.ask_later(visit, day=day(28), at=NOW)

    assert HelpSession.objects.get(pk=visit.pk).check_ins == ""
    assert CheckIn.objects.open().get().due_on == day(28)


def test_check_in_about_a_quiet_visit_cannot_be_planned(library, staff):
    visit = QuietSessionFactory()

    assert planning.ask_later(visit, day=day(28), at=NOW) is None
    with pytest.raises(planning.NotPlanned):
        planning.plan_on(visit, day=day(28), reason="", by=staff, at=NOW)
    assert not CheckIn.objects.exists()


def test_staff_can_skip_a_planned_check_in_and_plan_it_again(planned, staff):
    planning.skip(planned, by=staff, at=NOW)
    assert row_of(planned)[0] == "skipped"
    with pytest.raises(planning.NotPlanned):
        planning.set_day(planned, day=day(28), reason="", by=staff, at=NOW)

    planning.unskip(planned, by=staff, at=NOW)

    assert row_of(planned)[0] == "planned"


def test_staff_cannot_move_or_skip_a_check_in_that_was_sent(planned, staff):
    CheckIn.objects.update(status="asked", asked_at=NOW)

    for action in (planning.skip, planning.unskip):
        with pytest.raises(planning.NotPlanned):
            action(planned, by=staff, at=NOW)
    with pytest.raises(planning.NotPlanned):
        planning.set_day(planned, day=day(28), reason="", by=staff, at=NOW)


def test_staff_can_plan_a_check_in_if_the_visit_has_no_open_check_in(planned, staff):
    with pytest.raises(planning.NotPlanned):
        planning.plan_on(planned.help_session, day=day(28), reason="", by=staff, at=NOW)
    CheckIn.objects.update(status="answered", answered_at=NOW)

    again = planning.plan_on(planned.help_session, day=day(28), reason="exam", by=staff, at=NOW)

    assert row_of(again) == ("planned", day(28), "staff")


def test_changed_rule_moves_only_planned_check_ins_whose_day_nobody_has_chosen(library, staff, branch):
    topic = TopicFactory()
    visits = [visit_of_today(staff, branch, topic=topic) for _ in range(3)]
    by_rule, by_staff, asked = [planning.plan(visit, at=NOW) for visit in visits]
    planning.set_day(by_staff, day=day(28), reason="", by=staff, at=NOW)
    CheckIn.objects.filter(pk=asked.pk).update(status="asked", asked_at=NOW)
    CheckInRule.objects.create(topic=topic, since="visit", days=2)

    planning.replan_by_rules(topic=topic)

    assert row_of(by_rule) == ("planned", day(5), "rule")
    assert row_of(by_staff) == ("planned", day(28), "staff")
    assert row_of(asked)[:2] == ("asked", day(10))


def test_planned_check_ins_of_a_topic_are_deleted_when_its_rule_is_changed_to_never(library, staff, branch):
    topic = TopicFactory()
    check_in = planning.plan(visit_of_today(staff, branch, topic=topic), at=NOW)
    other = planning.plan(visit_of_today(staff, branch), at=NOW)
    CheckInRule.objects.create(topic=topic, since="never")

    planning.replan_by_rules(topic=topic)

    assert not CheckIn.objects.filter(pk=check_in.pk).exists()
    assert CheckIn.objects.filter(pk=other.pk).exists()


def asked(check_in, patron):
    """Mark the check-in as sent, and put its email into the outbox."""
    Notification.objects.create(
        kind="checkins/check_in",
        recipient=patron,
        to_address=patron.email,
        message_id="<1@example.org>",
        created_at=NOW,
        due_at=NOW,
    )
    CheckIn.objects.filter(pk=check_in.pk).update(
        status="asked",
        asked_at=NOW,
        asked=patron,
        message_id="<1@example.org>",
        token_hmac="a" * 64,
        link_ends_at=NOW + datetime.timedelta(days=30),
    )


def test_sent_check_in_and_its_link_end_when_the_visit_is_removed_from_the_account(
    library, staff, branch, patron
):
    visit = visit_of_today(staff, branch, patron=patron)
    check_in = planning.plan(visit, at=NOW)
    asked(check_in, patron)

    sharing.take_out(visit, patron, by=staff, at=NOW)

    assert row_of(check_in)[0] == "ended"
    assert (check_in.token_hmac, check_in.asked) == (None, None)
    assert not Notification.objects.filter(kind="checkins/check_in").exists()


def test_unsent_check_in_stays_planned_when_the_visit_is_removed_from_the_account(
    library, staff, branch, patron
):
    visit = visit_of_today(staff, branch, patron=patron)
    check_in = planning.plan(visit, at=NOW)

    sharing.take_out(visit, patron, by=staff, at=NOW)

    assert row_of(check_in)[0] == "planned"


def test_check_in_of_a_wrong_patron_is_replaced_by_a_check_in_for_the_new_visit(
    library, staff, branch, patron
):
    visit = visit_of_today(staff, branch, patron=patron)
    check_in = planning.plan(visit, at=NOW)
    asked(check_in, patron)

    new, _code = wrong_patron.remove_wrong_patron(visit, patron, by=staff, at=NOW)

    assert row_of(check_in)[0] == "ended"
    assert check_in.token_hmac is None
    assert row_of(CheckIn.objects.open().get()) == ("planned", day(10), "rule")
    assert CheckIn.objects.open().get().help_session == new


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"set_by": "staff"}, (day(27), "staff", "when the essay is due")),
        ({"set_by": "patron"}, (day(10), "rule", "")),
        ({"set_by": "staff", "due_on": day(3)}, (day(10), "rule", "")),
        ({"set_by": "staff", "status": "answered", "answered_at": NOW}, (day(10), "rule", "")),
    ],
    ids=["by staff", "by the patron", "not later", "answered"],
)
def test_check_in_of_a_replaced_visit_keeps_its_day_only_if_staff_chose_a_later_day(
    library, staff, branch, patron, changes, expected
):
    visit = visit_of_today(staff, branch, patron=patron)
    check_in = planning.plan(visit, at=NOW)
    chosen = {"due_on": day(27), "reason": "when the essay is due"} | changes
    CheckIn.objects.filter(pk=check_in.pk).update(**chosen)

    wrong_patron.remove_wrong_patron(visit, patron, by=staff, at=NOW)

    planned = CheckIn.objects.open().get()
    assert (planned.due_on, planned.set_by, planned.reason) == expected


def test_worker_ends_expired_check_ins_and_marks_check_ins_with_an_answer_as_answered(
    library, staff, branch, patron
):
    def check_in(**fields):
        visit = visit_of_today(staff, branch, patron=patron, **fields)
        row = planning.plan(visit, at=NOW)
        CheckIn.objects.filter(pk=row.pk).update(due_on=day(3))
        return row

    answered = check_in(found="all", satisfaction="good", answered_at=NOW)
    linked, late, open_one = check_in(), check_in(), check_in()
    asked(linked, patron)
    CheckIn.objects.filter(pk=late.pk).update(due_on=datetime.date(2026, 1, 30))
    end_check_ins(at=NOW)
    assert [row_of(row)[0] for row in (answered, linked, late, open_one)] == [
        "answered", "asked", "ended", "planned",
    ]  # fmt: skip
    assert answered.answered_at == NOW

    end_check_ins(at=NOW + datetime.timedelta(days=30))

    assert row_of(linked)[0] == "ended"
    assert linked.token_hmac is None


def test_worker_ends_the_check_ins_of_visits_whose_retention_time_is_over(library, staff, branch, patron):
    patron.remember, patron.remember_chosen_at = "30", NOW
    patron.save()
    held, discussed, later = [
        planning.plan(visit_of_today(staff, branch, patron=patron, kept_at=kept_at), at=NOW)
        for kept_at in (NOW, NOW, NOW + datetime.timedelta(days=1))
    ]
    # A legal hold or an open conversation delays the deletion of a visit, but not the end of its check-in.
    holds.hold(held.help_session, reason="court", by=staff, at=NOW)
    ConversationFactory(help_session=discussed.help_session, opened_at=NOW)
    CheckIn.objects.update(due_on=day(30))
    retention_ends_at = NOW + datetime.timedelta(days=30)
    retention.forget(at=retention_ends_at)

    end_check_ins(at=retention_ends_at)

    assert [row_of(row)[0] for row in (held, discussed, later)] == ["ended", "ended", "planned"]
    assert held.ended_at == retention_ends_at
    visits = HelpSession.objects.filter(pk__in=[held.help_session_id, discussed.help_session_id])
    assert list(visits.values_list("patron", "forgotten_on")) == [(patron.pk, None)] * 2
