"""Check that `manage.py ils_check` names the setting or the fix for each problem."""

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.ils.fake import Card
from accounts.ils.koha import Koha
from accounts.ils.sip2 import Sip2
from accounts.management.commands import ils_check
from tests.accounts.ils.servers import LOGIN, PASSWORD, KohaServer, Sip2Server

pytestmark = pytest.mark.django_db

SAM = Card("20001001", "8642135", "41", "Sam Okafor", email="sam@example.org", home_branch="Harbour Main")
ZOE = Card("20001002", "8642135", "42", "Zoë Ñandú", home_branch="XYZ")
BLOCKED = Card("20001003", "8642135", "43", "Theo Brandt", blocked=True)


@pytest.fixture
def check(monkeypatch, library, settings):
    """Return check(server, card, pin, **settings), which runs ils_check and returns the lines of its output.

    If the command fails, the last line is "! " and the error.
    """

    def check(server, *, card="", pin="8642135", **more):
        out = io.StringIO()
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{pin}\n"))
        settings.ILS = "sip2"
        with server.running() as port:
            adapter = Sip2(
                **{"host": "127.0.0.1", "port": port, "login": LOGIN, "password": PASSWORD, "timeout": 5}
                | more
            )
            monkeypatch.setattr(ils_check, "library_ils", lambda: adapter)
            try:
                call_command("ils_check", *(["--card", card] if card else []), stdout=out)
            except CommandError as error:
                out.write(f"! {error}\n")
            finally:
                adapter.close()
        assert pin not in out.getvalue()
        return out.getvalue().splitlines()

    return check


def server():
    return Sip2Server([SAM, ZOE, BLOCKED])


def warnings_in(lines):
    return [line for line in lines if line.startswith("LOOK") and "not encrypted" not in line]


def test_ils_check_reports_a_working_connection(check):
    lines = check(server(), card=SAM.card)
    assert warnings_in(lines) == []
    assert [line for line in lines if "20001001" in line] == [
        "ok    The portal would store this person as 20001001: Sam Okafor."
    ]
    assert lines[-3:] == [
        "ok    Email: sam@example.org. Patron group: ADULT. Expires: no date given.",
        "ok    Home branch: Harbour Main.",
        # The one warning says that the connection is not encrypted.
        "To look at: 1.",
    ]


def test_ils_check_without_a_card_number_sends_no_patron_request(check):
    one = server()
    assert check(one)[-1] == "To look at: 1."
    assert [line[:2] for line in one.asked] == [b"93", b"99"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"host": "no-such-host.invalid"}, "The host name no-such-host.invalid can't be resolved"),
        ({"port": 1}, "refuses the connection"),
        ({"password": "another"}, "rejects the login"),
        ({"tls": True, "timeout": 0.5}, "TLS"),
    ],
)
def test_ils_check_explains_connection_problems(check, more, words):
    assert words in check(server(), **more)[-1]


def test_ils_check_notices_missing_error_detection(check):
    one = server()
    one.fault = lambda number, line, answer: answer[:-9]
    assert "SIP2_ERROR_DETECTION=0" in check(one)[-1]
    assert warnings_in(check(server(), error_detection=False)) == []


@pytest.mark.parametrize(
    "end", [b"", b"\n"], ids=["ignores the request to repeat", "ends lines with a line feed"]
)
def test_ils_check_says_that_checksums_are_missing_even_if_the_ils_never_repeats_a_message(check, end):
    one = server()

    def fault(number, line, answer):
        if line.startswith(b"97"):
            return None
        return answer[:-9] + end

    one.fault = fault
    if end:
        one.talk = lambda came, going, talk=one.talk: talk(came, WithoutCarriageReturns(going))
    assert "SIP2_ERROR_DETECTION=0" in check(one, timeout=0.5)[-1]


class WithoutCarriageReturns:
    def __init__(self, whole):
        self.whole = whole

    def write(self, line):
        self.whole.write(line.replace(b"\r", b""))


def test_ils_check_notices_a_response_without_a_pin_result(check):
    one = server()
    about = one.about
    one.about = lambda number, pin: about(number, pin).replace("CQY|", "")
    lines = check(one, card=SAM.card)
    assert [line for line in warnings_in(lines) if "no CQ" in line]
    assert lines[-1].startswith("! This card can't be used to sign in")


def test_ils_check_notices_a_wrong_charset(check):
    utf8 = Sip2Server([ZOE], charset="utf-8")
    assert [line for line in warnings_in(check(utf8, card=ZOE.card)) if "SIP2_CHARSET" in line]
    assert [
        line
        for line in warnings_in(check(server(), card=ZOE.card, charset="utf-8"))
        if "SIP2_CHARSET" in line
    ]
    assert not [line for line in check(server(), card=ZOE.card) if "SIP2_CHARSET" in line]


def test_ils_check_warns_if_patrons_are_identified_by_card_number(check):
    own_id = Sip2Server([SAM], id_field="XI")
    assert [line for line in check(server()) if "a new card is a new person" in line]
    lines = check(own_id, card=SAM.card, id_field="XI")
    assert not [line for line in lines if "a new card is a new person" in line]
    assert "ok    The portal would store this person as 41: Sam Okafor." in lines


def test_ils_check_notices_an_unknown_home_branch(check):
    lines = check(server(), card=ZOE.card)
    assert [line for line in warnings_in(lines) if "Branch codes" in line and "XYZ" in line]
    # The second warning says that the connection is not encrypted.
    assert lines[-1] == "To look at: 2."


@pytest.mark.parametrize(
    ("card", "pin", "words"),
    [
        (SAM.card, "1111", "can't be used to sign in"),
        (BLOCKED.card, "8642135", "The PIN is correct, but this card can't"),
    ],
)
def test_ils_check_explains_why_a_card_is_refused(check, card, pin, words):
    assert words in check(server(), card=card, pin=pin)[-1]


def test_ils_check_warns_if_the_server_does_not_support_patron_requests(check):
    one = server()
    answer = one.answer
    one.answer = lambda line: answer(line).replace("BXYYYYYYYY", "BXYYYYYYYN").replace("98Y", "98N")
    assert len(warnings_in(check(one))) == 2


def test_ils_check_reports_whether_the_koha_login_works(monkeypatch, settings):
    settings.ILS = "koha"
    for password, words in [(PASSWORD, "lets the portal read patrons"), ("another", "KOHA_USER")]:
        out = io.StringIO()
        with KohaServer([]).running() as url:
            monkeypatch.setattr(
                ils_check,
                "library_ils",
                lambda url=url, password=password: Koha(url=url, user=LOGIN, password=password),
            )
            try:
                call_command("ils_check", stdout=out)
            except CommandError as error:
                out.write(str(error))
        assert words in out.getvalue()


def test_ils_check_reports_the_missing_setting_if_no_ils_is_configured(settings):
    settings.ILS = ""
    with pytest.raises(CommandError, match="ILS to sip2 or koha"):
        call_command("ils_check")


@pytest.mark.parametrize("allowed", [True, False])
def test_ils_check_says_how_to_allow_card_aliases(check, allowed):
    one = server()
    one.fault = lambda number, line, answer: answer.replace(b"AA" + SAM.card.encode(), b"AA7531")
    lines = check(one, card=SAM.card, error_detection=False, card_aliases=allowed)
    [about] = [line for line in lines if "must be 1" in line]
    assert (about.startswith("ok"), "SIP2_CARD_ALIASES" in about) == (allowed, True)
    assert lines[-1].startswith("! This card can't be used") != allowed
