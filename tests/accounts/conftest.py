import pytest

from tests.mailers import use_outbox


@pytest.fixture(autouse=True)
def _use_outbox(settings):
    """Write emails to the portal's outbox, as in production, and not to Django's `mail.outbox`."""
    use_outbox(settings)
