"""Test the pages where coordinators change counting rules and see the numbers for annual surveys."""

import csv
import datetime
import html
import io
import re

import pytest
from django.urls import reverse
from django.utils.text import capfirst
from pytest_django.asserts import assertRedirects

from accounts.models import AuditEvent, Library
from portal.counts.actions import rebuild
from portal.counts.models import DayCount
from portal.helpsessions.models import HelpSession
from portal.surveys.models import RuleSet, SampledWeek, Survey
from portal.surveys.presets import PRESETS
from portal.templatetags.portal import whole_day
from recommendations.models import QuestionType
from tests.factories import HelpSessionFactory, ServicePointFactory, TallyKindFactory
from tests.portal.desk.test_corrections import filled_in
from tests.portal.pages import text
from tests.portal.surveys.rules import mark_weeks, save_preset

# The library's clock says March 4, 2026.
pytestmark = pytest.mark.usefixtures("at_noon")
RULES, WEEKS, SURVEY = (
    "/desk/settings/counting-rules/",
    "/desk/settings/sampled-weeks/",
    "/desk/annual-survey/",
)
NEW = f"{RULES}new/?survey=pls"
YEAR, MARCH = datetime.date(2026, 1, 1), datetime.date(2026, 3, 1)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def desk(client, coordinator, sign_in, library):
    return sign_in(client, coordinator)


def posted(response, **changes):
    """Return the fields that the browser posts from the shown form, with these changes."""
    fields = {field.html_name: field.value() for field in response.context["form"]}
    fields["starts_on"] = str(fields["starts_on"])
    return {name: value for name, value in fields.items() if value is not None} | changes


def shown_rules(rule_set):
    return {(rule.question_type, rule.mode): rule.counts_as for rule in rule_set.counting_rules.all()}


def copied(response):
    """Return the values that the copy buttons of the page copy."""
    return re.findall(r'id="answer-\d+"\s+value="([^"]*)"', response.content.decode())


# Tests of adding and changing rules.


@pytest.mark.parametrize("survey", Survey)
def test_form_for_the_first_rules_of_a_survey_is_filled_in_from_the_preset(desk, branch, survey):
    new = desk.get(f"{RULES}new/?survey={survey}")
    assert PRESETS[survey].source in text(new)
    assert desk.post(f"{RULES}new/?survey={survey}", posted(new)).status_code == 302
    rule_set = RuleSet.objects.get()
    assert (rule_set.survey, rule_set.starts_on, rule_set.method) == (survey, YEAR, "count")
    preset = PRESETS[survey]
    assert shown_rules(rule_set) == {(kind, ""): counts_as for kind, counts_as in preset.counts_as.items()}
    assert AuditEvent.objects.filter(action="changed_library").exists()


def test_form_for_new_rules_shows_the_newest_rules_and_the_first_day_of_next_month(desk, branch):
    save_preset("pls", YEAR, method="estimate", weeks=4, multiplier=50)
    newest = save_preset("pls", MARCH, method="estimate", weeks=3, multiplier=50)
    newest.counting_rules.create(question_type="reference", mode="chat", counts_as="neither")
    form = desk.get(NEW).context["form"]
    assert (form["starts_on"].value(), form["weeks"].value()) == (datetime.date(2026, 4, 1), 3)
    assert form["mode-reference-chat"].value() == "neither"
    desk.post(NEW, posted(desk.get(NEW)))
    assert RuleSet.objects.count() == 3


def test_first_rules_start_on_the_first_day_of_the_reporting_year(desk, branch):
    Library.objects.update(year_starts_in=7)
    assert desk.get(NEW).context["form"]["starts_on"].value() == datetime.date(2025, 7, 1)


def test_coordinator_can_change_the_rule_of_a_question_type_or_a_mode_or_a_kind_of_tally(desk, branch):
    front, back = ServicePointFactory(branch=branch), ServicePointFactory(branch=branch)
    kinds = [
        TallyKindFactory(service_point=point, name=name)
        for point, name in ((front, "Shelf"), (back, "shelf"))
    ]
    other = TallyKindFactory(service_point=front, name="Phone")
    rule_set = save_preset("pls", YEAR)
    url = reverse("rule_set", args=[rule_set.public_id])
    changes = {
        "type-technology": "neither",
        "mode-reference-chat": "consultation",
        "tallies": "consultation",
        f"kind-{kinds[0].pk}": "transaction",
    }
    assert desk.post(url, posted(desk.get(url), **changes)).status_code == 302
    rule_set.refresh_from_db()
    rules = shown_rules(rule_set)
    assert (rules["technology", ""], rules["reference", ""]) == ("neither", "transaction")
    assert rules["reference", "chat"] == "consultation"
    assert len(rules) == len(QuestionType) + 1
    assert rule_set.tallies_count_as == "consultation"
    of_kinds = dict(rule_set.tally_rules.values_list("tally_kind", "counts_as"))
    assert of_kinds == dict.fromkeys([kind.pk for kind in kinds], "transaction")
    form = desk.get(url).context["form"]
    assert [form[f"kind-{kind.pk}"].value() for kind in (kinds[0], other)] == ["transaction", ""]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"starts_on": ""}, "Choose the day on which the rules start."),
        ({"starts_on": "soon"}, "Enter the day as year, month and day"),
        ({"weeks": "0"}, "Enter a whole number from 1 to 52."),
        ({"multiplier": "54"}, "Enter a whole number from 1 to 53."),
        ({"type-reference": ""}, "This field is required."),
        ({"type-reference": "twice"}, "twice is not one of the available choices."),
        ({"method": "guess"}, "guess is not one of the available choices."),
        ({"starts_on": "2026-03-01"}, "Other rules of this survey start on this day. Choose another day."),
    ],
)
def test_rules_with_an_error_are_not_saved(desk, branch, changes, error):
    save_preset("pls", MARCH)
    response = desk.post(NEW, posted(desk.get(NEW), **changes))
    assert error in text(response)
    assert RuleSet.objects.count() == 1


def test_rules_of_another_survey_can_start_on_the_same_day(desk, branch):
    save_preset("arl", YEAR)
    desk.post(NEW, posted(desk.get(NEW)))
    assert RuleSet.objects.filter(starts_on=YEAR).count() == 2


@pytest.mark.parametrize("survey", ["", "cilip"])
def test_new_rules_for_an_unknown_survey_redirect_to_the_list_of_surveys(desk, branch, survey):
    assert desk.get(f"{RULES}new/", {"survey": survey})["Location"] == RULES


# Tests of rules that change the numbers of past years.


def test_rules_that_change_the_numbers_of_a_past_year_are_saved_only_after_a_warning(desk, branch):
    rule_set = save_preset("pls", datetime.date(2024, 1, 1))
    url = reverse("rule_set", args=[rule_set.public_id])
    fields = posted(desk.get(url), weeks="9")
    response = desk.post(url, fields)
    assert "These rules would change the numbers of years that have ended." in text(response)
    rule_set.refresh_from_db()
    assert rule_set.weeks == 1
    assert desk.post(url, posted(response)).status_code == 302
    rule_set.refresh_from_db()
    assert rule_set.weeks == 9


def test_warning_about_rules_is_shown_again_if_their_first_day_is_changed(desk, branch):
    save_preset("pls", datetime.date(2024, 1, 1))
    response = desk.post(NEW, posted(desk.get(NEW), starts_on="2025-05-01"))
    fields = posted(response, starts_on="2025-04-01")
    assert "These rules would change the numbers" in text(desk.post(NEW, fields))
    assert RuleSet.objects.count() == 1


def test_first_rules_can_start_in_a_past_year_without_a_warning(desk, branch):
    fields = posted(desk.get(NEW), starts_on="2016-07-01")
    assert desk.post(NEW, fields).status_code == 302


def test_rules_that_start_before_all_other_rules_are_saved_without_a_warning(desk, branch):
    save_preset("pls", datetime.date(2024, 1, 1))
    assert desk.post(NEW, posted(desk.get(NEW), starts_on="2016-07-01")).status_code == 302


def test_rules_that_start_in_the_current_year_are_saved_without_a_warning(desk, branch):
    save_preset("pls", datetime.date(2024, 1, 1))
    assert desk.post(NEW, posted(desk.get(NEW), starts_on="2026-01-01")).status_code == 302


def test_moving_rules_into_a_past_year_shows_a_warning(desk, branch):
    save_preset("pls", datetime.date(2024, 1, 1))
    rule_set = save_preset("pls", MARCH)
    url = reverse("rule_set", args=[rule_set.public_id])
    assert "These rules would change" in text(desk.post(url, posted(desk.get(url), starts_on="2025-12-31")))


def test_removing_rules_does_not_remove_the_rules_that_started_earlier(desk, branch):
    first, second = save_preset("pls", YEAR), save_preset("pls", MARCH)
    url = reverse("remove_rule_set", args=[second.public_id])
    desk.get(url)
    assert RuleSet.objects.count() == 2
    assert desk.post(url).status_code == 302
    assert list(RuleSet.objects.all()) == [first]


def test_rules_that_apply_to_a_past_year_are_removed_only_after_a_warning(desk, branch):
    rule_set = save_preset("pls", datetime.date(2024, 1, 1))
    url = reverse("remove_rule_set", args=[rule_set.public_id])
    response = desk.post(url)
    assert "Removing these rules would change the numbers of years that have ended." in text(response)
    assert RuleSet.objects.exists()
    desk.post(url, {"changes_past": "1"})
    assert not RuleSet.objects.exists()


# Tests of the number of questions.


def test_record_form_asks_for_the_number_of_questions_only_while_rules_count_questions(desk, branch, typed):
    assert "questions" not in desk.get(reverse("record")).context["form"].fields
    desk.post(reverse("record"), typed(action="save_only", questions="7"))
    save_preset("pls", YEAR, counts_questions=True)
    assert "A survey that this library fills in counts each question." in text(desk.get(reverse("record")))
    for number in ("", "4"):
        desk.post(reverse("record"), typed(action="save_only", questions=number))
    assert list(HelpSession.objects.order_by("pk").values_list("questions", flat=True)) == [1, 1, 4]
    assert "Enter a whole number from 1 to 500." in text(desk.post(reverse("record"), typed(questions="0")))


@pytest.mark.parametrize("counts_questions", [False, True])
def test_correction_can_change_the_number_of_questions_only_while_rules_count_questions(
    desk, branch, coordinator, counts_questions
):
    visit = HelpSessionFactory(branch=branch, staff=coordinator, happened_on=MARCH, hour=10, questions=3)
    save_preset("pls", YEAR, counts_questions=counts_questions)
    url = reverse("correct_session", args=[visit.public_id])
    assert desk.get(url).context["form"]["questions"].is_hidden is not counts_questions
    changes = {"minutes": "9"} | ({"questions": "5"} if counts_questions else {})
    fields = filled_in(desk.get(url), **changes)
    assert desk.post(url, fields).status_code == 302
    visit.refresh_from_db()
    assert (visit.minutes, visit.questions) == (9, 5 if counts_questions else 3)


def test_coordinator_can_make_rules_count_each_question(desk, branch):
    desk.post(NEW, posted(desk.get(NEW)))
    assert RuleSet.objects.get().counts_questions is False
    url = f"{RULES}{RuleSet.objects.get().public_id}/"
    desk.post(url, posted(desk.get(url), counts_questions="on"))
    assert RuleSet.objects.get().counts_questions is True
    assert "Each question of a contact counts." in text(desk.get(SURVEY, {"year": "2026"}))


# Tests of sampled weeks.


def test_coordinator_can_mark_a_sampled_week_and_remove_the_mark(desk, branch):
    assert desk.post(WEEKS, {"starts_on": "2026-03-01"}).status_code == 302
    week = SampledWeek.objects.get()
    assert week.starts_on == MARCH
    assert "March 1, 2026 – March 7, 2026" in text(desk.get(WEEKS))
    desk.post(WEEKS, {"week": week.pk})
    assert not SampledWeek.objects.exists()


@pytest.mark.parametrize(
    ("starts_on", "method", "warns"),
    [
        (YEAR - 30 * DAY, "estimate", True),
        (YEAR - 30 * DAY, "count", False),
        (YEAR, "estimate", False),
    ],
)
def test_removing_a_sampled_week_shows_a_warning_if_a_past_estimate_can_change(
    desk, branch, library, starts_on, method, warns
):
    years = library.today().year - YEAR.year
    starts_on = starts_on.replace(year=starts_on.year + years)
    save_preset("pls", datetime.date(2024, 1, 1), method=method)
    mark_weeks(starts_on)
    week = SampledWeek.objects.get()
    response = desk.post(WEEKS, {"week": week.pk}, follow=True)
    assert ("can change the estimate of a year that has ended" in text(response)) is warns
    assert SampledWeek.objects.exists() is warns
    assert (b'name="changes_past"' in response.content) is warns
    desk.post(WEEKS, {"week": week.pk, "changes_past": "1"})
    assert not SampledWeek.objects.exists()


def test_marking_a_sampled_week_shows_a_warning_if_a_past_estimate_can_change(desk, branch):
    past = YEAR - 30 * DAY
    save_preset("pls", datetime.date(2024, 1, 1), method="estimate")
    response = desk.post(WEEKS, {"starts_on": past})
    warning = f"The week from {whole_day(past)} can change the estimate of a year that has ended."
    assert warning in text(response)
    assert not SampledWeek.objects.exists()
    # The warning was about the week that starts on `past`. A week with another first day needs a new warning.
    warned = posted(response)
    assert desk.post(WEEKS, warned | {"starts_on": past - DAY}).status_code == 200
    assert not SampledWeek.objects.exists()
    assert desk.post(WEEKS, warned).status_code == 302
    assert SampledWeek.objects.get().starts_on == past


@pytest.mark.parametrize("method", ["count", "estimate"])
def test_marking_a_sampled_week_shows_no_warning_if_no_past_estimate_can_change(
    desk, branch, library, method
):
    save_preset("pls", datetime.date(2024, 1, 1), method=method)
    this_year = library.today().replace(month=1, day=1)
    day = this_year if method == "estimate" else YEAR - 30 * DAY
    assert desk.post(WEEKS, {"starts_on": day}).status_code == 302


@pytest.mark.parametrize("days", [-6, -1, 0, 6])
def test_sampled_week_that_overlaps_another_sampled_week_is_refused(desk, branch, days):
    mark_weeks(MARCH)
    response = desk.post(WEEKS, {"starts_on": str(MARCH + days * DAY)})
    assert "This week overlaps with the sampled week that begins on March 1, 2026." in text(response)
    assert SampledWeek.objects.count() == 1


@pytest.mark.parametrize("days", [-7, 7])
def test_week_directly_before_or_after_a_sampled_week_can_be_marked(desk, branch, days):
    mark_weeks(MARCH)
    desk.post(WEEKS, {"starts_on": str(MARCH + days * DAY)})
    assert SampledWeek.objects.count() == 2


@pytest.mark.parametrize("typed", ["", "soon", "2026-02-30", "0001-01-01", "9999-12-31"])
def test_week_whose_first_day_is_missing_or_invalid_is_a_form_error(desk, branch, typed):
    assert desk.post(WEEKS, {"starts_on": typed}).context["form"].errors["starts_on"]


# Tests of the annual survey's page.


def contacts(branch, *days, **fields):
    for day in days:
        HelpSessionFactory(branch=branch, happened_on=day, **fields)
    rebuild()


def test_survey_page_shows_the_numbers_and_rules_and_method_of_the_last_year(desk, branch):
    save_preset("pls", datetime.date(2024, 7, 1))
    contacts(branch, datetime.date(2025, 5, 5), datetime.date(2025, 5, 6), MARCH)
    contacts(branch, datetime.date(2025, 5, 5), question_type="directional")
    response = desk.get(SURVEY)
    shown = text(response)
    assert "January 1, 2025 – December 31, 2025" in shown
    assert "502 Reference Transactions (REFERENC)" in shown
    assert "Actual count." in shown
    assert "Rules from July 1, 2024" in shown
    assert "FY 2024" in shown
    assert copied(response) == ["2", "CT—Annual Count"]


def test_survey_file_has_the_questions_and_numbers_of_the_page(desk, branch):
    save_preset("pls", datetime.date(2025, 1, 1))
    contacts(branch, *[datetime.date(2025, 5, 5)] * 3)
    page = desk.get(SURVEY, {"year": "2025"})
    [address] = re.findall(r'id="download"\s+href="([^"]*)"', page.content.decode())
    response = desk.get(html.unescape(address))
    headings, *rows = csv.reader(io.StringIO(response.content.decode("utf-8-sig")))
    assert headings == ["Question", "Wording", "Answer"]
    assert [[number, wording] for number, wording, _answer in rows] == [
        [f"{question.number} {question.name}", str(question.wording)] for question in PRESETS["pls"].questions
    ]
    assert [answer for _number, _wording, answer in rows] == copied(page) == ["3", "CT—Annual Count"]


def test_address_of_the_file_redirects_to_the_page_if_the_survey_has_no_numbers(desk, branch):
    assert 'id="download"' not in desk.get(SURVEY).content.decode()
    response = desk.get(f"{SURVEY}table.csv?survey=pls&year=2025")
    assertRedirects(response, f"{SURVEY}?survey=pls&year=2025")


def test_survey_page_shows_the_survey_and_the_year_in_the_url(desk, branch):
    save_preset("pls", datetime.date(2025, 1, 1))
    save_preset("acrl", datetime.date(2025, 1, 1))
    contacts(branch, datetime.date(2025, 5, 5), MARCH, MARCH)
    contacts(branch, MARCH, question_type="consultation")
    assert copied(desk.get(SURVEY, {"survey": "pls", "year": "2026"}))[0] == "3"
    response = desk.get(SURVEY, {"survey": "acrl", "year": "2026"})
    assert copied(response) == ["2", "1"]
    assert "The year isn't over. These are the numbers until March 4, 2026." in text(response)
    assert copied(desk.get(SURVEY, {"survey": "acrl", "year": "2025"})) == ["1", "0"]


@pytest.mark.parametrize("year", ["", "1999", "2027", "9999", "x", "20255"])
def test_survey_page_shows_the_last_year_if_the_url_names_a_year_without_contacts(desk, branch, year):
    save_preset("pls", datetime.date(2025, 1, 1))
    contacts(branch, datetime.date(2025, 5, 5))
    assert desk.get(SURVEY, {"survey": "x", "year": year}).context["year"].number == 2025


def test_survey_page_shows_the_current_year_if_the_survey_has_no_earlier_rules(desk, branch):
    contacts(branch, datetime.date(2024, 5, 5))
    assert desk.get(SURVEY).context["year"].number == 2025
    save_preset("arl", datetime.date(2025, 12, 31))
    save_preset("pls", YEAR)
    assert desk.get(SURVEY).context["year"].number == 2026
    assert desk.get(SURVEY, {"year": "2024"}).context["year"].number == 2024
    assert desk.get(SURVEY, {"survey": "arl"}).context["year"].number == 2025


def test_page_that_removes_rules_says_whether_earlier_rules_stay_in_force(desk, branch):
    first, second = save_preset("pls", YEAR), save_preset("pls", MARCH)
    for rule_set, says in (
        (first, "There are no earlier rules"),
        (second, "the earlier rules apply instead"),
    ):
        assert says in text(desk.get(reverse("remove_rule_set", args=[rule_set.public_id])))


def test_survey_page_counts_the_contacts_of_the_librarys_reporting_year(desk, branch):
    Library.objects.update(year_starts_in=7)
    save_preset("pls", datetime.date(2024, 1, 1))
    contacts(branch, *[datetime.date(2025, month, day) for month, day in ((6, 30), (7, 1), (12, 31))], MARCH)
    response = desk.get(SURVEY, {"year": "2025"})
    assert "July 1, 2025 – June 30, 2026" in text(response)
    assert copied(response)[0] == "3"
    assert copied(desk.get(SURVEY, {"year": "2024"}))[0] == "1"


def test_button_copies_a_large_number_without_a_thousands_separator(desk, branch):
    save_preset("pls", YEAR, method="estimate", multiplier=52)
    mark_weeks(YEAR)
    contacts(branch, *[YEAR] * 40)
    response = desk.get(SURVEY, {"year": "2026"})
    assert copied(response) == ["2080", "ES—Annual Estimate Based on Typical Week(s)"]
    assert "Estimate from typical weeks. 1 sampled week, multiplied by 52: January 1, 2026." in text(response)


def sum_behind(response):
    """Return [(label, number)] from the table that explains the first number of the page."""
    table = response.content.decode().partition('id="sum-1"')[2].partition("</table>")[0]
    cells = [" ".join(cell.split()) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", table, re.DOTALL)]
    return list(zip(cells[2::2], cells[3::2], strict=True))


def test_survey_page_shows_the_sum_by_question_type_behind_a_number(desk, branch):
    save_preset("pls", YEAR, tallies_count_as="transaction")
    contacts(branch, MARCH, MARCH, question_type="reference")
    contacts(branch, MARCH, question_type="technology")
    contacts(branch, MARCH, question_type="directional")
    contacts(branch, MARCH, status="tally", question_type="directional")
    DayCount.objects.filter(question_type="reference").update(contacts=1200)
    response = desk.get(SURVEY, {"year": "2026"})
    labels = dict(QuestionType.choices)
    assert sum_behind(response) == [
        (capfirst(labels["reference"]), "1,200"),
        (capfirst(labels["technology"]), "1"),
        ("Counted without details", "1"),
        ("Total", "1,202"),
    ]
    assert copied(response)[0] == "1202"


def test_survey_page_shows_the_sum_of_the_sampled_weeks_behind_an_estimate(desk, branch):
    save_preset("pls", YEAR, method="estimate", weeks=2, multiplier=52)
    mark_weeks(YEAR, YEAR + 7 * DAY)
    contacts(branch, *[YEAR] * 40, YEAR + 8 * DAY, YEAR + 8 * DAY)
    response = desk.get(SURVEY, {"year": "2026"})
    assert sum_behind(response)[-2:] == [("Total of the sampled weeks", "42"), ("Average week × 52", "1,092")]
    assert copied(response)[0] == "1092"


def test_number_of_contacts_without_a_rule_has_a_thousands_separator(desk, branch):
    save_preset("pls", MARCH)
    contacts(branch, YEAR)
    DayCount.objects.update(contacts=1200)
    assert "because 1,200 contacts of this year have no counting rule" in text(
        desk.get(SURVEY, {"year": "2026"})
    )


def test_form_for_rules_has_a_cancel_button_that_returns_to_the_previous_page(desk, branch):
    rule_set = save_preset("pls", YEAR)
    [link] = re.findall(rf'href="([^"]*{rule_set.public_id}[^"]*)"', desk.get(SURVEY).content.decode())
    assert desk.get(link).context["cancel"] == f"{SURVEY}?survey=pls&year=2026"
    assert desk.get(link.partition("?")[0]).context["cancel"] == RULES
    assert f'id="cancel" href="{RULES}"' in desk.get(NEW).content.decode()


@pytest.mark.parametrize(
    ("rules", "weeks", "words"),
    [
        ([], 0, "no counting rules are in force in this year"),
        ([("2026-03-01", {})], 0, "1 contact of this year has no counting rule"),
        (
            [("2026-01-01", {}), ("2026-02-01", {"method": "estimate"})],
            1,
            "Choose one method for the whole year",
        ),
        (
            [
                ("2026-01-01", {"method": "estimate"}),
                ("2026-02-01", {"method": "estimate", "multiplier": 40}),
            ],
            1,
            "estimate in different ways",
        ),
        (
            [("2026-01-01", {"method": "estimate", "weeks": 4})],
            1,
            "ask for 4 sampled weeks. Weeks of this year that are marked and have ended: 1.",
        ),
    ],
    ids=["no rules", "late rules", "two methods", "two multipliers", "few weeks"],
)
def test_survey_page_says_why_there_are_no_numbers(desk, branch, rules, weeks, words):
    for starts_on, fields in rules:
        save_preset("pls", starts_on, **fields)
    mark_weeks(*[YEAR + 7 * number * DAY for number in range(weeks)])
    contacts(branch, YEAR + 20 * DAY)
    response = desk.get(SURVEY, {"survey": "pls", "year": "2026"})
    assert words in text(response)
    assert copied(response) == []


@pytest.mark.parametrize("rows", [1, 30])
def test_survey_page_runs_the_same_number_of_queries_for_1_and_30_rules(
    desk, branch, rows, django_assert_num_queries
):
    for number in range(rows):
        save_preset("pls", YEAR + number * DAY)
    contacts(branch, YEAR)
    desk.get(SURVEY, {"year": "2026"})
    with django_assert_num_queries(12):
        desk.get(SURVEY, {"year": "2026"})


@pytest.mark.parametrize("rows", [1, 30])
def test_rules_page_runs_the_same_number_of_queries_for_1_and_30_rules(
    desk, branch, rows, django_assert_num_queries
):
    for number in range(rows):
        save_preset("pls", YEAR + number * DAY)
    desk.get(RULES)
    with django_assert_num_queries(5):
        desk.get(RULES)


def test_staff_who_are_not_coordinators_cannot_open_the_survey(client, sign_in, staff, branch):
    sign_in(client, staff)
    assert client.get(SURVEY).status_code == 404


# Tests of the reporting year.


def test_coordinator_sets_the_first_month_of_the_reporting_year(desk, branch):
    url = reverse("library_settings")
    form = desk.get(url).context["form"]
    fields = {field.html_name: field.value() for field in form} | {"year_starts_in": "7"}
    fields |= {field.html_initial_name: field.initial for field in form}
    desk.post(url, {name: value for name, value in fields.items() if value is not None})
    assert Library.current().year_starts_in == 7
    assert "Reporting year starts in July" in text(desk.get(reverse("settings")))


def test_form_for_rules_has_a_field_for_each_mode_of_each_question_type(desk, branch):
    form = desk.get(NEW).context["form"]
    assert len([name for name in form.fields if name.startswith("mode-")]) == len(QuestionType) * len(
        HelpSession.Mode
    )
