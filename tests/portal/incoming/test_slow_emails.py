"""Test that one email of the largest size can't keep the worker busy for long."""

import base64

import pytest
from django.utils import timezone

from portal.incoming.actions import MAX_BYTES, receive
from portal.incoming.models import IncomingEmail
from portal.incoming.reading import MAX_TEXT, parse, read

pytestmark = [pytest.mark.only_long, pytest.mark.django_db]
# Reading an email may take this many seconds, also on a slow machine. Without the limits in the code, these
# emails take minutes.
SECONDS = 8
START = b"From: sam@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"


def part(content, kind=b"text/plain; charset=utf-8", **headers):
    more = b"".join(b"%s: %s\r\n" % (name.replace("_", "-").encode(), headers[name]) for name in headers)
    return b"--b\r\nContent-Type: " + kind + b"\r\n" + more + b"\r\n" + content + b"\r\n"


def many(one, number=190):
    """Return an email with `number` copies of the part `one`, or fewer copies to stay below MAX_BYTES."""
    return START + one * min(number, (MAX_BYTES - 1000) // len(one)) + b"--b--\r\n"


PARAMETERS = [b"; a=b", b";", b'; a="', b"; a*1*=b", b"(", b'";']
CHARSETS = [b"punycode", b"idna", b"unicode_escape", b"raw_unicode_escape", b"utf-7", b"uu", b"zip", b"hex"]
NESTED = b"multipart/mixed" + b'; a="' + b";" * 60_000 + b"; boundary=c"


@pytest.mark.slow
@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("name", ["Content_Disposition", "Content_Type"])
def test_email_with_long_headers_in_many_parts_is_unreadable(parameter, name, takes_at_most):
    value = parameter * (60_000 // len(parameter))
    one = part(b"x", b"text/plain" + value) if name == "Content_Type" else part(b"x", **{name: b"x" + value})
    raw = many(one, 2000)
    with takes_at_most(SECONDS):
        receive(raw, at=timezone.now())
        assert not read(*parse(raw)).is_readable


@pytest.mark.slow
def test_email_with_long_headers_in_many_multiparts_is_unreadable(takes_at_most):
    with takes_at_most(SECONDS):
        assert not read(*parse(many(part(b"--c--", NESTED), 2000))).is_readable


@pytest.mark.slow
@pytest.mark.parametrize("length", [3900, 300])
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_headers_of_the_maximum_length_are_read_quickly(length, parameter, takes_at_most):
    value = b"text/plain" + parameter * ((length - 30) // len(parameter))
    raw = many(part(b"x", value), 15 if length > 1000 else 190)
    with takes_at_most(SECONDS):
        receive(raw, at=timezone.now())


@pytest.mark.parametrize("name", [b"Content-Type: text/plain; a=", b"Content-Location: ", b"content-X: "])
def test_email_with_a_too_long_content_header_is_unreadable(name):
    start = b"Subject: Hello\r\n"
    assert read(*parse(start + name + b"x" * 4000 + b"\r\n\r\nYes")).quoting == "Yes"
    email = read(*parse(start + name + b"x" * 4100 + b"\r\n\r\nYes"))
    assert (email.is_readable, email.quoting, email.subject) == (False, "", "Hello")


@pytest.mark.slow
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_long_headers_of_the_email_itself_are_refused_quickly(parameter, takes_at_most):
    raw = b"Content-Type: text/plain" + parameter * (60_000 // len(parameter)) + b"\r\n\r\nYes"
    with takes_at_most(SECONDS):
        receive(raw, at=timezone.now())
    assert [email.reason for email in IncomingEmail.objects.all()] == ["no_address"]


@pytest.mark.slow
@pytest.mark.parametrize("source", [b"<b><p>", b"<a><b><p>", b"<i><b><u><p></i>", b"<table><b>", b"<b>"])
@pytest.mark.parametrize("size", [400_000, 3000])
def test_email_parts_whose_html_is_slow_to_parse_are_read_quickly(source, size, takes_at_most):
    raw = many(part(source * (size // len(source)), b"text/html"))
    with takes_at_most(SECONDS):
        receive(raw, at=timezone.now())


@pytest.mark.slow
@pytest.mark.parametrize(
    "charset", [*CHARSETS, b"klingon", b"\xff", b"utf-16", b"iso2022_jp", b"hz", b"gb18030"]
)
def test_email_parts_with_slow_charsets_are_read_quickly(charset, takes_at_most):
    one = part(b"ab-cd9a+" * 16_000, b"text/plain; charset=" + charset)
    with takes_at_most(SECONDS):
        receive(many(one), at=timezone.now())


@pytest.mark.parametrize("charset", CHARSETS)
def test_text_whose_codec_name_is_not_a_charset_is_read_as_utf8(charset):
    raw = b"Content-Type: text/plain; charset=" + charset + b"\r\n\r\ncaf\xc3\xa9 +AGE- \\u0041 xn--a"
    assert read(*parse(raw)).quoting == "café +AGE- \\u0041 xn--a"


@pytest.mark.parametrize(
    "charset",
    [
        "utf-8",
        "UTF8",
        "utf-16",
        "iso-8859-1",
        "latin1",
        "iso-8859-15",
        "windows-1252",
        "cp1251",
        "koi8-r",
        "koi8-u",
        "macintosh",
        "gb2312",
        "gbk",
        "gb18030",
        "big5",
        "euc-jp",
        "euc-kr",
        "shift_jis",
        "iso-2022-jp",
        "iso-2022-kr",
        "ks_c_5601-1987",
        "us-ascii",
        "utf-32",
        "tis-620",
        "windows-1258",
        "x-mac-roman",
        "utf-8-sig",
        "big5-hkscs",
        "cp932",
        "hz",
    ],
)
def test_charsets_of_mail_programs_are_read(charset):
    try:
        content = "Yes, please".encode(charset)
    except LookupError:
        content = b"Yes, please"
    raw = b"Content-Type: text/plain; charset=%s\r\nContent-Transfer-Encoding: base64\r\n\r\n%s" % (
        charset.encode(),
        base64.b64encode(content),
    )
    assert read(*parse(raw)).quoting == "Yes, please"


@pytest.mark.slow
@pytest.mark.parametrize("line", [b"a \r\n", b" \r\n", b"\r\n", b"> a \r\n"])
def test_flowed_text_of_an_email_is_read_quickly(line, takes_at_most):
    one = part(line * (130_000 // len(line)), b"text/plain; format=flowed; delsp=yes")
    with takes_at_most(SECONDS):
        receive(many(one), at=timezone.now())


@pytest.mark.slow
@pytest.mark.parametrize("line", [b"a \n", b" \n", b"a\n\r"])
def test_flowed_text_with_the_maximum_number_of_lines_is_read_quickly(line, takes_at_most):
    one = part(line * (480_000 // 190), b"text/plain; format=flowed; delsp=yes")
    long = part(line * 240_000 + b"\n", b"text/plain; format=flowed")
    with takes_at_most(SECONDS):
        receive(many(one), at=timezone.now())
    with takes_at_most(SECONDS):
        assert read(*parse(many(long, 1))).is_readable


def test_email_with_more_lines_than_allowed_is_unreadable(monkeypatch):
    monkeypatch.setattr("portal.incoming.reading.MAX_LINES", 3)
    assert read(*parse(b"Subject: x\r\n\r\nYes\r\nNo")).is_readable
    assert not read(*parse(b"Subject: x\r\n\r\nYes\r\nNo\r\n")).is_readable


@pytest.mark.slow
@pytest.mark.parametrize("encoding", [b"quoted-printable", b"x-uuencode", b"base64"])
def test_encoded_parts_of_an_email_are_read_quickly(encoding, takes_at_most):
    line = {b"quoted-printable": b"=41" * 24 + b"=\r\n", b"x-uuencode": b"M" + b"0V%T" * 15 + b"\r\n"}.get(
        encoding, b"QUFB" * 18 + b"\r\n"
    )
    begin = b"begin 644 x\r\n" if encoding == b"x-uuencode" else b""
    one = part(begin + line * (130_000 // len(line)), Content_Transfer_Encoding=encoding)
    with takes_at_most(SECONDS):
        receive(many(one), at=timezone.now())


def test_email_with_many_parts_is_read_up_to_the_maximum_length_of_a_text():
    raw = many(part(b"word " * 1000), 100)
    assert len(read(*parse(raw)).quoting) == MAX_TEXT


@pytest.mark.slow
def test_email_with_thousands_of_addresses_is_read_quickly(takes_at_most):
    names = b"".join(b"%s: %s\r\n" % (name, b"a@b.example," * 1000) for name in (b"From", b"To", b"Cc"))
    with takes_at_most(SECONDS):
        receive(names + b"\r\nYes", at=timezone.now())
