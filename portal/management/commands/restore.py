from django.core import checks
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from portal import backups


class Command(BaseCommand):
    help = "Restore an archive made with `backup`. Stop the portal first."
    requires_system_checks = [checks.Tags.security]

    def add_arguments(self, parser):
        parser.add_argument("file", help="the archive")
        parser.add_argument("--replace", action="store_true", help="overwrite the data of this portal")
        parser.add_argument(
            "--other-key", action="store_true", help="restore even if the backup has another SECRET_KEY"
        )

    def handle(self, *, file, replace, other_key, **options):
        try:
            manifest = backups.restore(file, replace=replace, other_key=other_key)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(
                f"The database can't be reached: {error}".strip() + " Nothing was changed."
            ) from error
        self.stdout.write(f"Restored the state of {manifest['made_at']} (version {manifest['version']}).")
        has_same_key = backups.has_same_key(manifest)
        if has_same_key is False:
            self.stdout.write(f"The backup was made with another SECRET_KEY, so {backups.WHAT_STOPS}.")
        elif has_same_key is None:
            self.stdout.write(
                "The backup doesn't say with which SECRET_KEY it was made. If it was not the current one, "
                f"{backups.WHAT_STOPS}."
            )
        if backups.unapplied_migrations():
            self.stdout.write("This version changes the database. Run now: manage.py migrate")
