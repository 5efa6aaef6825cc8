"""What guards and sweeps share: a failure lists everything that failed and says what to do."""

import pytest
from django.db import transaction
from django.test import Client
from django.utils import translation


def none(found, mend):
    """Fail with a line for each thing that was found, and with how to mend it."""
    if found := [str(one) for one in found]:
        pytest.fail("\n".join([*found, mend]), pytrace=False)


def sweep(routes, method, check, *, browser, mend):
    """Run `check(client, route)` for every route. Fail with a line for each that failed, and with how to mend it."""
    none(failures(routes, method, check, browser=browser), mend)


def failures(routes, method, check, *, browser):
    """Run `check(client, route)` for every route and return a line for each that failed.

    Each request has a savepoint of its own and a new client with the cookies of `browser`.
    """
    found = []
    for route in routes:
        translation.activate("en")
        client = Client()
        client.cookies.update(browser.cookies)
        with transaction.atomic():
            try:
                check(client, route)
            except Exception as error:  # the other routes are tried whatever happens to this one
                found.append(
                    f"{method.upper()} /{route.path} ({route}): {type(error).__name__} {error}"[:500]
                )
            transaction.set_rollback(True)
    return found
