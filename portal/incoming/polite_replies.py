"""Tell patrons that their email, or a file in it, did not reach the library."""

from datetime import timedelta

from django.conf import settings

from accounts.models import User
from accounts.sign_in.email_addresses import confirmed_address
from portal.notifications.models import Notification
from portal.notifications.writing import notify

KIND = "incoming/not_read"
# A person gets at most one such email per day. Otherwise two programs that answer each other could fill a
# mailbox.
ONE_EVERY = timedelta(days=1)


def reply_to(person, *, conversation, reason="", files=(), at):
    """Tell this person by email that their email, or a file in it, did not reach the library.

    Do nothing if the person got such an email less than ONE_EVERY ago.

    `reason` is the IncomingEmail.Reason why the email could not be read. `files` are the NotAdded files of an
    email that was read. Patrons who have died or have no confirmed address get no email. Call this function
    in a transaction.
    """
    # The lock makes a second worker wait until the first worker has saved its email.
    person = User.objects.select_for_update(no_key=True).filter(pk=person.pk).first()
    if person is None or not confirmed_address(person) or person.died_at:
        return
    if Notification.objects.filter(recipient=person, kind=KIND, created_at__gt=at - ONE_EVERY).exists():
        return
    notify(
        KIND,
        to=person.email,
        at=at,
        recipient=person,
        language=person.language,
        context={
            "reason": reason,
            "files": files,
            "branch": conversation.branch,
            "url": f"{settings.BASE_URL}{conversation.get_absolute_url()}#latest",
        },
    )
