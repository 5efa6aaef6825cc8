"""An email backend that writes the emails of Django and allauth to the outbox."""

from datetime import timedelta

from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.utils import timezone, translation

from accounts.models import User

from . import writing

# If an email has the header BLANK, its text is deleted after delivery. If an email has the header SECONDS, it
# is sent within that many seconds or not at all. This backend reads the two headers, and never sends them.
BLANK, SECONDS = "X-Afterword-Blank", "X-Afterword-Seconds"
# The backend does not store the headers in OWN_HEADERS. delivery.build adds most of them when it builds the
# email.
OWN_HEADERS = {"subject", "from", "to", "cc", "bcc", "date", "message-id", BLANK.lower(), SECONDS.lower()}


class EmailBackend(BaseEmailBackend):
    """A backend that writes one row per recipient, so that a bad address doesn't stop other emails."""

    @transaction.atomic
    def send_messages(self, email_messages):
        for message in email_messages:
            self._write(message)
        return len(email_messages)

    def _write(self, message):
        headers = {name: str(value) for name, value in message.extra_headers.items()}
        by_lower_name = {name.lower(): value for name, value in headers.items()}
        alternatives = getattr(message, "alternatives", [])
        html = next((content for content, mimetype in alternatives if mimetype == "text/html"), "")
        at = timezone.now()
        seconds = by_lower_name.get(SECONDS.lower())
        for number, address in enumerate(message.recipients()):
            recipient = User.objects.filter(email__iexact=address).first()
            blank = BLANK.lower() in by_lower_name
            writing.write(
                kind="account/mail",
                to=address,
                at=at,
                recipient=recipient,
                language=translation.get_language() or "en",
                subject=message.subject,
                text=message.body,
                html=html,
                headers={name: value for name, value in headers.items() if name.lower() not in OWN_HEADERS},
                blank=blank,
                # Nobody has an account with this address, so delete the address after sending.
                remove=blank and recipient is None,
                ends_at=at + timedelta(seconds=int(seconds)) if seconds else None,
                message_id=by_lower_name.get("message-id", "") if number == 0 else "",
            )
