"""Shared code of guards and sweeps. Guards are tests that check the code. Sweeps are tests of every URL.

A failure lists everything that failed, and says what to do.
"""

from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import translation


def fail_if_any(found, fix):
    """Fail if `found` is not empty. The message lists what was found and ends with `fix`."""
    if found := [str(item) for item in found]:
        pytest.fail("\n".join([*found, fix]), pytrace=False)


@contextmanager
def writing_statements():
    """Yield a list that collects all SQL statements in the `with` block that may change rows.

    If the list stays empty, no row has changed. This is much faster than comparing all rows.
    """
    statements = []

    def watch(execute, sql, params, many, context):
        if not sql.startswith(("SELECT ", "SAVEPOINT ", "RELEASE SAVEPOINT ", "ROLLBACK TO SAVEPOINT ")):
            statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield statements


def sweep(routes, method, check, *, browser, fix):
    """Run `check(client, route)` for every route. If any check fails, list the failed routes and `fix`."""
    fail_if_any(failures(routes, method, check, browser=browser), fix)


def failures(routes, method, check, *, browser):
    """Run `check(client, route)` for every route, and return a line for each route that failed.

    Each request has its own savepoint, and a new client with the cookies of `browser`. Each request also has
    a SCRIPT_NAME, which must change nothing. Some web servers take the SCRIPT_NAME from a header.
    """
    found = []
    for route in routes:
        translation.activate("en")
        client = Client(SCRIPT_NAME="/elsewhere" if route.at_desk else "/desk")
        client.cookies.update(browser.cookies)
        with transaction.atomic():
            # Catch everything, so that the other routes are still checked.
            try:
                check(client, route)
            except Exception as error:
                found.append(
                    f"{method.upper()} /{route.path} ({route}): {type(error).__name__} {error}"[:500]
                )
            transaction.set_rollback(True)
    return found
