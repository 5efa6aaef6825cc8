"""Write the audit trail, which says who did what and when."""

from django.utils import timezone

from portal.prepared import insert

from .models import AuditEvent, LookingReason, User


def record(action, subject, *, by, patron=None, at=None, where="", reason="", results=None):
    """Add one event to the audit trail and return the event.

    `subject` is the model instance that was changed or opened. `patron` is the person that the event
    concerns, if any. `where` is a value of AuditEvent.Where: the page where staff opened the subject.
    `reason` is the staff member's reason for looking up the patron. Patrons never see this reason. `results`
    is the number of results of a search.
    """
    event = AuditEvent(
        at=at or timezone.now(),
        action=action,
        by=by,
        patron=patron,
        subject_type=subject._meta.model_name,
        subject=str(getattr(subject, "public_id", subject.pk)),
        where=where,
        results=results,
    )
    insert(event)
    if reason:
        LookingReason.objects.create(event=event, patron=patron, reason=reason)
    return event


def merged_into(public_id):
    """Return the person into whose record the record with this public id was merged, or None."""
    merges = AuditEvent.objects.filter(
        action="merged_people", subject_type="user", subject=str(public_id), patron__isnull=False
    )
    last = merges.select_related("patron").order_by("-at", "-pk").first()
    return last.patron if last else None


def former_ids(person):
    """Return the public ids of the records that were merged into this person's record, as strings.

    Leave out merges that were undone.
    """
    merges = AuditEvent.objects.filter(action="merged_people", subject_type="user", patron=person)
    ids = set(merges.exclude(subject=str(person.public_id)).values_list("subject", flat=True))
    separate = User.objects.filter(public_id__in=ids).values_list("public_id", flat=True) if ids else ()
    return sorted(ids - {str(public_id) for public_id in separate})
