"""Check the requests to Koha's REST API, and how wrong responses are handled."""

import datetime
import json
import time
from contextlib import suppress

import pytest

from accounts.ils.base import Blocked, Misconfigured, Unavailable, WrongCardOrPin
from accounts.ils.koha import Koha

from .servers import LOGIN, PASSWORD, Card, KohaServer

TODAY = datetime.date(2026, 11, 25)
SAM = Card("20001001", "let me in", "41", "Sam Okafor", email="sam@example.org", home_branch="MPL")


@pytest.fixture
def server():
    return KohaServer([SAM])


@pytest.fixture
def url(server):
    with server.running() as url:
        yield url


@pytest.fixture
def ils(url):
    return Koha(url=f"{url}/", user=LOGIN, password=PASSWORD, timeout=10)


def signed_in(ils):
    return ils.check(SAM.card, SAM.pin, today=TODAY)


def says(status, text):
    return lambda handler: handler.say(status, text) or True


def test_koha_adapter_validates_the_password_before_it_reads_the_patrons_data(ils, server):
    patron = signed_in(ils)
    assert (patron.ils_id, patron.barcode, patron.name, patron.email, patron.group, patron.home_branch) == (
        "41",
        SAM.card,
        "Sam Okafor",
        "sam@example.org",
        "ADULT",
        "MPL",
    )
    assert "1990" not in repr(patron)
    assert server.asked == [
        (
            "POST",
            "/api/v1/auth/password/validation",
            json.dumps({"identifier": SAM.card, "password": SAM.pin}),
        ),
        ("GET", "/api/v1/patrons/41", ""),
    ]


@pytest.mark.parametrize("pin", [SAM.pin, "wrong"])
def test_signing_in_with_a_koha_user_name_counts_toward_the_limit_of_the_card(ils, pin):
    counted = []
    for typed in (SAM.card, f" {SAM.card}", SAM.name, "nobody"):
        with suppress(WrongCardOrPin):
            ils.check(typed, pin, today=TODAY, count=counted.append)
    assert counted == [SAM.card]


def test_attempt_over_the_limit_does_not_reveal_whether_the_password_was_right(ils):
    def refuse(card):
        raise PermissionError

    for pin in (SAM.pin, "wrong"):
        with pytest.raises(PermissionError):
            ils.check(SAM.name, pin, today=TODAY, count=refuse)


@pytest.mark.parametrize("pin", ["", " ", "\t", "\u00a0"])
def test_blank_password_is_never_sent_to_koha(ils, server, pin):
    server.fault = says(201, b'{"patron_id": 41, "cardnumber": "20001001"}')
    with pytest.raises(WrongCardOrPin):
        ils.check(SAM.card, pin, today=TODAY)
    assert server.asked == []


def test_koha_token_is_reused_until_it_is_revoked(url, server):
    ils = Koha(url=url, client_id="afterword", client_secret="secret")
    signed_in(ils), signed_in(ils)
    assert [path for _method, path, _body in server.asked].count("/api/v1/oauth/token") == 1
    server.tokens.append("another")
    assert signed_in(ils).name == "Sam Okafor"
    assert [path for _method, path, _body in server.asked].count("/api/v1/oauth/token") == 2


def test_expired_koha_token_is_replaced_by_a_new_token(url, server, monkeypatch):
    ils = Koha(url=url, client_id="afterword", client_secret="secret")
    signed_in(ils)
    ils.token_until = 0
    signed_in(ils)
    assert len(server.tokens) == 2


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (400, b'{"error": "Password expired"}', Blocked),
        (400, b'{"errors": [{"message": "Properties not allowed: identifier."}]}', Misconfigured),
        (401, b'{"error": "Authentication failure."}', Misconfigured),
        (403, b'{"error": "Authorization failure. Missing required permission(s)."}', Misconfigured),
        (404, b'{"error": "Not found"}', Misconfigured),
        (302, b"", Misconfigured),
        (429, b"{}", Unavailable),
        (500, b'{"error": "Something went wrong"}', Unavailable),
        (503, b"<html>maintenance</html>", Unavailable),
        (201, b"", Unavailable),
        (201, b"{}", Unavailable),
        (201, b"[]", Unavailable),
        (201, b'{"patron_id": null, "cardnumber": "20001001"}', Unavailable),
        (200, b'{"patron_id": 41, "cardnumber": "20001001"}', Unavailable),
        (204, b"", Unavailable),
        (201, b"{" * 300_000, Unavailable),
        (201, b"\xff\xfe", Unavailable),
    ],
)
def test_each_koha_error_response_raises_the_matching_ils_error(ils, server, status, text, error):
    server.fault = says(status, text)
    with pytest.raises(error):
        signed_in(ils)


@pytest.mark.parametrize(
    ("status", "text"),
    [(404, b"{}"), (500, b"{}"), (200, b"{}"), (200, b'{"patron_id": 42}'), (200, b"null")],
)
def test_koha_sign_in_fails_if_the_patron_record_cannot_be_read(ils, server, status, text):
    server.fault = lambda handler: handler.command == "GET" and says(status, text)(handler)
    with pytest.raises((Unavailable, Misconfigured)):
        signed_in(ils)


@pytest.mark.slow
@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 201 Created\r\n", b"HTTP/1.1 201 Created\r\n\r\n{"])
def test_koha_request_times_out_if_the_server_stops_sending(ils, server, begun):
    server.fault, ils.timeout = lambda handler: handler.wfile.write(begun) >= 0 and not time.sleep(3), 0.3
    began = time.monotonic()
    with pytest.raises(Unavailable):
        signed_in(ils)
    assert time.monotonic() - began < 2.5


@pytest.mark.slow
def test_koha_response_is_refused_at_the_time_limit_even_if_single_bytes_still_arrive(ils, server):
    def dribble(handler):
        handler.send_response(201)
        handler.end_headers()
        for _number in range(40):
            handler.wfile.write(b" ")
            time.sleep(0.1)
        return True

    server.fault, ils.timeout = dribble, 0.3
    began = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        signed_in(ils)
    assert time.monotonic() - began < 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beginning", "words"),
    [
        (b"HTTP/1.1 201 Created\r\nX-Slow: ", b"a"),
        (b"HTTP/1.1 201 ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["header", "status line", "interim responses"],
)
def test_koha_request_times_out_if_the_headers_of_the_response_never_end(ils, server, beginning, words):
    def dribble(handler):
        handler.wfile.write(beginning)
        for _number in range(40):
            handler.wfile.write(words)
            time.sleep(0.1)
        return True

    server.fault, ils.timeout = dribble, 0.3
    began = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        signed_in(ils)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "seconds",
    ["soon", [1], {"a": 1}, 10**400, None, -5, "1e999"],
    ids=["word", "list", "object", "huge", "null", "negative", "infinite"],
)
def test_invalid_lifetime_of_a_koha_token_does_not_crash_the_adapter(url, server, seconds):
    token = {"access_token": "of the test", "expires_in": seconds}
    server.fault = lambda handler: "token" in handler.path and says(200, json.dumps(token).encode())(handler)
    with pytest.raises(Misconfigured, match="KOHA_CLIENT_ID"):
        signed_in(Koha(url=url, client_id="afterword", client_secret="secret"))


def test_rejected_koha_login_is_a_configuration_error(url):
    with pytest.raises(Misconfigured, match="KOHA_USER"):
        signed_in(Koha(url=url, user=LOGIN, password="another"))
    with pytest.raises(Misconfigured, match="KOHA_CLIENT_ID"):
        signed_in(Koha(url=url, client_id="afterword", client_secret="another"))


def test_unreachable_koha_server_raises_the_unavailable_error(server):
    with server.running() as url:
        pass
    with pytest.raises(Unavailable, match="refuses the connection"):
        signed_in(Koha(url=url, user=LOGIN, password=PASSWORD))
    with pytest.raises(Unavailable, match="can't be resolved"):
        signed_in(Koha(url="http://no-such-host.invalid", user=LOGIN, password=PASSWORD))


def test_koha_adapter_accepts_patron_fields_of_unexpected_types(ils, server):
    odd = {
        "patron_id": 41,
        "cardnumber": 5,
        "firstname": ["a"],
        "surname": None,
        "email": 7,
        "expiry_date": 7,
        "restricted": None,
    }
    server.fault = lambda handler: handler.command == "GET" and says(200, json.dumps(odd).encode())(handler)
    assert (signed_in(ils).barcode, signed_in(ils).email, signed_in(ils).expires_on) == ("5", "7", None)


def test_malformed_patron_id_from_koha_is_escaped_in_the_next_request_url(ils, server):
    server.fault = lambda handler: (
        handler.command == "POST" and says(201, b'{"patron_id": "../../patrons/7"}')(handler)
    )
    with pytest.raises((Unavailable, Misconfigured)):
        signed_in(ils)
    assert server.asked[-1][1] == "/api/v1/patrons/..%2F..%2Fpatrons%2F7"
