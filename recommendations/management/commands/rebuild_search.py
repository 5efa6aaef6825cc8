from django.core.management.base import BaseCommand

from recommendations.search import entries


class Command(BaseCommand):
    help = "Rebuild the search index from the items. This is safe at any time. Searches work while it runs."

    def handle(self, **options):
        done = 0
        for done in entries.rebuild():
            if done % 10_000 == 0:
                self.stdout.write(f"{done} items")
        self.stdout.write(f"{done} items are in the search index.")
