"""Read settings from environment variables. docs/operations.md says what each variable means."""

import os

# The names of variables that should be numbers but are not. portal/checks.py reports them.
MALFORMED: list[str] = []


def env(name, default=""):
    return os.environ.get(name, default)


def env_list(name, default=""):
    """Split the variable at its commas, and return the parts without surrounding spaces."""
    return [part.strip() for part in env(name, default).split(",") if part.strip()]


def env_number(name, default, *, least=0):
    """Return the variable as a whole number.

    Return the default if the variable is missing or is not a whole number of at least `least`.
    """
    try:
        number = int(env(name) or default)
    except ValueError:
        number = least - 1
    if number < least:
        MALFORMED.append(name)
        return default
    return number


def env_pairs(name):
    """Return the variable's pairs as a dictionary. For example, "CPL=central" becomes {"CPL": "central"}."""
    pairs = (part.partition("=") for part in env_list(name))
    return {key.strip(): value.strip() for key, _equals, value in pairs}


def env_flag(name, *, default=False):
    return env(name, "1" if default else "").lower() in {"1", "true", "yes", "on"}
