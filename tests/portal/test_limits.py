"""How often a thing may be done: the table, the counting, and what is said. That processes count together: tests/accounts/test_across_processes.py."""

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
from portal.limits import LIMITS, Limit, TooOften, count, in_words, is_used_up
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

pytestmark = pytest.mark.django_db

NOON = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.UTC)
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
PAGE = {"accept": "text/html"}


@pytest.fixture
def few(monkeypatch):
    """few(what, person=, network=, target=): so few, for this test."""
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


# The counting.


def test_a_thing_is_counted_for_its_person_its_network_and_its_target_each_for_itself(few):
    few("thing", person="2/h", network="4/h", target="3/h")
    ana, ben, cy, dan = (UserFactory() for _ in range(4))
    count(request(ana), "thing", target="x")
    count(request(ana), "thing", target="y")
    refused(request(ana), "thing", target="z")  # the person
    count(request(ben), "thing", target="x")
    count(request(cy), "thing", target="y")
    refused(request(dan), "thing", target="z")  # the network
    count(request(dan, "192.0.2.2"), "thing", target="x")
    refused(request(dan, "192.0.2.2"), "thing", target="x")  # the target
    count(request(dan, "192.0.2.2"), "thing", target="y")


def test_what_is_refused_counts_nowhere(few, at):
    few("thing", person="1/m", network="3/m", target="1/h")
    at(NOON)
    ana, ben = UserFactory(), UserFactory()
    count(request(ana), "thing", target="x")
    for _ in range(10):
        refused(request(ana), "thing", target="y")
        refused(request(ben), "thing", target="x")
    count(request(ben), "thing", target="y")
    at(NOON + datetime.timedelta(seconds=61))
    count(request(ana), "thing", target="z")


def test_what_was_undone_was_not_done(few):
    few("thing", network="1/h")
    count(request(), "thing").undo()
    count(request(), "thing")
    refused(request(), "thing")


def test_it_can_be_done_again_when_the_oldest_is_old_enough(few, at):
    few("thing", person="2/10m, 3/h")
    ana = UserFactory()
    for minute in (0, 3):
        at(NOON + datetime.timedelta(minutes=minute))
        count(request(ana), "thing")
    at(NOON + datetime.timedelta(minutes=5))
    assert refused(request(ana), "thing").until == NOON + datetime.timedelta(minutes=10)
    at(NOON + datetime.timedelta(minutes=10, seconds=1))
    count(request(ana), "thing")
    error = refused(request(ana), "thing")  # now both limits are full: the later end counts
    assert error.until == NOON + datetime.timedelta(hours=1)
    assert error.seconds == 50 * 60 - 1


def test_looking_whether_it_is_used_up_counts_nothing(few):
    few("thing", target="1/h")
    assert [is_used_up(request(), "thing", target="x") for _ in range(3)] == [False] * 3
    count(request(), "thing", target="x")
    assert is_used_up(request(), "thing", target="x")
    assert not is_used_up(request(), "thing", target="y")


def test_what_carries_no_name_is_not_counted_by_one(few):
    few("thing", person="1/h", network="9/h", target="9/h")
    ana = UserFactory()
    for _ in range(3):
        count(request(ana), "thing", target="x", names_nobody=True)
    count(request(ana), "thing")


@pytest.mark.parametrize(
    ("until", "english", "spanish"),
    [
        (NOON + datetime.timedelta(minutes=35), "at 13:35", "a las 13:35"),
        (NOON + datetime.timedelta(minutes=34, seconds=1), "at 13:35", "a las 13:35"),
        (NOON + datetime.timedelta(hours=12), "tomorrow at 01:00", "mañana a las 01:00"),
        (NOON + datetime.timedelta(days=2), "on Sat 28 Nov at 13:00", "el sáb 28 nov a las 13:00"),
    ],
)
def test_when_it_can_be_done_again_is_said_in_the_librarys_own_time(until, english, spanish, at):
    at(NOON)
    with timezone.override("Europe/Berlin"):
        assert in_words(until) == english
        with translation.override("es"):
            assert in_words(until) == spanish


# What people see.


@pytest.fixture
def library_time(library):
    return lambda moment: timezone.localtime(moment, Library.current().zone).strftime("%H:%M")


def test_a_form_that_came_too_often_says_when_beside_what_was_typed(client, few, at, library_time):
    few("mailed_code", target="1/h")
    at(NOON)
    client.post(reverse("sign_in"), {"email": "sam@example.org"})
    answer = Client().post(reverse("sign_in"), {"email": "sam@example.org"})
    assert (answer.status_code, answer["Retry-After"]) == (429, "3600")
    assert (
        f"You can try again at {library_time(NOON + datetime.timedelta(hours=1))}." in answer.content.decode()
    )
    assert 'value="sam@example.org"' in answer.content.decode()


def test_known_and_unknown_addresses_are_counted_alike(few, patron):
    few("mailed_code", network="2/h", target="1/h")
    for email in (patron.email, "nobody@example.org"):
        assert [Client().post(reverse("sign_in"), {"email": email}).status_code for _ in range(2)] == [
            302,
            429,
        ]
    assert Client().post(reverse("sign_in"), {"email": "another@example.org"}).status_code == 429


def test_where_no_page_of_its_own_says_it_one_for_all_does(few, library, at):
    few("single_sign_on", network="0/h")
    at(NOON)
    answer = Client().post(reverse("single_sign_on"), headers=PAGE)
    assert answer.status_code == 429
    assert answer["Retry-After"] == "3600"
    assert "You have tried too often. You can try again at" in answer.content.decode()
    assert "<h1>" in answer.content.decode()


def test_a_script_is_told_the_words_alone(few, library):
    few("passkey", network="0/h")
    answer = Client().post(reverse("passkey_options"))
    assert (answer.status_code, answer["Content-Type"]) == (429, "text/plain; charset=utf-8")
    assert answer.content.decode().startswith("You have tried too often.")


# Messages.


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


def test_thirty_messages_in_a_row_are_sent_and_so_is_the_next(client, patron, conversation, sign_in):
    sign_in(client, patron)
    for number in range(31):
        assert write(client, conversation, f"Are you there? {number}").status_code == 302
    assert conversation.messages.count() == 32


def test_thousands_are_not_and_the_words_stay(client, patron, conversation, sign_in, few):
    few("message", person="3/h")
    sign_in(client, patron)
    for number in range(3):
        assert write(client, conversation, f"Word {number}").status_code == 302
    answer = write(client, conversation, "One word more")
    assert answer.status_code == 429
    assert ">\nOne word more</textarea>" in answer.content.decode()
    assert "This one stays here. You can send it " in answer.content.decode()
    part = write(client, conversation, "One word more", headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert ">\nOne word more</textarea>" in part.content.decode()
    assert conversation.messages.count() == 4
    assert write(client, conversation_of(patron), "Elsewhere").status_code == 429
    other = UserFactory()
    assert write(sign_in(Client(), other), conversation_of(other), "Somebody else").status_code == 302


def test_the_same_message_once_more_is_none(client, patron, conversation, sign_in, few):
    few("message", person="1/h")
    sign_in(client, patron)
    sent = {"body": "Once", "client_token": str(uuid.uuid4())}
    assert [
        client.post(reverse("reply", args=[conversation.public_id]), sent).status_code for _ in range(3)
    ] == [302] * 3
    assert conversation.messages.count() == 2


def test_in_a_conversation_that_is_nobodys_what_is_counted_names_nobody(
    client, patron, branch, staff, sign_in, show_code, few
):
    few("message", person="0/h", target="2/h")
    visit = HelpSessionFactory(branch=branch, staff=staff)
    conversation = ConversationFactory(help_session=visit)
    MessageFactory(conversation=conversation, author=None)
    show_code(sign_in(client, patron), code_for(visit))
    assert [write(client, conversation, "Hello").status_code for _ in range(3)] == [302, 302, 429]


def test_staff_are_not_held_up(client, patron, branch, staff, sign_in, few):
    few("message", person="0/h", network="0/h")
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


def test_a_file_too_many_is_left_out_and_the_words_are_sent(client, patron, conversation, sign_in, few):
    few("file", person="1/h")
    sign_in(client, patron)
    fields = {
        "body": "Look",
        "client_token": str(uuid.uuid4()),
        "files": [picture_file("a.png"), picture_file("b.png")],
    }
    answer = client.post(reverse("reply", args=[conversation.public_id]), fields)
    assert "Too many files were sent in a short time." in answer.content.decode()


def test_handing_over_by_mail_is_counted_for_the_address(branch, few, sign_in):
    few("hand_over_by_mail", person="9/h", target="1/h")
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


# What is written of it.


def test_the_document_says_what_the_table_says():
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


def test_everything_in_the_table_is_counted_somewhere():
    code = "".join(
        path.read_text("utf-8") for folder in ("accounts", "portal") for path in Path(folder).rglob("*.py")
    )
    assert [what for what in LIMITS if code.count(f'"{what}"') < 2] == []  # the table has each once


@pytest.mark.parametrize("what", LIMITS)
def test_a_limit_is_one(what):
    limit = LIMITS[what]
    for by in ("person", "network", "target"):
        assert all(most > 0 and seconds in {60, 600, 900, 3600, 86400} for most, seconds in limit.rates(by))
    assert any(limit.rates(by) for by in ("person", "network", "target"))
    assert bool(limit.target) == bool(limit.target_is)


# What is left of it.


def test_a_key_identifies_nobody(few):
    few("thing", person="9/h", network="9/h", target="9/h")
    ana = UserFactory(email="ana@example.org")
    count(request(ana), "thing", target=ana.email)
    keys = LimitCount.objects.values_list("key", flat=True)
    assert len(keys) == 3
    assert [key for key in keys for word in ("192.0.2.1", ana.email, str(ana.public_id)) if word in key] == []


def test_counts_that_no_limit_reads_are_deleted(few, at):
    few("short", network="9/m")
    few("long", network="9/h, 9/m")
    at(NOON)
    count(request(), "short")
    count(request(), "long")
    limits.forget_counts(at=NOON + datetime.timedelta(minutes=2))
    assert [row.key.split(":")[0] for row in LimitCount.objects.all()] == ["long"]
    limits.forget_counts(at=NOON + datetime.timedelta(hours=2))
    assert not LimitCount.objects.exists()


def test_no_count_is_kept_longer_than_the_privacy_page_says():
    longest = max(
        seconds
        for limit in LIMITS.values()
        for by in ("person", "network", "target")
        for _most, seconds in limit.rates(by)
    )
    assert datetime.timedelta(days=1) == limits.KEPT_FOR == datetime.timedelta(seconds=longest)


@pytest.mark.parametrize("by", [["network"], ["person", "network", "target"]])
def test_counting_takes_four_statements(few, by, django_assert_num_queries):
    few("thing", **dict.fromkeys(by, "9/m"))
    asked = request(UserFactory())
    for _ in range(2):  # the rows are new, then they exist
        with django_assert_num_queries(4):  # two of them are the transaction's
            count(asked, "thing", target="x")


# The counts that were in the cache table before they had a table of their own.


@pytest.fixture
def before_the_table(transactional_db):
    """Return migrate(), which takes the database from before the table of counts to today."""
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


@pytest.mark.django_db(transaction=True)
def test_live_counts_in_the_cache_table_survive_the_upgrade(few, at, before_the_table):
    few("thing", target="2/h")
    at(NOON)
    [[_by, key]] = limits._keys(request(), "thing", target="x")
    put_in_cache(f":1:limit:{key}", "1795694390.5 1795694100.25", NOON + datetime.timedelta(minutes=59))
    put_in_cache(":1:limit:other:network:ended", "1795690000.5", NOON - datetime.timedelta(minutes=1))
    put_in_cache(":1:limit:other:network:refused", "", NOON + datetime.timedelta(minutes=1))
    cache.set("something_else", "stays")
    before_the_table()
    assert [(row.key, row.moments, row.expires_at) for row in LimitCount.objects.all()] == [
        (key, [1795694390.5, 1795694100.25], NOON + datetime.timedelta(minutes=59))
    ]
    assert keys_in_cache() == [":1:something_else"]
    assert refused(request(), "thing", target="x").until == NOON + datetime.timedelta(
        minutes=55, seconds=0.25
    )


@pytest.mark.django_db(transaction=True)
def test_counts_go_back_to_the_cache_table_when_the_migration_is_undone(few, at, before_the_table):
    few("thing", target="2/h")
    at(NOON)
    before_the_table()
    count(request(), "thing", target="x")
    [[key, moments, expires_at]] = LimitCount.objects.values_list("key", "moments", "expires_at")
    MigrationExecutor(connection).migrate([("portal", None)])
    assert keys_in_cache() == [f":1:limit:{key}"]
    before_the_table()
    assert list(LimitCount.objects.values_list("key", "moments", "expires_at")) == [
        (key, moments, expires_at)
    ]


@pytest.mark.django_db(transaction=True)
def test_a_database_without_a_cache_table_migrates(before_the_table):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cache RENAME TO away")
    try:
        before_the_table()
        assert not LimitCount.objects.exists()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE away RENAME TO cache")
