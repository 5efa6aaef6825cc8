"""Tell people by email that staff have corrected a visit in their account."""

from urllib.parse import urlsplit

from django.conf import settings

from accounts.sign_in.email_addresses import confirmed_address
from portal.notifications.models import Notification
from portal.notifications.push.subscriptions import who_has_devices
from portal.notifications.writing import notify

from .models import Correction


def recipients(help_session):
    """Return {person: address} for the people to notify about a correction.

    A person with an unconfirmed address gets no email, because staff may have mistyped the address. If a
    person has no address but gets push messages, the address in the result is "".
    """
    addresses = {person: confirmed_address(person) for person in help_session.keepers}
    with_devices = who_has_devices([person for person in addresses if not person.email])
    return {person: address for person, address in addresses.items() if address or person.pk in with_devices}


def send(help_session, *, version, at):
    """Write the emails about correction number `version`. Return whether any were written."""
    people = recipients(help_session)
    url = f"{settings.BASE_URL}{help_session.get_absolute_url()}"
    for person, address in people.items():
        notify(
            "privacy/corrected",
            to=address,
            at=at,
            recipient=person,
            language=person.language or help_session.language,
            context={"url": url, "branch": help_session.branch},
            url=url,
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
