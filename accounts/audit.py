from django.utils import timezone

from .models import AuditEvent


def record(action, subject, *, by, patron=None, at=None):
    """Add one event to the audit trail. `subject` is a model instance; `patron` is the person it concerns, if any."""
    return AuditEvent.objects.create(
        at=at or timezone.now(),
        action=action,
        by=by,
        patron=patron,
        subject_type=subject._meta.model_name,
        subject=str(getattr(subject, "public_id", subject.pk)),
    )
