"""Write emails to the outbox, and take them out. Only the worker takes them out (portal/worker.py)."""

import uuid
from datetime import timedelta
from email.utils import parseaddr

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.template import Context
from django.template.loader import get_template
from django.utils import timezone, translation

from accounts.models import Library
from portal.text import clean

from .models import Heartbeat, Notification, RepeatedJob

# If a worker is killed, another one may take its email after this time. The time is longer than the slowest
# exchange with an email server, in which each step may take EMAIL_TIMEOUT.
LEASE = timedelta(minutes=5)
# How long to wait after the first, second, … failure, a little over three days in all. Then the row is dead.
RETRY_AFTER = [
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=36),
]
KEEP_DELIVERED = timedelta(days=30)
KEEP_DEAD = timedelta(days=90)


def notify(
    kind,
    *,
    to,
    at,
    due_at=None,
    recipient=None,
    language,
    context,
    blank=False,
    remove=False,
    message_id="",
    references=(),
):
    """Write one email to the outbox, in the caller's transaction, and return its row.

    `kind` is "app/name". The templates <app>/email/<name>.subject.txt, .txt and .html are rendered in
    `language`, with `context`, `library`, `base_url`, `language` and `direction`. The email is sent at
    `due_at`, or now.

    Once it is delivered, `blank` deletes its text, because it holds a code or a link that opens something.
    `remove` deletes the row, because the address must not be kept. `references` are the Message-IDs of the
    earlier emails of the conversation, the oldest first.
    """
    app, name = kind.split("/")
    library = Library.current()
    language = language or library.language
    with translation.override(language), timezone.override(library.zone):
        context = context | {
            "library": library,
            "base_url": settings.BASE_URL,
            "language": language,
            "direction": "rtl" if translation.get_language_bidi() else "ltr",
        }
        subject = _render(f"{app}/email/{name}.subject.txt", context)
        text = _render(f"{app}/email/{name}.txt", context)
        html = _render(f"{app}/email/{name}.html", context)
    headers = {"In-Reply-To": references[-1], "References": " ".join(references[-20:])} if references else {}
    return write(
        kind=kind,
        to=to,
        at=at,
        due_at=due_at,
        recipient=recipient,
        language=language,
        subject=subject,
        text=text,
        html=html,
        headers=headers,
        blank=blank,
        remove=remove,
        message_id=message_id,
    )


def write(
    *,
    kind,
    to,
    at,
    due_at=None,
    recipient=None,
    language,
    subject,
    text,
    html="",
    headers=None,
    blank=False,
    remove=False,
    message_id="",
):
    """Write an email that is already rendered, and return its row. The arguments are those of `notify`."""
    return Notification.objects.create(
        kind=kind,
        recipient=recipient,
        to_address=to,
        language=language,
        subject=clean(subject, max_length=200),
        text=text.replace("\0", ""),
        html=html.replace("\0", ""),
        headers={name: clean(value) for name, value in (headers or {}).items()},
        message_id=message_id or new_message_id(),
        blanked=blank,
        removed=remove,
        created_at=at,
        due_at=due_at or at,
    )


def withdraw(message_ids, **filters):
    """Delete the emails with these Message-IDs that match `filters` and that no worker has taken yet."""
    Notification.objects.filter(
        message_id__in=message_ids, state=Notification.State.WAITING, leased_until=None, **filters
    ).delete()


def new_message_id():
    return f"<{uuid.uuid4()}@{parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition('@')[2] or 'localhost'}>"


def _render(template, context):
    """Render the template. Text templates are not escaped, or Django would write &amp; into them."""
    engine_template = get_template(template).template  # type: ignore[attr-defined]  # of Django's backend
    return engine_template.render(Context(context, autoescape=template.endswith(".html"))).strip() + "\n"


def take_next(*, at):
    """Lease the email that has been due longest and return it, or None. Only one worker gets each email."""
    while True:
        # Look at several, because other workers try to take the first one too.
        waiting = list(Notification.objects.due(at).values_list("pk", flat=True)[:20])
        if not waiting:
            return None
        for pk in waiting:
            taken = (
                Notification.objects.due(at)
                .filter(pk=pk)
                .update(leased_until=at + LEASE, attempts=F("attempts") + 1)
            )
            if taken:
                return Notification.objects.get(pk=pk)


def mark_delivered(notification, *, at):
    """Mark the email as delivered, unless the lease has expired and another worker has taken it."""
    if notification.removed:
        _leased(notification).delete()
        return
    _leased(notification).update(
        state=Notification.State.DELIVERED,
        delivered_at=at,
        leased_until=None,
        last_error="",
        **({"text": "", "html": ""} if notification.blanked else {}),
    )


def mark_failed(notification, *, at, error, permanent=False):
    """Retry the email later, or give it up if the failure is permanent or it was tried often enough."""
    if permanent or notification.attempts > len(RETRY_AFTER):
        if notification.removed:
            _leased(notification).delete()
            return
        emptied = {"text": "", "html": ""} if notification.blanked else {}
        _leased(notification).update(
            state=Notification.State.DEAD,
            leased_until=None,
            last_error=clean(error, max_length=300),
            **emptied,
        )
    else:
        _leased(notification).update(
            due_at=at + RETRY_AFTER[notification.attempts - 1],
            leased_until=None,
            last_error=clean(error, max_length=300),
        )


def give_back(notification, *, error):
    """Return the email to the outbox without counting the attempt, because no server was reached."""
    _leased(notification).update(
        attempts=F("attempts") - 1, leased_until=None, last_error=clean(error, max_length=300)
    )


def _leased(notification):
    return Notification.objects.filter(
        pk=notification.pk, state=Notification.State.WAITING, leased_until=notification.leased_until
    )


def forget_old_notifications(*, at):
    """Delete emails and heartbeats after the periods of the privacy policy. A job of the worker."""
    Notification.objects.filter(
        state=Notification.State.DELIVERED, delivered_at__lt=at - KEEP_DELIVERED
    ).delete()
    Notification.objects.filter(state=Notification.State.DEAD, created_at__lt=at - KEEP_DEAD).delete()
    Heartbeat.objects.filter(beat_at__lt=at - timedelta(days=1)).delete()


def take_turn(name, *, at, every):
    """Return whether the caller should run the job now. One worker gets True, once in every `every`."""
    with transaction.atomic():
        _, is_new = RepeatedJob.objects.get_or_create(name=name, defaults={"due_at": at + every})
    return is_new or bool(RepeatedJob.objects.filter(name=name, due_at__lte=at).update(due_at=at + every))


def beat(worker, *, at):
    """Record that this worker is running."""
    Heartbeat.objects.update_or_create(worker=worker, defaults={"beat_at": at})


def remove_heartbeat(worker):
    """Forget a worker that has stopped normally, so that nobody is warned about it."""
    Heartbeat.objects.filter(worker=worker).delete()
