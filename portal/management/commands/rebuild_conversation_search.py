from django.core.management.base import BaseCommand

from portal.conversations import search


class Command(BaseCommand):
    help = "Rebuild the search index of the desk's conversations. The search works while this runs."

    def handle(self, **options):
        done = 0
        for done in search.rebuild():
            if done % 10_000 == 0:
                self.stdout.write(f"{done} conversations")
        if options["verbosity"]:
            self.stdout.write(f"Indexed {done} conversations.")
