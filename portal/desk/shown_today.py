"""Help sessions that this staff member opened today with a code that a patron showed at the desk.

The staff member can open these sessions until the day ends.
"""

from django.utils import timezone

# The session key for the day and the primary keys of these help sessions.
SHOWN = "shown_at_desk"


def remember(request, help_session):
    """Let this staff member open the help session for the rest of the day."""
    today = str(request.library.today())
    request.session[SHOWN] = {"on": today, "sessions": [*ids(request), help_session.pk]}


def ids(request):
    """Return the primary keys of the help sessions whose code a patron showed today."""
    shown = request.session.get(SHOWN, {})
    return shown["sessions"] if shown.get("on") == str(request.library.today(timezone.now())) else []
