from django.core.management.base import BaseCommand, CommandError

from portal.privacy.documents import documents


class Command(BaseCommand):
    help = "Writes into docs/ what the privacy policy says. With --check it only says whether that is up to date."

    def add_arguments(self, parser):
        parser.add_argument(
            "--check", action="store_true", help="change nothing; fail where a document is not up to date"
        )

    def handle(self, *, check, **options):
        stale = [path for path, text in documents().items() if path.read_text("utf-8") != text]
        if check and stale:
            raise CommandError(
                f"Not up to date: {', '.join(path.name for path in stale)}. Run manage.py policy_docs."
            )
        for path in stale:
            path.write_text(documents()[path], "utf-8")
