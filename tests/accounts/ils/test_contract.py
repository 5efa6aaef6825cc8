"""Check the behavior that all ILS adapters share."""

import datetime

import pytest

from accounts.ils.base import Blocked, Expired, WrongCardOrPin
from accounts.ils.fake import Fake
from accounts.ils.koha import Koha
from accounts.ils.sip2 import Sip2

from .servers import LOGIN, PASSWORD, Card, KohaServer, Sip2Server, pysip2_server

TODAY = datetime.date(2026, 11, 25)
SAM = Card("20001001", "1234", "41", "Sam Okafor", email="sam@example.org", home_branch="MAIN", group="ADULT")
ZOE = Card("20001002", "2345", "42", "Zoë Éluard")
BLOCKED = Card("20001003", "3456", "43", "Theo Brandt", blocked=True)
EXPIRED = Card("20001004", "4567", "44", "Wilma Stone", expires_on=TODAY - datetime.timedelta(days=1))
ENDS_TODAY = Card("20001005", "5678", "45", "Ada Last", expires_on=TODAY)
CARDS = [SAM, ZOE, BLOCKED, EXPIRED, ENDS_TODAY]


@pytest.fixture(scope="module", params=["fake", "sip2", "pysip2", "koha"])
def ils(request):
    if request.param == "fake":
        yield Fake(CARDS)
    elif request.param == "koha":
        with KohaServer(CARDS).running() as url:
            yield Koha(url=url, user=LOGIN, password=PASSWORD)
    else:
        server = pysip2_server(CARDS) if request.param == "pysip2" else Sip2Server(CARDS).running()
        with server as port:
            adapter = Sip2(host="127.0.0.1", port=port, login=LOGIN, password=PASSWORD)
            yield adapter
            adapter.close()


def test_ils_returns_the_patron_for_a_card_and_pin(ils):
    patron = ils.check(SAM.card, SAM.pin, today=TODAY)
    assert (patron.barcode, patron.name, patron.email) == (SAM.card, SAM.name, SAM.email)
    # SIP2 has no patron id unless a field is configured for it.
    assert patron.ils_id in {SAM.ils_id, SAM.card}
    # SIP2 servers may send neither a group nor a branch.
    assert patron.group in {"ADULT", ""}
    assert patron.home_branch in {"MAIN", ""}


def test_ils_returns_names_with_accents_unchanged(ils):
    assert ils.check(ZOE.card, ZOE.pin, today=TODAY).name == "Zoë Éluard"


def test_ils_returns_the_same_patron_for_the_same_card_each_time(ils):
    assert ils.check(SAM.card, SAM.pin, today=TODAY) == ils.check(SAM.card, SAM.pin, today=TODAY)
    assert (
        ils.check(SAM.card, SAM.pin, today=TODAY).ils_id != ils.check(ZOE.card, ZOE.pin, today=TODAY).ils_id
    )


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("card", "pin"),
    [(SAM.card, ZOE.pin), (SAM.card, "1235"), ("99999999", "1234"), ("99999999", ""), (SAM.ils_id, "9")],
)
def test_wrong_pin_and_unknown_card_raise_the_same_error(ils, card, pin):
    with pytest.raises(WrongCardOrPin):
        ils.check(card, pin, today=TODAY)


@pytest.mark.parametrize("card", [BLOCKED, EXPIRED])
def test_wrong_pin_does_not_reveal_a_blocked_or_expired_card(ils, card):
    with pytest.raises(WrongCardOrPin):
        ils.check(card.card, "0000", today=TODAY)


def test_blocked_card_raises_the_blocked_error(ils):
    with pytest.raises(Blocked):
        ils.check(BLOCKED.card, BLOCKED.pin, today=TODAY)


def test_expired_card_is_refused_even_with_the_correct_pin(ils):
    with pytest.raises((Expired, Blocked)) as refused:
        ils.check(EXPIRED.card, EXPIRED.pin, today=TODAY)
    # Without an expiry date in the response, SIP2 can't tell why a card is invalid. The adapter then raises
    # Blocked.
    assert refused.type is Expired or "not valid" in str(refused.value)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "pin", ["", " ", "\t", "\u00a0", "\u200b", "\0", "12|AA20001002", "1234\r", "12\n34"]
)
def test_blank_or_malformed_pin_is_refused(ils, pin):
    with pytest.raises(WrongCardOrPin):
        ils.check(SAM.card, pin, today=TODAY)


@pytest.mark.few_cases
@pytest.mark.parametrize("card", ["", " ", "20001001|AD1234", "20001001\r97", "☃"])
def test_malformed_card_number_is_refused(ils, card):
    with pytest.raises(WrongCardOrPin):
        ils.check(card, SAM.pin, today=TODAY)


def test_ils_errors_contain_neither_card_number_nor_pin(ils):
    for card, pin in [
        (SAM.card, "8642135"),
        (BLOCKED.card, BLOCKED.pin),
        ("7531246", "8642135"),
        (SAM.card, "86421☃35"),
    ]:
        with pytest.raises(Exception) as refused:  # noqa: B017, PT011 (any error)
            ils.check(card, pin, today=TODAY)
        behind = None if refused.value.__suppress_context__ else refused.value.__context__
        words = f"{refused.value!r} {refused.value.__cause__!r} {behind!r}"
        assert not [typed for typed in (card, pin) if typed in words]


def test_check_of_a_working_ils_warns_only_about_missing_encryption(ils):
    wrong = [words for well, words in ils.examine(SAM.card, SAM.pin, today=TODAY) if not well]
    assert [words for words in wrong if "not encrypted" not in words] == []
