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

from portal import checks, env, service_rules
from portal.checks import refuse_unsafe_settings, settings_are_safe
from portal.notifications.delivery import connect

SAFE = {
    "SECRET_KEY": "not a secret but long enough, and of many letters: 0123456789",
    "BASE_URL": "https://help.library.example",
    "ALLOWED_HOSTS": "help.library.example",
    "MAIL_FROM": "Example Library <help@library.example>",
}

PUSH = {"PUSH_PRIVATE_KEY": "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"}

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
    given = SimpleNamespace(**read_settings(**variables))
    with mock.patch.object(checks, "settings", given), mock.patch.object(service_rules, "settings", given):
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


def test_pins_are_hashed_with_the_slow_default_of_django_outside_of_tests():
    assert "PASSWORD_HASHERS" not in read_settings(**SAFE)


@pytest.mark.slow
def test_safe_settings_pass_the_deployment_check_without_a_warning():
    done = manage("check", "--deploy", "--fail-level", "WARNING", **SAFE)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "makes_database"),
    # Files that collectstatic makes are readable by everyone.
    [(["migrate", "sessions"], True), (["collectstatic", "--noinput", "--dry-run"], False)],
)
def test_first_command_creates_a_data_folder_that_only_its_owner_can_read(tmp_path, command, makes_database):
    folder = tmp_path / "lib" / "afterword"
    done = manage(*command, DATA_DIR=str(folder), **SAFE)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "afterword.sqlite3").exists() == makes_database
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "migrate"])
def test_command_reports_the_path_of_a_data_folder_that_cannot_be_created(tmp_path, command):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "afterword"
    done = manage(command, DATA_DIR=str(folder), **SAFE)
    assert done.returncode == 1
    assert done.stderr == (
        f"The data folder {folder} can't be made, or this user can't write to it.\n"
        "Create the folder and let the user that runs the portal write to it, or set DATA_DIR to another "
        "folder.\n"
    )


def test_web_server_reports_a_data_folder_that_cannot_be_created(tmp_path):
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
        ({"ALLOWED_HOSTS": "https://help.library.example"}, "E009", "without https:// and without a port"),
        ({"TRUSTED_PROXY_COUNT": "one"}, "E010", "TRUSTED_PROXY_COUNT"),
        ({"SQLITE_SYNCHRONOUS": "off; DROP"}, "E024", "full or normal"),
        ({"EMAIL_PORT": "99999"}, "E010", "a whole number from 1 to 65535"),
        ({"EMAIL_USE_TLS": "y"}, "E010", "1 for yes or 0 for no"),
        ({"SIP2_TLS": "starttls"}, "E010", "1 for yes or 0 for no"),
        ({"DATABASE_URL": "mysql://afterword@127.0.0.1/afterword"}, "E010", "postgres://user:password@host"),
        ({"DATABASE_URL": "afterword"}, "E010", "postgres://user:password@host"),
        ({"DATABASE_URL": "postgres://afterword:p#ss@127.0.0.1/afterword"}, "E010", "%23"),
        ({"EMAIL_USE_TLS": "1", "EMAIL_USE_SSL": "1"}, "E025", "Keep EMAIL_USE_TLS"),
        ({"EMAIL_HOST_USER": "afterword"}, "E036", "remove both"),
        ({"EMAIL_HOST_PASSWORD": "a password"}, "E036", "remove both"),
        ({"REPLY_ADDRESS": "nonsense"}, "E030", "@reply.library.example"),
        ({"REPLY_ADDRESS": "Reply <reply@library.example>"}, "E030", "at most 21 letters"),
        ({"REPLY_ADDRESS": "a-local-part-of-22-abc@library.example"}, "E030", "at most 21 letters"),
        ({"REPLY_ADDRESS": "reply+x@library.example"}, "E030", "at most 21 letters"),
        ({"IMAP_URL": "imaps://a:b@imap.library.example"}, "E031", "Set REPLY_ADDRESS"),
        ({"DOI_RESOLVER": "http://api.crossref.org/{doi}"}, "E045", "an https address"),
        ({"DOI_RESOLVER": "https://api.crossref.org/"}, "E045", "with {doi} in it"),
        ({"DOI_RESOLVER": "https:///{doi}"}, "E045", "an https address"),
        ({"DOI_RESOLVER": "https://user:password@api.crossref.org/{doi}"}, "E045", "an https address"),
        ({"DOI_RESOLVER": "https://api.crossref.org:x/{doi}"}, "E045", "an https address"),
        *(
            ({"OAI_URL": address}, "E050", "the base address of your OAI-PMH server")
            for address in (
                "http://catalog.library.example/oai",
                "http://127.0.0.1/oai",
                "https:///oai",
                "https://user:password@catalog.library.example/oai",
                "https://catalog.library.example/oai#x",
            )
        ),
        ({"OAI_URL": "https://a.example/oai", "OAI_PREFIX": "marc 21"}, "E051", "such as marc21 or marcxml"),
        ({"OAI_URL": "https://a.example/oai", "OAI_SOURCE": "x" * 41}, "E052", "as --source of earlier"),
        ({"PUSH_PRIVATE_KEY": "nonsense"}, "E032", "manage.py push_keys"),
        ({"PUSH_PRIVATE_KEY": "é"}, "E032", "manage.py push_keys"),
        ({"PUSH_PRIVATE_KEY": "A" * 43}, "E032", "manage.py push_keys"),
        ({"PUSH_PRIVATE_KEY": f'"{PUSH["PUSH_PRIVATE_KEY"]}"'}, "E032", "manage.py push_keys"),
        ({**PUSH, "PUSH_SUBJECT": "help@library.example"}, "E033", "mailto:help@library.example"),
        ({**PUSH, "PUSH_SUBJECT": "mailto:help@localhost"}, "E033", "mailto:help@library.example"),
        ({**PUSH, "PUSH_SUBJECT": "mailto: help@library.example"}, "E033", "mailto:help@library.example"),
        ({**PUSH, "PUSH_SUBJECT": "https://localhost"}, "E033", "https://help.library.example"),
        ({**PUSH, "PUSH_SUBJECT": "https://10.0.0.1"}, "E033", "https://help.library.example"),
        ({**PUSH, "PUSH_SUBJECT": "http://help.library.example"}, "E033", "https://help.library.example"),
        ({**PUSH, "PUSH_SUBJECT": "https://help.library.example/x"}, "E033", "https://help.library.example"),
        ({**PUSH, "PUSH_HOSTS": ","}, "E034", "separated by commas"),
        ({"PUSH_HOSTS": "https://fcm.googleapis.com/"}, "E034", "*.push.apple.com"),
        ({"PUSH_HOSTS": "*"}, "E034", "*.push.apple.com"),
        ({"PUSH_LOCAL": "1"}, "E035", "Remove PUSH_LOCAL"),
        *(
            ({"COVER_URL": address}, "E040", "https://covers.library.example/{isbn}.jpg")
            for address in (
                "http://covers.library.example/{isbn}",
                "http://127.0.0.1/{isbn}",
                "https://covers.library.example/",
                "https://covers.library.example/{isbn}/{isbn}",
                "https://covers.library.example/{isbn}?size={size}",
                "https://{isbn}.library.example/",
                "https://user:password@covers.library.example/{isbn}",
                "https://covers.library.example/#{isbn}",
                "https://covers.library.example/a b/{isbn}",
                "https://covers.library.example:x/{isbn}",
                "https:///{isbn}",
                "covers.library.example/{isbn}",
            )
        ),
        (
            {"WEBHOOK_URL": "http://hooks.library.example/", "WEBHOOK_SECRET": "whsec_" + "A" * 32},
            "E055",
            "https://hooks.library.example/afterword",
        ),
        (
            {"WEBHOOK_URL": "http://127.0.0.1/", "WEBHOOK_SECRET": "whsec_" + "A" * 32},
            "E055",
            "https://hooks.library.example/afterword",
        ),
        *(
            (
                {"WEBHOOK_URL": "https://hooks.library.example/", "WEBHOOK_SECRET": secret},
                "E056",
                "whsec_ and the bytes in base64",
            )
            for secret in ("", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_no base64!", "A" * 44)
        ),
        ({"IMAP_URL": "https://a:b@imap.library.example"}, "E010", "imaps://"),
        ({"IMAP_URL": "imaps://a@imap.library.example"}, "E010", "IMAP_PASSWORD"),
        ({"IMAP_URL": "imaps://a:b@imap.library.example:x"}, "E010", "imaps://"),
        ({"IMAP_URL": "nonsense"}, "E010", "imaps://"),
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
def test_unsafe_setting_is_reported_with_instructions(unsafe, number, fix):
    [error] = errors_of(**SAFE | unsafe)
    assert error.id == f"afterword.{number}"
    assert fix in f"{error.msg} {error.hint}"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("EMAIL_HOST_PASWORD", "EMAIL_HOST_PASSWORD"),
        ("EMAIL_PASSWORD", "EMAIL_HOST_PASSWORD"),
        ("BACKUP_KEPT_DAYS", "BACKUPS_KEPT_DAYS"),
        ("TRUSTED_PROXYS_COUNT", "TRUSTED_PROXY_COUNT"),
        ("DATABASE_URI", "DATABASE_URL"),
    ],
)
def test_warning_about_a_misspelled_variable_suggests_the_right_variable(typed, meant):
    read_settings(**SAFE)
    with mock.patch.dict(os.environ, SAFE | {typed: "1"}, clear=True):
        [warning] = checks.names_of_settings_are_right()
    assert warning.id == "afterword.W002"
    assert warning.msg == f"The portal has no setting {typed}, so it is ignored."
    assert warning.hint == f"If you mean {meant}, correct the name."


@pytest.mark.parametrize(
    "variables",
    [
        {"PATH": "/bin", "HOME": "/", "LANG": "C", "LOGNAME": "afterword", "INVOCATION_ID": "1"},
        {"TEST_DATABASE_URL": "postgres://postgres@127.0.0.1/test", "SMTP_HOST": "mail.library.example"},
        {"DATABASE_URL": "postgres://afterword@127.0.0.1/afterword", "DATABASE_URI": "of another program"},
    ],
)
def test_variables_of_other_programs_cause_no_warning(variables):
    read_settings(**SAFE)
    with mock.patch.dict(os.environ, SAFE | variables, clear=True):
        assert checks.names_of_settings_are_right() == []


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


@pytest.mark.only_long
@pytest.mark.slow
def test_valid_single_sign_on_settings_are_used():
    code = "from accounts.sign_in.single_sign_on import sign_on_name; from django.conf import settings; print(sign_on_name(), settings.SSO['issuer'])"
    done = manage(
        "shell", "--no-imports", "-c", code, **SAFE, **CLIENT, SSO_ISSUER="https://login.campus.example/"
    )
    assert (done.stdout.strip(), done.stderr) == ("Campus account https://login.campus.example", "")


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.parametrize(
    "ils",
    [
        {"ILS": "sip2", "SIP2_HOST": "sip.library.example", "ILS_BRANCHES": "CPL=central, EAST = eastside"},
        {"ILS": "koha", "KOHA_URL": "https://koha.example", "KOHA_USER": "afterword", "KOHA_PASSWORD": "x"},
    ],
)
def test_portal_uses_the_ils_adapter_and_branch_codes_from_the_settings(ils):
    code = "from accounts.ils.configured import library_ils; from django.conf import settings; print(type(library_ils()).__name__, settings.ILS_BRANCHES)"
    done = manage("shell", "--no-imports", "-c", code, **SAFE | ils)
    assert done.stdout.strip() == (
        "Sip2 {'CPL': 'central', 'EAST': 'eastside'}" if ils["ILS"] == "sip2" else "Koha {}"
    )


@pytest.mark.only_long
@pytest.mark.slow
def test_check_command_without_settings_assumes_production_mode_and_fails():
    done = manage("check")
    assert done.returncode == 1
    assert done.stderr.count("HINT") == 4


@pytest.mark.parametrize(
    "backend",
    ["django.core.cache.backends.locmem.LocMemCache", "django.core.cache.backends.dummy.DummyCache"],
)
def test_cache_that_processes_do_not_share_is_an_error(settings, backend):
    settings.LOCAL = False
    settings.CACHES = {"default": {"BACKEND": backend}}
    assert "afterword.E007" in [error.id for error in settings_are_safe()]


def test_server_does_not_start_with_unsafe_settings(settings):
    settings.LOCAL, settings.DEBUG = False, True
    with pytest.raises(ImproperlyConfigured, match="DEBUG is on") as refused:
        refuse_unsafe_settings()
    assert "Remove DEBUG" in str(refused.value)


def test_only_the_demo_uses_the_push_key_in_its_data_folder(tmp_path):
    (tmp_path / "demo-push-key").write_text(PUSH["PUSH_PRIVATE_KEY"])
    folder = {"DATA_DIR": str(tmp_path)}
    assert read_settings(AFTERWORD_MODE="demo", **folder)["PUSH_PRIVATE_KEY"] == PUSH["PUSH_PRIVATE_KEY"]
    assert read_settings(AFTERWORD_MODE="demo", PUSH_PRIVATE_KEY="own", **folder)["PUSH_PRIVATE_KEY"] == "own"
    assert read_settings(AFTERWORD_MODE="development", **folder)["PUSH_PRIVATE_KEY"] == ""
    assert read_settings(**SAFE, **folder)["PUSH_PRIVATE_KEY"] == ""
    assert errors_of(AFTERWORD_MODE="demo", **folder) == []


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["development", "demo", "test"])
def test_development_and_demo_mode_need_no_settings(mode):
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
def test_flag_in_an_empty_or_missing_variable_has_its_default_value(typed, used):
    env.MALFORMED.clear()
    with mock.patch.dict(os.environ, {} if typed is None else {"FLAG": typed}, clear=True):
        assert env.env_flag("FLAG", default=True) is used
    assert env.MALFORMED == {}


@pytest.mark.only_long
@pytest.mark.slow
def test_check_command_reports_an_invalid_database_url():
    done = manage("check", **SAFE, DATABASE_URL="mysql://afterword:hidden@127.0.0.1/afterword")
    assert done.returncode == 1
    assert "afterword.E010" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr


def test_relative_path_of_the_data_folder_begins_at_the_folder_of_the_code():
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
def test_database_url_options_override_the_default_options(url, options):
    read = read_settings(DATABASE_URL=url, **SAFE)
    assert read["DATABASES"]["default"]["OPTIONS"]["options"] == options


@pytest.mark.parametrize(
    ("url", "seconds"), [("postgres://host/name", 5), ("postgres://host/name?connect_timeout=20", 20)]
)
def test_connection_to_a_silent_postgresql_server_fails_after_a_few_seconds(url, seconds):
    """By default, each page and each health check would wait for two minutes."""
    read = read_settings(DATABASE_URL=url, **SAFE)
    assert read["DATABASES"]["default"]["OPTIONS"]["connect_timeout"] == seconds


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "options"), [({}, "True 5"), ({"PREPARED_STATEMENTS": "off"}, "None None")]
)
def test_postgresql_prepares_statements_unless_a_variable_turns_this_off(variable, options):
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


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no server")
def test_postgresql_keeps_the_prepared_statements_of_all_benchmark_pages():
    """These pages have 124 statements. Psycopg would keep only the last 100."""
    with connection.cursor() as cursor:
        for number in range(124):
            for _ in range(7):
                cursor.execute(f"SELECT %s::int AS kept_{number}", [1])
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ["%AS kept_%"])
        assert cursor.fetchone() == (124,)


def test_settings_of_the_mailbox_are_read_from_the_imap_url():
    url = "imaps://reply%40library.example:a%3Ab%2F@imap.library.example/Answers%20here"
    assert read_settings(IMAP_URL=url)["IMAP"] == {
        "host": "imap.library.example",
        "port": 993,
        "tls": "at_once",
        "user": "reply@library.example",
        "password": "a:b/",
        "folder": "Answers here",
    }


def test_password_of_the_mailbox_can_be_in_a_separate_variable():
    mailbox = read_settings(IMAP_URL="imap://reply@imap.library.example", IMAP_PASSWORD="a:b/")["IMAP"]
    assert (mailbox["password"], mailbox["port"], mailbox["tls"], mailbox["folder"]) == (
        "a:b/",
        143,
        "starttls",
        "INBOX",
    )


@pytest.mark.parametrize(
    "address", ["reply@library.example", "@reply.library.example", "antworten.24_7-x@x.example"]
)
def test_reply_address_that_leaves_room_for_a_token_is_accepted(address):
    assert errors_of(**SAFE | {"REPLY_ADDRESS": address}) == []
