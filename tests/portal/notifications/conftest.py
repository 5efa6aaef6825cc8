import pytest

from tests.mailers import SMTP, deliver_by

from .mail_server import free_port, mail_server


@pytest.fixture
def smtp_port(settings):
    """Mail goes out by SMTP, to a port where nobody listens yet."""
    port = free_port()
    deliver_by(settings, SMTP, host="127.0.0.1", port=port, timeout=5)
    return port


@pytest.fixture
def smtp(smtp_port):
    with mail_server(smtp_port) as server:
        yield server
