from dataclasses import asdict

from django.core.management.base import BaseCommand
from django.utils import timezone

from portal.privacy import retention


class Command(BaseCommand):
    help = "Forget now what is due, as the worker does at night. With --dry-run, only count it."

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="change nothing")

    def handle(self, *, dry_run, **options):
        at = timezone.now()
        counts = asdict(retention.due(at=at))
        if not dry_run:
            retention.forget(at=at)
        self.stdout.write("Would be forgotten:" if dry_run else "Forgotten:")
        for kind, count in counts.items():
            self.stdout.write(f"{count:8} {kind.replace('_', ' ')}")
