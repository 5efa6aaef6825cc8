from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.template import TemplateSyntaxError
from django.template.loader import get_template


class Command(BaseCommand):
    help = "Compile every template of the portal, and list those that fail."

    def handle(self, **options):
        folder = settings.BASE_DIR / "templates"
        names = sorted(
            str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in {".html", ".txt"}
        )
        broken = []
        for name in names:
            try:
                get_template(name)
            except TemplateSyntaxError as error:
                broken.append(f"{name}: {error}")
        if broken:
            raise CommandError("\n".join(broken))
        self.stdout.write(f"{len(names)} templates compile.")
