import copy
import time

import pytest

from accounts.sign_in.access import REAUTHENTICATED_AT

from . import world as worlds


@pytest.fixture(scope="module")
def world_of_all(built_once):
    with built_once(worlds.build) as world:
        yield world


@pytest.fixture
def world(db, world_of_all):
    """To each test its own: what it changes in it, it changes for itself."""
    return copy.deepcopy(world_of_all)


@pytest.fixture
def as_owner(client, world, sign_in):
    """as_owner(route) is the browser of the one whom the page is for, who has just proved it: the coordinator at the desk, the patron elsewhere."""

    def as_owner(route):
        sign_in(client, world.coordinator if route.at_desk or hasattr(route.view, "guard") else world.patron)
        session = client.session
        session[REAUTHENTICATED_AT] = time.time()
        session.save()
        return client

    return as_owner
