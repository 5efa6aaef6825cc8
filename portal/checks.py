"""Find unsafe settings. `manage.py check` and the server's start report each problem with its fix."""

import codecs
import shlex
from email.utils import getaddresses
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils.module_loading import import_string

from portal.data_folder import FIX, make_data_folder, open_paths
from portal.env import MALFORMED

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
    # The web server reports all problems at once, before PortalConfig.ready() looks at the folder.
    if problem := make_data_folder(settings.DATA_DIR):
        errors.append(checks.Error(problem, hint=FIX, id="afterword.E023"))
    rules = [*_ils_rules(), *_sso_rules(), *([] if settings.LOCAL else _production_rules())]
    errors += [
        checks.Error(problem, hint=fix, id=number) for number, is_broken, problem, fix in rules if is_broken
    ]
    return errors


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
    """Report a PostgreSQL database that can't store every name. Only `migrate` runs this check."""
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
    """Report a database that another application uses. Only `migrate` runs this check."""
    tables = other_tables() if databases else []
    return [
        checks.Error(
            f"The database belongs to another application: it has the table {table}.",
            hint="Give the portal a database of its own, and correct DATABASE_URL.",
            id="afterword.E029",
        )
        for table in tables[:1]
    ]


def other_tables():
    """Return the tables of another application, if the portal has not yet used this database."""
    tables = set(connection.introspection.table_names())
    if apps.get_model("accounts", "Library")._meta.db_table in tables:
        return []
    own = {*connection.introspection.django_table_names(), MigrationRecorder.Migration._meta.db_table}
    return sorted(tables - own - {settings.CACHES["default"]["LOCATION"]})


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
            "ALLOWED_HOSTS does not have the host of BASE_URL, so links in emails would lead to an error.",
            f"Add {base.hostname} to ALLOWED_HOSTS.",
        ),
        (
            "afterword.E025",
            settings.MAIL_SERVER["use_tls"] and settings.MAIL_SERVER["use_ssl"],
            "EMAIL_USE_TLS and EMAIL_USE_SSL are both set, so no email could be sent.",
            "Keep EMAIL_USE_TLS for STARTTLS (usually port 587), or EMAIL_USE_SSL for TLS at once (465).",
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


def _ils_rules():
    """Return the rules that the settings of the ILS must follow. If ILS is empty, no rule is broken."""
    kind, given = settings.ILS, settings.ILS_SETTINGS
    koha = urlsplit(given.get("url", "")) if kind == "koha" else None
    return [
        (
            "afterword.E011",
            kind not in ("", "sip2", "koha") and not (kind == "demo" and (settings.LOCAL or settings.DEMO)),
            f"ILS is {kind!r}.",
            "Set it to sip2 or koha. Without it, patrons can't sign in with a library card.",
        ),
        (
            "afterword.E012",
            kind == "sip2" and not given["host"],
            "SIP2_HOST is missing.",
            "Set it to the host name of the ILS's SIP2 server, such as sip.library.example.",
        ),
        (
            "afterword.E013",
            kind == "sip2" and not _is_charset(given["charset"]),
            f"SIP2_CHARSET is {given.get('charset')!r}, which Python does not know.",
            "Set it to the character set of the ILS: cp850, utf-8 or latin-1.",
        ),
        (
            "afterword.E014",
            kind == "sip2"
            and not all(
                len(given[name]) == 2 for name in ("id_field", "group_field", "branch_field", "expires_field")
            ),
            "SIP2_ID_FIELD, SIP2_GROUP_FIELD, SIP2_BRANCH_FIELD or SIP2_EXPIRES_FIELD is not two letters.",
            "Set it to two letters, such as AA, or remove it.",
        ),
        (
            "afterword.E015",
            koha is not None
            and (
                koha.scheme not in ("https", "http")
                or not koha.hostname
                or (koha.scheme == "http" and not settings.LOCAL)
            ),
            f"KOHA_URL is {given.get('url')!r}, not an https address, so PINs could be read on the way.",
            "Set it to the https address of Koha, such as https://staff.koha.example, without /api.",
        ),
        (
            "afterword.E016",
            kind == "koha"
            and not (given["user"] and given["password"])
            and not (given["client_id"] and given["client_secret"]),
            "The portal has no Koha account.",
            "Set KOHA_USER and KOHA_PASSWORD, or KOHA_CLIENT_ID and KOHA_CLIENT_SECRET.",
        ),
        (
            "afterword.E017",
            bool(kind) and not 1 <= settings.ILS_TIMEOUT <= 20,
            f"ILS_TIMEOUT is {settings.ILS_TIMEOUT}.",
            "Set it to the seconds that a sign-in may wait for the ILS, from 1 to 20, or remove it.",
        ),
    ]


def _sso_rules():
    """Return the rules that the settings of single sign-on must follow."""
    given = settings.SSO
    issuer = urlsplit(given["issuer"])
    return [
        (
            "afterword.E018",
            not given["issuer"] and any(given[name] for name in ("name", "client_id", "client_secret")),
            "SSO_ISSUER is missing.",
            "Set it to the issuer of the OpenID Connect provider, such as https://login.campus.example. "
            "If you don't use single sign-on, remove every variable that begins with SSO_.",
        ),
        (
            "afterword.E019",
            bool(given["issuer"]) and not _is_issuer(issuer, given["issuer"]),
            f"SSO_ISSUER is {given['issuer']!r}, not an https address of at most 200 characters. "
            "Without https, an attacker could forge who signs in.",
            "Set it to the issuer as the provider writes it, without /.well-known/openid-configuration "
            "and without a question mark.",
        ),
        (
            "afterword.E020",
            bool(given["issuer"]) and not (given["client_id"] and given["client_secret"]),
            "SSO_CLIENT_ID or SSO_CLIENT_SECRET is missing, so the provider would not know the portal.",
            "Register the portal there as a confidential client, with this redirect address: "
            f"{settings.BASE_URL}/sign-in/single-sign-on/answer/. Set both variables to what you get.",
        ),
        (
            "afterword.E021",
            bool(given["issuer"]) and not 1 <= len(given["name"]) <= 40,
            "SSO_NAME is missing, or longer than 40 letters.",
            "Set it to the name that people know, such as Campus account. The sign-in button shows it.",
        ),
        (
            "afterword.E022",
            "openid" not in given["scopes"],
            "SSO_SCOPES does not have openid, so the provider would not say who signs in.",
            "Set it to: openid profile email. Or remove it to use these three.",
        ),
    ]


def _is_sender(text):
    addresses = [address for _name, address in getaddresses([text])]
    try:
        [address] = addresses
        # Some mail servers accept letters of all scripts before the @.
        validate_email(address.encode("ascii", "replace").decode().replace("?", "x"))
    except (ValueError, ValidationError):
        return False
    return True


def _backend_problem(name):
    """Return why the email backend can't be used, or "" if it can."""
    try:
        backend = import_string(name)
    # The module is not ours, so its import may raise anything.
    except Exception as error:
        return str(error) or type(error).__name__
    return "" if isinstance(backend, type) else "it is not a class"


def _is_issuer(parts, text):
    secure = parts.scheme == "https" or (parts.scheme == "http" and settings.LOCAL)
    return (
        secure
        and bool(parts.hostname)
        and not parts.query
        and not parts.fragment
        and "/.well-known/" not in text
        and len(text) <= 200
    )


def _is_charset(name):
    try:
        # Python also has codecs such as rot13, which are not character sets.
        return bool(codecs.lookup(name)._is_text_encoding)
    except LookupError:
        return False


def _secret_key():
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:
        # Django raises this error if the key is empty.
        return ""


def _covers(hosts, name):
    return any(name == host or (host.startswith(".") and f".{name}".endswith(host)) for host in hosts)


def refuse_unsafe_settings():
    """Raise ImproperlyConfigured with each problem and its fix. The server calls this when it starts."""
    if errors := settings_are_safe():
        raise ImproperlyConfigured(
            "\n".join(
                [
                    "The portal can't start with these settings:",
                    *(f"- {error.msg} {error.hint}" for error in errors),
                ]
            )
        )
