import pytest

from tests.mailers import use_outbox


@pytest.fixture(autouse=True)
def _mail_goes_to_the_outbox(settings):
    """As it does outside of tests: Django's runner puts its own backend there."""
    use_outbox(settings)
