"""Turn an email address off after two hard failures, and on again if the person asks for it.

Notices are not sent to an address that is off. Other emails, such as codes and security notices, still are.
"""

from datetime import timedelta

from django.db import transaction
from django.db.models import F

from accounts.models import User

from .models import FailingAddress

# Two failures on one day may come from a mail server that was set up wrongly for some hours.
APART = timedelta(days=1)
# A failure counts for this time.
COUNTS_FOR = timedelta(days=30)


@transaction.atomic
def note_hard_failure(person_id, email, *, at):
    """Count a hard failure of this person's address: the mail server refused it for good.

    The second one turns the address off, if it comes a day later or more.
    """
    # Lock the person, because two workers may count at once, and the person may be erased.
    person = User.objects.select_for_update().filter(pk=person_id, email__iexact=email).first()
    if person is None:
        return
    address = person.email or ""
    row, is_new = FailingAddress.objects.get_or_create(
        person=person, defaults={"email": address, "failed_at": at}
    )
    is_old = row.email != address or (row.off_at is None and at - row.failed_at > COUNTS_FOR)
    if is_new or row.off_at and not is_old:
        return
    if is_old:
        row.email, row.failed_at, row.off_at = address, at, None
    elif at - row.failed_at >= APART:
        row.off_at = at
    row.save()


def is_off(person):
    """Return whether notices to this person's address are off."""
    return FailingAddress.objects.off().filter(person=person, email=person.email).exists()


def try_again(person):
    """Turn the person's address on again. The failures so far no longer count."""
    FailingAddress.objects.filter(person=person).delete()


def forget_failing_addresses(*, at):
    """Delete failures that no longer count, and those of earlier addresses. This is a job of the worker."""
    FailingAddress.objects.filter(off_at=None, failed_at__lt=at - COUNTS_FOR).delete()
    FailingAddress.objects.exclude(email=F("person__email")).delete()
