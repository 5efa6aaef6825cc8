from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from accounts.library import record_backup
from portal import backups, old_backups


class Command(BaseCommand):
    help = (
        "Write one archive with the database and the private files, and delete old archives in the same "
        "folder. The portal can keep running."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", help="the new archive, such as afterword-2026-01-31.tar.gz")
        parser.add_argument(
            "--keep-old",
            action="store_true",
            help="keep archives in the same folder that are older than BACKUPS_KEPT_DAYS",
        )

    def handle(self, *, file, keep_old, **options):
        try:
            manifest = backups.make(file)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{file}: version {manifest['version']}, {manifest['database']}, {manifest['made_at']}. "
            "It contains private data: keep it in a safe place."
        )
        try:
            record_backup(at=timezone.now())
        except DatabaseError:
            # During an upgrade, the new code makes a backup before the database is migrated. The table for
            # the backup's time may not exist yet.
            self.stderr.write("The settings pages can't show this backup until you run: manage.py migrate")
        if keep_old:
            return
        for old in old_backups.remove_old(file, at=timezone.now()):
            self.stdout.write(f"{old}: deleted, because it is older than {settings.BACKUPS_KEPT.days} days.")
