from django.core.management.base import BaseCommand

from recommendations import search


class Command(BaseCommand):
    help = "Write the search's index anew from the items. Safe at any time; the search works meanwhile."

    def handle(self, **options):
        done = 0
        for done in search.rebuild():
            if done % 10_000 == 0:
                self.stdout.write(f"{done} items")
        self.stdout.write(f"The search now knows {done} items.")
