"""Choose which staff members may see the emails that were not matched. Coordinators always see them."""

from accounts import audit
from accounts.models import StaffRole
from accounts.staff_actions import staff_action

from .models import EmailReader


@staff_action(also="person")
def add_reader(*, person, by, at):
    """Let this staff member see the emails that were not matched."""
    _reader, is_new = EmailReader.objects.get_or_create(
        person=person, defaults={"named_by": by, "named_at": at}
    )
    if is_new:
        audit.record("named_email_reader", person, by=by, patron=person, at=at)


@staff_action
def remove_reader(person, *, by, at):
    """Stop this person from seeing the emails that were not matched. A coordinator still sees them."""
    if EmailReader.objects.filter(person=person).delete()[0]:
        audit.record("ended_email_reader", person, by=by, patron=person, at=at)


def forget_former_readers(*, at):
    """Delete the EmailReader rows of people who no longer have a role. The worker runs this job."""
    EmailReader.objects.exclude(person__in=StaffRole.objects.values("user")).delete()
