"""Check that sign-ins and refusals are logged without naming anybody."""

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
def log_lines(caplog, settings):
    """Return a function that reads the security log and returns its lines."""
    use_outbox(settings)
    caplog.set_level(logging.INFO, logger="portal.security")
    return lambda: [
        json.loads(JsonFormatter().format(record))
        for record in caplog.records
        if record.name == "portal.security"
    ]


def events(lines):
    """Return (level, event, detail) for each log line. The detail is a sign-in method or a limit's name."""
    return [(line["level"], line["message"], line.get("by") or line.get("what", "")) for line in lines]


def test_successful_and_failed_sign_ins_by_email_code_are_logged(client, patron, log_lines):
    ask_for_code(client, patron.email)
    code = mailed_code(patron.email)
    enter(client, "000000" if code != "000000" else "000001")
    enter(client, code)
    client.post(reverse("sign_out"))
    assert events(log_lines()) == [
        ("WARNING", "refused", "code"),
        ("INFO", "signed_in", "code"),
        ("INFO", "signed_out", ""),
    ]


@pytest.mark.slow
def test_successful_and_failed_sign_ins_by_library_card_are_logged(client, library, log_lines):
    card = fake.CARDS[0]
    for pin in ("0000", card.pin):
        client.post(reverse("card_sign_in"), {"card": card.card, "pin": pin})
    assert events(log_lines()) == [("WARNING", "refused", "pin"), ("INFO", "signed_in", "card")]


def test_refused_passkey_is_logged(client, library, log_lines):
    client.post(reverse("passkey_options"))
    client.post(reverse("sign_in_by_passkey"), {"credential": json.dumps({"id": "x"})})
    assert events(log_lines()) == [("WARNING", "refused", "passkey")]


def test_accepted_and_refused_second_factors_are_logged(client, staff, sign_in, log_lines):
    sign_in(client, staff, second_factor=False)
    TOTP.activate(staff, "JBSWY3DPEHPK3PXP")
    code = format_hotp_value(hotp_value("JBSWY3DPEHPK3PXP", next(iter(yield_hotp_counters_from_time()))))
    for typed in ("000000" if code != "000000" else "000001", code):
        client.post(reverse("second_factor"), {"code": typed})
    assert events(log_lines()) == [("WARNING", "refused", "second_factor"), ("INFO", "opened_desk", "")]


def test_accepted_and_refused_attempts_to_open_a_visit_by_code_are_logged(client, branch, staff, log_lines):
    code = handover.hand_over(
        HelpSessionFactory(branch=branch, staff=staff), by=staff, at=timezone.now(), base_url=""
    )
    for typed in ("0000000000000", code):
        client.post(reverse("open_code"), {"code": typed})
    assert events(log_lines()) == [("WARNING", "refused", "code_of_a_visit"), ("INFO", "opened_visit", "")]


def test_exceeded_limit_is_logged(client, patron, log_lines):
    for _number in range(4):
        ask_for_code(client, patron.email)
    assert events(log_lines()) == [("WARNING", "too_often", "mailed_code")]


def test_attempt_to_open_a_strangers_conversation_is_logged(client, patron, sign_in, log_lines):
    conversation = ConversationFactory(help_session=HelpSessionFactory(patron=UserFactory()))
    client.get(reverse("conversation", args=[conversation.public_id]))
    client.get("/no-such-page/")
    sign_in(client, patron)
    client.get("/no-such-page/")
    assert log_lines() == []
    client.get(reverse("conversation", args=[conversation.public_id]))
    assert events(log_lines()) == [("WARNING", "not_theirs", "")]


def test_refused_form_from_another_site_is_logged(library, log_lines):
    Client(enforce_csrf_checks=True).post(
        reverse("sign_in"), {"email": "sam@example.org"}, headers={"origin": "https://evil.example"}
    )
    assert events(log_lines()) == [("WARNING", "not_from_here", "")]


def test_persons_pseudonym_in_the_security_log_changes_every_day(client, patron, sign_in, log_lines):
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
    mine, mine_too, theirs, tomorrow = ((line["person"], line["network"]) for line in log_lines())
    assert mine == mine_too
    assert len({mine[0], theirs[0], tomorrow[0]}) == 3
    assert len({mine[1], theirs[1], tomorrow[1]}) == 3


def test_salt_of_the_pseudonyms_is_deleted_the_next_day(client, patron, log_lines):
    words = []
    with time_machine.travel("2026-11-25 12:00:00Z", tick=False) as clock:
        for _day in range(2):
            security_log._salt.cache_clear()
            client.post(reverse("sign_out"))
            words.append([day for day in ("2026-11-25", "2026-11-26") if cache.get(f"security_log:{day}")])
            clock.shift(24 * 60 * 60)
    assert words == [["2026-11-25"], ["2026-11-26"]]
    assert len(log_lines()) == 2


@pytest.mark.slow
def test_security_log_contains_no_typed_text_or_names(client, patron, log_lines):
    ask_for_code(client, patron.email)
    right = mailed_code(patron.email)
    enter(client, "731905 typed")
    enter(client, right)
    client.post(reverse("open_code"), {"code": "1234567890123"})
    client.post(reverse("sign_out"))
    client.post(reverse("card_sign_in"), {"card": "20001001", "pin": "typed pin"})
    lines = log_lines()
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


def test_line_break_in_logged_text_does_not_start_a_new_log_line(client, library, log_lines, caplog):
    caplog.set_level(logging.INFO, logger="portal.requests")
    client.get("/no%0a{%22level%22: %22INFO%22}/")
    [record] = [record for record in caplog.records if record.name == "portal.requests"]
    assert "\n" not in JsonFormatter().format(record)


def test_operations_docs_name_every_security_event():
    guide = (settings.BASE_DIR / "docs/operations.md").read_text("utf-8")
    assert {
        event for event in security_log.LET_IN | security_log.KEPT_OUT if f"| `{event}` |" not in guide
    } == set()


def test_logs_contain_no_codes_tokens_or_pins(
    client, patron, staff, branch, sign_in, log_lines, caplog, monkeypatch
):
    """Search the output of all loggers, at the level that the portal uses."""
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
    # Read the session key now, because the next request signs this visitor out.
    session_key = visitor.session.session_key
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


def broken(self, card, pin, **options):
    raise RuntimeError("the ILS is broken")
