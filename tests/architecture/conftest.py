import pytest

from . import world as worlds


@pytest.fixture
def world(library, branch, patron, staff, coordinator):
    return worlds.build(branch, patron, staff, coordinator)


@pytest.fixture
def as_owner(client, world, sign_in):
    """as_owner(route) is the browser of the one whom the page is for: the coordinator at the desk, the patron elsewhere."""

    def as_owner(route):
        return sign_in(client, world.coordinator if route.at_desk or hasattr(route.view, "guard") else world.patron)

    return as_owner
