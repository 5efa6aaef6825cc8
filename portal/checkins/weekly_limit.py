"""Keep the limit of one email a week right if an email is not sent, or its address moves to another record.

`User.check_in_sent_at` is the time when the last email to the patron was written. The next email must be
written at least a week later.
"""

from django.db import transaction
from django.db.models import Max

from accounts.models import User
from portal.notifications.models import Notification

from .emails import KIND
from .models import CheckIn


@transaction.atomic
def uncount_unsent_email(check_in):
    """Set the patron's `check_in_sent_at` back to the time of the last email before this check-in's email.

    Other code locks patrons before check-ins. Here the caller has already locked the check-in, so waiting for
    the patron's row could deadlock. If another transaction has locked the patron's row, change nothing. The
    patron's next email then waits up to a week.
    """
    rows = User.objects.select_for_update(no_key=True, skip_locked=True)
    patron = rows.filter(pk=check_in.asked_id, check_in_sent_at=check_in.asked_at).first()
    if patron is not None:
        others = CheckIn.objects.filter(asked=patron).exclude(pk=check_in.pk)
        patron.check_in_sent_at = others.aggregate(last=Max("asked_at"))["last"]
        patron.save(update_fields=["check_in_sent_at"])


def count_emails_to_address(person, *, since):
    """Let emails that were sent to the person's address after `since` count toward the weekly limit.

    An email counts even if the address belonged to another record when the email was sent. This can happen
    after two records are unmerged. Unsent emails don't count. The worker drops them, because their recipient
    no longer has the address.
    """
    emails = Notification.objects.filter(kind=KIND, to_address=person.email or "", created_at__gt=since)
    emails = emails.exclude(pk__in=emails.not_sent().values("pk")).exclude(way=Notification.Way.PUSH)
    latest = emails.exclude(state=Notification.State.DEAD).aggregate(latest=Max("created_at"))["latest"]
    if person.email and latest:
        person.check_in_sent_at = max(filter(None, [person.check_in_sent_at, latest]))
        person.save(update_fields=["check_in_sent_at"])
