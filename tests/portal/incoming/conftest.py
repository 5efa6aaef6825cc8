import time
from contextlib import contextmanager
from email.message import EmailMessage

import pytest
from django.core.files.storage import storages
from django.utils import timezone

from portal.conversations.reply_addresses import address_for
from tests.factories import ConversationFactory, HelpSessionFactory, MessageFactory

REPLY_ADDRESS = "reply@library.example"


@pytest.fixture(autouse=True)
def reply_address(settings):
    settings.REPLY_ADDRESS = REPLY_ADDRESS


@pytest.fixture(autouse=True)
def disk(tmp_path, monkeypatch):
    """Return a function that lists the stored originals."""
    monkeypatch.setitem(storages["private"].__dict__, "location", str(tmp_path))

    def disk():
        files = (tmp_path / "incoming").rglob("*")
        return sorted(path.relative_to(tmp_path).as_posix() for path in files if path.is_file())

    return disk


@pytest.fixture
def conversation(branch, staff, patron):
    """Return a conversation where the patron has asked a question and is waiting for an answer."""
    now = timezone.now()
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, kept_at=now, handed_over_at=now)
    return MessageFactory(conversation=ConversationFactory(help_session=session)).conversation


@pytest.fixture
def reply_to(conversation, patron):
    """Return the reply address of the patron in the conversation."""
    return address_for(conversation, patron, at=timezone.now())


@pytest.fixture
def write(reply_to, patron):
    """Return write(text, …), which makes the bytes of the patron's email to the reply address."""
    return lambda text="Yes, that helped.", **headers: email_bytes(
        text, **{"from_": patron.email, "to": reply_to} | headers
    )


def email_bytes(text, *, from_, to, files=(), message_id="<1@phone.example>", **headers):
    """Return the bytes of an email. `files` has (name, type, bytes)."""
    email = EmailMessage()
    email["From"], email["To"], email["Subject"] = from_, to, "Re: The library has answered"
    if message_id:
        email["Message-ID"] = message_id
    for name, value in headers.items():
        email[name.replace("_", "-")] = value
    if text is not None:
        email.set_content(text)
    for name, kind, content in files:
        maintype, _slash, subtype = kind.partition("/")
        email.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
    return email.as_bytes()


@pytest.fixture
def takes_at_most():
    """Return takes_at_most(seconds), a context manager that fails if its block uses more CPU seconds."""

    @contextmanager
    def at_most(seconds):
        began = time.process_time()
        yield
        assert time.process_time() - began < seconds

    return at_most
