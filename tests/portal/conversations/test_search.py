import datetime
import uuid

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.patron.people import change_name
from portal.conversations import actions, desk_actions, keeping, merging, notes, search, taking_back, verdicts
from portal.conversations.models import Conversation, ConversationWords, Message
from portal.folding import fold
from recommendations.chosen_items import ChosenItem
from recommendations.models import Recommendation
from tests.factories import ConversationFactory, HelpSessionFactory, ItemFactory, MessageFactory, recommend_in
from tests.portal.listed import listed

pytestmark = pytest.mark.sql

NOW = datetime.datetime(2026, 3, 3, 20, 30, tzinfo=datetime.UTC)
LATER = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
second, minute = datetime.timedelta(seconds=1), datetime.timedelta(minutes=1)


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch, question="How do I keep bees?")


def ask(session, by, body, at=NOW):
    return actions.ask(
        by=by, at=at, help_session=session, body=body, language="en", client_token=uuid.uuid4()
    )


def answer(conversation, by, body="Try this", at=NOW + minute, **kwargs):
    return actions.reply(
        conversation,
        by=by,
        side="staff",
        at=at,
        body=body,
        language="en",
        client_token=uuid.uuid4(),
        **kwargs,
    )


def found(text):
    return listed("needs", "patron", "snoozed", "done", at=LATER, text=text)


@pytest.fixture(autouse=True)
def empty_index(db):
    """Rebuild SQLite's text index, because Django doesn't empty it after a test that commits."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(search.REBUILD)


def names_of(item):
    return f"{item.title} {item.creators} {item.original_title} {item.original_creators}"


def assert_index_agrees():
    """Check that the search rows match the conversations, and that the text index finds each row."""
    expected = {}
    for conversation in Conversation.objects.filter(merged_into=None).exclude(status="erased"):
        joined = Conversation.objects.filter(merged_into=conversation).order_by("pk")
        titles = [
            names_of(given.item)
            for given in Recommendation.objects.filter(
                messagerecommendation__message__conversation=conversation
            ).order_by("pk")
        ]
        about = [names_of(conversation.recommendation.item)] if conversation.recommendation else []
        name = conversation.patron.name if conversation.patron else ""
        expected[conversation.pk, None] = fold(
            " ".join([conversation.subject, *[other.subject for other in joined], name, *about, *titles])
        )
    for message in Message.objects.all():
        expected[message.conversation_id, message.pk] = fold(message.body)
    rows = ConversationWords.objects.all()
    assert {(row.conversation_id, row.message_id): row.words for row in rows} == expected
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # SQLite raises an error if the index differs from the rows.
            cursor.execute(
                "INSERT INTO conversations_text (conversations_text, rank) VALUES ('integrity-check', 1)"
            )
    for row in rows:
        for word in row.words.split():
            assert row.conversation_id in search._rows_with(word)


def test_search_finds_conversations_by_subject_and_patron_and_message_and_item(session, patron, staff):
    conversation = ask(session, patron, "The smoker is too hot")
    other = ask(session, patron, "Something else")
    answer(
        conversation,
        staff,
        "Use cold smoke, Łukasz",
        items=[ChosenItem(item=ItemFactory(title="Der Bienenstock"))],
    )
    for text in [
        "smoker",
        "SMOK",
        "keep bees smoker",
        "okafor hot",
        "lukasz",
        "bienen",
        "cold smoke bienenstock sam",
        "smo smoke smoker",
    ]:
        assert found(text) == {conversation}
    assert (found("bees"), found("okafor")) == ({conversation}, {conversation, other})
    assert found("smoker else") == set()


def test_every_search_runs_the_same_sql_statements(session, patron):
    """Compare the SQL texts, because PostgreSQL has to prepare each different text separately."""
    bees, hives = ask(session, patron, "The smoker is too hot"), ask(session, patron, "Two hives, no smoker")
    statements = []

    def note(execute, sql, params, many, context):
        if "WITH found" in sql:
            statements[-1].append(sql)
        return execute(sql, params, many, context)

    results = []
    for text in ("smoker", "hives", "nothing"):
        statements.append([])
        with connection.execute_wrapper(note):
            results.append(found(text))
    assert results == [{bees, hives}, {hives}, set()]
    assert len(statements[0]) == 4
    assert statements[0] == statements[1] == statements[2]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C++", {"c++"}),
        ("c+", {"c++"}),
        ("c#", {"c#"}),
        ('"c++', {"c++"}),
        ("日本", {"日本"}),
        ("* OR NOT ( )", set()),
        *[(nothing, None) for nothing in ('"', "'", "", " \t", "%", "\\", "\0")],
    ],
)
def test_symbols_in_a_search_are_not_operators(session, patron, text, expected):
    conversations = {body: ask(session, patron, body) for body in ["c++", "c#", "日本", "plain"]}
    assert found(text) == (
        set(conversations.values()) if expected is None else {conversations[body] for body in expected}
    )


def test_search_for_conversations_does_not_find_words_of_staff_notes(session, patron, staff):
    conversation = ask(session, patron, "Hello")
    notes.write_note(conversation, by=staff, at=NOW, body="peculiar", client_token=uuid.uuid4())
    assert found("peculiar") == set()


@pytest.mark.parametrize("few", [0, 1, 2, 5000])
def test_search_results_are_correct_for_common_and_rare_words(monkeypatch, session, patron, staff, few):
    monkeypatch.setattr(search, "COMMON_FROM", few)
    first, second_, third = (
        ask(session, patron, body) for body in ["the red kite", "the red fox", "the fox"]
    )
    answer(first, staff, "the fox flew")
    assert found("the") == {first, second_, third}
    assert found("the red") == {first, second_}
    assert found("kite fox") == {first}
    assert found("red fox") == {first, second_}
    assert found("fo re ki") == {first}
    assert found("nothing the") == set()


@pytest.mark.slow
def test_search_index_matches_the_tables_after_every_action(session, patron, staff, branch):
    [failed] = recommend_in(session)
    unkept = HelpSessionFactory(branch=branch, staff=staff)
    conversation, other, kept = (
        ask(session, patron, "one"),
        ask(session, patron, "two"),
        ask(unkept, None, "three"),
    )
    assert_index_agrees()
    verdicts.take_verdict(failed, verdict="did_not_help", why="", comment="", by=patron, at=NOW)
    assert_index_agrees()
    taken = answer(conversation, staff, "SECRET answer", items=[ChosenItem(item=ItemFactory(title="Hidden"))])
    answer(conversation, staff, "stays", items=[ChosenItem(item=ItemFactory(title="Shown"))])
    assert_index_agrees()
    assert found("hidden secret") == {conversation}
    taking_back.take_back(taken, by=staff, at=NOW + minute + second)
    assert_index_agrees()
    assert found("hidden") == found("secret") == set()
    keeping.keep(unkept, by=patron, at=NOW, wording="yes", language="en")
    assert_index_agrees()
    assert found("okafor three") == {kept}
    merging.merge(conversation, into=other, by=staff, at=NOW + 2 * minute)
    assert_index_agrees()
    assert found("one two shown") == {other}
    of_verdict = Conversation.objects.get(recommendation=failed)
    merging.merge(of_verdict, into=other, by=staff, at=NOW + 3 * minute)
    assert_index_agrees()
    assert found(f"{failed.item.title} one") == {other}
    change_name(patron, name="Ola Nordmann")
    search.renew_names(at=NOW)
    patron.refresh_from_db()
    assert_index_agrees()
    assert found("okafor") == set()
    desk_actions.erase(other, by=staff, at=NOW + 4 * minute)
    assert_index_agrees()
    assert found("one") == set()
    assert {row.conversation_id for row in ConversationWords.objects.all()} == {kept.pk}


def test_search_finds_a_conversation_by_creators_and_original_titles_of_its_items(session, patron, staff):
    conversation = ask(session, patron, "A novel?")
    chinese = ItemFactory(title="Hong lou meng", original_title="红楼梦", original_creators="曹雪芹")
    hebrew = ItemFactory(title="Sipur", creators="ʻOz, ʻAmos", original_title="סיפור על אהבה וחושך")
    answer(conversation, staff, "These two", items=[ChosenItem(item=chinese), ChosenItem(item=hebrew)])
    for words in ("红楼梦", "曹雪芹", "אהבה", "amos oz", "hong lou"):
        assert found(words) == {conversation}, words
    assert found("西遊記") == set()


def test_rebuilding_the_search_index_repairs_missing_and_outdated_words(session, patron, staff):
    conversation = ask(session, patron, "The smoker is too hot")
    MessageFactory(conversation=ConversationFactory(subject="Unindexed"), body="never seen")
    Message.objects.filter(conversation=conversation).update(body="changed under it")
    assert found("unindexed") == found("changed") == set()
    call_command("rebuild_conversation_search", verbosity=0)
    assert_index_agrees()
    assert len(found("unindexed")) == len(found("changed")) == 1
    assert found("smoker") == set()


def test_words_of_an_erased_conversation_are_not_in_the_database_file(session, patron, staff):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's own cleaning does this")

    def parts_that_hold(word):
        with connection.cursor() as cursor:
            cursor.execute("SELECT block FROM conversations_text_data")
            return sum(word in block for (block,) in cursor.fetchall())

    conversation, other = (
        ask(session, patron, body) for body in ("My zyzzyva is ill", "Where is the zebra book?")
    )
    answer(conversation, staff, "Is the zyzzyva green?")
    desk_actions.erase(conversation, by=staff, at=NOW + minute)
    assert (found("zyzzyva"), parts_that_hold(b"zyzzyva") > 0) == (set(), True)
    search.forget_removed_words(at=NOW)
    assert (parts_that_hold(b"zyzzyva"), found("zebra")) == (0, {other})
    # The second run of this job finds nothing to do.
    search.forget_removed_words(at=NOW)
    assert_index_agrees()
