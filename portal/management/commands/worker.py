from django.core.management.base import BaseCommand

from portal.management.late_database import wait_for_database
from portal.management.preparations import check_database
from portal.worker import Worker


class Command(BaseCommand):
    help = "Deliver emails and run the repeated jobs until SIGTERM or Ctrl-C."

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="do what is due now, then stop")

    def handle(self, *, once, **options):
        wait_for_database(self.stderr.write)
        check_database()
        worker = Worker()
        if once:
            worker.round()
        else:
            worker.run()
