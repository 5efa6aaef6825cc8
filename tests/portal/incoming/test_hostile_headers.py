"""Test that headers with invalid bytes cause no error, and that these bytes are never stored."""

import pytest
from django.utils import timezone

from portal.incoming.actions import Outcome, receive
from portal.incoming.models import IncomingEmail
from portal.incoming.reading import parse, read, recipients_of, sender_of

pytestmark = pytest.mark.django_db
DEEP = b"(" * 5000 + b")" * 5000 + b" a@b.de"


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ["To", "Cc", "Delivered-To", "From"])
@pytest.mark.parametrize("value", [DEEP, b"a:" * 5000, b"\xff@\xfe", b"\0@\0.de", b"<" * 5000])
def test_malformed_address_header_is_ignored(name, value):
    message, _is_whole = parse(name.encode() + b": " + value + b"\r\n\r\nYes")
    assert (sender_of(message), recipients_of(message)) == ("", [])


@pytest.mark.parametrize("name", ["To", "Cc", "X-Envelope-To"])
def test_malformed_address_header_does_not_hide_the_reply_address(name, conversation, write):
    raw = name.encode() + b": " + DEEP + b"\r\n" + write()
    assert receive(raw, at=timezone.now()) == Outcome.MESSAGE


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ["Message-ID", "In-Reply-To", "References"])
@pytest.mark.parametrize("value", [b"<\xff@x>", b"<\xfe@x>", b"<\0@x>", b"<\x1b@x>", b"<\xc3\xa9@x>"])
def test_message_id_that_is_not_printable_ascii_is_ignored(name, value, conversation, write):
    raw = name.encode() + b": " + value + b"\r\n" + write(message_id="")
    email = read(*parse(raw))
    assert (email.message_id, email.answers_to) == ("", [])
    assert receive(raw, at=timezone.now()) == Outcome.MESSAGE
    assert receive(raw, at=timezone.now()) == Outcome.DROPPED
    assert IncomingEmail.objects.count() == 1


def test_message_ids_in_ascii_are_read():
    email = read(*parse(b"Message-ID: <a.b+c=1@x>\r\nReferences: <1@x> <\xff@x>\r\n <2@x>\r\n\r\n"))
    assert (email.message_id, email.answers_to) == ("<a.b+c=1@x>", ["<1@x>", "<2@x>"])
