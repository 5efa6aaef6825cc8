"""Check that an ILS that doesn't respond delays only a few sign-ins, and no other request."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from accounts.ils import gate
from accounts.ils.base import Unavailable, WrongCardOrPin
from accounts.ils.gate import MAX_WAITING, PAUSE_SECONDS, SLOW_SECONDS, Gate


class Ils:
    """An ILS that counts its requests, and calls `answer` for each of them."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    def check(self, card, pin, *, today, count):
        self.asked += 1
        return self.answer()


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(gate.time, "monotonic", lambda: now[0])
    return now


def ask(gate, ils):
    return gate.check(ils, "1234", "0000", today=None)


def test_third_simultaneous_sign_in_is_refused_at_once_if_the_ils_is_slow():
    asked, released = threading.Semaphore(0), threading.Event()

    def silent():
        asked.release()
        assert released.wait(20)
        return "a patron"

    gate, ils = Gate(), Ils(silent)
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(ask, gate, ils) for _ in range(MAX_WAITING)]
        for _ in waiting:
            assert asked.acquire(timeout=20)
        try:
            for _ in range(4):
                with pytest.raises(Unavailable, match="2 sign-ins are waiting"):
                    ask(gate, ils)
        finally:
            released.set()
        assert [future.result() for future in waiting] == ["a patron"] * MAX_WAITING
    assert ils.asked == MAX_WAITING
    assert ask(gate, ils) == "a patron"


def test_ils_gets_no_request_for_a_few_seconds_after_a_timeout(clock):
    def time_out():
        clock[0] += SLOW_SECONDS
        raise Unavailable("The ILS does not respond in time.")

    gate, ils = Gate(), Ils(time_out)
    with pytest.raises(Unavailable, match="in time"):
        ask(gate, ils)
    clock[0] += PAUSE_SECONDS - 0.1
    with pytest.raises(Unavailable, match="has just failed"):
        ask(gate, ils)
    assert ils.asked == 1
    clock[0] += 0.1
    ils.answer = lambda: "a patron"
    assert ask(gate, ils) == "a patron"


@pytest.mark.parametrize("error", [Unavailable("refuses the connection"), WrongCardOrPin("wrong")])
def test_ils_still_gets_requests_after_a_quick_failure_or_a_quick_refusal_of_a_card(clock, error):
    def fail():
        raise error

    gate, ils = Gate(), Ils(fail)
    for _ in range(MAX_WAITING + 1):
        with pytest.raises(type(error)):
            ask(gate, ils)
    assert ils.asked == MAX_WAITING + 1


def test_ils_still_gets_requests_after_a_slow_refusal_of_a_card(clock):
    def refuse_slowly():
        clock[0] += SLOW_SECONDS
        raise WrongCardOrPin("wrong")

    gate, ils = Gate(), Ils(refuse_slowly)
    for _ in range(2):
        with pytest.raises(WrongCardOrPin):
            ask(gate, ils)
    assert ils.asked == 2
