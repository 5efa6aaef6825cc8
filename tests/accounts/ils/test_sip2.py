"""Check the bytes of SIP2 messages, and what the adapter does if the server or the network fails."""

import datetime
import socket
import ssl
import threading
import time

import pytest

from accounts.ils.base import Blocked, IlsError, Misconfigured, Unavailable, WrongCardOrPin, ignore
from accounts.ils.sip2 import Sip2
from accounts.ils.sip2_messages import Damaged, checksum, framed, resend_request, unframed

from .servers import LOGIN, PASSWORD, Card, Hang, HangUp, Sip2Server

TODAY = datetime.date(2026, 11, 25)
SAM = Card("20001001", "1234", "41", "Sam Okafor", email="sam@example.org", home_branch="MAIN")
ZOE = Card("20001002", "2345", "42", "Zoë")


@pytest.fixture
def server():
    return Sip2Server([SAM, ZOE])


@pytest.fixture
def ils(server):
    with server.running() as port:
        adapter = Sip2(host="127.0.0.1", port=port, login=LOGIN, password=PASSWORD, timeout=10)
        yield adapter
        adapter.close()


def questions(server):
    return [line for line in server.asked if line.startswith(b"63")]


def signed_in(ils, card=SAM):
    return ils.check(card.card, card.pin, today=TODAY).name


# Tests of messages and checksums.


def test_sip2_checksum_matches_the_standard():
    """Check the two messages that ask for a resend: the portal's and the ILS's.

    Neither message has any variable part, so the checksum of each is known.
    """
    assert resend_request() == b"97AZFEF5\r"
    assert checksum(b"96AZ") == b"FEF6"


def test_sip2_messages_match_the_standard(ils, server):
    signed_in(ils)
    login, question = server.asked
    assert login == b"9300CNafterword|COlet us in|AY0AZ" + checksum(b"9300CNafterword|COlet us in|AY0AZ")
    assert question[:5] == b"63000"
    assert question[5:13].isdigit()
    assert question[13:17] == b"   Z"
    assert question[17:33] == question[17:23] + b" " * 10
    assert question[33:-9] == b"AO|AA20001001|AC|AD1234|"
    assert question[-9:-6] == b"AY1"


@pytest.mark.parametrize(
    "line", [b"64|AY1AZ0000", b"64|", b"64|AY1", b"64|AZFE00", b"64|AY2AZ" + checksum(b"64|AY2AZ"), b""]
)
def test_sip2_line_with_a_wrong_sequence_number_or_checksum_is_rejected(line):
    with pytest.raises(Damaged):
        unframed(line, 1)


def test_sip2_message_with_accents_has_a_valid_checksum():
    line = framed("64AEZoë|".encode(), 3)
    assert unframed(line, 3) == "64AEZoë|".encode()
    assert unframed(line.rstrip(b"\r") + b"\n", 3)


# Tests of connections.


def test_sip2_connection_is_reused(ils, server):
    assert [signed_in(ils), signed_in(ils, ZOE), signed_in(ils)] == ["Sam Okafor", "Zoë", "Sam Okafor"]
    assert (server.connections, len(server.asked)) == (1, 4)


def test_idle_sip2_connection_closed_by_the_server_is_replaced(ils, server):
    signed_in(ils)
    server.fault = lambda number, line, answer: (_ for _ in ()).throw(HangUp) if number == 3 else answer
    assert signed_in(ils, ZOE) == "Zoë"
    assert server.connections == 2


def test_sip2_connection_that_was_idle_too_long_is_replaced(ils, server, monkeypatch):
    signed_in(ils)
    monkeypatch.setattr("accounts.ils.sip2.MAX_IDLE_SECONDS", 0)
    signed_in(ils)
    assert server.connections == 2


def test_second_sip2_response_to_one_request_is_ignored(ils, server):
    """Otherwise the portal would take the second response for the response to the next sign-in."""
    server.fault = lambda number, line, answer: answer + b"\r" + answer if number == 2 else answer
    assert [signed_in(ils), signed_in(ils, ZOE)] == ["Sam Okafor", "Zoë"]
    assert server.connections == 2


@pytest.mark.slow
def test_sip2_response_that_arrives_after_the_timeout_is_ignored(ils, server):
    late = threading.Event()

    def fault(number, line, answer):
        if number == 2:
            late.wait(5)
        return answer

    server.fault, ils.timeout = fault, 0.3
    with pytest.raises(Unavailable, match="in time"):
        signed_in(ils)
    late.set()
    ils.timeout = 10
    assert signed_in(ils, ZOE) == "Zoë"
    assert server.connections == 2


def test_simultaneous_sip2_requests_each_get_their_own_response(ils):
    found, cards = [], [SAM, ZOE] * 8
    threads = [
        threading.Thread(target=lambda card=card: found.append((card.name, signed_in(ils, card))))
        for card in cards
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert [pair for pair in found if pair[0] != pair[1]] == []
    assert len(ils.idle) <= 4


# Tests of a faulty server. After a fault, the adapter never signs a patron in. It never waits longer than its
# timeout.


def raises(error):
    def fault(number, line, answer):
        if line.startswith((b"63", b"97")):
            raise error
        return answer

    return fault


def instead(changed):
    return lambda number, line, answer: changed(answer) if line.startswith((b"63", b"97")) else answer


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (raises(Hang), "in time"),
        (raises(HangUp), "closes the connection without a response"),
        (instead(lambda answer: answer[:60] + b"AE"), "checksum"),
        (instead(lambda answer: answer[:-1] + b"0"), "checksum"),
        (instead(lambda answer: b"96AZFEF6"), "checksum"),
        (instead(lambda answer: answer.replace(b"AY1", b"AY7")), "checksum"),
        (instead(lambda answer: b"\xff\xfe garbage \x00\x01"), "checksum"),
        (instead(lambda answer: b"HTTP/1.1 400 Bad Request"), "checksum"),
        (instead(lambda answer: b"x" * 100_000), "too long"),
    ],
)
def test_sign_in_fails_within_three_seconds_if_the_sip2_server_is_faulty(ils, server, fault, words):
    server.fault, ils.timeout = fault, 0.5
    began = time.monotonic()
    with pytest.raises((Unavailable, Misconfigured), match=words):
        signed_in(ils)
    assert time.monotonic() - began < 3
    assert len([line for line in server.asked if line.startswith((b"63", b"97"))]) <= 3
    server.fault, ils.timeout = None, 10
    assert signed_in(ils) == "Sam Okafor"


def test_incomplete_sip2_response_is_refused(server):
    """The response is cut off, and error detection is turned off."""

    class HalfOf:
        def __init__(self, whole):
            self.whole = whole

        def write(self, line):
            self.whole.write(line[: len(line) // 2])
            raise HangUp

    server.talk = lambda came, going, talk=server.talk: talk(came, HalfOf(going))
    with server.running() as port:
        adapter = Sip2(host="127.0.0.1", port=port, error_detection=False)
        with pytest.raises(Unavailable, match="middle of a response"):
            signed_in(adapter)


def test_damaged_sip2_response_is_requested_again(ils, server):
    server.fault = lambda number, line, answer: (
        answer.replace(b"BLY", b"BLX") if line.startswith(b"63") else answer
    )
    assert signed_in(ils) == "Sam Okafor"
    assert server.asked[-1] == b"97AZFEF5"


def test_sip2_request_is_sent_again_if_the_server_requests_a_resend(ils, server):
    server.fault = lambda number, line, answer: (
        b"96AZFEF6" if len(questions(server)) == 1 and line.startswith(b"63") else answer
    )
    assert signed_in(ils) == "Sam Okafor"
    first, again = questions(server)
    assert first == again


@pytest.mark.only_long
@pytest.mark.slow
def test_sip2_response_is_refused_at_the_time_limit_even_if_single_bytes_still_arrive(ils, server):
    def talk(came, going):
        came.read(1)
        while not server.over.wait(0.05):
            going.write(b"6")

    server.talk, ils.timeout = talk, 0.3
    began = time.monotonic()
    with pytest.raises(Unavailable, match="middle of a response"):
        signed_in(ils)
    assert time.monotonic() - began < 3


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.parametrize("padding", [b"\n", b"\0", b"\r\n"])
def test_sip2_request_times_out_if_the_response_is_endless_padding(ils, server, padding):
    def talk(came, going):
        came.read(1)
        while not server.over.is_set():
            going.write(padding * 4096)

    server.talk, ils.timeout = talk, 0.3
    began = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        signed_in(ils)
    assert time.monotonic() - began < 3


# Tests of the fields of a response.


def answering(fields, *, charset="cp850", our_charset="", status=" " * 14, count=ignore, **settings):
    """Return the Patron that the adapter reads from a response with these fields."""
    server = Sip2Server([], charset=charset)
    server.about = lambda number, pin: f"64{status}00020261125    101112{'0000' * 6}{fields}"
    with server.running() as port:
        adapter = Sip2(host="127.0.0.1", port=port, charset=our_charset or charset, timeout=2, **settings)
        try:
            return adapter.check("20001001", "1234", today=TODAY, count=count)
        finally:
            adapter.close()


@pytest.mark.few_cases
@pytest.mark.parametrize("valid", ["BLY|", "BLN|", "BL|", "BL |", "BLy|", "BL1|", ""])
@pytest.mark.parametrize("right_pin", ["CQY|", "CQN|", "CQ|", "CQ |", "CQy|", "CQYES|", ""])
def test_sip2_sign_in_requires_that_the_ils_confirms_both_card_and_pin(valid, right_pin):
    fields = f"AO|AA20001001|AESam|{valid}{right_pin}"
    if (valid, right_pin) == ("BLY|", "CQY|"):
        assert answering(fields).name == "Sam"
    else:
        with pytest.raises(Blocked if right_pin == "CQY|" else WrongCardOrPin):
            answering(fields)


@pytest.mark.parametrize("pin", ["", " ", "   ", "\t", "\u00a0"])
def test_blank_pin_is_never_sent_to_the_sip2_server(ils, server, pin):
    server.about = lambda number, pin, about=server.about: about(SAM.card, SAM.pin)
    with pytest.raises(WrongCardOrPin):
        ils.check(SAM.card, pin, today=TODAY)
    assert server.asked == []


def test_unknown_card_is_refused_even_if_the_ils_accepts_the_pin():
    with pytest.raises(WrongCardOrPin):
        answering("AO|AA20001001|AE|BLN|CQY|")


def test_sip2_response_without_a_pin_result_is_logged_without_patron_data(caplog):
    with pytest.raises(WrongCardOrPin):
        answering("AO|AA20001001|AESam|BLY|")
    assert "no CQ" in caplog.text
    assert not [typed for typed in ("20001001", "1234", "Sam") if typed in caplog.text]


@pytest.mark.parametrize("status", ["YYYY          ", "     YYYYYYYYY", "              "])
def test_patron_with_fees_or_lost_privileges_can_sign_in(status):
    assert answering("AO|AA1|AESam|BLY|CQY|", status=status).name == "Sam"


def test_card_reported_lost_is_blocked():
    with pytest.raises(Blocked):
        answering("AO|AA1|AESam|BLY|CQY|", status="    Y         ")


def test_patron_id_comes_from_the_configured_sip2_field():
    assert answering("AO|AA20001001|AESam|BLY|CQY|XI4711|", id_field="XI").ils_id == "4711"
    assert answering("AO|AA20001001|AESam|BLY|CQY|XI4711|").ils_id == "20001001"
    for without in ("", "XI|", "XI  |"):
        with pytest.raises(Misconfigured, match="XI"):
            answering(f"AO|AA20001001|AESam|BLY|CQY|{without}", id_field="XI")


def test_patron_id_from_a_card_number_is_always_uppercase():
    assert (
        answering("AO|AAd001|AESam|BLY|CQY|").ils_id == answering("AO|AAD001|AESam|BLY|CQY|").ils_id == "D001"
    )


@pytest.mark.parametrize("ils_id", ["4" * 101, "4\x007", "4\x1b7", " "])
def test_malformed_sip2_patron_id_is_a_configuration_error(ils_id):
    with pytest.raises(Misconfigured, match="can't use|has no field XI"):
        answering(f"AO|AA20001001|AESam|BLY|CQY|XI{ils_id}|", id_field="XI")


def test_first_value_is_used_if_a_sip2_field_is_sent_twice():
    with pytest.raises(WrongCardOrPin):
        answering("AO|AA20001001|AESam|BLY|CQN|CQY|")


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("20271231", (2027, 12, 31)),
        ("2027-12-31", (2027, 12, 31)),
        ("20271231    235900", (2027, 12, 31)),
        ("never", None),
    ],
)
def test_sip2_expiry_date_is_read_in_several_formats(written, day):
    found = answering(f"AO|AA1|AESam|BLY|CQY|PA{written}|").expires_on
    assert found == (datetime.date(*day) if day else None)


@pytest.mark.parametrize("charset", ["cp850", "utf-8", "latin-1"])
def test_sip2_name_is_decoded_with_the_configured_charset(charset):
    assert answering("AO|AA1|AEZoë Ñandú|BLY|CQY|", charset=charset).name == "Zoë Ñandú"


def test_undecodable_bytes_are_replaced_in_names_but_refused_in_ids():
    assert "\ufffd" in answering("AO|AA1|AEZoë|BLY|CQY|", charset="cp850", our_charset="utf-8").name
    with pytest.raises(Misconfigured, match="charset|CHARSET"):
        answering("AO|AAë|AEZoë|BLY|CQY|", charset="cp850", our_charset="utf-8")


def test_sip2_without_error_detection_sends_no_checksum(server):
    with server.running() as port:
        adapter = Sip2(host="127.0.0.1", port=port, error_detection=False)
        assert signed_in(adapter) == "Sam Okafor"
        assert not server.asked[0].partition(b"AD1234|")[2]
        adapter.close()


def test_response_about_another_card_is_refused_only_if_error_detection_is_off(caplog):
    other = f"AO|AA{ZOE.card}|AEZoë|BLY|CQY|"
    assert answering(other, error_detection=True).name == "Zoë"
    with pytest.raises(WrongCardOrPin, match="SIP2_CARD_ALIASES"):
        answering(other, error_detection=False)
    assert caplog.text.count("set SIP2_CARD_ALIASES=1") == 2
    assert ZOE.card not in caplog.text
    assert SAM.card not in caplog.text


@pytest.mark.parametrize("error_detection", [True, False])
def test_signing_in_with_an_allowed_alias_counts_toward_the_limit_of_the_card(caplog, error_detection):
    counted = []
    settings = {"card_aliases": True, "error_detection": error_detection, "count": counted.append}
    assert answering(f"AO|AA{ZOE.card}|AEZoë|BLY|CQY|", **settings).barcode == ZOE.card
    with pytest.raises(WrongCardOrPin):
        answering(f"AO|AA{ZOE.card}|AEZoë|BLY|CQN|", **settings)
    assert (counted, caplog.text) == ([ZOE.card, ZOE.card], "")


@pytest.mark.parametrize("answered", ["20001001", " 20001001 ", "2-0001-001", ""])
def test_card_number_missing_or_formatted_differently_in_the_response_causes_no_warning(caplog, answered):
    assert (
        answering(f"AO|AA{answered}|XI41|AESam|BLY|CQY|", error_detection=False, id_field="XI").name == "Sam"
    )
    assert caplog.text == ""


# Tests of the login and of encryption.


def test_rejected_sip2_login_is_a_configuration_error(server):
    with server.running() as port:
        adapter = Sip2(host="127.0.0.1", port=port, login=LOGIN, password="another")
        with pytest.raises(Misconfigured, match="rejects the login"):
            signed_in(adapter)
    assert questions(server) == []


def test_unreachable_sip2_server_raises_the_unavailable_error():
    with Sip2Server([]).running() as port:
        pass
    with pytest.raises(Unavailable, match="refuses the connection"):
        signed_in(Sip2(host="127.0.0.1", port=port))
    with pytest.raises(Unavailable, match="can't be resolved"):
        signed_in(Sip2(host="no-such-host.invalid"))


@pytest.fixture
def encrypted(server, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
    with server.running(context) as port:
        yield port


def test_sip2_connection_over_tls_is_reused(encrypted, server, certificate):
    adapter = Sip2(
        host="localhost",
        port=encrypted,
        tls=True,
        ca_file=str(certificate / "certificate.pem"),
        login=LOGIN,
        password=PASSWORD,
    )
    assert [signed_in(adapter), signed_in(adapter)] == ["Sam Okafor", "Sam Okafor"]
    assert server.connections == 1
    adapter.close()


def test_untrusted_certificate_is_refused_before_anything_is_sent(encrypted, server):
    with pytest.raises(Misconfigured, match="not trusted.*SIP2_CA_FILE"):
        signed_in(Sip2(host="localhost", port=encrypted, tls=True))
    assert server.asked == []


def test_certificate_for_another_host_is_refused(encrypted, certificate, server, monkeypatch):
    here = socket.getaddrinfo("127.0.0.1", encrypted, type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked: here)
    with pytest.raises(Misconfigured, match="not trusted"):
        signed_in(
            Sip2(
                host="sip.library.example",
                port=encrypted,
                tls=True,
                ca_file=str(certificate / "certificate.pem"),
            )
        )
    assert server.asked == []


def test_tls_connection_to_a_sip2_server_without_tls_raises_an_error(ils, server):
    with pytest.raises(IlsError, match="TLS"):
        signed_in(Sip2(host="127.0.0.1", port=ils.port, tls=True, timeout=0.5))


def test_missing_sip2_certificate_file_is_a_configuration_error():
    with pytest.raises(Misconfigured, match="SIP2_CA_FILE"):
        signed_in(Sip2(host="127.0.0.1", tls=True, ca_file="/nowhere"))
