import shutil

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.models import Library
from portal.conversations.models import Attachment
from portal.demo.build import CODES_FILE, build
from recommendations import search


class Command(BaseCommand):
    help = "Builds the demo library. One that is there already is left as it is."

    def add_arguments(self, parser):
        parser.add_argument(
            "--reset",
            action="store_true",
            help="throw away everything in the database and every mail, and begin anew",
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="another number builds a slightly different library"
        )

    def handle(self, *, reset, seed, **options):
        if not settings.DEMO:
            raise CommandError(
                "This is not a demo, and its data is not touched. Set AFTERWORD_MODE=demo and a DATA_DIR of its own."
            )
        if reset:
            self._empty()
        elif Library.objects.exists():
            self.stdout.write(
                f"{Library.current()} is built already and keeps its data. To begin anew: build_demo --reset"
            )
            return
        build(at=timezone.now(), seed=seed)
        self.stdout.write(f"{Library.current()} is built.")

    def _empty(self):
        Attachment.remove_files(
            [name for attachment in Attachment.objects.all() for name in attachment.stored_names()]
        )
        call_command("flush", interactive=False, verbosity=0)
        for _count in search.rebuild():
            pass
        shutil.rmtree(settings.MAIL_FOLDER, ignore_errors=True)
        CODES_FILE.unlink(missing_ok=True)
