import shutil

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Library
from portal.conversations.models import Attachment
from portal.demo.build import CODES_FILE, build
from portal.incoming import originals
from portal.incoming.models import IncomingEmail
from portal.notifications.push.keys import new_private_key
from recommendations.search import entries


class Command(BaseCommand):
    help = "Build the demo library. If there is one already, nothing changes."

    def add_arguments(self, parser):
        parser.add_argument(
            "--reset",
            action="store_true",
            help="delete all data and all emails, and build the library again",
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="another number gives a slightly different library"
        )

    def handle(self, *, reset, seed, **options):
        if not settings.DEMO:
            raise CommandError(
                "This is not a demo, so nothing was changed. Set AFTERWORD_MODE=demo and another DATA_DIR."
            )
        self._make_push_key()
        if reset:
            self._delete_everything()
        elif Library.objects.exists():
            self.stdout.write(
                f"{Library.current()} is already built. To build it again, run: build_demo --reset"
            )
            return
        build(at=timezone.now(), seed=seed)
        self.stdout.write(f"{Library.current()} is built.")

    def _make_push_key(self):
        """Make the key for push messages, which the portal reads when it starts."""
        file = settings.DEMO_PUSH_KEY_FILE
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(new_private_key())
            # The settings were read before the file with the key existed. The demo's phone needs the key now.
            settings.PUSH_PRIVATE_KEY = settings.PUSH_PRIVATE_KEY or file.read_text()

    def _delete_everything(self):
        Attachment.remove_files(
            [name for attachment in Attachment.objects.all() for name in attachment.stored_names()]
        )
        originals.remove(IncomingEmail.objects.values_list("file", flat=True))
        call_command("flush", interactive=False, verbosity=0)
        for _count in entries.rebuild():
            pass
        shutil.rmtree(settings.MAIL_FOLDER, ignore_errors=True)
        CODES_FILE.unlink(missing_ok=True)
