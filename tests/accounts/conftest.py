import pytest

from tests.mailers import use_outbox


@pytest.fixture(autouse=True)
def _use_outbox(settings):
    """Send email to the portal's outbox, as in production. Django's tests would use `mail.outbox`."""
    use_outbox(settings)
