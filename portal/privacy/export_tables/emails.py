"""The export table about emails."""

from django.utils.translation import gettext_lazy as _

from portal.notifications.models import Notification

from .table import Table

# Emails that staff members get because they work at a desk.
KINDS_FOR_STAFF = ["conversations/mention"]


def _emails(person, at):
    """Return the emails to this person that are due.

    An email that is not due yet would reveal an answer in its undo window.
    """
    due = Notification.objects.filter(recipient=person, due_at__lte=at)
    return due.exclude(kind__in=KINDS_FOR_STAFF).order_by("created_at", "pk")


TABLES = {
    "mails": Table(
        "notifications.Notification",
        _("the emails sent to you"),
        _emails,
        {
            "to": "to_address",
            "subject": "subject",
            # The text is left out if it contained a code, or a link that signs in or opens a visit.
            "text": lambda row, at: "" if row.blanked else row.text,
            "language": "language",
            "state": "state",
            "written_at": "created_at",
            "delivered_at": "delivered_at",
        },
    ),
}
