import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from functools import cache

import pytest
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.core.files.storage import storages
from django.db import connection, transaction
from django.db.models.signals import post_migrate
from django.test import SimpleTestCase
from django.utils import timezone, translation
from xdist.scheduler import WorkStealingScheduling

from accounts.models import Library
from accounts.sign_in.access import SECOND_FACTOR
from accounts.sign_in.sign_ins import LAST_USED_ON
from portal.conversations.viewer import OPENED_CODES
from portal.helpsessions import codes
from portal.helpsessions.models import ClaimCode
from portal.notifications.desk_use import WRITTEN_AT as DESK_USE_WRITTEN_AT
from tests import databases
from tests.certificates import make_certificate
from tests.factories import LibraryFactory, StaffFactory, UserFactory

# `make test` runs at most this many cases of a test marked `few_cases`. On PostgreSQL, the same limit holds
# for a test marked `sql`.
MAX_CASES = 2
# On PostgreSQL, `make test` runs only the tests whose result may differ between the databases. For this run,
# the mark expression in .ci/test begins with LEAVES_OUT_ONE_DATABASE. A module has tests for this run if its
# text matches MAY_DIFFER. In tests/architecture/, the text must match MAY_DIFFER_AMONG_SWEEPS instead.
LEAVES_OUT_ONE_DATABASE = "not one_database and "
MAY_DIFFER = re.compile(r"mark\.sql\b|transaction=True")
MAY_DIFFER_AMONG_SWEEPS = re.compile(r"mark\.core\b")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each test process consecutive tests, so that most processes build a module's data only once.

    A process that is done takes tests from another process.
    """
    return WorkStealingScheduling(config, log)


def pytest_ignore_collect(collection_path, config):
    """Ignore a module if all its tests have the marker one_database, and the run leaves out this marker.

    `make test` runs a fifteenth of the tests on PostgreSQL. Collecting all modules would take seven seconds
    in each process.
    """
    if config.getoption("markexpr").startswith(LEAVES_OUT_ONE_DATABASE) and collection_path.suffix == ".py":
        return not has_tests_for_both_databases(collection_path) or None
    return None


@cache
def has_tests_for_both_databases(path):
    """Return whether the text of this module shows that `make test` may run its tests on PostgreSQL."""
    pattern = MAY_DIFFER_AMONG_SWEEPS if "architecture" in path.parts else MAY_DIFFER
    return path.name.startswith("test_") and bool(pattern.search(path.read_text("utf-8")))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Add the markers that depend on what kind of test it is. docs/testing.md explains them.

    `make test` runs races and tests marked `sql` on both databases, and most other tests on SQLite alone. It runs
    a long race or a browser test only if the test is marked `core`. It runs at most MAX_CASES cases, spread
    evenly, of each test marked `few_cases`. On PostgreSQL, this limit also holds for each test marked `sql`,
    unless the test is a race or marked `core`.
    """
    for item in items:
        is_core = item.get_closest_marker("core")
        if (item.get_closest_marker("browser") or is_long_race(item)) and not is_core:
            item.add_marker("only_long")
        if is_sweep(item) and not is_core:
            item.add_marker("sqlite_first")
        if not may_differ_between_databases(item):
            item.add_marker("one_database")
        elif not item.get_closest_marker("sqlite_first") and not has_tests_for_both_databases(item.path):
            raise pytest.UsageError(
                f"{item.nodeid}: write its marker in this module, or it is not collected."
            )
    for item in further_cases(items, "few_cases"):
        item.add_marker("only_long")
    for item in further_cases(items, "sql"):
        if not item.get_closest_marker("core") and not is_race(item):
            item.add_marker("sqlite_first")


def further_cases(items, marker):
    """Return all cases of the tests with this marker, except MAX_CASES cases of each test."""
    return [
        item
        for cases in cases_of_each_test(items, marker)
        for number, item in enumerate(cases)
        if number % math.ceil(len(cases) / MAX_CASES)
    ]


def cases_of_each_test(items, marker):
    """Return the cases of the tests that have the marker, in one list for each test."""
    tests = defaultdict(list)
    for item in items:
        if item.get_closest_marker(marker):
            tests[item.path, item.parent.name, item.originalname].append(item)
    return tests.values()


def is_race(item):
    marker = item.get_closest_marker("django_db")
    return bool(marker and marker.kwargs.get("transaction"))


def is_long_race(item):
    return is_race(item) and item.get_closest_marker("long")


def is_sweep(item):
    return "architecture" in item.path.parts


def may_differ_between_databases(item):
    fixtures = set(item.fixturenames)
    is_case = issubclass(getattr(item, "cls", None) or object, SimpleTestCase)
    has_database = (
        is_case
        or item.get_closest_marker("django_db")
        or {"db", "transactional_db", "live_server"} & fixtures
    )
    is_sql = item.get_closest_marker("sql") and not {"client", "sign_in", "show_code"} & fixtures
    return has_database and (is_race(item) or is_sweep(item) or is_sql)


@pytest.fixture(scope="session", autouse=True)
def private_files(tmp_path_factory):
    """Save uploaded files in a temporary folder."""
    # FileSystemStorage caches its location, so replace the cached value.
    storages["private"].__dict__["location"] = str(tmp_path_factory.mktemp("private"))


@pytest.fixture(autouse=True)
def _in_english():
    """Start each test in English, even if the previous test left another language active."""
    translation.activate("en")


@pytest.fixture(scope="session")
def built_once(django_db_setup, django_db_blocker):
    """Return a context manager that builds rows once for a module.

    Use `with built_once(build) as built` in a fixture of module scope. Each test undoes only its own changes.
    Tests of the module can't use `transaction=True`.
    """

    @contextmanager
    def built_once(build):
        outer = transaction.atomic()
        with django_db_blocker.unblock():
            outer.__enter__()
        try:
            with django_db_blocker.unblock():
                built = build()
            yield built
        finally:
            with django_db_blocker.unblock():
                transaction.set_rollback(True)
                outer.__exit__(None, None, None)

    return built_once


@pytest.fixture(scope="session")
def migrated(request):
    """Return a SQLite file with all tables and no rows, for tests that start their own portal."""
    return databases.sqlite_template(request.config.cache.mkdir("databases"))


@pytest.fixture(scope="session")
def django_db_keepdb():
    """Make Django use the copied SQLite file. Otherwise, Django would delete the file and build it again."""
    return connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(request, django_db_modify_db_settings_parallel_suffix):
    """Make the test database of this process a copy of a migrated template."""
    test = connection.settings_dict["TEST"]
    test["MIGRATE"] = False
    if connection.vendor == "sqlite":
        databases.copy_sqlite(request.getfixturevalue("migrated"), test["NAME"])
    else:
        test["TEMPLATE"] = databases.postgres_template(os.environ["DATABASE_URL"])


@pytest.fixture(scope="session", autouse=True)
def quick_flush():
    """Make Django flush tables with DELETE. TRUNCATE is much slower, because it writes new files per table.

    Content types and permissions are not deleted, so they needn't be created again.
    """
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(create_contenttypes)
    fixed = {"django_content_type", "auth_permission"}

    def sql_flush(style, tables, **_options):
        quote = connection.ops.quote_name
        return [f"DELETE FROM {quote(table)}" for table in tables if table not in fixed]

    connection.ops.sql_flush = sql_flush


@pytest.fixture(scope="session")
def collected(migrated, tmp_path_factory):
    """Return a DATA_DIR with an empty database and collected static files."""
    folder = tmp_path_factory.mktemp("collected")
    environment = {"PATH": os.environ["PATH"], "AFTERWORD_MODE": "demo", "DATA_DIR": str(folder)}
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"],
        cwd=settings.BASE_DIR,
        env=environment,
        check=True,
    )
    shutil.copy(migrated, folder / "afterword.sqlite3")
    return folder


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Return a folder with key.pem and certificate.pem, a self-signed certificate for localhost."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def library(db):
    return LibraryFactory()


@pytest.fixture
def branch(library):
    return library.default_branch


@pytest.fixture
def patron(library):
    return UserFactory(name="Sam Okafor", email="sam@example.org")


@pytest.fixture
def staff(branch):
    """Return a staff member of the default branch."""
    return StaffFactory(name="Rosa Lindqvist", email="rosa@example.org", branch=branch)


@pytest.fixture
def coordinator(branch):
    return StaffFactory(
        name="Ines Coordinator", email="ines@example.org", branch=branch, branch__role="coordinator"
    )


@pytest.fixture
def sign_in():
    """Return sign_in(client, user, second_factor=True), which signs in without sending a code."""

    def sign_in(client, user, *, second_factor=True):
        client.force_login(user)
        session = client.session
        session[LAST_USED_ON] = Library.current().today().isoformat()
        if second_factor and user.is_staff:
            session[SECOND_FACTOR] = timezone.now().isoformat()
            # Without this session value, the first request would save when the person last used the desk.
            session[DESK_USE_WRITTEN_AT] = time.time()
        session.save()
        return client

    return sign_in


@pytest.fixture
def show_code():
    """Return show_code(client, code), which opens a visit in this browser by its code."""

    def show_code(client, code):
        session = client.session
        session[OPENED_CODES] = [
            *session.get(OPENED_CODES, []),
            ClaimCode.objects.get(hmac=codes.hmac_of(code)).pk,
        ]
        session.save()
        return client

    return show_code
