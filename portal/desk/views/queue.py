"""Who waits for an answer."""

from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.access import staff_only
from portal.conversations.models import Conversation
from portal.htmx import render_page
from portal.paging import page_of

from .record import tray
from .tally import tally_context


@staff_only
@require_GET
def desk(request):
    at = timezone.now()
    waiting = Conversation.objects.at_desk_of(request.user).waiting_for_staff(at)
    rows, after = page_of(
        waiting.select_related("branch", "patron", "help_session__topic", "recommendation__item"),
        "waiting_since",
        request.GET.get("after"),
        size=30,
        oldest_first=True,
    )
    for row in rows:
        row.is_overdue = row.promised_at is not None and row.promised_at <= at
        row.failed = row.reason != Conversation.Reason.ASKED
        row.reason_label = Conversation.Reason(row.reason).label
    context = {"rows": rows, "after": after, "is_first": "after" not in request.GET, "now": at, "tray": tray(request), **tally_context(request)}
    return render_page(request, "desk/queue.html", context)
