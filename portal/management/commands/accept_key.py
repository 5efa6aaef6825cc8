from django.core.management.base import BaseCommand

from portal import right_database
from portal.management.preparations import check_migrations


class Command(BaseCommand):
    help = "Let the portal start with a new SECRET_KEY, if the earlier key is not among the fallbacks."

    def handle(self, **options):
        check_migrations()
        right_database.accept_key()
        self.stdout.write("The database now belongs to the portal with the current SECRET_KEY.")
