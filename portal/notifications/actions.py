"""Writing to the outbox, and taking from it. The worker (portal/worker.py) is the only one that takes."""

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

# A worker that was killed holds its mail no longer than this. Longer than the slowest exchange with a mail server (EMAIL_TIMEOUT a step).
LEASE = timedelta(minutes=5)
# How long to wait after the first, second, … failure; after the last the row is dead. In all a little over three days.
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
    """Write one mail to the outbox, in the caller's transaction, and return its row. It waits until `due_at`, if that is given.

    `kind` is "app/name": templates/<app>/email/<name>.subject.txt, .txt and .html are rendered in `language`, with `context`,
    `library`, `base_url`, `language` and `direction`. With `blank` the body is emptied once delivered: for codes and links that open
    something; with `remove` the whole row goes then: for an address that is to be forgotten. `references` are the Message-IDs of the mails before it
    in the conversation, oldest first.
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
    """Write a mail that is already rendered."""
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


def withdraw(message_ids, **whose):
    """Take back mails that no worker has taken up yet: those with these Message-IDs, and of them those to one `recipient`, if that is given."""
    Notification.objects.filter(
        message_id__in=message_ids, state=Notification.State.WAITING, leased_until=None, **whose
    ).delete()


def new_message_id():
    return f"<{uuid.uuid4()}@{parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition('@')[2] or 'localhost'}>"


def _render(template, context):
    """Plain text is not escaped, whatever its template says: Django would write &amp; into it."""
    engine_template = get_template(template).template  # type: ignore[attr-defined]  # Django's own
    return engine_template.render(Context(context, autoescape=template.endswith(".html"))).strip() + "\n"


def take_next(*, at):
    """Lease the mail that is due longest and return it, or None when there is none. Each goes to one of any number of workers."""
    while True:
        # Several, because other workers want the first one too.
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
    """Nothing happens if the lease ran out and another worker holds the row now: that worker's word counts."""
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
    """Try again later; or never, when the mail server said never or there were tries enough."""
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
    """The mail server can't be reached: no mail's fault, so it doesn't count as an attempt and the row stays due."""
    _leased(notification).update(
        attempts=F("attempts") - 1, leased_until=None, last_error=clean(error, max_length=300)
    )


def _leased(notification):
    return Notification.objects.filter(
        pk=notification.pk, state=Notification.State.WAITING, leased_until=notification.leased_until
    )


def forget_old_notifications(*, at):
    """What the privacy policy promises: delivered mail for 30 days, dead mail for 90."""
    Notification.objects.filter(
        state=Notification.State.DELIVERED, delivered_at__lt=at - KEEP_DELIVERED
    ).delete()
    Notification.objects.filter(state=Notification.State.DEAD, created_at__lt=at - KEEP_DEAD).delete()
    Heartbeat.objects.filter(beat_at__lt=at - timedelta(days=1)).delete()


def take_turn(name, *, at, every):
    """Whether the caller is to run the job `name` now. Exactly one of any number of workers is told so, once in `every`."""
    with transaction.atomic():
        _, new = RepeatedJob.objects.get_or_create(name=name, defaults={"due_at": at + every})
    return new or bool(RepeatedJob.objects.filter(name=name, due_at__lte=at).update(due_at=at + every))


def beat(worker, *, at):
    Heartbeat.objects.update_or_create(worker=worker, defaults={"beat_at": at})


def fall_silent(worker):
    """The worker stopped in good order: nobody needs to wonder where it is."""
    Heartbeat.objects.filter(worker=worker).delete()
