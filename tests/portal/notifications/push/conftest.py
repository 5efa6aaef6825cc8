import pytest

from tests.push_device import PRIVATE_KEY

from .push_service import push_service


@pytest.fixture(autouse=True)
def _push_is_set_up(settings):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY
    settings.PUSH_SUBJECT = "mailto:help@library.example"


@pytest.fixture
def service(settings):
    """Run a push service on this machine, and let the portal send to it."""
    settings.PUSH_LOCAL = True
    with push_service() as service:
        yield service
