"""Test the presets with examples from the instructions of the surveys. Each example names its source."""

import datetime

import pytest

from accounts.reporting_year import ReportingYear
from portal.counts.actions import rebuild
from portal.surveys.models import Survey
from portal.surveys.report import report
from tests.factories import HelpSessionFactory, TallyKindFactory

from .rules import mark_weeks, save_preset

YEAR = ReportingYear(2026)
DAY, TODAY = datetime.date(2026, 3, 4), datetime.date(2027, 2, 1)
IMLS = "https://github.com/IMLS/public-libraries-survey: FY 2024 PLS Data Elements.pdf, data element 502"
OREGON = "https://libguides.osl.state.or.us/c.php?g=1383931&p=10234448"
NEW_YORK = "https://4cls.libguides.com/c.php?g=1363268&p=10070082"
ARL = "https://publications.arl.org/ARL-Statistics-2006-2007/97"
ACRL = "https://libguides.scc.spokane.edu/acrlrefdefinitions"
DUQUESNE = "https://guides.library.duq.edu/c.php?g=703554&p=4993859"

# (source, what its instructions say, survey, fields of a recorded contact, the numbers that the report must
# have)
EXAMPLES = [
    (IMLS, "Where are the 600s? Directional", "pls", {"question_type": "directional"}, [0]),
    (IMLS, "Can you help me make a photocopy? Directional", "pls", {"question_type": "directional"}, [0]),
    (IMLS, "Readers' advisory counts", "pls", {"question_type": "readers_advisory"}, [1]),
    (IMLS, "Both reference and directional: one transaction", "pls", {"question_type": "reference"}, [1]),
    (IMLS, "Information and referral counts", "pls", {"question_type": "referral"}, [1]),
    (IMLS, "Duration is no element", "pls", {"question_type": "reference", "minutes": 600}, [1]),
    (IMLS, "Assistance with websites counts", "pls", {"question_type": "technology"}, [1]),
    (IMLS, "Scheduled individual instruction counts", "pls", {"question_type": "consultation"}, [1]),
    (NEW_YORK, "Author or title lookup counts", "pls", {"question_type": "known_item"}, [1]),
    (NEW_YORK, "Questions answered by phone count", "pls", {"mode": "phone"}, [1]),
    (NEW_YORK, "Questions answered by email count", "pls", {"mode": "email"}, [1]),
    (OREGON, "Number of transactions, however many people", "pls", {"people": 25}, [1]),
    (ARL, "Simple directional questions are excluded", "arl", {"question_type": "directional"}, [0]),
    (ARL, "Virtual transactions count", "arl", {"mode": "chat"}, [1]),
    (ARL, "One-to-one instruction is a reference transaction", "arl", {"question_type": "consultation"}, [1]),
    (ACRL, "Walk-ups at a service point are transactions", "acrl", {"question_type": "reference"}, [1, 0]),
    (ACRL, "Interactions by phone are transactions", "acrl", {"mode": "phone"}, [1, 0]),
    (ACRL, "Appointments are consultations", "acrl", {"question_type": "consultation"}, [0, 1]),
    (ACRL, "Consultations can be online", "acrl", {"question_type": "consultation", "mode": "video"}, [0, 1]),
    (DUQUESNE, "Help with printers is directional", "acrl", {"question_type": "directional"}, [0, 0]),
]
pytestmark = [pytest.mark.sql, pytest.mark.django_db]


def numbers(survey):
    answers = report(Survey(survey), YEAR, today=TODAY).answers
    return [answer for question, answer in answers if question.counts]


@pytest.mark.parametrize(
    ("survey", "contact", "expected"),
    [example[2:] for example in EXAMPLES],
    ids=[f"{example[2]}: {example[1]}" for example in EXAMPLES],
)
def test_contact_counts_as_the_instructions_of_the_survey_say(branch, survey, contact, expected):
    save_preset(survey, YEAR.first_day)
    HelpSessionFactory(branch=branch, happened_on=DAY, **contact)
    rebuild()
    assert numbers(survey) == expected


@pytest.mark.parametrize("survey", Survey)
def test_presets_of_the_surveys_do_not_count_tallies(branch, survey):
    save_preset(survey, YEAR.first_day)
    HelpSessionFactory(branch=branch, happened_on=DAY, status="tally", question_type="directional")
    HelpSessionFactory(branch=branch, happened_on=DAY, status="tally", tally_kind=TallyKindFactory())
    rebuild()
    assert set(numbers(survey)) == {0}


@pytest.mark.parametrize(
    ("survey", "multiplier", "weeks", "factor"),
    [
        # FY 2024 PLS Data Elements, 502: "If there are four weeks sampled, multiply the totals by 13."
        ("pls", 52, 4, 13),
        # The same document: "If the sample is done twice a year, multiply the count by 26."
        ("pls", 52, 2, 26),
        # New York: if the annual number is not available, multiply a normal week by 52.
        # https://ncls.libguides.com/AnnualReport/4
        ("pls", 52, 1, 52),
        # CUNY, 2012: a typical week in the middle of a semester, multiplied by 40.
        # https://cunyfy12als.pbworks.com/w/page/61021562/Section%20D
        ("acrl", 40, 1, 40),
    ],
)
def test_estimate_for_a_year_is_the_average_sampled_week_times_the_multiplier(
    branch, survey, multiplier, weeks, factor
):
    save_preset(survey, YEAR.first_day, method="estimate", multiplier=multiplier)
    first_days = [datetime.date(2026, month, 4) for month in (10, 2, 4, 6)[:weeks]]
    mark_weeks(*first_days)
    last_day = first_days[0] + datetime.timedelta(days=6)
    # Three of these contacts are in a sampled week.
    for day in (first_days[0], first_days[-1], last_day, last_day + datetime.timedelta(days=1), DAY):
        HelpSessionFactory(branch=branch, happened_on=day)
    rebuild()
    assert numbers(survey)[0] == 3 * factor


@pytest.mark.parametrize(("method", "answer"), [("count", "CT"), ("estimate", "ES")])
def test_answers_for_the_public_libraries_survey_contain_the_code_of_the_method(branch, method, answer):
    # Data element 502a: https://github.com/IMLS/public-libraries-survey/issues/76
    save_preset("pls", YEAR.first_day, method=method)
    mark_weeks(datetime.date(2026, 10, 4))
    question, text = report(Survey.PLS, YEAR, today=TODAY).answers[1]
    assert (question.number, text[:2]) == ("502a", answer)
