from django.core.management.base import BaseCommand

from portal.conversations import search


class Command(BaseCommand):
    help = "Write the index of the conversations' words anew. Safe at any time; the search works meanwhile."

    def handle(self, **options):
        done = 0
        for done in search.rebuild():
            if done % 10_000 == 0:
                self.stdout.write(f"{done} conversations")
        if options["verbosity"]:
            self.stdout.write(f"The search now knows {done} conversations.")
