"""The data that the API reads and returns. django-ninja writes the OpenAPI description from these classes."""

import datetime
from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from portal.helpsessions.models import HelpSession
from recommendations.models import QuestionType

Slug = Annotated[str, Field(min_length=1, max_length=80)]


class Strict(Schema):
    """A part of a request. An unknown field is an error, because its name may be misspelled."""

    model_config = ConfigDict(extra="forbid")


class SentItem(Strict):
    """One item of the catalog, by its id or by its ISBN."""

    id: UUID | None = Field(None, description="the id in the item's address")
    isbn: str = Field("", max_length=20, description="the ISBN of the item, with 10 or 13 digits")
    reason: str = Field(
        "", max_length=400, description="why it was recommended; refused unless the token allows words"
    )
    asked_about: bool = Field(True, description="whether the patron is asked if the item helped")


class SentSession(Strict):
    """A help session that another system recorded."""

    branch: Slug = Field(description="the short name of the branch, as in the address of its settings")
    happened_at: datetime.datetime | None = Field(
        None, description="when the session was, with its offset from UTC; now if left out"
    )
    mode: HelpSession.Mode
    question_type: QuestionType
    topic: str = Field("", max_length=80, description="the English name of a topic; empty for none")
    service_point: str = Field("", max_length=80, description="the name of a service point of the branch")
    patron_group: str = Field("", max_length=80, description="the name of a patron group")
    read_level: int | None = Field(None, ge=1, le=6)
    minutes: int | None = Field(None, ge=0, le=600)
    people: int = Field(1, ge=1, le=500)
    language: str = Field("en", max_length=12, description="the language of the patron")
    question: str = Field("", max_length=4000, description="refused unless the token allows words")
    summary: str = Field("", max_length=8000, description="refused unless the token allows words")
    items: list[SentItem] = Field([], max_length=20)


class RecordedSession(Schema):
    id: UUID


class FigureRow(Schema):
    key: str = Field(description="the day, code, short name or number of the row, in no language")
    label: str = Field(description="the label of the page, in the language of the request")
    numbers: list[int | None] = Field(description="one number for each entry of `names`")
    estimated_minutes: int | None = Field(
        description="the part of the minutes that is an estimate, because a desk log had only a band"
    )


class FigureAnswer(Schema):
    first_day: datetime.date
    last_day: datetime.date
    by: str
    branches: list[str] = Field(description="the branches that are counted")
    left_out: list[str] = Field(
        description="the branches that are left out, because too few people work there"
    )
    names: list[str]
    rows: list[FigureRow]
    total: list[int | None]
    total_estimated_minutes: int = Field(description="the part of all minutes that is an estimate")


class FollowUp(Schema):
    key: str
    label: str
    number: int | None = Field(description="null if the number may not be shown")


class OutcomeLabel(Schema):
    key: str
    label: str = Field(description="the label of the page, in the language of the request")


class OutcomeRow(Schema):
    key: str = Field(description="a question type, the number of a topic, the id of an item, or other")
    label: str = Field(description="the label of the page, in the language of the request")
    numbers: list[int] = Field(description="one number for each answer")


class OutcomeQuestion(Schema):
    """What patrons answered to one question."""

    key: str
    label: str
    answers: list[OutcomeLabel]
    rows: list[OutcomeRow] = Field(description="the rows of the breakdown that may be shown")
    total: list[int] | None = Field(description="one number for each answer; null if it may not be shown")


class OutcomeAnswer(Schema):
    kind: str
    first_day: datetime.date
    last_day: datetime.date
    counted_on: datetime.date
    is_late: bool = Field(
        description="whether it was counted long after its end, so what was deleted before isn't in it"
    )
    branch: str = Field(description="the short name of the branch; empty for the whole library")
    by: str
    follow_ups: list[FollowUp] = Field(description="what patrons did after their visits")
    questions: list[OutcomeQuestion]


class FieldError(Schema):
    field: str
    detail: str


class Problem(Schema):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []
