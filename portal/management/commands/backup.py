from django.core.management.base import BaseCommand, CommandError

from portal import backups


class Command(BaseCommand):
    help = "Writes one archive with the database and the private files. People may go on working meanwhile."

    def add_arguments(self, parser):
        parser.add_argument("file", help="where to write it, such as afterword-2026-01-31.tar.gz")

    def handle(self, *, file, **options):
        try:
            manifest = backups.make(file)
        except backups.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file}: version {manifest['version']}, {manifest['database']}, {manifest['made_at']}. It holds private data: keep it locked away.")
