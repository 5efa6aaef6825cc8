from django.core.management.base import BaseCommand

from portal.helpsessions import search


class Command(BaseCommand):
    help = "Rebuild the search index of the desk's help sessions. The search works while this runs."

    def handle(self, **options):
        done = 0
        for done in search.rebuild():
            if done % 10_000 == 0:
                self.stdout.write(f"{done} help sessions")
        if options["verbosity"]:
            self.stdout.write(f"Indexed {done} help sessions.")
