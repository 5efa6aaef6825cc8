"""The visit that staff are about to keep in a patron's account.

While staff look up the patron, the URL and the forms contain the public id of the visit.
"""

from django.db.models import Exists, OuterRef
from django.urls import reverse

from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.helpsessions.models import HelpSession
from portal.text import uuid_or_none


def posted_visit(request):
    """Return the visit whose public id is in the posted form or in the URL.

    Return None if the staff member can't hand over this visit.
    """
    public_id = uuid_or_none(request.POST.get("session") or request.GET.get("session"))
    if public_id is None:
        return None
    logged_for = Conversation.objects.filter(logged_as=OuterRef("pk"))
    sessions = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request)).recorded()
    return sessions.exclude(Exists(logged_for)).filter(public_id=public_id).first()


def visit_to_keep(request):
    """Return the visit of `posted_visit`, or None if a patron can't keep this visit in an account."""
    visit = posted_visit(request)
    if visit is None or visit.quiet or visit.is_on_paper_only or visit.is_fully_kept:
        return None
    return visit


def record_url(person, visit):
    """Return the URL of the person's record. If `visit` is not None, the page offers to keep the visit."""
    url = reverse("patron_record", args=[person.public_id])
    return f"{url}?session={visit.public_id}" if visit else url
