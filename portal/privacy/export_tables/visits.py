"""The export tables about visits and recommendations."""

from django.utils.translation import gettext_lazy as _

from accounts.viewer import Viewer
from portal.helpsessions.models import HelpSession, SessionRecommendation
from recommendations.models import Recommendation

from .table import Table, name_of


def _visits(person):
    return HelpSession.objects.belonging_to(Viewer(person))


TABLES = {
    "visits": Table(
        "helpsessions.HelpSession",
        _("your visits"),
        lambda person, at: (
            _visits(person).select_related("branch", "staff", "topic").order_by("happened_on", "pk")
        ),
        {
            "id": "public_id",
            "day": "happened_on",
            "hour": "hour",
            "branch": "branch.name",
            "service_point": "service_point",
            "mode": "mode",
            "question_type": "question_type",
            "topic": "topic.name",
            "helper": lambda row, at: name_of(row.staff),
            "language": "language",
            "question": "question",
            "summary": "summary",
            "found": "found",
            "help_was": "satisfaction",
            "answered_at": "answered_at",
            "handed_over_at": "handed_over_at",
            "kept_at": "kept_at",
            "with_child": "with_child",
            "shared_at": "shared_at",
            "corrected_on": "corrected_on",
        },
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
