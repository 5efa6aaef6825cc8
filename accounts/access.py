"""Who may open a page at all. What they see on it is the business of the scopes."""

from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import Http404

SECOND_FACTOR = "second_factor_at"


def needs_second_factor(request):
    return request.user.is_authenticated and request.user.is_staff


def may_pass_the_desk_door(request):
    """Whether the second factor was shown in this sign-in."""
    return SECOND_FACTOR in request.session


def staff_only(view):
    """For members of staff behind their second factor; for everybody else the page does not exist."""

    @login_required
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    guarded.guard = "staff_only"
    return guarded


def coordinator_only(view):
    @staff_only
    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_coordinator:
            raise Http404
        return view(request, *args, **kwargs)

    guarded.guard = "coordinator_only"
    return guarded
