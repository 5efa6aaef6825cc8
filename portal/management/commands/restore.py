from django.core.management.base import BaseCommand, CommandError

from portal import backups


class Command(BaseCommand):
    help = "Puts back what `backup` wrote. Stop the portal first."
    requires_system_checks = []  # it must run where there is no database yet

    def add_arguments(self, parser):
        parser.add_argument("file")
        parser.add_argument("--replace", action="store_true", help="overwrite what this portal holds now")

    def handle(self, *, file, replace, **options):
        try:
            manifest = backups.restore(file, replace=replace)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored the state of {manifest['made_at']} (version {manifest['version']}).")
        if backups.unapplied_migrations():
            self.stdout.write("This version needs changes to the database: run manage.py migrate now.")
