"""Test that `receive` raises no unexpected error, whatever bytes an email has."""

from email.message import EmailMessage

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.incoming.actions import Outcome, receive
from portal.incoming.models import IncomingEmail
from tests.extent import times

pytestmark = pytest.mark.django_db
TYPES = [
    *("text/plain", "text/html", "multipart/mixed", "multipart/alternative", "multipart/related", "text"),
    *(
        "multipart/report; report-type=delivery-status",
        "message/rfc822",
        "message/delivery-status",
        "image/png",
    ),
    *("application/octet-stream", "multipart/mixed; boundary=", 'multipart/mixed; boundary="b', ";", "a/b/c"),
    *("text/plain; charset=klingon", "text/plain; charset=idna", "text/plain; charset=utf-7; format=flowed"),
    *(
        "text/plain; charset=rot13",
        "message/partial; id=x; number=1",
        "text/html; charset*=utf-8''%",
        "=?x?=",
    ),
]
line = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
header = st.one_of(
    line,
    st.sampled_from(
        [
            "=?utf-8?b?////?=",
            "=?utf-8?q?=ff?=",
            "<",
            ">",
            "<>",
            '"',
            "(((((",
            "a@b, c@d",
            "group: a@b;",
            "@",
            "\\",
        ]
    ),
)
name = st.sampled_from(
    [
        "From",
        "To",
        "Cc",
        "Subject",
        "Message-ID",
        "References",
        "Date",
        "Auto-Submitted",
        "Return-Path",
        "Status",
    ]
    + ["Precedence", "Content-Disposition", "Content-Transfer-Encoding", "Content-ID", "MIME-Version", "X"]
)


@st.composite
def emails(draw):
    """Let Hypothesis make bytes that resemble an email."""
    boundary = "b"
    kind = draw(st.sampled_from([*TYPES, f"multipart/mixed; boundary={boundary}"]))
    headers = draw(st.lists(st.tuples(name, header), max_size=8))
    lines = [f"{key}: {value}" for key, value in headers] + [f"Content-Type: {kind}", ""]
    for _part in range(draw(st.integers(0, 3))):
        lines += [f"--{boundary}", f"Content-Type: {draw(st.sampled_from(TYPES))}"]
        lines += [f"{key}: {value}" for key, value in draw(st.lists(st.tuples(name, header), max_size=2))]
        lines += ["", draw(line)]
    lines += [f"--{boundary}--"] * draw(st.booleans())
    raw = "\r\n".join(lines).encode()
    return raw + draw(st.binary(max_size=40)) if draw(st.booleans()) else raw


@given(data=st.data())
@settings(
    max_examples=times(60, long=3000),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_random_email_raises_no_unexpected_error(data, conversation, reply_to):
    raw = data.draw(st.one_of(emails(), st.binary(max_size=300)))
    is_addressed = data.draw(st.booleans())
    outcome = receive(raw, at=timezone.now(), recipient=reply_to if is_addressed else "")
    assert outcome in Outcome


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("nested", "unreadable"),
        ("many_parts", "unreadable"),
        ("deep_html", ""),
        ("large_html", ""),
        ("long_header", "no_address"),
        ("long_content_type", "unreadable"),
        ("comments", ""),
        ("no_headers", "no_address"),
        ("nothing", "no_address"),
    ],
)
@pytest.mark.slow
def test_email_designed_to_be_slow_is_read_quickly(shape, reason, conversation, reply_to, takes_at_most):
    start = f"From: sam@example.org\r\nTo: {reply_to}\r\nMIME-Version: 1.0\r\n".encode()
    raw = {
        "nested": start
        + b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000)
        ),
        "many_parts": start
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 20_000,
        "deep_html": start + b"Content-Type: text/html\r\n\r\nYes" + b"<div>" * 20_000,
        "large_html": start + b"Content-Type: text/html\r\n\r\n" + b"<p>Yes <b>and</b></p>" * 30_000,
        "long_header": start + b"Subject: " + b"a, " * 100_000 + b"\r\n\r\nYes",
        "long_content_type": start
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; "
        + b"a=b; " * 20_000
        + b"\r\n\r\nYes\r\n--b--\r\n",
        "comments": start + b"Subject: " + b"(" * 20_000 + b"\r\n\r\nYes",
        "no_headers": b"\r\n\r\nYes",
        "nothing": b"",
    }[shape]
    with takes_at_most(5):
        receive(raw, at=timezone.now())
    assert list(IncomingEmail.objects.values_list("reason", flat=True)) == [reason]
    assert conversation.messages.count() == (2 if reason == "" else 1)


def test_email_with_a_malformed_header_is_read(conversation, reply_to):
    email = EmailMessage()
    email["From"], email["To"] = "sam@example.org", reply_to
    email.set_content("Yes")
    raw = email.as_bytes().replace(b"From:", b'Reply-To: =?utf-8?q?=22?= <"@>,,,;\r\nFrom:')
    assert receive(raw, at=timezone.now()) == Outcome.MESSAGE
