"""Tallies. A tally is a contact that staff count with one key press and don't describe any further."""

from django.db.models import BigAutoField, Count, DateField

from portal.helpsessions.models import HelpSession
from portal.prepared import prepared


def tally_context(request):
    """Return a context with the number of contacts that the staff member tallied today."""
    return {"tallied_today": sum(_tallied(user=request.user.pk, day=request.library.today()))}


@prepared(user=BigAutoField(), day=DateField())
def _tallied(user, day):
    tallied = HelpSession.objects.filter(staff=user, status=HelpSession.Status.TALLY, happened_on=day)
    return tallied.values("status").annotate(tallied=Count("pk")).values_list("tallied", flat=True)
