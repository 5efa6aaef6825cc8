import pickle
import time

import pytest
from django.test import Client

from accounts.sign_in.access import REAUTHENTICATED_AT

from . import world as worlds


@pytest.fixture(scope="module")
def world_of_all(built_once):
    with built_once(worlds.build) as world:
        yield pickle.dumps(world)


@pytest.fixture
def world(db, world_of_all):
    """Return new copies of the world's objects. Pickle copies objects five times as fast as deepcopy."""
    return pickle.loads(world_of_all)


@pytest.fixture
def owner(world, sign_in):
    """Return a function that returns the browser of the coordinator or of the patron.

    The person in this browser has just reauthenticated.
    """

    def owner(for_staff):
        client = sign_in(Client(), world.coordinator if for_staff else world.patron)
        session = client.session
        session[REAUTHENTICATED_AT] = time.time()
        session.save()
        return client

    return owner
