"""The export tables about visits and recommendations."""

from functools import lru_cache

from django.utils.translation import gettext_lazy as _

from accounts.viewer import Viewer
from portal.checkins.models import CheckIn, SharedWords
from portal.helpsessions.models import HelpSession, OwnValue, SessionRecommendation
from recommendations.models import NextStep, Recommendation

from .table import Table, name_of


@lru_cache(maxsize=4)
def _names_of_values(at):
    """Return {primary key of an own value: [name of the field, name of the value]}.

    The result is cached for each `at`. Each export has a different `at`, so each export reads the table once.
    """
    return {pk: names for pk, *names in OwnValue.objects.values_list("pk", "field__name", "name")}


def _own_values(own_values, at):
    if not own_values:
        return ""
    names = _names_of_values(at)
    return "; ".join(": ".join(names[pk]) for pk in own_values.values() if pk in names)


def _visits(person):
    return HelpSession.objects.belonging_to(Viewer(person))


TABLES = {
    "visits": Table(
        "helpsessions.HelpSession",
        _("your visits"),
        lambda person, at: (
            _visits(person)
            .select_related("branch", "staff", "topic", "service_point", "patron_group")
            .order_by("happened_on", "pk")
        ),
        {
            "id": "public_id",
            "day": "happened_on",
            "hour": "hour",
            "branch": "branch.name",
            "service_point": "service_point.name",
            "mode": "mode",
            "question_type": "question_type",
            "topic": "topic.name",
            "helper": lambda row, at: name_of(row.staff),
            "language": "language",
            "patron_group": lambda row, at: str(row.patron_group or ""),
            "library_fields": lambda row, at: _own_values(row.own_values, at),
            "question": "question",
            "summary": "summary",
            "found": "found",
            "help_was": "satisfaction",
            "would_come_back": "would_return",
            "answered_at": "answered_at",
            "found_at": "found_at",
            "help_was_at": "satisfaction_at",
            "would_come_back_at": "would_return_at",
            "answered_by_link": "answered_by_link",
            "check_ins": "check_ins",
            "handed_over_at": "handed_over_at",
            "kept_at": "kept_at",
            "with_child": "with_child",
            "shared_at": "shared_at",
            "corrected_on": "corrected_on",
        },
    ),
    "check_ins": Table(
        "checkins.CheckIn",
        _("when we asked, or will ask, how your visits turned out"),
        lambda person, at: (
            CheckIn.objects.filter(help_session__in=HelpSession.objects.filter(patron=person))
            .select_related("help_session", "asked_by")
            .order_by("due_on", "pk")
        ),
        {
            "visit": "help_session.public_id",
            "status": "status",
            "day": "due_on",
            "day_set_by": "set_by",
            "words": lambda row, at: row.words if row.asked_at else "",
            "asked_at": "asked_at",
            "asked_by": lambda row, at: name_of(row.asked_by),
            "link_ends_at": "link_ends_at",
            "answered_at": "answered_at",
            "ended_at": "ended_at",
        },
    ),
    "shared_words": Table(
        "checkins.SharedWords",
        _("words that you share with the staff member who helped you"),
        lambda person, at: (
            SharedWords.objects.filter(help_session__patron=person)
            .select_related("help_session")
            .order_by("shared_at", "pk")
        ),
        {"visit": "help_session.public_id", "words": "words", "shared_at": "shared_at"},
    ),
    "recommendations": Table(
        "recommendations.Recommendation",
        _("the items recommended to you, and what you said about them"),
        lambda person, at: (
            Recommendation.objects.filter(patron=person, recommended_at__lte=at)
            .select_related("item", "branch", "topic", "recommended_by")
            .order_by("recommended_at", "pk")
        ),
        {
            "id": "public_id",
            "title": "item.title",
            "by": "item.creators",
            "original_title": "item.original_title",
            "original_by": "item.original_creators",
            "kind": "item.kind",
            "year": "item.year",
            "isbn": "item.isbn",
            "link": "item.url",
            "reason": "reason",
            "helper": lambda row, at: name_of(row.recommended_by),
            "branch": "branch.name",
            "topic": "topic.name",
            "question_type": "question_type",
            "recommended_at": "recommended_at",
            "verdict": "verdict",
            "why": "why",
            "comment": "comment",
            "decided_at": "decided_at",
            "by_link": "by_link",
            "got_at": "got_at",
        },
    ),
    "next_steps": Table(
        "recommendations.NextStep",
        _("what the library does about items that you couldn't get"),
        lambda person, at: (
            NextStep.objects.filter(recommendation__patron=person)
            .select_related("recommendation", "other_item")
            .order_by("recorded_at", "pk")
        ),
        {
            "recommendation": "recommendation.public_id",
            "what": "kind",
            "promised_on": "promised_on",
            "other_item": "other_item.title",
            "recorded_at": "recorded_at",
            "arrived_at": "arrived_at",
            "overdue_at": "overdue_at",
        },
    ),
    "visit_recommendations": Table(
        "helpsessions.SessionRecommendation",
        _("which items belong to which visit"),
        lambda person, at: (
            SessionRecommendation.objects.filter(help_session__in=_visits(person))
            .select_related("help_session", "recommendation")
            .order_by("help_session", "position", "pk")
        ),
        {
            "visit": "help_session.public_id",
            "recommendation": "recommendation.public_id",
            "removed_at": "removed_at",
        },
    ),
}
