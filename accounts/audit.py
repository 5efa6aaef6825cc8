from django.utils import timezone

from portal.prepared import insert

from .models import AuditEvent, LookingReason


def record(action, subject, *, by, patron=None, at=None, where="", reason=""):
    """Add one event to the audit trail. `subject` is a model instance; `patron` is the person it concerns, if any.

    `where`: from where in the desk it was opened. `reason`: why, where that was asked; it is the desk's alone.
    """
    event = AuditEvent(
        at=at or timezone.now(),
        action=action,
        by=by,
        patron=patron,
        subject_type=subject._meta.model_name,
        subject=str(getattr(subject, "public_id", subject.pk)),
        where=where,
    )
    insert(event)
    if reason:
        LookingReason.objects.create(event=event, patron=patron, reason=reason)
    return event
