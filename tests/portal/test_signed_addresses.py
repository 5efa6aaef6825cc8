"""Check that the tokens in signed addresses can be removed from texts and emails."""

import time

import pytest

from portal import signed_addresses
from portal.signed_addresses import without_tokens, without_tokens_in_bytes


@pytest.mark.parametrize("own", ["reply@library.example", "@library.example"])
def test_tokens_are_removed_from_reply_addresses_in_any_spelling(settings, own):
    settings.REPLY_ADDRESS = own
    address = signed_addresses.sign("test", b"a" * 18)
    spellings = [address, address.upper(), address.replace("+", "%2B").replace("@", "%40")]
    for spelling in spellings:
        kept = without_tokens(f"To: <{spelling}>, sam@example.org").lower()
        assert kept.replace("%40", "@") == f"to: <{own}>, sam@example.org"


@pytest.mark.parametrize("own", ["reply@library.example", "@library.example"])
def test_tokens_are_removed_from_quoted_printable_text_wherever_its_lines_break(settings, own):
    settings.REPLY_ADDRESS = own
    address = signed_addresses.sign("test", b"a" * 18)
    for place in range(len(address)):
        broken = f"{address[:place]}=\r\n{address[place:]}".encode()
        kept = without_tokens_in_bytes(b"\xff Write to " + broken + b" now")
        assert kept.replace(b"=\r\n", b"") == f"\xff Write to {own} now".encode("latin-1")


@pytest.mark.parametrize(
    "text",
    [
        "reply+books@library.example",
        "reply@library.example",
        "reply+abcdefghijklmnopqrst@other.example",
        "a+b",
    ],
)
def test_addresses_without_a_token_are_unchanged(settings, text):
    settings.REPLY_ADDRESS = "reply@library.example"
    assert without_tokens(text) == text


def test_long_mailbox_names_at_the_domain_for_replies_are_unchanged(settings):
    settings.REPLY_ADDRESS = "@library.example"
    assert without_tokens("maria.librarydirector@library.example") == "maria.librarydirector@library.example"


def test_text_of_an_email_is_unchanged_if_no_reply_address_is_set(settings):
    settings.REPLY_ADDRESS = ""
    assert without_tokens("reply+abcdefghijklmnopqrst@library.example") == (
        "reply+abcdefghijklmnopqrst@library.example"
    )


@pytest.mark.parametrize("own", ["reply@library.example", "@library.example"])
@pytest.mark.parametrize("part", ["reply+", "a", "reply+aaaaaaaaaaaaaaaaaaaaaa", "=\r\n", "a=\r\n"])
def test_removing_tokens_from_a_large_email_takes_less_than_a_second(settings, own, part):
    settings.REPLY_ADDRESS = own
    raw = part.encode() * (2_000_000 // len(part))
    began = time.process_time()
    without_tokens_in_bytes(raw)
    assert time.process_time() - began < 1
