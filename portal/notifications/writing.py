"""Write emails to the outbox, in the transaction that causes them."""

import uuid
from email.utils import parseaddr
from functools import cache

from django.conf import settings
from django.template import Context
from django.template.loader import get_template
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Library
from portal.prepared import insert
from portal.text import clean

from .kinds import KINDS
from .models import Notification, StaffNotice


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
    reply_to="",
    about="",
    url="",
    branch=None,
    library=None,
    save=True,
):
    """Write one email to the outbox in the caller's transaction, and return its row.

    `kind` is "app/name". The templates <app>/email/<name>.subject.txt, .txt and .html are rendered in
    `language`. Besides `context`, they get `library`, `base_url`, `language` and `direction`. The email ends
    with the phone number of the branch in `context`, or of the default branch if `context` has no branch. The
    worker sends the email at the time `due_at`, or now if `due_at` is None.

    Set `blank` if the text has a secret code or link. The worker then deletes the text after it has sent the
    email or has given up. Set `remove` if the address must not remain stored. The worker then
    deletes the whole row when the email is sent. When the email is given up, the worker deletes everything
    that identifies the recipient. An email is not sent after `ends_at`.

    `references` has the Message-IDs of earlier emails about the same conversation. The oldest comes first.

    `reply_to` is the address for the person's reply. The email then begins with a line that asks the person
    to write above the line. If `reply_to` is "", the email asks for no reply.

    If `kind` is in `kinds.KINDS`, the worker decides when and how the person gets the notice. The notice is
    sent to the person's devices, or to the person's address at that time. `about` is a key, such as the id of
    a conversation, so that one email can replace several notices about the same thing. A push message and a
    digest link to `url`. A digest also shows the name of `branch`. If the kind has `when_open`, the notice
    waits until `branch` is open.

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
            "reply_to": reply_to,
        }
        if notice := KINDS.get(kind):
            context |= {"why": notice.why, "change_url": change_url(notice.change_page)}
        subject = _render(f"{app}/email/{name}.subject.txt", context)
        text = _render(f"{app}/email/{name}.txt", context)
        html = _render(f"{app}/email/{name}.html", context)
    headers = {"In-Reply-To": references[-1], "References": " ".join(references[-20:])} if references else {}
    if reply_to:
        headers["Reply-To"] = reply_to
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
    """Save these StaffNotices in the caller's transaction. Skip a notice if its `mark` was saved before."""
    StaffNotice.objects.bulk_create(notices, batch_size=200, ignore_conflicts=True)


def change_url(page):
    """Return the full URL of a page where people choose their notices. `page` is the URL name."""
    return settings.BASE_URL + reverse(page)


def save_all(rows):
    """Save emails that were made with `save=False` to the outbox."""
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
        insert(row)
    return row


def withdraw(message_ids, **filters):
    """Delete the notices with these Message-IDs that match `filters`.

    A notice stays if a worker has already taken its email or one of its push messages.
    """
    Notification.objects.not_sent().filter(message_id__in=message_ids, **filters).delete()


def new_message_id():
    return f"<{uuid.uuid4()}@{_domain(settings.DEFAULT_FROM_EMAIL)}>"


@cache
def _domain(address):
    return parseaddr(address)[1].rpartition("@")[2] or "localhost"


def _render(template, context):
    """Render the template. Escape values only in HTML, because plain text must not contain &amp; for &."""
    engine_template = get_template(template).template  # type: ignore[attr-defined]  # of Django's backend
    is_html = template.endswith(".html")
    lines = engine_template.render(Context(context, autoescape=is_html)).strip().split("\n")
    if is_html:
        # Remove the indentation and the empty lines of templates, because they are half of an email's length.
        lines = [line.strip() for line in lines if line.strip()]
    return "\n".join(lines) + "\n"
