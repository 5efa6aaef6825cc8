"""Set up a library with its name, first branch, first coordinator and a first list of topics."""

import sys
import zoneinfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts import library
from accounts.models import Library
from portal.addresses import clean_address
from portal.backups import unapplied_migrations
from portal.text import clean
from recommendations.topics import add_starting_topics

LANGUAGE_CODES = [code for code, _name in settings.LANGUAGES]
# Each entry is (option, question, default).
QUESTIONS = [
    ("name", "Name of the library", ""),
    ("time_zone", "Time zone, such as America/Chicago", ""),
    ("branch", "Name of the first branch", "Main Library"),
    ("coordinator_email", "Email address of the first coordinator", ""),
    ("coordinator_name", "Name of the first coordinator", ""),
    ("language", f"Language of the library ({', '.join(LANGUAGE_CODES)})", settings.LANGUAGE_CODE),
]


class Command(BaseCommand):
    help = (
        "Set up the library. Asks for everything that is not given as an option. Fails if a library exists."
    )

    def add_arguments(self, parser):
        for name, question, _default in QUESTIONS:
            parser.add_argument(f"--{name.replace('_', '-')}", help=question)
        parser.add_argument(
            "--no-input",
            action="store_false",
            dest="interactive",
            help="Don't ask. Use the options and their defaults.",
        )

    def handle(self, *, interactive, **options):
        if unapplied_migrations():
            raise CommandError("The database is not up to date. Run first: manage.py migrate")
        if Library.objects.exists():
            raise CommandError(
                f"{Library.current()} is already set up. Coordinators can change it at "
                f"{settings.BASE_URL}/desk/settings/."
            )
        interactive = interactive and sys.stdin.isatty()
        answers = {
            name: self._answer(name, question, default, options[name], interactive)
            for name, question, default in QUESTIONS
        }
        with transaction.atomic():
            library.set_up(at=timezone.now(), **answers)
            add_starting_topics()
        self.stdout.write(
            f"{answers['name']} is set up. {answers['coordinator_name']} can now sign in with "
            f"{answers['coordinator_email']} at {settings.BASE_URL}/sign-in/ and open the desk at "
            f"{settings.BASE_URL}/desk/. What to do in the first week is listed at "
            f"{settings.BASE_URL}/desk/settings/first-week/."
        )

    def _answer(self, name, question, default, given, interactive):
        """Return the value of the option. If the option is missing, ask the person or use the default.

        If the person answers with an invalid value, ask again. Raise CommandError if the option or the
        default is invalid.
        """
        while True:
            if given is not None:
                value = given
            elif interactive:
                value = self._ask(question, default)
            else:
                value = default
            try:
                return CHECKS[name](clean(value))
            except ValidationError as error:
                problem = " ".join(error.messages)
            if given is not None or not interactive:
                raise CommandError(f"--{name.replace('_', '-')}: {problem}")
            self.stderr.write(problem)

    def _ask(self, question, default):
        return input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default


def _words(max_length):
    def check(value):
        if not value:
            raise ValidationError("This is required.")
        if len(value) > max_length:
            raise ValidationError(f"At most {max_length} characters.")
        return value

    return check


def _time_zone(value):
    if value not in zoneinfo.available_timezones():
        raise ValidationError(
            f"There is no time zone {value!r}. Enter a region and a city, such as America/Chicago."
        )
    return value


def _address(value):
    return clean_address(value)


def _language(value):
    if value not in dict(settings.LANGUAGES):
        raise ValidationError(
            f"The portal has no language {value!r} yet. Choose one of: {', '.join(LANGUAGE_CODES)}."
        )
    return value


CHECKS = {
    "name": _words(120),
    "time_zone": _time_zone,
    "branch": _words(120),
    "coordinator_email": _address,
    "coordinator_name": _words(80),
    "language": _language,
}
