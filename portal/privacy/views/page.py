"""Show the privacy page, which says what the library keeps, why, and for how long."""

from django.conf import settings
from django.db.models import Count, Q
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.patron.retention_choice import CHILD_PERIOD, SHORT_PERIOD
from portal.helpsessions.models import HelpSession
from portal.privacy.access_log_page import who_looked
from portal.privacy.policy import lines_for_patrons
from portal.privacy.policy_lines.line import in_words
from portal.privacy.retention_preview import choice_in_words, next_to_go

LOOKS_SHOWN = 5


@require_safe
def privacy(request):
    """Show the privacy page. Patrons and viewers by code also see the rules for their own visits."""
    context = {"groups": lines_for_patrons(), "backups_kept": in_words(settings.BACKUPS_KEPT)}
    person = request.viewer.person
    if request.viewer:
        visits = HelpSession.objects.belonging_to(request.viewer).aggregate(
            all=Count("pk"), with_child=Count("pk", filter=~Q(with_child=""))
        )
        context["visits"] = visits["all"]
        is_childs = bool(person and person.is_child)
        if is_childs or (visits["with_child"] and not person):
            context |= {
                "child": "account" if is_childs else "visit",
                "most": in_words(CHILD_PERIOD),
                "least": in_words(SHORT_PERIOD),
            }
    if person:
        looks, further = who_looked(person, zone=request.library.zone)
        context |= {
            "looks": looks[:LOOKS_SHOWN],
            "more_looks": len(looks) > LOOKS_SHOWN or further,
            "remembers": choice_in_words(person),
            "next_to_go": next_to_go(person, request.library),
        }
    return render(request, "privacy/privacy.html", context)
