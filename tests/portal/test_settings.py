"""Check that unsafe settings are refused with instructions, and that safe settings are used."""

import os
import runpy
import stat
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from portal import checks, env
from portal.checks import refuse_unsafe_settings, settings_are_safe
from portal.notifications.delivery import connect

SAFE = {
    "SECRET_KEY": "not a secret but long enough, and of many letters: 0123456789",
    "BASE_URL": "https://help.library.example",
    "ALLOWED_HOSTS": "help.library.example",
    "MAIL_FROM": "Example Library <help@library.example>",
}

CLIENT = {"SSO_CLIENT_ID": "afterword", "SSO_CLIENT_SECRET": "x", "SSO_NAME": "Campus account"}


def manage(*arguments, **variables):
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": os.environ.get("DATA_DIR", ""), **variables}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command,
        cwd=settings.BASE_DIR,
        env={name: value for name, value in environment.items() if value},
        capture_output=True,
        text=True,
    )


def read_settings(**variables):
    """Return the settings of a process that has only these environment variables."""
    env.MALFORMED.clear()
    with mock.patch.dict(os.environ, variables, clear=True):
        return runpy.run_path(str(settings.BASE_DIR / "portal" / "settings.py"))


def errors_of(**variables):
    """Return the errors that `manage.py check` would report, without starting a process."""
    with mock.patch.object(checks, "settings", SimpleNamespace(**read_settings(**variables))):
        return settings_are_safe()


def test_worker_sends_email_through_the_configured_server(settings):
    server = {
        "EMAIL_HOST": "mail.library.example",
        "EMAIL_PORT": "587",
        "EMAIL_HOST_USER": "afterword",
        "EMAIL_HOST_PASSWORD": "a password",
        "EMAIL_USE_TLS": "1",
    }
    settings.MAILERS = read_settings(**SAFE, **server)["MAILERS"]
    mailer = connect()
    assert (mailer.host, mailer.port, mailer.username) == ("mail.library.example", 587, "afterword")
    assert (mailer.password, mailer.use_tls, mailer.use_ssl) == ("a password", True, False)


@pytest.mark.slow
def test_safe_settings_pass_the_deployment_check_without_a_warning():
    done = manage("check", "--deploy", "--fail-level", "WARNING", **SAFE)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_first_command_makes_a_data_folder_that_only_its_owner_can_read(tmp_path):
    folder = tmp_path / "lib" / "afterword"
    done = manage("migrate", "sessions", DATA_DIR=str(folder), **SAFE)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "afterword.sqlite3").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "migrate"])
def test_data_folder_that_cannot_be_made_is_reported_with_its_path(tmp_path, command):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "afterword"
    done = manage(command, DATA_DIR=str(folder), **SAFE)
    assert done.returncode == 1
    assert done.stderr == (
        f"The data folder {folder} can't be made, or this user can't write to it.\n"
        "Create the folder and let the user that runs the portal write to it, or set DATA_DIR to another "
        "folder.\n"
    )


def test_start_of_the_web_server_reports_a_data_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    [error] = errors_of(DATA_DIR=str(tmp_path / "file" / "afterword"), **SAFE)
    assert error.id == "afterword.E023"
    assert str(tmp_path / "file" / "afterword") in error.msg


@pytest.mark.parametrize(
    ("unsafe", "number", "fix"),
    [
        ({"SECRET_KEY": ""}, "E002", "token_urlsafe"),
        ({"SECRET_KEY": "short"}, "E002", "token_urlsafe"),
        ({"SECRET_KEY": "k" * 60}, "E002", "token_urlsafe"),
        ({"DEBUG": "1"}, "E003", "Remove DEBUG"),
        ({"DEMO": "1"}, "E004", "Remove DEMO"),
        ({"BASE_URL": ""}, "E005", "https://help.library.example"),
        ({"BASE_URL": "http://help.library.example"}, "E005", "https://help.library.example"),
        ({"ALLOWED_HOSTS": ""}, "E006", "host names"),
        ({"ALLOWED_HOSTS": "*"}, "E006", "host names"),
        ({"MAIL_FROM": ""}, "E008", "help@library.example"),
        ({"ALLOWED_HOSTS": "other.example"}, "E009", "Add help.library.example"),
        ({"TRUSTED_PROXY_COUNT": "one"}, "E010", "TRUSTED_PROXY_COUNT"),
        ({"SQLITE_SYNCHRONOUS": "off; DROP"}, "E024", "full or normal"),
        ({"EMAIL_PORT": "99999"}, "E010", "a whole number from 1 to 65535"),
        ({"EMAIL_USE_TLS": "y"}, "E010", "1 for yes or 0 for no"),
        ({"SIP2_TLS": "starttls"}, "E010", "1 for yes or 0 for no"),
        ({"DATABASE_URL": "mysql://afterword@127.0.0.1/afterword"}, "E010", "postgres://user:password@host"),
        ({"DATABASE_URL": "afterword"}, "E010", "postgres://user:password@host"),
        ({"DATABASE_URL": "postgres://afterword:p#ss@127.0.0.1/afterword"}, "E010", "%23"),
        ({"EMAIL_USE_TLS": "1", "EMAIL_USE_SSL": "1"}, "E025", "Keep EMAIL_USE_TLS"),
        ({"MAIL_FROM": "nonsense"}, "E027", "'Example Library <help@library.example>'"),
        ({"MAIL_FROM": "Harbour, Main <help@library.example>"}, "E027", "in double quotes"),
        (
            {"DELIVERY_EMAIL_BACKEND": "anymail.backends.absent.EmailBackend"},
            "E028",
            "No module named 'anymail'",
        ),
        ({"DELIVERY_EMAIL_BACKEND": "smtp"}, "E028", "remove it to send over SMTP"),
        ({"DELIVERY_EMAIL_BACKEND": "django.core.mail.backends.smtp.Absent"}, "E028", "Absent"),
        ({"DELIVERY_EMAIL_BACKEND": "django.core.mail.backends.smtp"}, "E028", "is not a class"),
        ({"ILS": "demo"}, "E011", "sip2 or koha"),
        ({"ILS": "sip3", "SIP2_HOST": "sip.library.example"}, "E011", "sip2 or koha"),
        ({"ILS": "sip2"}, "E012", "sip.library.example"),
        ({"ILS": "sip2", "SIP2_HOST": "sip.library.example", "SIP2_CHARSET": "cp-no"}, "E013", "utf-8"),
        (
            {"ILS": "sip2", "SIP2_HOST": "sip.library.example", "SIP2_ID_FIELD": "barcode"},
            "E014",
            "two letters",
        ),
        ({"ILS": "sip2", "SIP2_HOST": "sip.library.example", "SIP2_PORT": "ssl"}, "E010", "SIP2_PORT"),
        ({"ILS": "koha", "KOHA_USER": "afterword", "KOHA_PASSWORD": "x"}, "E015", "https address of Koha"),
        (
            {
                "ILS": "koha",
                "KOHA_URL": "http://koha.example",
                "KOHA_USER": "afterword",
                "KOHA_PASSWORD": "x",
            },
            "E015",
            "https address of Koha",
        ),
        (
            {"ILS": "koha", "KOHA_URL": "https://koha.example", "KOHA_CLIENT_ID": "afterword"},
            "E016",
            "KOHA_CLIENT_SECRET",
        ),
        ({"ILS": "sip2", "SIP2_HOST": "sip.library.example", "ILS_TIMEOUT": "600"}, "E017", "from 1 to 20"),
        ({"SSO_CLIENT_ID": "afterword"}, "E018", "remove every variable that begins with SSO_"),
        ({"SSO_ISSUER": "http://login.campus.example", **CLIENT}, "E019", "without /.well-known/"),
        (
            {"SSO_ISSUER": "https://login.campus.example/.well-known/openid-configuration", **CLIENT},
            "E019",
            "without /.well-known/",
        ),
        ({"SSO_ISSUER": "https://login.campus.example/" + "x" * 200, **CLIENT}, "E019", "at most 200"),
        (
            {"SSO_ISSUER": "https://login.campus.example", **CLIENT, "SSO_CLIENT_SECRET": ""},
            "E020",
            "https://help.library.example/sign-in/single-sign-on/answer/",
        ),
        (
            {"SSO_ISSUER": "https://login.campus.example", **CLIENT, "SSO_NAME": ""},
            "E021",
            "The sign-in button shows it",
        ),
        (
            {"SSO_ISSUER": "https://login.campus.example", **CLIENT, "SSO_SCOPES": "profile"},
            "E022",
            "openid profile email",
        ),
        ({"AFTERWORD_MODE": "prod"}, "E001", "production, development, demo, test"),
    ],
)
def test_unsafe_setting_is_reported_with_instructions_to_fix_it(unsafe, number, fix):
    [error] = errors_of(**SAFE | unsafe)
    assert error.id == f"afterword.{number}"
    assert fix in f"{error.msg} {error.hint}"


@pytest.mark.parametrize(
    "sender",
    ["help@library.example", '"Harbour, Main" <help@library.example>', "Café <café@library.example>"],
)
def test_sender_with_one_address_is_accepted(sender):
    assert errors_of(**SAFE | {"MAIL_FROM": sender}) == []


@pytest.mark.slow
def test_check_command_refuses_an_unsafe_setting_and_says_how_to_fix_it():
    done = manage("check", **SAFE | {"DEBUG": "1"})
    assert done.returncode == 1
    assert done.stderr.count("afterword.") == 1
    assert "afterword.E003" in done.stderr
    assert "Remove DEBUG" in done.stderr


@pytest.mark.slow
def test_valid_single_sign_on_settings_are_used():
    code = "from accounts.sign_in.single_sign_on import sign_on_name; from django.conf import settings; print(sign_on_name(), settings.SSO['issuer'])"
    done = manage(
        "shell", "--no-imports", "-c", code, **SAFE, **CLIENT, SSO_ISSUER="https://login.campus.example/"
    )
    assert (done.stdout.strip(), done.stderr) == ("Campus account https://login.campus.example", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "ils",
    [
        {"ILS": "sip2", "SIP2_HOST": "sip.library.example", "ILS_BRANCHES": "CPL=central, EAST = eastside"},
        {"ILS": "koha", "KOHA_URL": "https://koha.example", "KOHA_USER": "afterword", "KOHA_PASSWORD": "x"},
    ],
)
def test_valid_ils_settings_are_used(ils):
    code = "from accounts.ils.configured import library_ils; from django.conf import settings; print(type(library_ils()).__name__, settings.ILS_BRANCHES)"
    done = manage("shell", "--no-imports", "-c", code, **SAFE | ils)
    assert done.stdout.strip() == (
        "Sip2 {'CPL': 'central', 'EAST': 'eastside'}" if ils["ILS"] == "sip2" else "Koha {}"
    )


@pytest.mark.slow
def test_check_command_without_settings_assumes_production_mode_and_fails():
    done = manage("check")
    assert done.returncode == 1
    assert done.stderr.count("HINT") == 4


@pytest.mark.parametrize(
    "backend",
    ["django.core.cache.backends.locmem.LocMemCache", "django.core.cache.backends.dummy.DummyCache"],
)
def test_cache_that_processes_do_not_share_is_reported_as_an_error(settings, backend):
    settings.LOCAL = False
    settings.CACHES = {"default": {"BACKEND": backend}}
    assert "afterword.E007" in [error.id for error in settings_are_safe()]


def test_server_does_not_start_with_unsafe_settings(settings):
    settings.LOCAL, settings.DEBUG = False, True
    with pytest.raises(ImproperlyConfigured, match="DEBUG is on") as refused:
        refuse_unsafe_settings()
    assert "Remove DEBUG" in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["development", "demo", "test"])
def test_modes_other_than_production_need_no_settings(mode):
    assert manage("check", AFTERWORD_MODE=mode).returncode == 0


@pytest.mark.slow
def test_production_settings_require_https_and_secure_cookies():
    code = """
from django.conf import settings
from django.test import Client
print(settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE, settings.SESSION_COOKIE_HTTPONLY)
client = Client(raise_request_exception=False, headers={"host": "help.library.example"})
plain, secure = client.get("/static/x"), client.get("/healthz")
print(plain.status_code, plain["Location"], secure.status_code)
print(client.get("/static/x", secure=True)["Strict-Transport-Security"])
"""
    done = manage("shell", "--no-imports", "-c", code, **SAFE, DATABASE_URL="sqlite://:memory:")
    assert done.stdout.splitlines() == [
        "__Host-sessionid __Host-csrftoken True True True",
        "301 https://help.library.example/static/x 200",
        "max-age=31536000; includeSubDomains; preload",
    ]


@pytest.mark.parametrize(
    ("typed", "used"), [("1", True), ("On", True), ("0", False), ("no", False), ("", True), (None, True)]
)
def test_flag_that_is_empty_or_missing_has_its_default(typed, used):
    env.MALFORMED.clear()
    with mock.patch.dict(os.environ, {} if typed is None else {"FLAG": typed}, clear=True):
        assert env.env_flag("FLAG", default=True) is used
    assert env.MALFORMED == {}


@pytest.mark.slow
def test_check_command_reports_a_database_url_that_it_cannot_read():
    done = manage("check", **SAFE, DATABASE_URL="mysql://afterword:hidden@127.0.0.1/afterword")
    assert done.returncode == 1
    assert "afterword.E010" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr


def test_relative_data_folder_lies_in_the_folder_of_the_code():
    assert read_settings(DATA_DIR="var/demo", **SAFE)["DATA_DIR"] == settings.BASE_DIR / "var" / "demo"


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite always stores UTF-8")
@pytest.mark.django_db(transaction=True)
def test_migrate_refuses_a_postgresql_database_that_is_not_utf8():
    given = connection.settings_dict
    name = f"{given['NAME']}_latin1"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f"CREATE DATABASE \"{name}\" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        try:
            host = f"{given['HOST']}:{given['PORT'] or 5432}"
            user = ":".join(quote(part, safe="") for part in (given["USER"], given["PASSWORD"]) if part)
            done = manage("migrate", DATABASE_URL=f"postgres://{user}@{host}/{name}", **SAFE)
        finally:
            cursor.execute(f'DROP DATABASE "{name}"')
    assert done.returncode == 1
    assert "The database has the encoding LATIN1" in done.stderr
    assert "Applying" not in done.stdout


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no JIT compiler")
def test_postgresql_jit_is_off():
    with connection.cursor() as cursor:
        cursor.execute("SHOW jit")
        assert cursor.fetchone() == ("off",)


@pytest.mark.parametrize(
    ("url", "options"),
    [("postgres://host/name", "-c jit=off"), ("postgres://host/name?options=-c%20jit%3Don", "-c jit=on")],
)
def test_options_in_the_database_url_override_the_default_options(url, options):
    read = read_settings(DATABASE_URL=url, **SAFE)
    assert read["DATABASES"]["default"]["OPTIONS"]["options"] == options


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "options"), [({}, "True 5"), ({"PREPARED_STATEMENTS": "off"}, "None None")]
)
def test_postgresql_prepares_statements_unless_turned_off(variable, options):
    code = """
from django.conf import settings
OPTIONS = settings.DATABASES["default"]["OPTIONS"]
print(OPTIONS.get("server_side_binding"), OPTIONS.get("prepare_threshold"))
"""
    done = manage(
        "shell", "--no-imports", "-c", code, DATABASE_URL="postgres://host/name", **SAFE, **variable
    )
    assert (done.stdout, done.stderr) == (f"{options}\n", "")


def test_prepare_threshold_in_the_database_url_overrides_the_default():
    read = read_settings(DATABASE_URL="postgres://host/name?prepare_threshold=9", **SAFE)
    assert read["DATABASES"]["default"]["OPTIONS"]["prepare_threshold"] in (9, "9")


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no server")
def test_postgresql_prepares_a_frequent_statement():
    with connection.cursor() as cursor:
        for number in range(7):
            cursor.execute("SELECT %s::int + 1000", [number])
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ["%+ 1000"])
        assert cursor.fetchone() == (1,)
