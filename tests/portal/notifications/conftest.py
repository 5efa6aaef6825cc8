import pytest

from .mail_server import free_port, mail_server


@pytest.fixture
def smtp_port(settings):
    """Mail goes out by SMTP, to a port where nobody listens yet."""
    settings.DELIVERY_EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", free_port(), 5
    return settings.EMAIL_PORT


@pytest.fixture
def smtp(smtp_port):
    with mail_server(smtp_port) as server:
        yield server
