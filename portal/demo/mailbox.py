"""Read the emails that the demo's worker has delivered to a folder.

Django's file backend writes emails of the same second to one file, with a line of dashes after each email. So
the name of an email consists of the name of its file and its number in the file.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.utils import timezone

SEPARATOR = re.compile(rb"\r?\n-{79}\s*(?=Content-Type: |\Z)")
FILE = re.compile(r"[0-9A-Za-z-]+\.log")
NAME = re.compile(rf"({FILE.pattern})-(\d{{1,4}})")
MAX_FILES = 200
WEB_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
THIS_MACHINE = re.compile(r"https?://(?:localhost|127\.0\.0\.1)(?::\d+)?(?=/)")


@dataclass(frozen=True)
class Email:
    name: str
    to: str
    subject: str
    sent_at: datetime | None
    text: str
    html: str

    @property
    def links(self):
        return list(dict.fromkeys(address.rstrip(".,;:)") for address in WEB_ADDRESS.findall(self.text)))


def latest_emails(origin):
    """Return the emails, newest first.

    `origin` is the address at which the browser has opened the demo. Links to the portal are changed so that
    they begin with `origin`.
    """
    if not settings.MAIL_FOLDER.is_dir():
        return []
    files = sorted(
        (path.name for path in settings.MAIL_FOLDER.iterdir() if FILE.fullmatch(path.name)), reverse=True
    )
    emails = [
        _email(f"{file}-{number}", raw, origin)
        for file in files[:MAX_FILES]
        for number, raw in enumerate(_raw_emails(file))
    ]
    return sorted(emails, key=lambda email: email.sent_at.timestamp() if email.sent_at else 0, reverse=True)


def find_email(name, origin):
    """Return the email with this name, or None."""
    match = NAME.fullmatch(name)
    if not match:
        return None
    raw = dict(enumerate(_raw_emails(match[1]))).get(int(match[2]))
    return None if raw is None else _email(name, raw, origin)


def _raw_emails(file):
    try:
        content = (settings.MAIL_FOLDER / file).read_bytes()
    except OSError:
        return []
    return [raw for raw in SEPARATOR.split(content) if raw.strip()]


def _email(name, raw, origin):
    message = message_from_bytes(raw.strip(), policy=policy.default)
    return Email(
        name=name,
        to=_header(message, "To"),
        subject=_header(message, "Subject"),
        sent_at=_date(message),
        text=_with_links_to(_part(message, "plain"), origin),
        html=_part(message, "html"),
    )


def _part(message, kind):
    part = message.get_body(preferencelist=(kind,))
    try:
        return part.get_content().strip() if part is not None else ""
    except (LookupError, ValueError):
        return ""


def _header(message, name):
    try:
        return str(message[name] or "")
    except (LookupError, ValueError):
        return ""


def _date(message):
    try:
        date = parsedate_to_datetime(_header(message, "Date"))
    except ValueError:
        return None
    return date if timezone.is_aware(date) else timezone.make_aware(date, timezone.get_default_timezone())


def _with_links_to(text, origin):
    return THIS_MACHINE.sub(origin, text.replace(f"{settings.BASE_URL}/", f"{origin}/"))
