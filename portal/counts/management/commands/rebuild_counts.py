from django.core.management.base import BaseCommand

from portal.counts import actions


class Command(BaseCommand):
    help = "Count all help sessions again. The counts of forgotten sessions stay as they are."

    def handle(self, **options):
        actions.count_sessions_forgotten_before()
        changed = actions.rebuild()
        self.stdout.write(f"Counted again. {changed} rows changed.")
