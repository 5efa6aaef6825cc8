"""What the library keeps about whoever asks, why, and until when."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.helpsessions.models import HelpSession
from portal.privacy.policy import lines_for_patrons


@require_safe
def privacy(request):
    """For a signed-in person, for a browser that opened codes, and for anybody: the less is known, the more generally it speaks."""
    context = {"groups": lines_for_patrons()}
    if request.reader:
        context["visits"] = HelpSession.objects.belonging_to(request.reader).count()
    return render(request, "privacy/privacy.html", context)
