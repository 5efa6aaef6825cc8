"""Tallies. A tally is a contact that staff count with one key press and don't describe any further."""

from portal.helpsessions.models import HelpSession


def tally_context(request):
    """Return a context with the number of contacts that the staff member tallied today."""
    tallied = HelpSession.objects.filter(
        staff=request.user, status=HelpSession.Status.TALLY, happened_on=request.library.today()
    )
    return {"tallied_today": tallied.count()}
