"""The first command of a real library: itself, its first branch, its first coordinator and a list of topics to begin with."""

import sys
import zoneinfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts import library
from accounts.models import Library
from portal.text import clean
from recommendations.topics import add_starting_topics

QUESTIONS = [
    ("name", "Name of the library", ""),
    ("time_zone", "Time zone, such as America/Chicago", ""),
    ("branch", "Name of the first branch", "Main Library"),
    ("coordinator_email", "E-mail address of the first coordinator", ""),
    ("coordinator_name", "Name of the first coordinator", ""),
    (
        "language",
        "Language of the library (" + ", ".join(code for code, _name in settings.LANGUAGES) + ")",
        settings.LANGUAGE_CODE,
    ),
]


class Command(BaseCommand):
    help = "Sets up the library: asks for what the options don't say. Does nothing where a library is set up already."

    def add_arguments(self, parser):
        for name, question, _default in QUESTIONS:
            parser.add_argument(f"--{name.replace('_', '-')}", help=question)
        parser.add_argument(
            "--no-input",
            action="store_false",
            dest="interactive",
            help="Never ask: use the options and their defaults.",
        )

    def handle(self, *, interactive, **options):
        try:
            is_set_up = Library.objects.exists()
        except DatabaseError as error:
            raise CommandError(
                "The database has no tables of this version yet. Run: manage.py migrate"
            ) from error
        if is_set_up:
            raise CommandError(
                f"{Library.current()} is set up already. A coordinator changes it at {settings.BASE_URL}/desk/settings/."
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
            f"{answers['name']} is set up. {answers['coordinator_name']} can now sign in at {settings.BASE_URL}/sign-in/ with"
        )
        self.stdout.write(
            f"{answers['coordinator_email']} and then open the desk at {settings.BASE_URL}/desk/. Next: hours and people, in its settings."
        )

    def _answer(self, name, question, default, given, interactive):
        """The option, or what is typed until it is right, or the default."""
        while True:
            value = given if given is not None else self._ask(question, default) if interactive else default
            try:
                return CHECKS[name](clean(value))
            except ValidationError as error:
                problem = " ".join(error.messages)
            if given is not None or not interactive:
                raise CommandError(f"--{name.replace('_', '-')}: {problem}")
            self.stderr.write(problem)

    def _ask(self, question, default):
        return input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default


def _words(longest):
    def check(value):
        if not value:
            raise ValidationError("This is needed.")
        if len(value) > longest:
            raise ValidationError(f"At most {longest} characters.")
        return value

    return check


def _time_zone(value):
    if value not in zoneinfo.available_timezones():
        raise ValidationError(
            f"No time zone is called {value!r}. Write a region and a city, such as America/Chicago or Europe/Madrid."
        )
    return value


def _address(value):
    validate_email(value)
    return value


def _language(value):
    if value not in dict(settings.LANGUAGES):
        raise ValidationError(
            f"The portal does not speak {value!r} yet. Choose one of: {', '.join(code for code, _name in settings.LANGUAGES)}."
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
