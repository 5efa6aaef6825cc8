"""Help sessions whose code a patron showed to this staff member today. They stay open until the day ends."""

from django.utils import timezone

# The key in the Django session.
SHOWN = "shown_at_desk"


def remember(request, help_session):
    """Open the help session to this staff member for the rest of the day."""
    today = str(request.library.today())
    request.session[SHOWN] = {"on": today, "sessions": [*ids(request), help_session.pk]}


def ids(request):
    """Return the primary keys of the help sessions shown today."""
    shown = request.session.get(SHOWN, {})
    return shown["sessions"] if shown.get("on") == str(request.library.today(timezone.now())) else []
