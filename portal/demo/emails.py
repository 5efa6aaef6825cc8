"""Send emails from patrons of the demo to the library.

Two of the emails are added to their conversations by staff. Two others match no conversation.
"""

import datetime
from email.message import EmailMessage

from django.conf import settings

from accounts import audit
from accounts.models import AuditEvent
from portal.conversations.models import Conversation, Side
from portal.conversations.reply_addresses import WORKS_FOR, address_for
from portal.incoming.actions import add_to_conversation, receive
from portal.incoming.models import IncomingEmail
from portal.signed_addresses import is_configured

SUBJECT = "Re: The library has answered"
HOUR = datetime.timedelta(hours=1)
ANSWER = "Thank you, that was it! One more question: is it open on Saturdays too?\n"
QUOTE = """

On Friday, the library wrote:
> Write your answer above this line.
>
> The library has answered you. Read the answer here:
"""
INLINE = """\
On Friday, the library wrote:
> Read the answer here:

I read it on the train, thank you.

> You can reply in the conversation, or reply to this email.

I do that now. Can I pick the book up at the branch near the station?
"""
LATE = "I only saw this now, after my long trip. Is your offer from the summer still good?\n"
FROM_HOME = "This is my husband's address, mine is broken. Yes, please put the book aside.\n"
FROM_WORK = "It's me, from my office address. The form is stamped now. Do I bring it, or mail it?\n"
UNKNOWN = "Hello, do you still have the poster of the book sale? My sister saw it in the window.\n"


def send_emails(*, at):
    """Send the emails of patrons to the library, if the demo has a reply address."""
    if not is_configured():
        return
    plain, inline, late, added, other = _answered()[:5]
    _send(late, late.patron.email, LATE, at=at - 5 * HOUR, address_sent_at=at - WORKS_FOR - 48 * HOUR)
    _send(added, "home@family.example", FROM_HOME, at=at - 4 * HOUR)
    for email in IncomingEmail.objects.filter(message=None).order_by("came_at"):
        _add(email, at=email.came_at + HOUR / 2)
    _send(plain, plain.patron.email, ANSWER + QUOTE, at=at - 3 * HOUR)
    _send(inline, inline.patron.email, INLINE, at=at - 2 * HOUR)
    _send(other, f"{other.patron.name.split()[0].lower()}@office.example", FROM_WORK, at=at - HOUR)
    _send(None, "jo@mail.example", UNKNOWN, at=at - HOUR / 2, subject="Poster")


def _answered():
    """Return conversations in which the library wrote last.

    Their patrons read English, get emails, and have read everything.
    """
    found = Conversation.objects.filter(
        status=Conversation.Status.WAITING_FOR_PATRON, patron__language="en", patron__email__isnull=False
    )
    found = found.exclude(last_message_at=None)
    found = found.exclude(help_session__quiet=True).exclude(help_session__with_child="shared")
    found = found.select_related("patron", "help_session").order_by("-last_message_at", "pk")
    return [row for row in found if row.messages.in_order().last().side == Side.STAFF and _is_read(row)]


def _is_read(conversation):
    return not Conversation.objects.filter(pk=conversation.pk).unread_by(conversation.patron).exists()


def _add(email, *, at):
    """Let the author of the last answer add the email to its conversation."""
    answer = email.conversation.messages.filter(side=Side.STAFF).in_order().last()
    audit.record("opened", email, by=answer.author, patron=email.person, at=at)
    audit.record(
        **{"action": "opened", "subject": email.conversation, "by": answer.author},
        **{"patron": email.person, "at": at, "where": AuditEvent.Where.QUEUE},
    )
    add_to_conversation(email, by=answer.author, at=at)


def _send(conversation, sender, text, *, at, subject=SUBJECT, address_sent_at=None):
    """Receive an email as if a mail server had delivered it.

    `address_sent_at` is the time when the library sent the reply address to the patron. If it is None, the
    time is `at`.
    """
    known = conversation and address_for(conversation, conversation.patron, at=address_sent_at or at)
    email = EmailMessage()
    email["From"], email["Subject"] = sender, subject
    email["To"] = known or settings.REPLY_ADDRESS
    # The Message-ID is the same in each build of the demo.
    email["Message-ID"] = f"<{at:%Y%m%d%H%M}.{sender}>"
    email.set_content(text)
    receive(email.as_bytes(), at=at, recipient=email["To"], sender=sender)
