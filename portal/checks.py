"""Find unsafe settings. `manage.py check` and the server's start report each problem with its fix."""

import shlex
from email.utils import getaddresses
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import connection
from django.utils.module_loading import import_string

from portal.data_folder import FIX, make_data_folder, open_paths
from portal.env import MALFORMED, misspelled
from portal.right_database import problem_with_database
from portal.service_rules import (
    cover_rules,
    doi_rules,
    ils_rules,
    oai_rules,
    push_rules,
    reply_rules,
    sso_rules,
    webhook_rules,
)

MODES = ("production", "development", "demo", "test")
PER_PROCESS_CACHES = ("locmem.LocMemCache", "dummy.DummyCache")


@checks.register(checks.Tags.security)
def settings_are_safe(app_configs=None, **kwargs):
    errors = [
        checks.Error(
            f"{name} can't be read.",
            hint=f"Set {name} to {wanted}. Or remove it to use the default.",
            id="afterword.E010",
        )
        for name, wanted in MALFORMED.items()
    ]
    if settings.MODE not in MODES:
        errors.append(
            checks.Error(
                f"AFTERWORD_MODE is {settings.MODE!r}.",
                hint=f"Set it to one of: {', '.join(MODES)}. Without it, the mode is production.",
                id="afterword.E001",
            )
        )
    if settings.SQLITE_SYNCHRONOUS not in {"normal", "full"}:
        errors.append(
            checks.Error(
                f"SQLITE_SYNCHRONOUS is {settings.SQLITE_SYNCHRONOUS!r}.",
                hint="Set it to full or normal, or remove it.",
                id="afterword.E024",
            )
        )
    # PortalConfig.ready() also checks the data folder, but then reports no other problems. The web server
    # runs the checks of this module earlier, so that it can report all problems at once.
    if problem := make_data_folder(settings.DATA_DIR):
        errors.append(checks.Error(problem, hint=FIX, id="afterword.E023"))
    rules = [
        *ils_rules(),
        *sso_rules(),
        *reply_rules(),
        *push_rules(),
        *cover_rules(),
        *doi_rules(),
        *oai_rules(),
        *webhook_rules(),
        *([] if settings.LOCAL else _production_rules()),
    ]
    errors += [
        checks.Error(problem, hint=fix, id=number) for number, is_broken, problem, fix in rules if is_broken
    ]
    return errors


@checks.register(checks.Tags.security)
def names_of_settings_are_right(app_configs=None, **kwargs):
    return [
        checks.Warning(
            f"The portal has no setting {name}, so it is ignored.",
            hint=f"If you mean {similar}, correct the name.",
            id="afterword.W002",
        )
        for name, similar in misspelled().items()
    ]


@checks.register(checks.Tags.security)
def earlier_settings_are_gone(app_configs=None, **kwargs):
    if not settings.ILS_BRANCHES:
        return []
    return [
        checks.Warning(
            "ILS_BRANCHES is no longer read. The upgrade copied its codes to the table of branch codes.",
            hint="Check the codes at the desk under Settings, Branch codes, and remove ILS_BRANCHES.",
            id="afterword.W003",
        )
    ]


@checks.register(checks.Tags.security)
def private_paths_are_closed(app_configs=None, **kwargs):
    return [
        checks.Warning(
            f"Other accounts of this machine can read or change {path}.",
            hint=f"Run: chmod {mode:o} {shlex.quote(str(path))}",
            id="afterword.W001",
        )
        for path, mode in open_paths().items()
    ]


@checks.register(checks.Tags.database)
def database_stores_every_script(app_configs=None, databases=None, **kwargs):
    """Report a PostgreSQL database whose encoding can't store every name. Only `migrate` runs this check."""
    if not databases or connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        encoding = cursor.fetchone()[0]
    if encoding == "UTF8":
        return []
    return [
        checks.Error(
            f"The database has the encoding {encoding}, so it can't store every name and title.",
            hint="Make another one: createdb --encoding=UTF8 --template=template0 …",
            id="afterword.E026",
        )
    ]


@checks.register(checks.Tags.database)
def database_is_the_portals_own(app_configs=None, databases=None, **kwargs):
    """Report a database of another application or portal. Only `migrate` runs this check."""
    problem = problem_with_database() if databases else ""
    return [checks.Error(problem, id="afterword.E029")] if problem else []


def _production_rules():
    """Return the rules for production mode, as [(id, whether the rule is broken, problem, solution)]."""
    key = _secret_key()
    base = urlsplit(settings.BASE_URL)
    hosts = settings.ALLOWED_HOSTS
    cache = settings.CACHES["default"]["BACKEND"]
    sender = settings.DEFAULT_FROM_EMAIL
    backend_problem = _backend_problem(settings.DELIVERY_EMAIL_BACKEND)
    return [
        (
            "afterword.E002",
            len(key) < 50 or len(set(key)) < 5,
            "SECRET_KEY is missing, shorter than 50 characters or too simple.",
            "Set it to the output of: python3 -c 'import secrets; print(secrets.token_urlsafe(60))'. "
            "If you develop the portal on your own machine, set AFTERWORD_MODE=development instead.",
        ),
        (
            "afterword.E003",
            settings.DEBUG,
            "DEBUG is on, so error pages would show settings and data to everyone.",
            "Remove DEBUG from the environment.",
        ),
        (
            "afterword.E004",
            settings.DEMO,
            "DEMO is on, so anyone could sign in as any person with one click.",
            "Remove DEMO. To show the demo, set AFTERWORD_MODE=demo.",
        ),
        (
            "afterword.E005",
            base.scheme != "https" or not base.hostname or base.path,
            f"BASE_URL is {settings.BASE_URL!r}, not an https address.",
            "Set it to the address that patrons open, without a path, such as https://help.library.example.",
        ),
        (
            "afterword.E006",
            not hosts or "*" in hosts,
            "ALLOWED_HOSTS is empty or allows every host, so links in emails could be forged.",
            "Set it to the host names of the portal, separated by commas, such as help.library.example.",
        ),
        (
            "afterword.E007",
            cache.endswith(PER_PROCESS_CACHES),
            "Each process has its own cache, so the code of an authenticator app would work once in each.",
            "Use the database cache, which is the default. Then run: manage.py createcachetable",
        ),
        (
            "afterword.E008",
            not sender,
            "MAIL_FROM is missing, so emails would have no sender.",
            "Set it to the library's address, such as 'Example Library <help@library.example>'.",
        ),
        (
            "afterword.E009",
            bool(hosts) and "*" not in hosts and bool(base.hostname) and not _covers(hosts, base.hostname),
            f"ALLOWED_HOSTS is {','.join(hosts)!r}. It does not have the host of BASE_URL, so links in "
            "emails would lead to an error.",
            f"Add {base.hostname} to ALLOWED_HOSTS, without https:// and without a port.",
        ),
        (
            "afterword.E025",
            settings.MAIL_SERVER["use_tls"] and settings.MAIL_SERVER["use_ssl"],
            "EMAIL_USE_TLS and EMAIL_USE_SSL are both set, so no email could be sent.",
            "Keep EMAIL_USE_TLS for STARTTLS (usually port 587), or EMAIL_USE_SSL for TLS at once (465).",
        ),
        (
            "afterword.E036",
            bool(settings.MAIL_SERVER["username"]) != bool(settings.MAIL_SERVER["password"]),
            "Only one of EMAIL_HOST_USER and EMAIL_HOST_PASSWORD is set, so the portal would not sign in to "
            "the mail server.",
            "Set both, or remove both if the mail server wants no login.",
        ),
        (
            "afterword.E027",
            bool(sender) and not _is_sender(sender),
            f"MAIL_FROM is {sender!r}, not one email address.",
            "Set it to the library's address, such as 'Example Library <help@library.example>'. "
            "A name with a comma must be in double quotes.",
        ),
        (
            "afterword.E028",
            bool(backend_problem),
            f"DELIVERY_EMAIL_BACKEND is {settings.DELIVERY_EMAIL_BACKEND!r}, so no email could be sent: "
            f"{backend_problem}.",
            "Install its package and write the full name of its class, such as "
            "anymail.backends.postmark.EmailBackend. Or remove it to send over SMTP.",
        ),
    ]


def _is_sender(text):
    addresses = [address for _name, address in getaddresses([text])]
    try:
        [address] = addresses
        # validate_email refuses letters outside ASCII, but some mail servers accept them before the @.
        validate_email(address.encode("ascii", "replace").decode().replace("?", "x"))
    except (ValueError, ValidationError):
        return False
    return True


def _backend_problem(name):
    """Return why the email backend can't be used, or "" if it can."""
    try:
        backend = import_string(name)
    # The module of the email backend may not be ours, so importing it can raise any exception.
    except Exception as error:
        return str(error) or type(error).__name__
    return "" if isinstance(backend, type) else "it is not a class"


def _secret_key():
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:
        # Django raises this error if SECRET_KEY is empty.
        return ""


def _covers(hosts, name):
    return any(name == host or (host.startswith(".") and f".{name}".endswith(host)) for host in hosts)


def refuse_unsafe_settings():
    """If settings are unsafe, raise one ImproperlyConfigured that lists every problem with its fix.

    The server calls this function when it starts.
    """
    if errors := settings_are_safe():
        raise ImproperlyConfigured(
            "\n".join(
                [
                    "The portal can't start with these settings:",
                    *(f"- {error.msg} {error.hint}" for error in errors),
                ]
            )
        )
