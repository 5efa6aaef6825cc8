"""Make the key for push messages, and print the lines for the environment."""

from email.utils import parseaddr

from django.conf import settings
from django.core.management.base import BaseCommand

from portal.notifications.push.keys import is_set_up, new_private_key
from portal.service_rules import is_push_subject


class Command(BaseCommand):
    help = "Make a new key for push messages, and print the lines for the environment. It saves nothing."
    # The command must run even if the key in the environment can't be read.
    requires_system_checks: list = []

    def handle(self, **options):
        if is_set_up():
            self.stderr.write(
                "LOOK  The portal has a key already. With a new key, everyone who gets messages on a device "
                "has to open the portal there once."
            )
        self.stdout.write(f"PUSH_PRIVATE_KEY={new_private_key()}")
        subject = f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}"
        if is_push_subject(subject):
            self.stdout.write(f"PUSH_SUBJECT={subject}")
