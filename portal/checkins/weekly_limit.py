"""Stop counting an email toward the limit of one email a week if the email was never sent.

`User.check_in_sent_at` is the time when the last email to the patron was written. The next email must be
written at least a week later.
"""

from django.db import transaction
from django.db.models import Max

from accounts.models import User

from .models import CheckIn


@transaction.atomic
def uncount_unsent_email(check_in):
    """Set the patron's `check_in_sent_at` back to the time of the email before this one.

    Patrons are locked before check-ins. The caller has already locked the check-in, so waiting for the
    patron's row could deadlock. If another transaction has locked that row, change nothing. The patron's next
    email then waits up to a week.
    """
    rows = User.objects.select_for_update(no_key=True, skip_locked=True)
    patron = rows.filter(pk=check_in.asked_id, check_in_sent_at=check_in.asked_at).first()
    if patron is not None:
        others = CheckIn.objects.filter(asked=patron).exclude(pk=check_in.pk)
        patron.check_in_sent_at = others.aggregate(last=Max("asked_at"))["last"]
        patron.save(update_fields=["check_in_sent_at"])
