"""The access log of threads: its patron can see which of the staff read it, and on which days."""

import datetime

from accounts import audit
from accounts.models import AuditEvent

LOGGED_FOR = datetime.timedelta(hours=12)  # a page may be open so long before what arrives in it is logged again


def log_opened(conversation, *, by, at):
    """This member of staff opens the thread."""
    if conversation.patron_id:
        audit.record("opened", conversation, by=by, patron=conversation.patron, at=at)


def log_reading(conversation, *, by, at):
    """They are shown words of it in a page that was opened before: it says so itself, and is not believed."""
    if conversation.patron_id:
        opened = AuditEvent.objects.filter(action="opened", by=by, patron=conversation.patron_id, subject=str(conversation.public_id))
        if not opened.filter(at__gt=at - LOGGED_FOR).exists():
            log_opened(conversation, by=by, at=at)
