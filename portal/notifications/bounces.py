"""Stop notices to an email address after two hard failures, and resume them when the owner asks for notices.

Other emails, such as codes and security notices, are still sent to the address.
"""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from accounts.models import User
from portal import signed_addresses

from .models import FailingAddress, Notification

PURPOSE = "envelope of an email"
# The envelope sender contains this many bytes of the email's public id. Half of the id is enough, because the
# address is signed.
ID_BYTES = 8
RETURNED = "The mail server took the email, and reported later that it did not arrive:"
# Status codes of permanent errors (class 5) that don't count as hard failures, because the recipient's
# address is not the cause. 5.7 is about the sender: the server doesn't accept our emails. 5.2.2 is a full
# mailbox. See decision 19.
NOT_ABOUT_ADDRESS = ("5.7.", "5.2.2")

# The minimum time between two failures that stop notices to an address. Failures on one day may come from a
# mail server that was misconfigured for a few hours.
APART = timedelta(days=1)
# A failure that is older than this no longer counts.
COUNTS_FOR = timedelta(days=30)


@transaction.atomic
def note_hard_failure(person_id, email, *, at):
    """Count a hard failure of this person's address: the mail server refused the address permanently.

    A second failure stops notices to the address if it comes at least APART and at most COUNTS_FOR after the
    first.
    """
    # Lock the person, because two workers may count at the same time, and the person may be erased.
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


def is_about_address(status):
    """Return whether a permanent error (class 5) counts as a hard failure of the address.

    `status` is the enhanced status code, such as "5.1.1", or a text that begins with it. An error without
    such a code counts.
    """
    return not status.startswith(NOT_ABOUT_ADDRESS)


def is_off(person):
    """Return whether notices to this person's address have been stopped."""
    return FailingAddress.objects.off().filter(person=person, email=person.email).exists()


def try_again(person):
    """Resume notices to the person's address. Earlier failures no longer count."""
    FailingAddress.objects.filter(person=person).delete()


def forget_failing_addresses(*, at):
    """Delete failures that no longer count, and failures of addresses that people have replaced.

    The worker runs this job.
    """
    FailingAddress.objects.filter(off_at=None, failed_at__lt=at - COUNTS_FOR).delete()
    FailingAddress.objects.exclude(email=F("person__email")).delete()


def envelope_for(notification):
    """Return the envelope sender for an email.

    Return "" if no reply address is configured.
    """
    return signed_addresses.sign(PURPOSE, notification.public_id.bytes[:ID_BYTES])


def email_of_report(address):
    """Return the row of the email whose envelope had this address as its sender, or None."""
    content = signed_addresses.read(PURPOSE, address)
    if content is None or len(content) != ID_BYTES:
        return None
    rest = 16 - ID_BYTES
    first, last = UUID(bytes=content + b"\0" * rest), UUID(bytes=content + b"\xff" * rest)
    return Notification.objects.filter(public_id__range=(first, last)).first()


@transaction.atomic
def note_report(address, *, status, at):
    """Count a report that an email did not arrive, and return whether it was counted.

    `address` is the address that the report was sent to. `status` is the report's status code, such as
    "5.1.1". A report counts only if its status says that the failure is permanent (class 5), and if
    `envelope_for` made the address. Each email counts once.
    """
    email = email_of_report(address)
    if email is None or not status.startswith("5."):
        return False
    # The report can arrive before the worker has marked the email as delivered. So this update also ends the
    # worker's lease. Without the lease, the worker can't change the row anymore.
    is_sent = Q(state=Notification.State.DELIVERED) | Q(state=Notification.State.WAITING, leased_until__gt=at)
    returned = {"state": Notification.State.DEAD, "delivered_at": None, "leased_until": None, "died_at": at}
    sent = Notification.objects.filter(is_sent, pk=email.pk)
    if not sent.update(**returned, **email.emptied(), last_error=f"{RETURNED} {status}"):
        return False
    if email.recipient_id and is_about_address(status):
        note_hard_failure(email.recipient_id, email.to_address, at=at)
    return True
