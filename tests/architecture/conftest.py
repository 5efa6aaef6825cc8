import pickle
import time

import pytest
from django.test import Client

from accounts.sign_in.access import REAUTHENTICATED_AT
from tests.push_device import PRIVATE_KEY

from . import world as worlds


@pytest.fixture(autouse=True)
def _push_is_set_up(settings):
    """Set up push messages, so that the pages about them exist."""
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY


@pytest.fixture(scope="module")
def world_of_all(built_once):
    with built_once(worlds.build) as world:
        yield pickle.dumps(world)


@pytest.fixture
def world(db, world_of_all):
    """Return fresh copies of the objects that world.py builds. Pickle is five times as fast as deepcopy."""
    return pickle.loads(world_of_all)


@pytest.fixture
def owner(world, sign_in):
    """Return the function owner(for_staff), which returns a test client.

    The coordinator is signed in if `for_staff` is true, and the patron otherwise. The person has just
    reauthenticated.
    """

    def owner(for_staff):
        client = sign_in(Client(), world.coordinator if for_staff else world.patron)
        session = client.session
        session[REAUTHENTICATED_AT] = time.time()
        session.save()
        return client

    return owner
