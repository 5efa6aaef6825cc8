"""Check the table LIMITS, the counting of attempts, and the pages shown when a limit is reached.

tests/accounts/test_across_processes.py checks that all processes share the counts.
"""

import datetime
import re
import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Library
from portal import limits
from portal.limit_table import LIMITS, Limit
from portal.limits import TooOften, count, in_words, is_used_up
from portal.models import LimitCount
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    StaffFactory,
    UserFactory,
    code_for,
    picture_file,
)

pytestmark = [pytest.mark.sql, pytest.mark.django_db]

NOON = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.UTC)
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
PAGE = {"accept": "text/html"}


@pytest.fixture
def set_limit(monkeypatch):
    """Return set_limit(what, person=, network=, target=), which sets a limit for this test."""
    return lambda what, **how: monkeypatch.setitem(LIMITS, what, Limit("a thing", **how))


@pytest.fixture
def at(time_machine):
    return lambda moment: time_machine.move_to(moment, tick=False)


def request(user=None, address="192.0.2.1"):
    request = RequestFactory().post("/", REMOTE_ADDR=address)
    request.user = user or AnonymousUser()
    return request


def refused(*args, **how):
    with pytest.raises(TooOften) as caught:
        count(*args, **how)
    return caught.value


# Tests of how attempts are counted.


def test_attempts_are_counted_separately_by_person_and_by_network_and_by_target(set_limit):
    set_limit("thing", person="2/h", network="4/h", target="3/h")
    ana, ben, cy, dan = (UserFactory() for _ in range(4))
    count(request(ana), "thing", target="x")
    count(request(ana), "thing", target="y")
    refused(request(ana), "thing", target="z")  # The limit of the person is reached.
    count(request(ben), "thing", target="x")
    count(request(cy), "thing", target="y")
    refused(request(dan), "thing", target="z")  # The limit of the network is reached.
    count(request(dan, "192.0.2.2"), "thing", target="x")
    refused(request(dan, "192.0.2.2"), "thing", target="x")  # The limit of the target is reached.
    count(request(dan, "192.0.2.2"), "thing", target="y")


def test_ipv4_address_written_as_ipv6_has_the_same_limit_as_in_ipv4(set_limit):
    set_limit("thing", network="1/h")
    count(request(address="::ffff:192.0.2.1"), "thing")
    refused(request(address="192.0.2.1"), "thing")
    count(request(address="::ffff:192.0.2.2"), "thing")


def test_refused_attempts_do_not_count_toward_a_limit(set_limit, at):
    set_limit("thing", person="1/m", network="3/m", target="1/h")
    at(NOON)
    ana, ben = UserFactory(), UserFactory()
    count(request(ana), "thing", target="x")
    for _ in range(10):
        refused(request(ana), "thing", target="y")
        refused(request(ben), "thing", target="x")
    count(request(ben), "thing", target="y")
    at(NOON + datetime.timedelta(seconds=61))
    count(request(ana), "thing", target="z")


def test_attempt_is_allowed_again_after_its_count_is_undone(set_limit):
    set_limit("thing", network="1/h")
    count(request(), "thing").undo()
    count(request(), "thing")
    refused(request(), "thing")


def test_attempt_is_allowed_when_the_oldest_attempt_is_outside_the_time_window(set_limit, at):
    set_limit("thing", person="2/10m, 3/h")
    ana = UserFactory()
    for minute in (0, 3):
        at(NOON + datetime.timedelta(minutes=minute))
        count(request(ana), "thing")
    at(NOON + datetime.timedelta(minutes=5))
    assert refused(request(ana), "thing").until == NOON + datetime.timedelta(minutes=10)
    at(NOON + datetime.timedelta(minutes=10, seconds=1))
    count(request(ana), "thing")
    # Two limits are reached, one for ten minutes and one for an hour. The error names the end of the longer
    # wait.
    error = refused(request(ana), "thing")
    assert error.until == NOON + datetime.timedelta(hours=1)
    assert error.seconds == 50 * 60 - 1


def test_checking_a_limit_does_not_count_as_an_attempt(set_limit):
    set_limit("thing", target="1/h")
    assert [is_used_up(request(), "thing", target="x") for _ in range(3)] == [False] * 3
    count(request(), "thing", target="x")
    assert is_used_up(request(), "thing", target="x")
    assert not is_used_up(request(), "thing", target="y")


def test_anonymous_attempt_is_not_counted_for_the_signed_in_patron(set_limit):
    set_limit("thing", person="1/h", network="9/h", target="9/h")
    ana = UserFactory()
    for _ in range(3):
        count(request(ana), "thing", target="x", names_nobody=True)
    count(request(ana), "thing")


@pytest.mark.parametrize(
    ("until", "english", "spanish"),
    [
        (NOON + datetime.timedelta(minutes=35), "at 1:35\xa0p.m.", "a las 13:35"),
        (NOON + datetime.timedelta(minutes=34, seconds=1), "at 1:35\xa0p.m.", "a las 13:35"),
        (NOON + datetime.timedelta(hours=12), "tomorrow at 1:00\xa0a.m.", "mañana a las 01:00"),
        (NOON + datetime.timedelta(days=2), "on Sat, Nov 28 at 1:00\xa0p.m.", "el sáb 28 nov a las 13:00"),
    ],
)
def test_retry_time_is_shown_in_the_librarys_time_zone(until, english, spanish, at):
    at(NOON)
    with timezone.override("Europe/Berlin"):
        assert in_words(until) == english
        with translation.override("es"):
            assert in_words(until) == spanish


# Tests of what people see when a limit is reached.


@pytest.fixture
def library_time(library):
    return lambda moment: timezone.localtime(moment, Library.current().zone).strftime("%-I:%M\xa0a.m.")


def test_form_over_the_limit_says_when_to_retry_and_keeps_the_input(client, set_limit, at, library_time):
    set_limit("mailed_code", target="1/h")
    at(NOON)
    client.post(reverse("sign_in"), {"email": "sam@example.org"})
    answer = Client().post(reverse("sign_in"), {"email": "sam@example.org"})
    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")
    assert (
        f"You can try again at {library_time(NOON + datetime.timedelta(hours=1))} or later."
        in answer.content.decode()
    )
    assert 'value="sam@example.org"' in answer.content.decode()


def test_known_and_unknown_email_addresses_have_the_same_sign_in_limits(set_limit, patron):
    set_limit("mailed_code", network="2/h", target="1/h")
    for email in (patron.email, "nobody@example.org"):
        assert [Client().post(reverse("sign_in"), {"email": email}).status_code for _ in range(2)] == [
            302,
            429,
        ]
    assert Client().post(reverse("sign_in"), {"email": "another@example.org"}).status_code == 429


def test_error_page_for_too_many_requests_says_when_to_retry(set_limit, library, at):
    set_limit("single_sign_on", network="0/h")
    at(NOON)
    answer = Client().post(reverse("single_sign_on"), headers=PAGE)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "3600"
    assert "tried too many times. You can try again at" in answer.content.decode()
    assert "<h1>" in answer.content.decode()


def test_javascript_request_over_the_limit_gets_a_plain_text_error(set_limit, library):
    set_limit("passkey", network="0/h")
    answer = Client().post(reverse("passkey_options"))
    assert (answer.status_code, answer["Content-Type"]) == (429, "text/plain; charset=utf-8")
    assert answer.content.decode().startswith("You've tried too many times.")


# Tests of limits on messages.


@pytest.fixture
def conversation(patron, branch):
    return conversation_of(patron, branch=branch)


def conversation_of(patron, **how):
    conversation = ConversationFactory(help_session=HelpSessionFactory(patron=patron, **how))
    MessageFactory(conversation=conversation, author=patron)
    return conversation


def write(client, conversation, words, **how):
    return client.post(
        reverse("reply", args=[conversation.public_id]),
        {"body": words, "client_token": str(uuid.uuid4())},
        **how,
    )


@pytest.mark.only_long
@pytest.mark.slow
def test_patron_can_send_more_than_thirty_messages_in_a_row(client, patron, conversation, sign_in):
    sign_in(client, patron)
    for number in range(31):
        assert write(client, conversation, f"Are you there? {number}").status_code == 302
    assert conversation.messages.count() == 32


def test_message_over_the_limit_is_not_sent_and_stays_in_the_form(
    client, patron, conversation, sign_in, set_limit
):
    set_limit("message", person="3/h")
    sign_in(client, patron)
    for number in range(3):
        assert write(client, conversation, f"Word {number}").status_code == 302
    answer = write(client, conversation, "One word more")
    assert answer.status_code == 429
    assert ">\nOne word more</textarea>" in answer.content.decode()
    assert "Your message stays here. You can send it " in answer.content.decode()
    part = write(client, conversation, "One word more", headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert ">\nOne word more</textarea>" in part.content.decode()
    assert conversation.messages.count() == 4
    assert write(client, conversation_of(patron), "Elsewhere").status_code == 429
    other = UserFactory()
    assert write(sign_in(Client(), other), conversation_of(other), "Somebody else").status_code == 302


def test_resent_message_does_not_count_toward_the_limit_on_messages(
    client, patron, conversation, sign_in, set_limit
):
    set_limit("message", person="1/h")
    sign_in(client, patron)
    sent = {"body": "Once", "client_token": str(uuid.uuid4())}
    assert [
        client.post(reverse("reply", args=[conversation.public_id]), sent).status_code for _ in range(3)
    ] == [302] * 3
    assert conversation.messages.count() == 2


def test_messages_of_a_viewer_with_only_a_code_are_not_counted_for_the_signed_in_patron(
    client, patron, branch, staff, sign_in, show_code, set_limit
):
    set_limit("message", person="0/h", target="2/h")
    visit = HelpSessionFactory(branch=branch, staff=staff)
    conversation = ConversationFactory(help_session=visit)
    MessageFactory(conversation=conversation, author=None)
    show_code(sign_in(client, patron), code_for(visit))
    assert [write(client, conversation, "Hello").status_code for _ in range(3)] == [302, 302, 429]


def test_number_of_staff_answers_is_not_limited(client, patron, branch, staff, sign_in, set_limit):
    set_limit("message", person="0/h", network="0/h")
    conversation = conversation_of(patron, branch=branch)
    sign_in(client, staff)
    typed = {
        "client_token": uuid.uuid4(),
        "body": "Here you are.",
        "language": "en",
        "seen": conversation.messages.get().pk,
        "action": "send",
        "items-TOTAL_FORMS": 0,
    }
    answer = client.post(reverse("desk_reply", args=[conversation.public_id]), typed)
    assert answer.status_code == 302


def test_patron_who_exceeds_the_file_limit_sees_an_explanation(
    client, patron, conversation, sign_in, set_limit
):
    set_limit("file", person="1/h")
    sign_in(client, patron)
    fields = {
        "body": "Look",
        "client_token": str(uuid.uuid4()),
        "files": [picture_file("a.png"), picture_file("b.png")],
    }
    answer = client.post(reverse("reply", args=[conversation.public_id]), fields)
    assert "You sent a lot of files in a short time." in answer.content.decode()


def test_emails_that_give_a_visit_to_a_patron_are_limited_per_recipient(branch, set_limit, sign_in):
    set_limit("hand_over_by_mail", person="9/h", target="1/h")
    staff = StaffFactory(branch=branch)
    desk = sign_in(Client(), staff)
    sent = [
        desk.post(
            reverse("hand_over", args=[HelpSessionFactory(branch=branch, staff=staff).public_id]),
            {"address": address},
        )
        for address in ("sam@example.org", "Sam@example.org", "kim@example.org")
    ]
    assert [answer.status_code for answer in sent] == [302, 429, 302]


# Tests of the table LIMITS and its documentation.


def test_security_docs_list_every_limit():
    with translation.override("en"):
        rows = [
            f"| {limit.what} | {limit.person} | {limit.network} | {_target(limit)} |"
            for limit in LIMITS.values()
        ]
    said = DOCUMENT.read_text("utf-8").partition("## Limits")[2].partition("\n## ")[0]
    assert [line for line in said.splitlines() if line.startswith("| ")][1:] == rows
    assert {
        "login_failed": re.search(r"authenticator app are counted by allauth \(`(.+?)`", said)[1]
    } == settings.ACCOUNT_RATE_LIMITS


def _target(limit):
    return f"{limit.target}: {limit.target_is}" if limit.target else ""


def test_every_limit_is_used_in_the_code():
    code = "".join(
        path.read_text("utf-8") for folder in ("accounts", "portal") for path in Path(folder).rglob("*.py")
    )
    # The table LIMITS contains each name once. So a limit whose name occurs only once in the code is unused.
    assert [what for what in LIMITS if code.count(f'"{what}"') < 2] == []


def test_every_limit_has_valid_rates():
    for what, limit in LIMITS.items():
        rates = [rate for by in ("person", "network", "target") for rate in limit.rates(by)]
        assert rates, what
        assert all(most > 0 and seconds in {60, 600, 900, 3600, 86400} for most, seconds in rates), what
        assert bool(limit.target) == bool(limit.target_is), what


# Tests of how counted attempts are stored and deleted.


def test_keys_of_counted_attempts_contain_no_ip_address_or_email_or_person_id(set_limit):
    set_limit("thing", person="9/h", network="9/h", target="9/h")
    ana = UserFactory(email="ana@example.org")
    count(request(ana), "thing", target=ana.email)
    keys = LimitCount.objects.values_list("key", flat=True)
    assert len(keys) == 3
    assert [key for key in keys for word in ("192.0.2.1", ana.email, str(ana.public_id)) if word in key] == []


def test_counted_attempts_are_deleted_when_all_time_windows_are_over(set_limit, at):
    set_limit("short", network="9/m")
    set_limit("long", network="9/h, 9/m")
    at(NOON)
    count(request(), "short")
    count(request(), "long")
    limits.forget_counts(at=NOON + datetime.timedelta(minutes=2))
    assert [row.key.split(":")[0] for row in LimitCount.objects.all()] == ["long"]
    limits.forget_counts(at=NOON + datetime.timedelta(hours=2))
    assert not LimitCount.objects.exists()


def test_counted_attempts_are_stored_for_at_most_one_day():
    longest = max(
        seconds
        for limit in LIMITS.values()
        for by in ("person", "network", "target")
        for _most, seconds in limit.rates(by)
    )
    assert datetime.timedelta(days=1) == limits.KEPT_FOR == datetime.timedelta(seconds=longest)


@pytest.mark.parametrize("by", [["network"], ["person", "network", "target"]])
def test_counting_an_attempt_runs_four_sql_statements(set_limit, by, django_assert_num_queries):
    set_limit("thing", **dict.fromkeys(by, "9/m"))
    asked = request(UserFactory())
    # The first count creates the rows, and the second count updates them.
    for _ in range(2):
        # Two of the four statements begin and end the transaction.
        with django_assert_num_queries(4):
            count(asked, "thing", target="x")


# Tests of the migration that moves counted attempts from the cache table to a table of their own.


@pytest.fixture
def add_counts_table(transactional_db):
    """Remove the table of counts, and return a function that adds the table again."""
    # Earlier tests with real transactions can have left used codes in the cache.
    cache.clear()
    executor = MigrationExecutor(connection)
    executor.migrate([("portal", None)])

    def migrate():
        executor = MigrationExecutor(connection)
        executor.migrate([node for node in executor.loader.graph.leaf_nodes() if node[0] == "portal"])

    yield migrate
    migrate()
    cache.clear()


def put_in_cache(key, value, expires):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO cache (cache_key, value, expires) VALUES (%s, %s, %s)",
            [key, value, connection.ops.adapt_datetimefield_value(expires)],
        )


def keys_in_cache():
    with connection.cursor() as cursor:
        cursor.execute("SELECT cache_key FROM cache ORDER BY cache_key")
        return [key for [key] in cursor.fetchall()]


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
def test_upgrade_keeps_counted_attempts_from_the_cache_table(set_limit, at, add_counts_table):
    set_limit("thing", target="2/h")
    at(NOON)
    [[_by, key]] = limits._keys(request(), "thing", target="x")
    put_in_cache(f":1:limit:{key}", "1795694390.5 1795694100.25", NOON + datetime.timedelta(minutes=59))
    put_in_cache(":1:limit:other:network:ended", "1795690000.5", NOON - datetime.timedelta(minutes=1))
    put_in_cache(":1:limit:other:network:refused", "", NOON + datetime.timedelta(minutes=1))
    cache.set("something_else", "stays")
    add_counts_table()
    assert [(row.key, row.moments, row.expires_at) for row in LimitCount.objects.all()] == [
        (key, [1795694390.5, 1795694100.25], NOON + datetime.timedelta(minutes=59))
    ]
    assert keys_in_cache() == [":1:something_else"]
    assert refused(request(), "thing", target="x").until == NOON + datetime.timedelta(
        minutes=55, seconds=0.25
    )


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
def test_undoing_the_migration_puts_counted_attempts_back_in_the_cache_table(set_limit, at, add_counts_table):
    set_limit("thing", target="2/h")
    at(NOON)
    add_counts_table()
    count(request(), "thing", target="x")
    [[key, moments, expires_at]] = LimitCount.objects.values_list("key", "moments", "expires_at")
    MigrationExecutor(connection).migrate([("portal", None)])
    assert keys_in_cache() == [f":1:limit:{key}"]
    add_counts_table()
    assert list(LimitCount.objects.values_list("key", "moments", "expires_at")) == [
        (key, moments, expires_at)
    ]


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
def test_database_without_a_cache_table_can_be_migrated(add_counts_table):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cache RENAME TO away")
    try:
        add_counts_table()
        assert not LimitCount.objects.exists()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO cache")


def test_attempts_dated_in_the_future_are_not_counted(set_limit, at):
    set_limit("question", network="2/h")
    at(NOON + datetime.timedelta(days=365))
    for _ in range(2):
        count(request(), "question")
    at(NOON)
    for _ in range(2):
        count(request(), "question")
    assert refused(request(), "question").until == NOON + datetime.timedelta(hours=1)
