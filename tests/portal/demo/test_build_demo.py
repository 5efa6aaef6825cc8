import datetime
from collections import Counter

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import connection
from django.db.models import Count
from django.test import override_settings

from accounts.models import Absence, AuditEvent, Branch, BranchCode, KeptDevice, Library, StaffRole, User
from accounts.reporting_year import ReportingYear
from accounts.sign_in.sign_ins import devices
from portal import files, jobs, worker
from portal.api.tokens import listed_tokens
from portal.checkins.eligibility import Why, with_why
from portal.checkins.models import CheckIn
from portal.checkins.rules import Rule, Rules
from portal.conversations import reply_templates
from portal.conversations.models import (
    Attachment,
    Conversation,
    DeskEvent,
    Draft,
    Event,
    Message,
    NoteMention,
    ReadersForm,
    ReplyTemplate,
)
from portal.conversations.quotes import parts_of
from portal.counts.actions import rebuild
from portal.counts.models import LogImport, OutcomePeriod
from portal.counts.outcomes import readable_on
from portal.counts.quarters import Quarter
from portal.demo import build as demo_build
from portal.demo import years
from portal.demo.management.commands.build_demo import Command
from portal.demo.pictures import FILES
from portal.demo.scenarios.replies import REPLY_TEMPLATES
from portal.demo.scenarios.small import OLD
from portal.demo.visits import SESSIONS, tick_sheets
from portal.desk.figures import workload
from portal.desk.figures.outcome_tables import follow_ups_of, tables_of
from portal.desk.figures.periods import Period
from portal.desk.made_possible import quarters_of
from portal.desk.people import find
from portal.helpsessions.handover import CodeCardNotReady, CodeForgotten, CodeKept, CodeRevoked, open_by_code
from portal.helpsessions.models import ClaimCode, HelpSession, OwnField, OwnValue
from portal.imports.models import SavedMapping
from portal.incoming.models import EmailReader, IncomingEmail
from portal.lists.models import SavedItem, SavedList
from portal.notifications.bounces import is_off
from portal.notifications.choices import Choices
from portal.notifications.kinds import CHOICES
from portal.notifications.models import NoticeChoice, NoticeTimes, Notification, PushSubscription
from portal.notifications.push.keys import new_private_key
from portal.surveys.models import Survey
from portal.surveys.report import report
from recommendations.models import Holding, Item, Recommendation, Topic
from recommendations.verdicts import choices_for
from tests.name_words import check_name_words

pytestmark = [pytest.mark.only_long, pytest.mark.slow, pytest.mark.one_database]

REPLY_ADDRESS = "reply@library.example.org"
WEDNESDAY_AFTERNOON = datetime.datetime(2026, 3, 18, 20, tzinfo=datetime.UTC)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """Return the temporary folder in which the demo stores its codes and emails."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_build, "CODES_FILE", folder / "codes.json")
        patch.setattr("portal.demo.management.commands.build_demo.CODES_FILE", folder / "codes.json")
        yield folder


@pytest.fixture(autouse=True)
def demo_on(settings, folder):
    settings.DEMO = True
    settings.REPLY_ADDRESS = REPLY_ADDRESS
    settings.MAIL_FOLDER = folder / "mail"
    settings.DEMO_PUSH_KEY_FILE = folder / "demo-push-key"


@pytest.fixture(scope="module")
def built_for_all(built_once):
    def build():
        with override_settings(REPLY_ADDRESS=REPLY_ADDRESS, PUSH_PRIVATE_KEY=new_private_key()):
            demo_build.build(at=WEDNESDAY_AFTERNOON)
        connection.check_constraints()

    with built_once(build):
        yield


@pytest.fixture
def built(db, built_for_all):
    """Provide a demo library that was built on a Wednesday afternoon. All tests of this module share it."""


@pytest.mark.only_long
def test_first_verdict_button_in_the_demo_has_its_own_label_for_novels(built):
    known = Recommendation.objects.filter(question_type="known_item").select_related("item")
    words = {found.item.title: str(choices_for(found)[0][1]) for found in known}
    assert {title: words[title] for title in ("Circe", "Dune", "My System")} == {
        "Circe": "liked it",
        "Dune": "liked it",
        "My System": "helped",
    }


def test_demo_access_log_contains_every_conversation_that_staff_opened(built):
    answers = Message.objects.filter(side="staff", conversation__patron__isnull=False).select_related(
        "conversation", "author"
    )
    acted = [(one.conversation, one.author, one.sent_at) for one in answers]
    shown = DeskEvent.objects.filter(conversation__patron__isnull=False, by__isnull=False)
    acted += [(one.conversation, one.by, one.at) for one in shown.select_related("conversation", "by")]
    assert len(acted) > 50
    opened = AuditEvent.objects.filter(action="opened", subject_type="conversation")
    by_subject = {}
    for event in opened:
        by_subject.setdefault((event.subject, event.by_id, event.patron_id), []).append(event.at)
    missing = [
        (conversation.subject, person.name, at)
        for conversation, person, at in acted
        if not any(
            at - datetime.timedelta(hours=1) <= moment <= at
            for moment in by_subject.get((str(conversation.public_id), person.pk, conversation.patron_id), [])
        )
    ]
    assert missing == []
    # The access log leaves out quiet visits, because no patron could read their entries.
    assert not opened.filter(patron=None).exists()


def past_visits():
    """Return the visits of the counted quarter, which have all been forgotten."""
    return HelpSession.objects.filter(forgotten_on__lt=WEDNESDAY_AFTERNOON.date())


def contacts_of_the_story():
    """Return how many contacts the demo has without the imported log and without `past_visits`."""
    return SESSIONS + sum(sum(numbers) for _days_ago, numbers in tick_sheets())


def of_the_story():
    return HelpSession.objects.filter(imported_row=None).exclude(pk__in=past_visits())


def test_figures_of_the_demo_contain_every_visit_immediately(built):
    assert rebuild() == 0


def test_demo_shows_the_outcomes_of_the_last_counted_quarter(built):
    period = OutcomePeriod.objects.filter(kind="quarter").latest("first_day")
    central = Branch.objects.order_by("pk").first()
    for branch in (None, central):
        for table in tables_of(period, branch, "question_type"):
            assert table.sum > 20
    assert [table.rows != [] for table in tables_of(period, None, "topic")][:3] == [True] * 3
    assert [table.rows != [] for table in tables_of(period, None, "item")][3]


def test_each_breakdown_of_the_demo_has_numbers_for_the_last_month_and_the_last_year(built):
    today, branches = Library.current().today(WEDNESDAY_AFTERNOON), [each.pk for each in Branch.objects.all()]
    month = Period.of_month(today).before
    year = Period.of_year(ReportingYear.of(today, years.YEAR_STARTS_IN).before)
    own = [f"{workload.OWN}{field.pk}" for field in OwnField.objects.all()]
    of_days, of_months = [*workload.BY_DAY, workload.GRID], [*workload.BY_MONTH, *own]
    few = {
        (by, str(period.first)): len(figure.rows)
        for by in [*of_days, *of_months]
        for period in (month, year)
        if len((figure := workload.figure(period, branches, by)).rows) < 3 and figure.total.contacts < 20
    }
    assert few == {}
    assert not workload.figure(month, branches, workload.ANSWERS).is_empty
    assert OwnValue.objects.count() == 4
    # An imported desk log has the contacts of the year before. Both years have a similar number of contacts.
    before = workload.figure(year, branches, "time", earlier=year.year_before).total
    assert 0.7 < before.contacts / before.contacts_before < 1.5


def test_demo_has_a_survey_report_with_an_estimate_and_one_with_actual_counts(built):
    today = Library.current().today(WEDNESDAY_AFTERNOON)
    of_log = years.year_of_log(today)
    estimated, counted = (report(Survey.PLS, year, today=today) for year in (of_log, of_log.after))
    assert (estimated.method, counted.method) == ("estimate", "count")
    assert len(estimated.weeks) == estimated.rules.weeks == 2
    assert estimated.problem is counted.problem is None
    # Two sampled weeks don't give exactly the same number as a whole year.
    assert 0.5 < estimated.answers[0][1] / counted.answers[0][1] < 1.5
    assert LogImport.objects.get().first_day.replace(day=1) == of_log.first_day
    assert SavedMapping.objects.get().name == "LibAnswers"


def test_demo_has_outcomes_of_each_quarter_since_the_library_began_to_use_afterword(built):
    today = Library.current().today(WEDNESDAY_AFTERNOON)
    periods = OutcomePeriod.objects.filter(kind="quarter").order_by("first_day")
    assert [periods.first().first_day, periods.last().first_day] == [
        years.took_up_on(today),
        years.last_counted_quarter(today).first_day,
    ]
    year = OutcomePeriod.objects.get(kind="year")
    assert year.first_day == years.took_up_on(today)
    assert not OutcomePeriod.objects.filter(is_late=True).exists()
    assert all(table.sum > 200 for table in tables_of(year, None, ""))
    assert all(number for _name, _label, number in follow_ups_of(year, None))


@pytest.mark.parametrize("later", range(0, 400, 13))
def test_first_year_of_the_demo_always_ends_before_or_with_the_last_counted_quarter(later):
    """Check only the days, because building a demo for each day would take minutes."""
    today = WEDNESDAY_AFTERNOON.date() + datetime.timedelta(days=later)
    first, quarter = years.took_up_on(today), years.last_counted_quarter(today)
    assert (first.month, first.day) == (years.YEAR_STARTS_IN, 1)
    assert ReportingYear.of(first, years.YEAR_STARTS_IN).last_day <= quarter.last_day
    assert readable_on(quarter) <= today < readable_on(quarter.after)


def test_demo_has_the_expected_numbers_of_branches_and_people_and_items(built):
    assert Branch.objects.count() == 3
    assert StaffRole.objects.values("user").distinct().count() == 8
    assert StaffRole.objects.filter(role="coordinator").values("user").distinct().count() == 2
    assert User.objects.count() == 8 + 41
    assert User.objects.filter(email=None).count() == 4
    assert 115 <= Item.objects.count() <= 135
    assert SESSIONS == 150
    assert of_the_story().count() == contacts_of_the_story()
    books = Item.objects.filter(kind="book").count()
    assert 0.3 < 1 - books / Item.objects.count() < 0.45


def test_demo_has_answers_by_email_and_emails_that_match_no_conversation(built):
    plain, inline = Message.objects.filter(by_email="own").order_by("sent_at")
    assert plain.body == "Thank you, that was it! One more question: is it open on Saturdays too?"
    assert [part.is_quote for part in parts_of(inline.body)] == [True, False, True, False]
    assert IncomingEmail.objects.filter(message__in=[plain, inline]).count() == 2
    added = Message.objects.filter(by_email="added").values_list("incoming_email__added_by", flat=True)
    assert len(added) == 2
    assert None not in added
    waiting = IncomingEmail.objects.filter(message=None).order_by("came_at")
    assert list(waiting.values_list("reason", flat=True)) == ["other_sender", "no_address"]


def test_demo_statistics_have_realistic_proportions(built):
    sessions = of_the_story()
    # SESSIONS is the number of contacts without the tick sheets.
    slow = sessions.exclude(status="tally").exclude(question_type="known_item").count()
    assert 0.4 < slow / SESSIONS < 0.6
    levels = Counter(sessions.exclude(read_level=None).values_list("read_level", flat=True))
    assert 0.88 < sum(levels[level] for level in (1, 2, 3)) / levels.total() < 0.95
    assert levels[6] == 1
    # The demo also has verdicts from visits that were forgotten long ago. They count in the published numbers
    # of what helped.
    given = Recommendation.objects.filter(recommended_at__gte=sessions.earliest("created_at").created_at)
    given = given.exclude(sessionrecommendation__help_session__in=past_visits())
    verdicts = Counter(given.exclude(verdict="").values_list("verdict", flat=True))
    assert 0.2 < verdicts.total() / given.count() < 0.3
    assert verdicts.most_common(1)[0][0] == "not_tried"
    assert set(verdicts) == set(Recommendation.Verdict.values)


def test_demo_contains_every_state_that_pages_can_show(built):
    # No list shows a session that was replaced because it had the wrong patron.
    shown = set(HelpSession.Status.values) - {HelpSession.Status.REPLACED}
    assert set(HelpSession.objects.values_list("status", flat=True)) == shown
    assert set(Conversation.objects.values_list("status", flat=True)) == set(Conversation.Status.values)
    assert set(ClaimCode.objects.values_list("state", flat=True)) == set(ClaimCode.State.values)
    waiting = Conversation.objects.filter(status="waiting_for_staff")
    assert set(waiting.values_list("reason", flat=True)) == set(Conversation.Reason.values)
    assert waiting.filter(promised_at__lt=WEDNESDAY_AFTERNOON).exists()
    assert waiting.filter(promised_at__gt=WEDNESDAY_AFTERNOON).exists()
    assert waiting.filter(patron=None).exists()
    # Requested calls expire after a week, and all calls of the demo are newer.
    happened = set(Event.Kind.values) - {Event.Kind.CALL_EXPIRED}
    assert set(Event.objects.values_list("kind", flat=True)) == happened
    assert set(HelpSession.objects.exclude(found="").values_list("found", flat=True)) >= {
        "all",
        "part",
        "something_else",
        "still_working",
    }
    assert HelpSession.objects.filter(quiet=True, claim_codes__state="live").exists()
    assert set(SavedItem.objects.values_list("reading", flat=True)) == {"", *SavedItem.Reading.values}
    assert SavedItem.objects.exclude(note="").exists()
    assert SavedItem.objects.filter(item=None).exists()
    assert set(Item.objects.values_list("form", flat=True)) >= {"print", "large_print", "ebook", "disc"}
    assert Holding.objects.filter(not_for_loan=True).exists()
    assert dict(BranchCode.objects.values_list("code", "met")) == {"CEN": 0, "HAR": 0, "NFD": 41}
    # A list with 20 titles has a field for searching in it.
    assert SavedList.objects.with_count().filter(count__gte=20).exists()
    of_one = SavedList.objects.values_list("patron__name").annotate(lists=Count("pk")).filter(lists__gt=1)
    assert dict(of_one) == {"Fern Castellanos": 3, "Ingrid Solheim": 2, "Aisha Rahman": 2}
    assert {"en", "es", "ar"} <= set(Message.objects.values_list("language", flat=True))
    assert set(DeskEvent.objects.values_list("kind", flat=True)) >= {
        "taken",
        "assigned",
        "handed_over",
        "snoozed",
        "woken",
        "released",
        "erased",
    }


def test_demo_desk_has_many_waiting_and_assigned_conversations(built):
    waiting = Conversation.objects.filter(status="waiting_for_staff")
    for branch in Branch.objects.all():
        assert waiting.filter(branch=branch).count() >= 6
    assert 30 <= waiting.count() <= 46
    assert Conversation.objects.filter(status__in=Conversation.OPEN).count() >= 40
    assert waiting.filter(waiting_since__gt=WEDNESDAY_AFTERNOON - datetime.timedelta(hours=1)).count() >= 2
    assert waiting.exclude(assignee=None).values("assignee").distinct().count() >= 6
    assert waiting.filter(assignee=None).count() >= 12
    assert Conversation.objects.filter(
        closes_at__gt=WEDNESDAY_AFTERNOON, closes_at__lt=WEDNESDAY_AFTERNOON + datetime.timedelta(days=2)
    ).exists()
    today = Library.current().today(WEDNESDAY_AFTERNOON)
    away = Absence.objects.on(today).get()
    assert (away.person.name, away.cover.name) == ("Daniel Whitlock", "Maribel Santos")
    lying = Conversation.objects.filter(status__in=Conversation.OPEN, assignee=away.person)
    assert set(lying.values_list("status", flat=True)) == {"waiting_for_staff", "waiting_for_patron"}
    assert Absence.objects.filter(last_day__lt=today).exists()
    assert Absence.objects.filter(first_day__gt=today).exists()
    templates = {
        (branch, language)
        for branch in (None, "Central Library", "Harbor Branch")
        for language in ("en", "es")
    }
    assert set(ReplyTemplate.objects.values_list("branch__name", "language")) == templates


def test_demo_conversations_contain_unread_messages_and_attachments_and_drafts(built):
    house = Conversation.objects.annotate(said=Count("messages")).order_by("-said").first()
    assert house.said > 60
    assert (
        house.messages.filter(shown_from__gt=house.participations.get(side="patron").read_until).count() == 2
    )
    anneke = house.participations.get(side="staff", person__name="Anneke Vermeulen")
    assert house.messages.filter(sent_at__gt=anneke.read_until).count() == 5
    assert set(Attachment.objects.exclude(message=None).values_list("kind", "side")) == {
        ("picture", "patron"),
        ("pdf", "patron"),
        ("pdf", "staff"),
    }
    assert not Attachment.objects.filter(kind="picture", alt="").exists()
    assert set(Draft.objects.values_list("side", flat=True)) == {"patron", "staff"}
    assert NoteMention.objects.filter(seen_at=None).values("person").distinct().count() >= 3
    assert ReadersForm.objects.count() == 4
    assert {"en", "es"} <= set(ReadersForm.objects.values_list("conversation__messages__language", flat=True))
    assert Conversation.objects.exclude(merged_into=None).exists()
    assert not Conversation.objects.filter(pending_from__isnull=False).exists()
    erased = Conversation.objects.get(status="erased")
    assert (erased.patron, erased.subject, erased.messages.count()) == (None, "", 0)


@pytest.mark.parametrize(("_branch", "_language", "_name", "body"), REPLY_TEMPLATES)
def test_demo_reply_templates_contain_only_known_placeholders(_branch, _language, _name, body):
    assert reply_templates.unknown_places(body) == []
    assert reply_templates.fill_in(body).lstrip("¿¡")[0].isupper()


@pytest.mark.parametrize("name", FILES)
def test_each_demo_file_has_the_file_type_of_its_extension(name):
    draw, alt = FILES[name]
    content = draw()
    assert content == draw()
    usable = files.usable(ContentFile(content, name))
    assert usable.extension == {"jpg": "jpeg"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
    assert bool(alt) == usable.is_picture
    assert len(content) < 200_000


def test_demo_visits_and_their_conversations_belong_to_the_same_patron(built):
    for conversation in Conversation.objects.filter(help_session__isnull=False).select_related(
        "help_session"
    ):
        assert conversation.patron_id == conversation.help_session.patron_id
    assert not Conversation.objects.filter(help_session=None, patron=None).exclude(status="erased").exists()


def test_demo_has_planned_check_ins_and_a_patron_for_each_check_in_choice(built):
    planned = CheckIn.objects.filter(status="planned")
    assert planned.count() >= 10
    assert set(planned.values_list("set_by", flat=True)) == {"rule", "staff", "patron"}
    assert planned.exclude(words="").exists()
    assert planned.filter(reviewed_at=None).exists()
    kept_by = planned.values_list("help_session__patron__check_ins", flat=True)
    assert set(kept_by) >= {"email", "pages", ""}
    assert User.objects.filter(check_ins="none").exists()


def test_first_staff_member_of_the_demo_has_a_check_in_to_approve(built):
    rosa = User.objects.get(name="Rosa Delgado")
    check_ins = CheckIn.objects.filter(status="planned", help_session__staff=rosa, reviewed_at=None)
    reasons = with_why(check_ins, at=WEDNESDAY_AFTERNOON, but={Why.NOT_DUE, Why.CLOSED})
    assert Why.NOT_REVIEWED in reasons.values_list("why_not_by_message", flat=True)


def test_demo_never_asks_by_email_about_private_topics(built):
    private = set(Topic.objects.filter(never_by_message=True).values_list("name", flat=True))
    assert {"Health", "Law and legal aid", "Housing and tenants"} <= private
    assert "Music" not in private


def test_demo_has_due_and_sent_and_answered_and_skipped_check_ins(built):
    assert set(CheckIn.objects.values_list("status", flat=True)) >= {
        "planned",
        "asked",
        "answered",
        "skipped",
    }
    assert CheckIn.objects.filter(status="planned", due_on__lte=Library.current().today()).exists()


def test_demo_has_an_item_marked_got_it_and_a_visit_that_patrons_are_not_asked_about(built):
    has = Recommendation.objects.exclude(got_at=None)
    assert set(has.values_list("patron__name", "item__kind")) == {("Fern Castellanos", "book")}
    waits_for_book = CheckIn.objects.filter(status="planned", help_session__patron__name="Fern Castellanos")
    assert waits_for_book.exists()
    left_out = HelpSession.objects.get(check_ins="none")
    assert left_out.patron.check_ins == "email"
    assert left_out.check_ins_made.get().status == "skipped"


def test_demo_has_an_outcome_and_a_message_sent_through_an_email_link(built):
    message = Message.objects.get(by_link=True)
    assert message.conversation.is_about_outcome
    assert message.conversation.help_session.found == "no"


def test_demo_contains_a_topic_with_its_own_check_in_rule(built):
    tax = Topic.objects.get(name="Taxes and forms")
    assert Rules.read().of_topic(tax.pk) == Rule("visit", 3)


@pytest.mark.parametrize("later", range(0, 95, 7))
def test_old_visits_of_the_demo_are_always_in_an_earlier_quarter(later):
    """Check only the days, because building a demo for each day would take minutes."""
    today = WEDNESDAY_AFTERNOON.date() + datetime.timedelta(days=later)
    assert Quarter.of(today - datetime.timedelta(days=OLD[0].days_ago)) < Quarter.of(today)


def test_demo_has_a_helper_who_sees_how_many_visits_helped(built):
    with time_machine.travel(WEDNESDAY_AFTERNOON, tick=False):
        [[_quarter, found, _helped]] = quarters_of(User.objects.get(name="Leila Haddad"), Library.current())
    assert found >= 5


def test_demo_sends_no_more_notices_to_an_address_that_returned_emails(built):
    bradley = User.objects.get(name="Bradley Nguyen")
    assert is_off(bradley)
    returned = Notification.objects.filter(recipient=bradley)
    assert set(returned.values_list("state", flat=True)) == {"dead"}
    assert [person for person in User.objects.exclude(email=None) if is_off(person)] == [bradley]


def test_demo_has_systems_that_use_the_api_and_a_system_whose_access_was_revoked(built):
    tokens = listed_tokens(User.objects.get(name="Rosa Delgado"))
    assert [(token.name, bool(token.last_used_on), bool(token.revoked_at)) for token in tokens] == [
        ("Chat on our website", False, False),
        ("City dashboard", True, False),
        ("Old kiosk in the hall", True, True),
    ]


def test_demo_contains_a_patron_who_has_died(built):
    peg = User.objects.exclude(died_at=None).get()
    assert "Peg" in peg.name
    assert not Conversation.objects.filter(patron=peg, status__in=Conversation.OPEN).exists()
    assert AuditEvent.objects.filter(action="noted_death", patron=peg).exists()


def test_demo_contains_a_phone_that_keeps_pages_and_gets_messages(built):
    phone = KeptDevice.objects.get().sign_in
    assert phone.user.name == "Fern Castellanos"
    subscription = PushSubscription.objects.get()
    assert (subscription.sign_in, subscription.person) == (phone, phone.user)
    # `purge` deletes a UserSession after the person has signed out. Here, Fern is still signed in.
    assert not phone.purge()
    [shown] = devices(phone.user, here="")
    assert (shown.device, bool(shown.keeps)) == ("Firefox on Android", True)
    # Nobody chose notices by push, because they would be sent to a real push service.
    assert not NoticeChoice.objects.filter(channel="push").exists()
    assert phone.user.check_ins != "push"


def test_some_demo_people_have_changed_their_notice_settings(built):
    def answers_to(name):
        return Choices(User.objects.get(name=name)).of("conversations/answer")

    assert answers_to("Marcus Bell") == CHOICES["hourly"]
    assert answers_to("Constance Whitcombe") == CHOICES["daily"]
    assert answers_to("Kofi Mensah") == CHOICES["none"]
    priya = User.objects.get(name__startswith="Priya")
    northfield = Branch.objects.get(name="Northfield Branch")
    assert Choices(priya).of("conversations/new", northfield.pk) == CHOICES["none"]
    assert NoticeTimes.objects.get(person=priya).quiet_until == datetime.time(8)
    assert NoticeTimes.objects.filter(when_closed=True, person__name="Rosa Delgado").exists()
    assert EmailReader.objects.get().person.name == "Anneke Vermeulen"


def test_demo_worker_sends_digests_to_a_patron_and_a_coordinator(built, mailoutbox):
    with time_machine.travel(WEDNESDAY_AFTERNOON, tick=False):
        jobs.write_staff_notices(at=WEDNESDAY_AFTERNOON)
        worker.Worker().deliver_due()
    subjects = {email.to[0]: email.subject for email in mailoutbox}
    digests = {email.to[0]: email.body for email in mailoutbox}
    assert "The library has answered in 2 conversations." in digests["marcus.bell@example.org"]
    assert "new conversations are waiting at Central Library." in digests["rosa@library.example.org"]
    assert not set(subjects) & {"bradn@example.org", "peg.osk@example.org"}


def test_demo_visits_and_answers_are_in_the_past_and_during_opening_hours(built):
    zone = Library.current().zone
    # A forgotten session has no hour anymore.
    for help_session in HelpSession.objects.filter(forgotten_on=None).select_related("branch"):
        assert help_session.created_at <= WEDNESDAY_AFTERNOON
        assert not help_session.branch.closed_days.filter(day=help_session.happened_on).exists()
        opened = help_session.branch.opening_hours.get(weekday=help_session.happened_on.weekday())
        assert opened.opens.hour <= help_session.hour < opened.closes.hour
    answers = Message.objects.filter(side="staff").select_related("conversation__branch")
    acted = [(answer.conversation.branch, answer.sent_at) for answer in answers]
    steps = Event.objects.filter(kind__in=Event.STEPS, side="staff").exclude(kind="step_late")
    acted += [(event.conversation.branch, event.at) for event in steps.select_related("conversation__branch")]
    for branch, at in acted:
        assert at <= WEDNESDAY_AFTERNOON
        local = at.astimezone(zone)
        hours = branch.opening_hours.filter(weekday=local.weekday())
        assert hours.filter(opens__lte=local.time(), closes__gt=local.time()).exists()


def test_demo_has_waiting_emails_and_delivered_emails_without_codes(built):
    to_marcus = Notification.objects.filter(recipient__name="Marcus Bell", state="waiting")
    assert to_marcus.count() == 2
    assert Notification.objects.filter(state="waiting").count() == demo_build.EMAILS_STILL_TO_SEND + 2
    assert not Notification.objects.filter(state="delivered", blanked=True).exclude(text="").exists()


def test_demo_contains_valid_and_unusable_visit_codes(built):
    codes = demo_build.codes_to_try()
    assert open_by_code(codes["live"], at=WEDNESDAY_AFTERNOON).help_session.conversations is not None
    assert open_by_code(codes["quiet"], at=WEDNESDAY_AFTERNOON).help_session.quiet
    for kind, refusal in {
        "kept": CodeKept,
        "forgotten": CodeForgotten,
        "revoked": CodeRevoked,
        "blank": CodeCardNotReady,
    }.items():
        with pytest.raises(refusal):
            open_by_code(codes[kind], at=WEDNESDAY_AFTERNOON)


def test_demo_page_lists_every_person_and_shows_a_qr_code_for_a_visit(built, client, settings):
    settings.ROOT_URLCONF = "tests.portal.demo.test_demo_pages"
    page = client.get("/demo/").content.decode()
    for name in ["Rosa Delgado", "Delroy Simmons", "Olive Park", "يوسف الخطيب"]:
        assert name in page
    assert page.count("/demo/become/") == 49 + 1
    assert f"http://testserver/c/{demo_build.codes_to_try()['live']}/" in page
    assert "<svg" in page


def test_demo_people_are_found_by_parts_of_their_names(built):
    check_name_words()
    assert [person.name for person in find.by_name("olive pa")] == ["Olive Park"]


def content():
    return [
        list(
            HelpSession.objects.order_by("pk").values_list(
                "status", "staff__name", "patron__name", "happened_on", "hour", "question", "found"
            )
        ),
        list(
            Recommendation.objects.order_by("pk").values_list(
                "item__title", "reason", "verdict", "decided_at"
            )
        ),
        list(
            Message.objects.order_by("pk").values_list("side", "author__name", "body", "sent_at", "by_email")
        ),
        # The token of an email depends on the reply address, which contains the random id of a conversation.
        list(Message.objects.filter(by_email="").order_by("pk").values_list("client_token")),
        list(
            Conversation.objects.order_by("pk").values_list(
                "status", "reason", "subject", "promised_at", "version"
            )
        ),
        list(DeskEvent.objects.order_by("pk").values_list("kind", "by__name", "to__name", "at")),
        list(Attachment.objects.order_by("pk").values_list("name", "size", "alt")),
        list(User.objects.order_by("pk").values_list("public_id", "email", "name")),
    ]


@pytest.mark.only_long
def test_demo_reset_builds_the_same_library_again(built):
    once = content()
    User.objects.filter(name="Olive Park").update(name="Olive Changed")
    with time_machine.travel(WEDNESDAY_AFTERNOON, tick=False):
        call_command(Command(), reset=True)
    assert content() == once


def test_second_run_of_build_demo_keeps_the_existing_data(built, capsys):
    User.objects.filter(name="Olive Park").update(name="Olive Changed")
    call_command(Command())
    assert "is already built" in capsys.readouterr().out
    assert User.objects.filter(name="Olive Changed").exists()
