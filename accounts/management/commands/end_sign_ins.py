"""Sign people out in an emergency, such as the theft of a device or of a copy of the database."""

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.sign_in import sign_ins


class Command(BaseCommand):
    help = (
        "Sign out one person everywhere, or everybody. Passkeys, authenticator apps and codes keep working."
    )

    def add_arguments(self, parser):
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("--of", metavar="ADDRESS", help="the email address of one person")
        who.add_argument("--everybody", action="store_true")

    def handle(self, *, of, everybody, **options):
        if everybody:
            ended = sign_ins.end_every_session()
        else:
            person = User.objects.filter(email=of.strip().lower()).first()
            if person is None:
                raise CommandError("Nobody has this address.")
            ended = sign_ins.end_all_sign_ins(person)
        self.stdout.write(f"Ended: {ended}.")
