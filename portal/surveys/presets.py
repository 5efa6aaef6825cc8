"""What each survey asks, and the rules with which a library can begin.

A preset names its source and year. It lists only questions that we found in that source. The wording of a
question is our own.
"""

import datetime
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from recommendations.models import QuestionType

from .models import CountsAs, RuleSet, Survey

TRANSACTION, CONSULTATION, NEITHER = CountsAs.TRANSACTION, CountsAs.CONSULTATION, CountsAs.NEITHER


@dataclass(frozen=True)
class Question:
    """A question of a survey. Its answer is the number of contacts that count as one of `counts`.

    If `counts` is empty, the question asks for the counting method. `answers` has the answer for each method.
    """

    number: str
    name: str
    wording: Any
    counts: tuple = ()
    answers: Any = None


@dataclass(frozen=True)
class Preset:
    """The rules of a survey as we read them on the day `checked_on`.

    `counts_as` is {question type: CountsAs}. `weeks` and `multiplier` are for estimates. `which_weeks` says
    which weeks to sample. `note` says what a library must decide itself. `not_checked` says what we couldn't
    check.
    """

    survey: Survey
    year: str
    source: str
    address: str
    checked_on: datetime.date
    counts_as: dict
    weeks: int
    multiplier: int
    which_weeks: Any
    note: Any
    not_checked: Any
    questions: tuple


CHECKED_ON = datetime.date(2026, 11, 29)
ALL_BUT_DIRECTIONAL = {
    kind: NEITHER if kind == QuestionType.DIRECTIONAL else TRANSACTION for kind in QuestionType
}
TECHNOLOGY = _(
    "Technology help counts, because help with websites counts. Help with printers and other equipment "
    "doesn't count: record it as directional."
)

PLS = Preset(
    survey=Survey.PLS,
    year="FY 2024",
    source="IMLS, Public Libraries Survey, data elements 502 and 502a",
    address="https://github.com/IMLS/public-libraries-survey/blob/master/"
    "FY%202024%20PLS%20Data%20Elements.pdf",
    checked_on=CHECKED_ON,
    counts_as=ALL_BUT_DIRECTIONAL,
    weeks=1,
    multiplier=52,
    which_weeks=_(
        "Choose weeks that are neither unusually busy nor unusually slow. In these weeks, the library has "
        "its regular hours, and there are no holidays, staff vacations or unusual events. Multiply the "
        "average week by 52 to get the number for the year. Your state library may say which weeks to "
        "count."
    ),
    note=TECHNOLOGY,
    not_checked=_(
        "The definitions for FY 2026 were not available for this preset. A state library proposed to delete "
        "questions 502 and 502a. Check whether your state still asks them."
    ),
    questions=(
        Question(
            "502",
            "Reference Transactions (REFERENC)",
            _(
                "How many times in the year did staff use, recommend, interpret or evaluate information "
                "resources to help someone? Help by appointment counts too. Questions about locations, "
                "schedules, equipment, supplies and policies don't count."
            ),
            counts=(TRANSACTION,),
        ),
        Question(
            "502a",
            "Reference Transactions Reporting Method (REFERRPT)",
            _("Is this number an annual count, or an estimate from one or more typical weeks?"),
            answers={
                RuleSet.Method.COUNT: "CT—Annual Count",
                RuleSet.Method.ESTIMATE: "ES—Annual Estimate Based on Typical Week(s)",
            },
        ),
    ),
)

ARL = Preset(
    survey=Survey.ARL,
    year="2013–14",
    source="ARL Statistics Questionnaire, instructions for question 16",
    address="https://publications.arl.org/ARL-Statistics-2013-2014/68",
    checked_on=CHECKED_ON,
    counts_as=ALL_BUT_DIRECTIONAL,
    weeks=1,
    multiplier=52,
    which_weeks=_(
        "The instructions allow an estimate from a typical week, but don't say by how many weeks to "
        "multiply it. Choose the number of weeks in which your library has its usual hours."
    ),
    note=TECHNOLOGY,
    not_checked=_(
        "Only the questions of 2013–14 were available for this preset. Newer questionnaires may number "
        "or word them differently, so compare them before you send your answers."
    ),
    questions=(
        Question(
            "16",
            "Reference Transactions",
            _(
                "How many contacts in the year were about knowing, using, recommending or explaining sources "
                "of information? One-to-one instruction and contacts by email and chat count. A contact "
                "with a directional part counts once. The length of a contact doesn't matter."
            ),
            counts=(TRANSACTION,),
        ),
    ),
)

ACRL = Preset(
    survey=Survey.ACRL,
    year="2022",
    source="ACRL Academic Library Trends and Statistics Annual Survey, instructions revised March 3",
    address="https://libguides.scc.spokane.edu/acrlrefdefinitions",
    checked_on=CHECKED_ON,
    counts_as=ALL_BUT_DIRECTIONAL | {QuestionType.CONSULTATION: CONSULTATION},
    weeks=1,
    multiplier=52,
    which_weeks=_(
        "The definitions don't say which weeks to choose. Choose typical weeks of a term, and multiply "
        "by the number of such weeks in the year. CUNY, for example, multiplied by 40 in 2012."
    ),
    note=TECHNOLOGY,
    not_checked=_(
        "The definitions are from 2022. The question numbers 64 and 65 come from the guides of other "
        "libraries. Later forms were not available for this preset. We could not confirm that IPEDS asks "
        "for these numbers, so no IPEDS question is listed."
    ),
    questions=(
        Question(
            "64",
            "Transactions",
            _(
                "How many contacts in the year were about knowing, using, recommending or explaining "
                "resources, at a service point or by phone, email or online? Directional questions don't "
                "count, and neither do consultations."
            ),
            counts=(TRANSACTION,),
        ),
        Question(
            "65",
            "Consultations",
            _(
                "How many appointments with one person or a small group did staff have away from the "
                "service point? An appointment counts if staff prepared for it or could use earlier "
                "experience."
            ),
            counts=(CONSULTATION,),
        ),
    ),
)

PRESETS = {preset.survey: preset for preset in (PLS, ARL, ACRL)}
