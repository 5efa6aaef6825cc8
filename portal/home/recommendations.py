"""Find what was recommended to a viewer. A filter can choose one verdict or one visit."""

from django.db.models import BigAutoField, CharField, DateTimeField, Exists, OuterRef, Q

from accounts.viewer import for_viewers
from portal.conversations.models import MessageRecommendation
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.paging import PAGE
from recommendations.models import Recommendation

# The filter offers at most this many visits, the latest ones.
MAX_VISITS = 30


def recommended_to(viewer, *, at, verdict=None, visit=None):
    """Return the recommendations that this viewer may open at the time `at`.

    Leave out recommendations of quiet visits, and items that staff have removed. If `verdict` is a Verdict,
    return only recommendations with this verdict. If it is "", return only those without a verdict. If
    `visit` is the primary key of a help session, return only what was recommended in this visit or in answers
    about it.
    """
    rows = Recommendation.objects.belonging_to(viewer, at).not_removed()
    rows = rows.exclude(sessionrecommendation__help_session__quiet=True)
    rows = rows.exclude(messagerecommendation__message__conversation__help_session__quiet=True)
    if verdict is not None:
        rows = rows.filter(verdict=verdict)
    if visit is not None:
        in_visit = SessionRecommendation.objects.filter(help_session=visit).order_by()
        in_answers = MessageRecommendation.objects.filter(
            message__conversation__help_session=visit
        ).order_by()
        rows = rows.filter(
            Q(pk__in=in_visit.values("recommendation")) | Q(pk__in=in_answers.values("recommendation"))
        )
    return rows.select_related("item", "branch", "recommended_by").with_next_step()


@for_viewers(at=DateTimeField(), verdict=CharField(), visit=BigAutoField())
def first_recommended_to(viewer, at, verdict, visit):
    """Return the rows of the first page of `recommended_to`, and one more row if there is a second page."""
    rows = recommended_to(viewer, at=at, verdict=verdict, visit=visit)
    return rows.order_by("-recommended_at", "-pk")[: PAGE + 1]


@for_viewers()
def visits_with_recommendations(viewer):
    """Return the viewer's latest visits in which something was recommended, at most MAX_VISITS.

    A recommendation in an answer about a visit counts too. Quiet visits are left out.
    """
    in_visit = SessionRecommendation.objects.not_removed().filter(help_session=OuterRef("pk"))
    in_answers = MessageRecommendation.objects.filter(message__conversation__help_session=OuterRef("pk"))
    visits = HelpSession.objects.belonging_to(viewer).filter(quiet=False, forgotten_on=None)
    return visits.filter(Exists(in_visit) | Exists(in_answers)).latest_first()[:MAX_VISITS]
