"""What Django and allauth send as ordinary mail becomes rows of the outbox."""

from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone, translation

from accounts.models import User

from . import actions

BLANK = (
    "X-Afterword-Blank"  # a mail with this header is emptied once delivered; the header itself is never sent
)
WRITTEN_BY_US = {"subject", "from", "to", "cc", "bcc", "date", "message-id", BLANK.lower()}


class EmailBackend(BaseEmailBackend):
    """One row for each recipient, so that one bad address costs no other recipient their mail."""

    @transaction.atomic
    def send_messages(self, email_messages):
        for message in email_messages:
            self._write(message)
        return len(email_messages)

    def _write(self, message):
        headers = {name: str(value) for name, value in message.extra_headers.items()}
        folded = {name.lower(): value for name, value in headers.items()}
        html = next(
            (
                content
                for content, mimetype in getattr(message, "alternatives", [])
                if mimetype == "text/html"
            ),
            "",
        )
        for number, address in enumerate(message.recipients()):
            recipient = User.objects.filter(email__iexact=address).first()
            blank = BLANK.lower() in folded
            actions.write(
                kind="account/mail",
                to=address,
                at=timezone.now(),
                recipient=recipient,
                language=translation.get_language() or "en",
                subject=message.subject,
                text=message.body,
                html=html,
                headers={name: value for name, value in headers.items() if name.lower() not in WRITTEN_BY_US},
                blank=blank,
                remove=blank
                and recipient
                is None,  # it would be no more than an address, which no erasure knows for somebody's
                message_id=folded.get("message-id", "") if number == 0 else "",
            )
