"""Read settings from environment variables. docs/operations.md says what each variable means."""

import os
from difflib import get_close_matches
from urllib.parse import unquote, urlsplit

import dj_database_url

# Variables that can't be read: {name: what to write instead}. portal/checks.py reports them.
MALFORMED: dict[str, str] = {}
# The variables that the settings have read.
KNOWN: set[str] = set()
# An unknown name that is this similar to a known one, from 0 to 1, is probably misspelled. With this value,
# EMAIL_PASSWORD is similar to EMAIL_HOST_PASSWORD, and TEST_DATABASE_URL isn't similar to DATABASE_URL.
MIN_SIMILARITY = 0.84


def env(name, default=""):
    KNOWN.add(name)
    return os.environ.get(name, default)


def misspelled():
    """Return {unknown variable: the variable that it probably should be}.

    Leave out an unknown variable if the variable that it resembles is set too, because then nothing is
    missing.
    """
    missing = sorted(KNOWN - set(os.environ))
    unknown = sorted(set(os.environ) - KNOWN)
    similar = {name: get_close_matches(name, missing, n=1, cutoff=MIN_SIMILARITY) for name in unknown}
    return {name: names[0] for name, names in similar.items() if names}


def env_list(name, default=""):
    """Split the variable at its commas, and return the parts without surrounding spaces."""
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


def env_number(name, default, *, least=0, most=None):
    """Return the variable as a whole number.

    Return the default if the variable is missing or is not a whole number from `least` to `most`.
    """
    try:
        number = int(env(name) or default)
    except ValueError:
        number = least - 1
    if number < least or (most is not None and number > most):
        MALFORMED[name] = f"a whole number {f'from {least} to {most}' if most else f'of at least {least}'}"
        return default
    return number


def env_port(name, default):
    return env_number(name, default, least=1, most=65535)


def env_pairs(name):
    """Return the variable's pairs as a dictionary. For example, "CPL=central" becomes {"CPL": "central"}."""
    pairs = (part.partition("=") for part in env_list(name))
    return {key.strip(): value.strip() for key, _equals, value in pairs}


def env_flag(name, *, default=False):
    """Return the variable as True or False. Return the default if the variable has another value."""
    value = env(name).lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    if value:
        MALFORMED[name] = "1 for yes or 0 for no"
    return default


def env_database(name, default, *, synchronous):
    """Return the database in the variable's URL, as a value for Django's DATABASES.

    If the URL can't be read, return a database to which nothing can connect. The URL of a PostgreSQL database
    may contain options, which replace the portal's options. `synchronous` is the PRAGMA of that name for
    SQLite.
    """
    try:
        database = dj_database_url.parse(env(name) or default)
    except ValueError:
        database = {"ENGINE": ""}
    if database["ENGINE"] not in {"django.db.backends.sqlite3", "django.db.backends.postgresql"}:
        MALFORMED[name] = (
            "an address such as postgres://user:password@host/database. In the password, write special "
            "characters as %23 (#), %2F (/), %3A (:), %3F (?) or %40 (@)"
        )
        return {"ENGINE": "django.db.backends.dummy"}
    if database["ENGINE"] == "django.db.backends.sqlite3":
        return database | {"OPTIONS": _sqlite_options(synchronous)}
    return database | {"OPTIONS": _postgresql_options() | database.get("OPTIONS", {})}


def _sqlite_options(synchronous):
    # docs/decisions/0002-sqlite-by-default.md has the measurements for these options. With secure_delete,
    # SQLite overwrites the data of deleted rows.
    return {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA temp_store=MEMORY; "
            "PRAGMA cache_size=-16000; PRAGMA secure_delete=ON;"
        ),
    }


def _postgresql_options():
    options = {
        # JIT compilation only helps queries that run for seconds, and ours are shorter.
        "options": "-c jit=off",
        # By default, an attempt to connect to a server that doesn't respond ends after two minutes. Pages and
        # health checks would wait that long.
        "connect_timeout": 5,
        # `restore` finds other processes of the portal by this name.
        "application_name": "afterword",
    }
    if not env_flag("PREPARED_STATEMENTS", default=True):
        return options
    # Prepared statements save planning time (docs/decisions/0002-sqlite-by-default.md). With a threshold of
    # 0, `migrate` fails. Some migrations send several commands in one query, and PostgreSQL can't prepare
    # such a query.
    return options | {"server_side_binding": True, "prepare_threshold": 5}


def env_mailbox(name, *, password=""):
    """Return the mailbox in the variable's URL as {"host", "port", "tls", "user", "password", "folder"}.

    "tls" is "at_once" for imaps:// and "starttls" for imap://. `password` is used if the URL has none. Return
    {} if the variable is empty or can't be read.
    """
    if not env(name):
        return {}
    try:
        url = urlsplit(env(name))
        port = url.port or {"imaps": 993, "imap": 143}[url.scheme]
        mailbox = {
            "host": url.hostname or "",
            "port": port,
            "tls": "at_once" if url.scheme == "imaps" else "starttls",
            "user": unquote(url.username or ""),
            "password": unquote(url.password or "") or password,
            "folder": unquote(url.path.strip("/")) or "INBOX",
        }
    except (ValueError, KeyError):
        mailbox = {}
    if not mailbox or not (mailbox["host"] and mailbox["user"] and mailbox["password"]):
        MALFORMED[name] = (
            "an address such as imaps://user:password@imap.library.example/INBOX, or leave the password out "
            "and set IMAP_PASSWORD. In the user, the password and the folder, write special characters as "
            "%23 (#), %2F (/), %3A (:), %3F (?) or %40 (@)"
        )
        return {}
    return mailbox


def env_mail_server():
    """Return the server that sends the emails, as arguments of Django's SMTP backend."""
    return {
        "host": env("EMAIL_HOST", "localhost"),
        "port": env_port("EMAIL_PORT", 25),
        "username": env("EMAIL_HOST_USER"),
        "password": env("EMAIL_HOST_PASSWORD"),
        "use_tls": env_flag("EMAIL_USE_TLS"),
        "use_ssl": env_flag("EMAIL_USE_SSL"),
        "timeout": 20,
    }


def env_single_sign_on():
    """Return the provider of single sign-on. If its "issuer" is empty, the library has no single sign-on."""
    return {
        "name": env("SSO_NAME").strip(),
        "issuer": env("SSO_ISSUER").strip().rstrip("/"),
        "client_id": env("SSO_CLIENT_ID").strip(),
        "client_secret": env("SSO_CLIENT_SECRET").strip(),
        "scopes": env("SSO_SCOPES", "openid profile email").split(),
        "proven_domains": [domain.lower() for domain in env_list("SSO_PROVEN_DOMAINS")],
        "ca_file": env("SSO_CA_FILE"),
    }


def env_ils(ils, *, timeout):
    """Return the arguments of the adapter for this ILS in accounts/ils/. Return {} if it has no arguments."""
    sip2 = {
        "host": env("SIP2_HOST"),
        "port": env_port("SIP2_PORT", 6001),
        "tls": env_flag("SIP2_TLS"),
        "ca_file": env("SIP2_CA_FILE"),
        "login": env("SIP2_LOGIN"),
        "password": env("SIP2_PASSWORD"),
        "location": env("SIP2_LOCATION"),
        "institution": env("SIP2_INSTITUTION"),
        "terminal_password": env("SIP2_TERMINAL_PASSWORD"),
        "charset": env("SIP2_CHARSET", "cp850"),
        "error_detection": env_flag("SIP2_ERROR_DETECTION", default=True),
        "card_aliases": env_flag("SIP2_CARD_ALIASES"),
        "id_field": env("SIP2_ID_FIELD", "AA"),
        "group_field": env("SIP2_GROUP_FIELD", "PC"),
        "branch_field": env("SIP2_BRANCH_FIELD", "AQ"),
        "expires_field": env("SIP2_EXPIRES_FIELD", "PA"),
        "pin_has_letters": env_flag("PIN_HAS_LETTERS"),
    }
    koha = {
        "url": env("KOHA_URL"),
        "ca_file": env("KOHA_CA_FILE"),
        "user": env("KOHA_USER"),
        "password": env("KOHA_PASSWORD"),
        "client_id": env("KOHA_CLIENT_ID"),
        "client_secret": env("KOHA_CLIENT_SECRET"),
        "pin_has_letters": env_flag("PIN_HAS_LETTERS", default=True),
    }
    # Read all variables, because `misspelled` knows only those that were read.
    shared = {"timeout": timeout, "card_has_letters": env_flag("CARD_HAS_LETTERS")}
    return {"sip2": sip2 | shared, "koha": koha | shared}.get(ils, {})
