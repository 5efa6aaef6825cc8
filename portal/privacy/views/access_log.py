"""Who of the staff looked at what is mine, and when."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.privacy.access_log_page import who_looked as looks_at


@login_required
@require_safe
def who_looked(request):
    looks, further = looks_at(request.user, zone=request.library.zone, before=request.GET.get("before", ""))
    return render(
        request,
        "privacy/who_looked.html",
        {"looks": looks, "further": further, "is_first": "before" not in request.GET},
    )
