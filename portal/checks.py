"""Settings that would be unsafe are errors, each with its mend, before anything is served (`manage.py check`, portal.wsgi)."""

import codecs
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

MODES = ("production", "development", "demo", "test")
PER_PROCESS_CACHES = ("locmem.LocMemCache", "dummy.DummyCache")


@checks.register(checks.Tags.security)
def settings_are_safe(app_configs=None, **kwargs):
    errors = [
        checks.Error(
            f"{name} is no whole number, or too small.",
            hint=f"Set {name} to a number or leave it out.",
            id="afterword.E010",
        )
        for name in settings.MALFORMED
    ]
    if settings.MODE not in MODES:
        errors.append(
            checks.Error(
                f"AFTERWORD_MODE is {settings.MODE!r}.",
                hint=f"Set it to one of: {', '.join(MODES)}; without it, it is production.",
                id="afterword.E001",
            )
        )
    rules = [*_ils_rules(), *_sso_rules()]
    errors += [
        checks.Error(problem, hint=mend, id=number) for number, unsafe, problem, mend in rules if unsafe
    ]
    if not settings.LOCAL:
        errors += [
            checks.Error(problem, hint=mend, id=number)
            for number, unsafe, problem, mend in _production_rules()
            if unsafe
        ]
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
        (
            "afterword.E003",
            settings.DEBUG,
            "DEBUG is on: errors would show settings and data to anybody.",
            "Remove DEBUG from the environment.",
        ),
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
            "The cache belongs to one process: an app code would work once in each process.",
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


def _ils_rules():
    """The same, for the library's own system of patrons; what isn't given can't be wrong."""
    kind, given = settings.ILS, settings.ILS_SETTINGS
    koha = urlsplit(given.get("url", "")) if kind == "koha" else None
    return [
        (
            "afterword.E011",
            kind not in ("", "sip2", "koha") and not (kind == "demo" and (settings.LOCAL or settings.DEMO)),
            f"ILS is {kind!r}.",
            "Set it to sip2 or koha, or leave it out: then nobody signs in by library card.",
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
            "Set it to cp850, utf-8 or latin-1: what the ILS is set to.",
        ),
        (
            "afterword.E014",
            kind == "sip2"
            and not all(
                len(given[name]) == 2 for name in ("id_field", "group_field", "branch_field", "expires_field")
            ),
            "A field of SIP2 has two letters: one of SIP2_ID_FIELD, SIP2_GROUP_FIELD, SIP2_BRANCH_FIELD and SIP2_EXPIRES_FIELD has not.",
            "Set it to two letters such as AA, or leave it out.",
        ),
        (
            "afterword.E015",
            koha is not None
            and (
                koha.scheme not in ("https", "http")
                or not koha.hostname
                or (koha.scheme == "http" and not settings.LOCAL)
            ),
            f"KOHA_URL is {given.get('url')!r}, not an https address: cards and PINs would be readable on the way.",
            "Set it to the https address of Koha, such as https://staff.koha.example, without /api.",
        ),
        (
            "afterword.E016",
            kind == "koha"
            and not (given["user"] and given["password"])
            and not (given["client_id"] and given["client_secret"]),
            "The portal has no account at Koha.",
            "Set KOHA_USER and KOHA_PASSWORD, or KOHA_CLIENT_ID and KOHA_CLIENT_SECRET.",
        ),
        (
            "afterword.E017",
            bool(kind) and not 1 <= settings.ILS_TIMEOUT <= 20,
            f"ILS_TIMEOUT is {settings.ILS_TIMEOUT}.",
            "Set it to the seconds that a sign-in may wait for the ILS, from 1 to 20, or leave it out.",
        ),
    ]


def _sso_rules():
    """The same, for single sign-on."""
    given = settings.SSO
    issuer = urlsplit(given["issuer"])
    return [
        (
            "afterword.E018",
            not given["issuer"] and any(given[name] for name in ("name", "client_id", "client_secret")),
            "SSO_ISSUER is missing.",
            "Set it to the issuer of the OpenID Connect provider, such as https://login.campus.example, or leave out everything that begins with SSO_.",
        ),
        (
            "afterword.E019",
            bool(given["issuer"]) and not _is_issuer(issuer, given["issuer"]),
            f"SSO_ISSUER is {given['issuer']!r}, not an https address of at most 200 characters: who somebody is could be forged on the way.",
            "Set it to the provider's issuer as its own description names it, without /.well-known/openid-configuration and without a question mark.",
        ),
        (
            "afterword.E020",
            bool(given["issuer"]) and not (given["client_id"] and given["client_secret"]),
            "SSO_CLIENT_ID or SSO_CLIENT_SECRET is missing: the provider would not know the portal.",
            "Register the portal there as a confidential client (manage.py sso_check says with which address) and set both to what you are given.",
        ),
        (
            "afterword.E021",
            bool(given["issuer"]) and not 1 <= len(given["name"]) <= 40,
            "SSO_NAME is missing, or longer than 40 letters.",
            "Set it to what people call the sign-in, such as Campus account: it stands on the button.",
        ),
        (
            "afterword.E022",
            "openid" not in given["scopes"],
            "SSO_SCOPES does not ask for openid: without it the provider says nothing of who somebody is.",
            "Set it to: openid profile email; or leave it out.",
        ),
    ]


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
        return bool(codecs.lookup(name)._is_text_encoding)  # rot13 and its like are no charsets
    except LookupError:
        return False


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
        raise ImproperlyConfigured(
            "\n".join(
                [
                    "The portal does not start with these settings:",
                    *(f"- {error.msg} {error.hint}" for error in errors),
                ]
            )
        )
