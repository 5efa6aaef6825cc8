"""Return outcomes (how help turned out) in the API. The API returns only rows that the desk's page shows."""

import datetime
from typing import Literal

from ninja import Schema
from pydantic import Field

from portal.counts.models import OutcomePeriod
from portal.counts.outcome_counting import ANSWERS, ITEM
from portal.desk.figures.outcome_tables import OTHER, follow_ups_of, tables_of
from recommendations.models import Item

from .figures import NoFigure


class AskedOutcomes(Schema):
    """The query parameters of a request for outcomes."""

    kind: Literal["quarter", "year"] = "quarter"
    first_day: datetime.date | None = Field(
        None, description="the first day of a quarter or year that is counted; the last one if left out"
    )
    by: Literal["", "topic", "question_type", "item"] = Field(
        "", description="the breakdown; if left out, only the sums"
    )
    branch: str = Field(
        "", max_length=60, description="the short name of one branch; the whole library if left out"
    )


def answer(asked, *, token):
    """Return the fields of an OutcomeAnswer. Raises NoFigure.

    A system can read the outcomes of the whole library and of the branches of its token, as staff can.
    """
    branch = token.branches.filter(slug=asked.branch).first() if asked.branch else None
    if asked.branch and branch is None:
        raise NoFigure(
            "branch", "This token has no branch with this short name. Send one of its branches, or none."
        )
    periods = OutcomePeriod.objects.filter(kind=asked.kind).order_by("-first_day")
    period = (periods.filter(first_day=asked.first_day) if asked.first_day else periods).first()
    if period is None:
        raise NoFigure(
            "first_day",
            f"No counted {asked.kind} starts on this day. Leave first_day out to get the last one.",
        )
    tables = tables_of(period, branch, asked.by)
    texts = _texts_of_keys(tables, asked.by)
    return {
        "kind": period.kind,
        "first_day": period.first_day,
        "last_day": period.last_day,
        "counted_on": period.counted_on,
        "is_late": period.is_late,
        "branch": branch.slug if branch else "",
        "by": asked.by,
        "follow_ups": [
            {"key": key, "label": str(label), "number": number}
            for key, label, number in follow_ups_of(period, branch)
        ],
        "questions": [_question(table, texts) for table in tables],
    }


def _question(table, texts):
    return {
        "key": table.question,
        "label": str(table.title),
        "answers": [
            {"key": key, "label": str(label)}
            for key, label in zip(ANSWERS[table.question], table.answers, strict=True)
        ],
        "rows": [
            {"key": texts.get(key, str(key)), "label": str(label), "numbers": numbers}
            for key, (label, numbers) in zip(table.keys, table.rows, strict=True)
        ],
        "total": table.total,
    }


def _texts_of_keys(tables, breakdown):
    """Return {key of a row: its text in the API}.

    Only the keys of items need a text: the public id of the item.
    """
    if breakdown != ITEM:
        return {}
    keys = {key for table in tables for key in table.keys} - {OTHER}
    return {
        pk: str(public_id)
        for pk, public_id in Item.objects.filter(pk__in=keys).values_list("pk", "public_id")
    }
