"""Read settings from environment variables. docs/operations.md says what each variable means."""

import os

import dj_database_url

# The variables that can't be read: {name: what to write instead}. portal/checks.py reports them.
MALFORMED: dict[str, str] = {}


def env(name, default=""):
    return os.environ.get(name, default)


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
    """Return the variable as True or False. Return the default if it is missing, empty or something else."""
    value = env(name).lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    if value:
        MALFORMED[name] = "1 for yes or 0 for no"
    return default


def env_database(name, default):
    """Return the database of the variable's URL as Django's DATABASES has it.

    If the URL can't be read, nothing can connect to the database that is returned.
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
