from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from portal import backups


class Command(BaseCommand):
    help = "Restore an archive made with `backup`. Stop the portal first."
    # The command must also run if the database does not exist yet.
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("file", help="the archive")
        parser.add_argument("--replace", action="store_true", help="overwrite the data of this portal")

    def handle(self, *, file, replace, **options):
        try:
            manifest = backups.restore(file, replace=replace)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                f"The database can't be reached: {error}".strip() + " Nothing was changed."
            ) from error
        self.stdout.write(f"Restored the state of {manifest['made_at']} (version {manifest['version']}).")
        if backups.unapplied_migrations():
            self.stdout.write("This version changes the database. Run now: manage.py migrate")
