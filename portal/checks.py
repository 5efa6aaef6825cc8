"""Settings that would be unsafe are errors, each with its mend, before anything is served (`manage.py check`, portal.wsgi)."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

MODES = ("production", "development", "demo", "test")
PER_PROCESS_CACHES = ("locmem.LocMemCache", "dummy.DummyCache")


@checks.register(checks.Tags.security)
def settings_are_safe(app_configs=None, **kwargs):
    errors = [
        checks.Error(f"{name} is not a whole number.", hint=f"Set {name} to a number or leave it out.", id="afterword.E010") for name in settings.MALFORMED
    ]
    if settings.MODE not in MODES:
        errors.append(
            checks.Error(
                f"AFTERWORD_MODE is {settings.MODE!r}.", hint=f"Set it to one of: {', '.join(MODES)}; without it, it is production.", id="afterword.E001"
            )
        )
    if not settings.LOCAL:
        errors += [checks.Error(problem, hint=mend, id=number) for number, unsafe, problem, mend in _production_rules() if unsafe]
    return errors


def _production_rules():
    """(id, whether the rule is broken, the problem, its mend) for each."""
    key = _secret_key()
    base = urlsplit(settings.BASE_URL)
    hosts = settings.ALLOWED_HOSTS
    make_a_key = "python3 -c 'import secrets; print(secrets.token_urlsafe(60))'"
    cache = settings.CACHES["default"]["BACKEND"]
    return [
        (
            "afterword.E002",
            len(key) < 50 or len(set(key)) < 5,
            "SECRET_KEY is missing, shorter than 50 characters or too simple.",
            f"Set it to the output of: {make_a_key}",
        ),
        ("afterword.E003", settings.DEBUG, "DEBUG is on: errors would show settings and data to anybody.", "Remove DEBUG from the environment."),
        (
            "afterword.E004",
            settings.DEMO,
            "DEMO is on: anybody could become any person with one click.",
            "Remove DEMO, or show the demo with AFTERWORD_MODE=demo.",
        ),
        (
            "afterword.E005",
            base.scheme != "https" or not base.hostname or base.path,
            f"BASE_URL is {settings.BASE_URL!r}, not an https address.",
            "Set it to the address that patrons open, such as https://help.library.example, without a path.",
        ),
        (
            "afterword.E006",
            not hosts or "*" in hosts,
            "ALLOWED_HOSTS is empty or allows every host: links in mails could be forged.",
            "Set it to the host names of the portal, separated by commas, such as help.library.example.",
        ),
        (
            "afterword.E007",
            cache.endswith(PER_PROCESS_CACHES),
            "The cache belongs to one process: rate limits would be multiplied by the number of processes.",
            "Use the database cache (the default) and run: manage.py createcachetable",
        ),
        (
            "afterword.E008",
            not settings.DEFAULT_FROM_EMAIL,
            "MAIL_FROM is missing: mails would have no sender.",
            "Set it to the library's address, such as 'Example Library <help@library.example>'.",
        ),
        (
            "afterword.E009",
            bool(hosts) and "*" not in hosts and bool(base.hostname) and not _covers(hosts, base.hostname),
            f"The host of BASE_URL, {base.hostname}, is not in ALLOWED_HOSTS: links in mails would lead to an error.",
            f"Add {base.hostname} to ALLOWED_HOSTS.",
        ),
    ]


def _secret_key():
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:  # Django's answer to an empty one
        return ""


def _covers(hosts, name):
    return any(name == host or (host.startswith(".") and f".{name}".endswith(host)) for host in hosts)


def refuse_unsafe_settings():
    """For the server's start. Raises ImproperlyConfigured with every problem and its mend."""
    if errors := settings_are_safe():
        raise ImproperlyConfigured("\n".join(["The portal does not start with these settings:", *(f"- {error.msg} {error.hint}" for error in errors)]))
