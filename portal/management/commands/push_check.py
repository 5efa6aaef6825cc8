"""Send a message to each device of one person, and say in plain words what is wrong."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from django.utils import timezone

from accounts.models import Library, User
from portal.notifications.push import sending
from portal.notifications.push.keys import is_set_up
from portal.notifications.push.subscriptions import devices_of, end_browser

SECONDS = 600


class Command(BaseCommand):
    help = "Test push messages: send one to each device of the person with this email address."

    def add_arguments(self, parser):
        parser.add_argument("address", help="the email address that the person uses to sign in")

    def handle(self, *, address, **options):
        if not is_set_up():
            raise CommandError("PUSH_PRIVATE_KEY is not set. Run manage.py push_keys to make a key.")
        person = User.objects.filter(email__iexact=address).first()
        if person is None:
            raise CommandError(f"Nobody here has the address {address}.")
        devices = list(devices_of(person, at=timezone.now()))
        if not devices:
            raise CommandError(
                "This person has no device for messages. Sign in on a phone, and turn messages on under “Me”."
            )
        problems = [problem for device in devices if (problem := self._try(device))]
        if problems:
            raise CommandError("\n".join(problems))

    def _try(self, device):
        """Send a message to the device. Return what is wrong, or ""."""
        name = f"{device.device} at {device.host}"
        content = {
            "title": Library.current().name,
            "body": "The library's portal can send messages to this device.",
            "url": settings.BASE_URL + reverse("home"),
            "tag": "try",
            "badge": 0,
        }
        try:
            sending.send(device, content, topic="try", seconds=SECONDS)
        except sending.Gone:
            end_browser(device)
            return f"{name}: the subscription has ended, so it was deleted. Turn messages on there again."
        except sending.NotNow as error:
            if error.is_unreachable:
                return (
                    f"{name}: the push service can't be reached ({error}). The worker must be able to open "
                    "connections to port 443 of the hosts in PUSH_HOSTS. Look for a firewall."
                )
            return f"{name}: the push service is busy ({error}). Try again in a few minutes."
        except sending.Refused as error:
            return (
                f"{name}: the push service refuses the message ({error}). Correct PUSH_SUBJECT. If "
                "PUSH_PRIVATE_KEY was changed, open the portal once on the device."
            )
        self.stdout.write(f"ok    {name}: the push service accepted a message. Check whether it arrives.")
        return ""
