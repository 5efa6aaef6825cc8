"""Sessions whose code a patron showed at this desk today: open to this member of staff until the day ends."""

from django.utils import timezone

SHOWN = "shown_at_desk"


def remember(request, help_session):
    today = str(request.library.today())
    request.session[SHOWN] = {"on": today, "sessions": [*ids(request), help_session.pk]}


def ids(request):
    shown = request.session.get(SHOWN, {})
    return shown["sessions"] if shown.get("on") == str(request.library.today(timezone.now())) else []
