"""Read, check and import the desk logs that coordinators uploaded. The worker starts this command."""

import signal

from django.core.management.base import BaseCommand

from portal.imports.desk_logs.work import do_all
from portal.imports.lock import let_others_go_first


class Command(BaseCommand):
    help = (
        "Do the open tasks of the desk logs that coordinators uploaded. The worker runs this command by "
        "itself. If it is stopped, the next run continues."
    )

    def run_from_argv(self, argv):
        let_others_go_first()
        super().run_from_argv(argv)

    def handle(self, **options):
        self.stops = False
        before = signal.signal(signal.SIGTERM, self._stop)
        try:
            do_all(is_stopping=lambda: self.stops)
        finally:
            signal.signal(signal.SIGTERM, before)

    def _stop(self, *_signal):
        self.stops = True
