"""The page that lists what was recommended to the patron."""

from django.contrib.auth.views import redirect_to_login
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from portal.helpsessions.models import HelpSession
from portal.paging import page_of, split_off
from portal.text import uuid_or_none
from recommendations.models import Recommendation
from recommendations.step_texts import shown_step
from recommendations.verdicts import label_for

from ..occasions import add_occasions
from ..recommendations import first_recommended_to, recommended_to, visits_with_recommendations

Verdict = Recommendation.Verdict
# The value of the filter for recommendations that have no verdict yet.
NO_VERDICT = "none"
# The choices of the filter. The buttons for books have other labels than those for other items, so a choice
# names both labels.
VERDICTS = {
    Verdict.HELPED.value: _("Helped or liked"),
    Verdict.PARTLY.value: _("Partly or so-so"),
    Verdict.DID_NOT_HELP.value: _("Did not help, or not for me"),
    Verdict.COULD_NOT_GET_IT.value: _("Could not get it"),
    Verdict.NOT_TRIED.value: _("Not tried yet"),
    NO_VERDICT: _("No answer yet"),
}


@require_safe
def recommendations(request):
    """List what was recommended to the viewer. The latest recommendation comes first.

    `?verdict=` and `?visit=` narrow the list. Values that the viewer can't choose are ignored.
    """
    viewer, at = request.viewer, timezone.now()
    if not viewer:
        return redirect_to_login(request.get_full_path_info())
    verdict = request.GET.get("verdict", "")
    verdict = verdict if verdict in VERDICTS else ""
    visits = visits_with_recommendations(viewer)
    visit = _chosen_visit(viewer, visits, uuid_or_none(request.GET.get("visit", "")))
    narrowed = {
        "verdict": {"": None, NO_VERDICT: ""}.get(verdict, verdict),
        "visit": visit.pk if visit else None,
    }
    after = request.GET.get("after")
    if after:
        rows = recommended_to(viewer, at=at, **narrowed)
        shown, older = page_of(rows, "recommended_at", after)
    else:
        shown, older = split_off(first_recommended_to(viewer, at=at, **narrowed))
    add_occasions(shown, viewer)
    for recommendation in shown:
        recommendation.said = label_for(recommendation)
        recommendation.step = shown_step(recommendation)
    context = {
        "recommendations": shown,
        "older": older,
        "verdicts": VERDICTS.items(),
        "verdict": verdict,
        "visits": visits,
        "visit": visit,
        "is_narrowed": bool(verdict or visit),
    }
    return render(request, "home/recommendations.html", context)


def _chosen_visit(viewer, visits, public_id):
    """Return the visit with this public id, or None. Add the visit to `visits` if it is not there yet."""
    if public_id is None:
        return None
    for visit in visits:
        if visit.public_id == public_id:
            return visit
    older = HelpSession.objects.belonging_to(viewer).filter(quiet=False, forgotten_on=None)
    visit = older.filter(public_id=public_id).first()
    if visit is not None:
        visits.append(visit)
    return visit
