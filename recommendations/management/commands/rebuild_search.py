from django.core.management.base import BaseCommand

from recommendations import search


class Command(BaseCommand):
    help = "Rebuild the search index from the items. It is safe at any time, and searching works meanwhile."

    def handle(self, **options):
        done = 0
        for done in search.rebuild():
            if done % 10_000 == 0:
                self.stdout.write(f"{done} items")
        self.stdout.write(f"{done} items are in the search index.")
