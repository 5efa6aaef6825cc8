from django.core.management.base import BaseCommand, CommandError

from portal.privacy.documents import documents


class Command(BaseCommand):
    help = "Write the tables of the privacy policy into docs/. With --check, fail if they are out of date."

    def add_arguments(self, parser):
        parser.add_argument(
            "--check", action="store_true", help="change nothing; fail if a document is stale"
        )

    def handle(self, *, check, **options):
        texts = documents()
        stale = [path for path, text in texts.items() if path.read_text("utf-8") != text]
        if check and stale:
            names = ", ".join(path.name for path in stale)
            raise CommandError(
                f"Out of date: {names}. Run AFTERWORD_MODE=development .venv/bin/python manage.py policy_docs"
            )
        for path in stale:
            path.write_text(texts[path], "utf-8")
