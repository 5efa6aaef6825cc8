"""The mails that the portal sent, read from the folder into which the demo's worker delivers them, one mail a file."""

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.utils import timezone

END = b"-" * 79  # Django's file backend closes each mail with such a line
NAME = re.compile(r"[0-9A-Za-z-]+\.log")
MOST = 200
WEB_ADDRESS = re.compile(r"https?://[^\s<>\"']+")
THIS_MACHINE = re.compile(r"https?://(?:localhost|127\.0\.0\.1)(?::\d+)?(?=/)")


@dataclass(frozen=True)
class Mail:
    name: str
    to: str
    subject: str
    sent_at: datetime | None
    text: str
    html: str

    @property
    def links(self):
        return list(dict.fromkeys(address.rstrip(".,;:)") for address in WEB_ADDRESS.findall(self.text)))


def latest_mails(origin):
    """The newest first. `origin` is where this demo is being looked at: links to it lead there, wherever it was built."""
    if not settings.EMAIL_FILE_PATH.is_dir():
        return []
    names = sorted((path.name for path in settings.EMAIL_FILE_PATH.iterdir() if NAME.fullmatch(path.name)), reverse=True)
    mails = [mail for name in names[:MOST] if (mail := find_mail(name, origin))]
    return sorted(mails, key=lambda mail: mail.sent_at.timestamp() if mail.sent_at else 0, reverse=True)


def find_mail(name, origin):
    """The mail in that file, or None."""
    if not NAME.fullmatch(name):
        return None
    try:
        raw = (settings.EMAIL_FILE_PATH / name).read_bytes()
    except OSError:
        return None
    message = email.message_from_bytes(raw.strip().removesuffix(END).strip(), policy=email.policy.default)
    return Mail(
        name=name,
        to=_header(message, "To"),
        subject=_header(message, "Subject"),
        sent_at=_date(message),
        text=_point_here(_part(message, "plain"), origin),
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


def _point_here(text, origin):
    return THIS_MACHINE.sub(origin, text.replace(f"{settings.BASE_URL}/", f"{origin}/"))
