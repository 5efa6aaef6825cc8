"""The visit that staff look up a patron for, to keep it in their account."""

from django.db.models import Exists, OuterRef
from django.urls import reverse

from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.helpsessions.models import HelpSession
from portal.text import uuid_or_none


def posted_visit(request):
    """Return the visit that the form or the URL names, or None if this desk can't hand it over."""
    public_id = uuid_or_none(request.POST.get("session") or request.GET.get("session"))
    if public_id is None:
        return None
    logged_for = Conversation.objects.filter(logged_as=OuterRef("pk"))
    sessions = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request)).recorded()
    return sessions.exclude(Exists(logged_for)).filter(public_id=public_id).first()


def visit_to_keep(request):
    """Return the named visit if a patron can still keep it, or None."""
    visit = posted_visit(request)
    if visit is None or visit.quiet or visit.is_on_paper_only or visit.is_fully_kept:
        return None
    return visit


def record_url(person, visit):
    """Return the URL of the person's record, which offers to keep `visit` if that is not None."""
    url = reverse("patron_record", args=[person.public_id])
    return f"{url}?session={visit.public_id}" if visit else url
