"""The mails that the portal sent, read from the folder into which the demo's worker delivers them.

Django's file backend names a file by second and object, so two mails of one second may share a file: each then ends with a
line of dashes. A mail's name here is its file's and its number in it.
"""

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.utils import timezone

BETWEEN_MAILS = re.compile(rb"\r?\n-{79}\s*(?=Content-Type: |\Z)")
FILE = re.compile(r"[0-9A-Za-z-]+\.log")
NAME = re.compile(rf"({FILE.pattern})-(\d{{1,4}})")
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
    if not settings.MAIL_FOLDER.is_dir():
        return []
    files = sorted(
        (path.name for path in settings.MAIL_FOLDER.iterdir() if FILE.fullmatch(path.name)), reverse=True
    )
    mails = [
        _mail(f"{file}-{number}", raw, origin)
        for file in files[:MOST]
        for number, raw in enumerate(_raw_mails(file))
    ]
    return sorted(mails, key=lambda mail: mail.sent_at.timestamp() if mail.sent_at else 0, reverse=True)


def find_mail(name, origin):
    """The mail of that name, or None."""
    asked = NAME.fullmatch(name)
    if not asked:
        return None
    raw = dict(enumerate(_raw_mails(asked[1]))).get(int(asked[2]))
    return None if raw is None else _mail(name, raw, origin)


def _raw_mails(file):
    try:
        content = (settings.MAIL_FOLDER / file).read_bytes()
    except OSError:
        return []
    return [raw for raw in BETWEEN_MAILS.split(content) if raw.strip()]


def _mail(name, raw, origin):
    message = email.message_from_bytes(raw.strip(), policy=email.policy.default)
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
