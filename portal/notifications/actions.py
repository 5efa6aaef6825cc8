"""Write emails to the outbox, and take emails from the outbox to send them.

Only the worker takes emails from the outbox (portal/worker.py).
"""

import uuid
from datetime import timedelta
from email.utils import parseaddr

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.template import Context
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Library
from portal.text import clean

from .kinds import KINDS, is_notice
from .models import DeskUse, Heartbeat, Notification, RepeatedJob, StaffNotice

# If a worker is killed while it sends an email, another worker may take the email after this time. Sending an
# email never takes this long, even if each step takes as long as EMAIL_TIMEOUT allows.
LEASE = timedelta(minutes=5)
WORKER_SILENT_AFTER = timedelta(seconds=60)
# The times to wait after the first failure, the second failure and so on. Together they are a little over
# three days. If the email fails again after that, it is given up and its state becomes DEAD.
RETRY_AFTER = [
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=36),
]
TOO_LATE = "It could not be sent before its code or link ended."
ADDRESS_OFF = "The mail server refused earlier emails to this address, so it gets no more notices."
# The clocks of two machines may differ by this time.
CLOCK_TOLERANCE = timedelta(minutes=1)
KEEP_DELIVERED = timedelta(days=30)
KEEP_DEAD = timedelta(days=90)
KEEP_STAFF_NOTICES = timedelta(days=1)
KEEP_DESK_USE = timedelta(days=1)


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
    ends_at=None,
    message_id="",
    references=(),
    about="",
    url="",
    branch=None,
    library=None,
    save=True,
):
    """Write one email to the outbox in the caller's transaction, and return its row.

    `kind` is "app/name". The templates <app>/email/<name>.subject.txt, .txt and .html are rendered in
    `language`. Besides `context`, they get `library`, `base_url`, `language` and `direction`. The phone
    number at the end is that of `branch` in the context, or else of the default branch. The email is
    sent at the time `due_at`. If `due_at` is None, the email is sent now.

    Set `blank` if the text has a secret code or link. The worker deletes the text when it has sent the email
    or has given up. Set `remove` if the address must not stay stored. The worker then deletes the whole row,
    or everything in it that tells who should have got the email. An email is not sent after `ends_at`.

    `references` has the Message-IDs of earlier emails about the same conversation. The oldest comes first.

    If `kind` is in `kinds.KINDS`, the worker decides when and how the person gets the notice, and sends it to
    the address that the person has then. `about` is a
    key of what the notice is about, so that one email can replace several notices about the same thing. A
    digest links to `url`, and names `branch`.

    To write many emails with few queries, pass the `library` and `save=False`. Then call `save_all`.
    """
    app, name = kind.split("/")
    library = library or Library.current()
    language = language or library.language
    with translation.override(language), timezone.override(library.zone):
        context = context | {
            "library": library,
            "base_url": settings.BASE_URL,
            "language": language,
            "direction": "rtl" if translation.get_language_bidi() else "ltr",
        }
        if notice := KINDS.get(kind):
            context |= {"why": notice.why, "change_url": change_url(for_staff=notice.for_staff)}
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
        ends_at=ends_at,
        message_id=message_id,
        about=about,
        url=url,
        branch=branch,
        save=save,
    )


def announce(notices):
    """Write these StaffNotices in the caller's transaction, except those whose mark is known."""
    StaffNotice.objects.bulk_create(notices, batch_size=200, ignore_conflicts=True)


def change_url(*, for_staff):
    """Return the address of the page on which a person chooses which notices they get."""
    return settings.BASE_URL + reverse("desk_notices" if for_staff else "notices")


def save_all(rows):
    """Write emails to the outbox that were made with `save=False`."""
    Notification.objects.bulk_create(rows, batch_size=200)


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
    ends_at=None,
    message_id="",
    about="",
    url="",
    branch=None,
    save=True,
):
    """Write an already rendered email to the outbox, and return its row.

    Each argument means the same as the argument of `notify` with the same name.
    """
    row = Notification(
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
        ends_at=ends_at,
        about=about,
        url=url,
        branch=branch,
        created_at=at,
        due_at=due_at or at,
    )
    if save:
        row.save(force_insert=True)
    return row


def withdraw(message_ids, **filters):
    """Delete emails that have one of these Message-IDs and match `filters`, if no worker has taken them."""
    Notification.objects.filter(
        message_id__in=message_ids, state=Notification.State.WAITING, leased_until=None, **filters
    ).delete()


def new_message_id():
    return f"<{uuid.uuid4()}@{parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition('@')[2] or 'localhost'}>"


def _render(template, context):
    """Render the template. Only HTML is escaped, because plain text must not contain &amp; for &."""
    engine_template = get_template(template).template  # type: ignore[attr-defined]  # of Django's backend
    is_html = template.endswith(".html")
    lines = engine_template.render(Context(context, autoescape=is_html)).strip().split("\n")
    if is_html:
        # Without the indentation and the empty lines of templates, an email is half as long.
        lines = [line.strip() for line in lines if line.strip()]
    return "\n".join(lines) + "\n"


def take_next(*, at, ahead=None):
    """Lease the email that has been due longest, and return it. Return None if no email is due.

    While the lease lasts, no other worker gets this email. Emails with `ends_at`, such as codes, come before
    all others, because somebody waits for them.

    `ahead` is a list of due emails that the caller keeps between calls. It begins empty, and this function
    fills it, so that most calls need one statement.
    """
    ahead = [] if ahead is None else ahead
    while True:
        if not ahead:
            due = Notification.objects.due(at).with_address_off()
            ahead += due.filter(ends_at__isnull=False)[:20] or due[:20]
        if not ahead:
            return None
        notification = ahead.pop(0)
        if not _take(notification, at):
            continue
        if notification.ends_at is not None and notification.ends_at <= at:
            mark_failed(notification, at=at, error=TOO_LATE, permanent=True)
        elif is_notice(notification.kind) and notification.address_off:
            mark_failed(notification, at=at, error=ADDRESS_OFF, permanent=True)
        else:
            return notification


def _take(notification, at):
    """Lease the email, and return whether it is leased. Others may have taken or deleted it meanwhile."""
    unchanged = {name: getattr(notification, name) for name in ("leased_until", "attempts", "due_at")}
    notification.leased_until = at + LEASE
    notification.attempts += 1
    return Notification.objects.filter(
        pk=notification.pk, state=Notification.State.WAITING, **unchanged
    ).update(leased_until=notification.leased_until, attempts=notification.attempts)


def mark_delivered(notification, *, at):
    """Mark the email as delivered, unless the lease has expired and another worker has taken the email."""
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
    """Schedule another attempt to send the email, or give the email up.

    The email is given up if the failure is permanent, or if all attempts in RETRY_AFTER were made.
    """
    if permanent or notification.attempts > len(RETRY_AFTER):
        emptied: dict = {"text": "", "html": ""} if notification.blanked or notification.removed else {}
        if notification.removed:
            emptied |= {"to_address": "", "subject": "", "headers": {}, "recipient": None}
        _leased(notification).update(
            state=Notification.State.DEAD,
            died_at=at,
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


def send_again(notification, *, at):
    """Put an email that was given up back into the outbox. Return whether this call did it.

    An email whose text had a code or a link can't be sent again, because its text is deleted.
    """
    dead = Notification.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=at), pk=notification.pk, state=Notification.State.DEAD, blanked=False
    )
    return bool(
        dead.exclude(to_address="").update(
            state=Notification.State.WAITING, died_at=None, due_at=at, attempts=0
        )
    )


def give_back(notification, *, error):
    """Put the email back into the outbox. The attempt isn't counted, because no server was reached."""
    _leased(notification).update(
        attempts=F("attempts") - 1, leased_until=None, last_error=clean(error, max_length=300)
    )


def _leased(notification):
    return Notification.objects.filter(
        pk=notification.pk, state=Notification.State.WAITING, leased_until=notification.leased_until
    )


def forget_old_notifications(*, at):
    """Delete old emails, times of use and heartbeats, as the privacy policy says. The worker runs this."""
    Notification.objects.filter(
        state=Notification.State.DELIVERED, delivered_at__lt=at - KEEP_DELIVERED
    ).delete()
    Notification.objects.filter(state=Notification.State.DEAD, died_at__lt=at - KEEP_DEAD).delete()
    StaffNotice.objects.filter(written_at__lt=at - KEEP_STAFF_NOTICES).delete()
    DeskUse.objects.filter(used_at__lt=at - KEEP_DESK_USE).delete()
    Heartbeat.objects.filter(beat_at__lt=at - timedelta(days=1)).delete()


def take_turn(name, *, at, every):
    """Return whether this worker should run the job now.

    In each period of the length `every`, only one of all workers gets True. If a clock was fast and has been
    set back, the stored time is too far in the future. Then the job runs now.
    """
    with transaction.atomic():
        _, is_new = RepeatedJob.objects.get_or_create(name=name, defaults={"due_at": at + every})
    is_due = Q(due_at__lte=at) | Q(due_at__gt=at + every + CLOCK_TOLERANCE)
    return is_new or bool(RepeatedJob.objects.filter(is_due, name=name).update(due_at=at + every))


def beat(worker, *, at):
    """Record that this worker is running."""
    Heartbeat.objects.update_or_create(worker=worker, defaults={"beat_at": at})


def living_worker(*, at):
    """Return the latest Heartbeat of a worker that runs, or None if no worker runs.

    A heartbeat in the future is old: the clock was set back after it.
    """
    recent = Heartbeat.objects.filter(
        beat_at__gt=at - WORKER_SILENT_AFTER, beat_at__lt=at + WORKER_SILENT_AFTER
    )
    return recent.order_by("-beat_at").first()


def remove_heartbeat(worker):
    """Delete the heartbeat of a worker that has stopped normally, so that nobody is warned about it."""
    Heartbeat.objects.filter(worker=worker).delete()
