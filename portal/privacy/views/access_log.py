"""Show a patron the access log, which says which staff members opened the patron's data, and when."""

from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.privacy import access_log_page


@login_required
@require_safe
def who_looked(request):
    looks, further = access_log_page.who_looked(
        request.user, zone=request.library.zone, before=request.GET.get("before", "")
    )
    context = {"looks": looks, "further": further, "is_first": "before" not in request.GET}
    return render(request, "privacy/who_looked.html", context)
