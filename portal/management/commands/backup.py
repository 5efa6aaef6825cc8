from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portal import backups


class Command(BaseCommand):
    help = "Writes one archive with the database and the private files, and removes those beside it that are too old. People may go on working meanwhile."

    def add_arguments(self, parser):
        parser.add_argument("file", help="where to write it, such as afterword-2026-01-31.tar.gz")
        parser.add_argument(
            "--keep-old",
            action="store_true",
            help="leave the archives in the same folder that are older than BACKUPS_KEPT_DAYS",
        )

    def handle(self, *, file, keep_old, **options):
        try:
            manifest = backups.make(file)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{file}: version {manifest['version']}, {manifest['database']}, {manifest['made_at']}. It holds private data: keep it locked away."
        )
        for old in [] if keep_old else backups.remove_old(file, at=timezone.now()):
            self.stdout.write(
                f"{old}: removed, older than {settings.BACKUPS_KEPT.days} days, as the privacy page promises."
            )
