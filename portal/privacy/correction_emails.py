"""Email the people who keep a visit that staff have corrected it."""

from urllib.parse import urlsplit

from django.conf import settings

from accounts.sign_in.email_addresses import confirmed_address
from portal.notifications.actions import notify
from portal.notifications.models import Notification

from .models import Correction


def recipients(help_session):
    """Return {person: address} for the people who can be emailed.

    An unconfirmed address gets no email, because staff may have mistyped it.
    """
    addresses = {person: confirmed_address(person) for person in help_session.keepers}
    return {person: address for person, address in addresses.items() if address}


def send(help_session, *, version, at):
    """Write the emails about correction number `version`, and return whether anybody gets one."""
    people = recipients(help_session)
    for person, address in people.items():
        notify(
            "privacy/corrected",
            to=address,
            at=at,
            recipient=person,
            language=person.language or help_session.language,
            context={
                "url": f"{settings.BASE_URL}{help_session.get_absolute_url()}",
                "branch": help_session.branch,
            },
            message_id=_message_id(help_session, person, version),
        )
    return bool(people)


def delete(help_session, person):
    """Delete the emails to this person about corrections of the help session.

    An email that a worker is sending now can't be deleted.
    """
    count = Correction.objects.filter(help_session=help_session).count()
    message_ids = [_message_id(help_session, person, number) for number in range(1, count + 1)]
    Notification.objects.filter(message_id__in=message_ids, leased_until=None).delete()


def _message_id(help_session, person, version):
    host = urlsplit(settings.BASE_URL).hostname or "localhost"
    return f"<corrected.{version}.{person.public_id}.{help_session.public_id}@{host}>"
