import pytest

from tests.mailers import SMTP, deliver_by

from .mail_server import free_port, mail_server


@pytest.fixture
def smtp_port(settings):
    """Configure delivery by SMTP to a free local port and return the port. No server listens on it yet."""
    port = free_port()
    deliver_by(settings, SMTP, host="127.0.0.1", port=port, timeout=5)
    return port


@pytest.fixture
def smtp(smtp_port):
    with mail_server(smtp_port) as server:
        yield server
