"""Read settings from environment variables. docs/operations.md says what each variable means."""

import os
from difflib import get_close_matches
from urllib.parse import unquote, urlsplit

import dj_database_url

# Variables that can't be read: {name: what to write instead}. portal/checks.py reports them.
MALFORMED: dict[str, str] = {}
# The variables that the settings have read.
KNOWN: set[str] = set()
# Two names that are this similar, from 0 to 1, can be typing mistakes for each other. With this value,
# EMAIL_PASSWORD is similar to EMAIL_HOST_PASSWORD, and TEST_DATABASE_URL isn't similar to DATABASE_URL.
MIN_SIMILARITY = 0.84


def env(name, default=""):
    KNOWN.add(name)
    return os.environ.get(name, default)


def misspelled():
    """Return {unknown variable: the variable that it probably should be}.

    Leave out a variable if the similar one is set, because then nothing is missing.
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


def env_database(name, default):
    """Return the database in the variable's URL, as a value for Django's DATABASES.

    If the URL can't be read, return a database to which nothing can connect.
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
    return database


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
