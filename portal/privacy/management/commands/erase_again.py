from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portal.privacy import erased_list


class Command(BaseCommand):
    help = "After a restore, erase again what was erased since the backup."

    def handle(self, **options):
        erased, problems = erased_list.erase_again(at=timezone.now())
        self.stdout.write(
            f"Erased again: {erased['person']} people, {erased['conversation']} conversations, "
            f"{erased['help_session'] + erased['visit']} help sessions."
        )
        if problems:
            raise CommandError("\n".join(["These were not erased:", *problems, "Then run this again."]))
