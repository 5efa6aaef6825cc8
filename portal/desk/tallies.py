"""Contacts that a staff member counted with one key."""

from portal.helpsessions.models import HelpSession


def tally_context(request):
    """Return how many contacts the staff member tallied today."""
    tallied = HelpSession.objects.filter(
        staff=request.user, status=HelpSession.Status.TALLY, happened_on=request.library.today()
    )
    return {"tallied_today": tallied.count()}
