"""The export table about emails."""

from django.utils.translation import gettext_lazy as _

from portal.notifications.kinds import DIGESTS, kinds_for
from portal.notifications.models import (
    FailingAddress,
    NoticeChoice,
    NoticeTimes,
    Notification,
    PushSubscription,
)

from .table import Table

# Emails that staff members get because they work at a desk.
KINDS_FOR_STAFF = [*(kind.key for kind in kinds_for(staff=True)), DIGESTS[True]]


def _emails(person, at):
    """Return the emails to this person that are due.

    An email that is not due yet would reveal an answer in its undo window.
    """
    due = Notification.objects.filter(recipient=person, due_at__lte=at)
    return due.exclude(kind__in=KINDS_FOR_STAFF).order_by("created_at", "pk")


TABLES = {
    "devices_for_messages": Table(
        "notifications.PushSubscription",
        _("the devices that get messages"),
        lambda person, at: PushSubscription.objects.filter(person=person).order_by("created_at", "pk"),
        {
            "device": "device",
            "push_service": "host",
            "language": "language",
            "turned_on_at": "created_at",
            "last_seen_at": "checked_at",
        },
    ),
    "failing_addresses": Table(
        "notifications.FailingAddress",
        _("the addresses at which emails don't arrive"),
        lambda person, at: FailingAddress.objects.filter(person=person),
        {"email": "email", "first_refused_at": "failed_at", "no_more_notices_since": "off_at"},
    ),
    "notice_choices": Table(
        "notifications.NoticeChoice",
        _("which notices you want"),
        lambda person, at: NoticeChoice.objects.filter(person=person).select_related("branch").order_by("pk"),
        {
            "kind": "kind",
            "branch": lambda row, at: row.branch.name if row.branch else None,
            "channel": "channel",
            "rhythm": "rhythm",
        },
    ),
    "notice_times": Table(
        "notifications.NoticeTimes",
        _("the times at which you want notices"),
        lambda person, at: NoticeTimes.objects.filter(person=person),
        {
            "quiet_from": "quiet_from",
            "quiet_until": "quiet_until",
            "time_zone": "time_zone",
            "daily_at": "daily_at",
            "when_closed": "when_closed",
        },
    ),
    "mails": Table(
        "notifications.Notification",
        _("the emails sent to you"),
        _emails,
        {
            "way": "way",
            "to": "to_address",
            "subject": "subject",
            # The text is left out if it contained a code, a list, or a link that signs in or opens a visit.
            "text": lambda row, at: "" if row.blanked else row.text,
            "language": "language",
            "state": "state",
            "written_at": "created_at",
            "delivered_at": "delivered_at",
        },
    ),
}
