"""What happened at the doors is in the log, and whose door it was is not."""

import json
import logging
import re

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.ils import fake
from accounts.sign_in.email_addresses import change_in_a_week
from portal import security_log
from portal.helpsessions import handover
from portal.logs import JsonFormatter
from portal.notifications.models import Notification
from tests.accounts.test_sign_in import ask_for_code, enter, mailed_code
from tests.factories import ConversationFactory, HelpSessionFactory, UserFactory
from tests.mailers import use_outbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def said(caplog, settings):
    """said() is every line of the security log so far, as it is written."""
    use_outbox(settings)
    caplog.set_level(logging.INFO, logger="portal.security")
    return lambda: [
        json.loads(JsonFormatter().format(record))
        for record in caplog.records
        if record.name == "portal.security"
    ]


def events(lines):
    """(level, what happened, by or with what) of each."""
    return [(line["level"], line["message"], line.get("by") or line.get("what", "")) for line in lines]


def test_a_sign_in_by_code_and_what_was_wrong_before_it(client, patron, said):
    ask_for_code(client, patron.email)
    code = mailed_code(patron.email)
    enter(client, "000000" if code != "000000" else "000001")
    enter(client, code)
    client.post(reverse("sign_out"))
    assert events(said()) == [
        ("WARNING", "refused", "code"),
        ("INFO", "signed_in", "code"),
        ("INFO", "signed_out", ""),
    ]


def test_a_sign_in_by_card(client, library, said):
    card = fake.CARDS[0]
    for pin in ("0000", card.pin):
        client.post(reverse("card_sign_in"), {"card": card.card, "pin": pin})
    assert events(said()) == [("WARNING", "refused", "pin"), ("INFO", "signed_in", "card")]


def test_a_passkey_that_is_none(client, library, said):
    client.post(reverse("passkey_options"))
    client.post(reverse("sign_in_by_passkey"), {"credential": json.dumps({"id": "x"})})
    assert events(said()) == [("WARNING", "refused", "passkey")]


def test_the_desks_door(client, staff, sign_in, said):
    sign_in(client, staff, second_factor=False)
    TOTP.activate(staff, "JBSWY3DPEHPK3PXP")
    code = format_hotp_value(hotp_value("JBSWY3DPEHPK3PXP", next(iter(yield_hotp_counters_from_time()))))
    for typed in ("000000" if code != "000000" else "000001", code):
        client.post(reverse("second_factor"), {"code": typed})
    assert events(said()) == [("WARNING", "refused", "second_factor"), ("INFO", "opened_desk", "")]


def test_the_code_of_a_visit(client, branch, staff, said):
    code = handover.hand_over(
        HelpSessionFactory(branch=branch, staff=staff), by=staff, at=timezone.now(), base_url=""
    )
    for typed in ("0000000000000", code):
        client.post(reverse("open_code"), {"code": typed})
    assert events(said()) == [("WARNING", "refused", "code_of_a_visit"), ("INFO", "opened_visit", "")]


def test_what_is_tried_too_often(client, patron, said):
    for _number in range(4):
        ask_for_code(client, patron.email)
    assert events(said()) == [("WARNING", "too_often", "mailed_code")]


def test_what_is_somebody_elses(client, patron, sign_in, said):
    conversation = ConversationFactory(help_session=HelpSessionFactory(patron=UserFactory()))
    client.get(reverse("conversation", args=[conversation.public_id]))
    client.get("/no-such-page/")
    sign_in(client, patron)
    client.get("/no-such-page/")
    assert said() == []
    client.get(reverse("conversation", args=[conversation.public_id]))
    assert events(said()) == [("WARNING", "not_theirs", "")]


def test_a_form_of_another_site(library, said):
    Client(enforce_csrf_checks=True).post(
        reverse("sign_in"), {"email": "sam@example.org"}, headers={"origin": "https://evil.example"}
    )
    assert events(said()) == [("WARNING", "not_from_here", "")]


def test_one_persons_day_is_seen_together_and_the_next_day_is_another(client, patron, sign_in, said):
    conversation = reverse(
        "conversation",
        args=[ConversationFactory(help_session=HelpSessionFactory(patron=UserFactory())).public_id],
    )
    other, elsewhere = sign_in(Client(REMOTE_ADDR="203.0.113.9"), UserFactory()), sign_in(Client(), patron)
    sign_in(client, patron)
    with time_machine.travel("2026-11-25 12:00:00Z", tick=False) as clock:
        for browser in (client, elsewhere, other):
            browser.get(conversation)
        clock.shift(24 * 60 * 60)
        client.get(conversation)
    mine, mine_too, theirs, tomorrow = ((line["person"], line["network"]) for line in said())
    assert mine == mine_too
    assert len({mine[0], theirs[0], tomorrow[0]}) == 3
    assert len({mine[1], theirs[1], tomorrow[1]}) == 3


def test_the_word_of_a_day_is_gone_on_the_next(client, patron, said):
    words = []
    with time_machine.travel("2026-11-25 12:00:00Z", tick=False) as clock:
        for _day in range(2):
            security_log._salt.cache_clear()
            client.post(reverse("sign_out"))
            words.append([day for day in ("2026-11-25", "2026-11-26") if cache.get(f"security_log:{day}")])
            clock.shift(24 * 60 * 60)
    assert words == [["2026-11-25"], ["2026-11-26"]]
    assert len(said()) == 2


def test_nothing_that_was_typed_and_nobodys_name_is_in_it(client, patron, said):
    ask_for_code(client, patron.email)
    right = mailed_code(patron.email)
    enter(client, "731905 typed")
    enter(client, right)
    client.post(reverse("open_code"), {"code": "1234567890123"})
    client.post(reverse("sign_out"))
    client.post(reverse("card_sign_in"), {"card": "20001001", "pin": "typed pin"})
    lines = said()
    assert len(lines) == 5
    for secret in (
        patron.email,
        patron.name,
        str(patron.public_id),
        "731905",
        right,
        "typed",
        "1234567890123",
        "20001001",
        "127.0.0.1",
    ):
        assert secret not in json.dumps(lines)


def test_no_line_is_two(client, library, said, caplog):
    caplog.set_level(logging.INFO, logger="portal.requests")
    client.get("/no%0a{%22level%22: %22INFO%22}/")
    [record] = [record for record in caplog.records if record.name == "portal.requests"]
    assert "\n" not in JsonFormatter().format(record)


def test_the_operations_guide_names_every_event():
    guide = (settings.BASE_DIR / "docs/operations.md").read_text("utf-8")
    assert {
        event for event in security_log.LET_IN | security_log.KEPT_OUT if f"| `{event}` |" not in guide
    } == set()


def test_no_code_token_or_pin_is_in_any_line_of_the_log(
    client, patron, staff, branch, sign_in, said, caplog, monkeypatch
):
    """At the level at which the portal runs, whoever writes it."""
    caplog.set_level(logging.INFO)
    visitor = Client(raise_request_exception=False)
    ask_for_code(visitor, patron.email)
    code = mailed_code(patron.email)
    enter(visitor, code)
    claim = handover.hand_over(
        HelpSessionFactory(branch=branch, staff=staff), by=staff, at=timezone.now(), base_url=""
    )
    for address in (f"/c/{claim}/", f"/c/{claim[:4]}%20{claim[4:]}/", f"/C/{claim}"):
        visitor.get(address)
    change = change_in_a_week(patron, email="new@example.org", at=timezone.now())
    token = re.search(
        r"/not-me/(\w+)/",
        Notification.objects.get(
            to_address="sam@example.org", kind="account/mail", text__contains="/not-me/"
        ).text,
    )[1]
    visitor.get(f"/not-me/{token}/")
    session_key = visitor.session.session_key  # of the sign-in that the next line ends
    visitor.post(f"/not-me/{token}/")
    monkeypatch.setattr(fake.Fake, "check", broken)
    fault = Client(raise_request_exception=False).post(
        reverse("card_sign_in"), {"card": "20001001", "pin": "9182736"}
    )
    written = "\n".join(JsonFormatter().format(record) for record in caplog.records)
    assert (fault.status_code, "the ILS is broken" in written, change.email) == (500, True, "new@example.org")
    for secret in (
        code,
        claim,
        claim[:4] + "%20",
        token,
        "9182736",
        "20001001",
        patron.email,
        "new@example.org",
        session_key,
    ):
        assert secret not in written
    assert "9182736" not in fault.content.decode() + caplog.text


def broken(self, card, pin, *, today):
    raise RuntimeError("the ILS is broken")
