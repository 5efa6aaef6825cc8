"""The page where staff see how often their help worked out for patrons."""

from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.sign_in.access import staff_only
from portal.checkins.quotes import shared_with
from portal.counts.pooling import MIN_PEOPLE
from portal.desk.made_possible import quarters_of

MAX_QUOTES = 50


@staff_only
@require_safe
def made_possible(request):
    """Show how often patrons said that this staff member's help worked out.

    Also show the comments that patrons shared with the staff member.
    """
    context = {
        "quarters": quarters_of(request.user, request.library),
        "quotes": shared_with(request.user)[:MAX_QUOTES],
        "least": MIN_PEOPLE,
    }
    return render(request, "desk/made_possible.html", context)
