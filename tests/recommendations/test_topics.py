"""Test that pages show topic names in the page's language with a constant number of queries."""

import datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse
from django.utils import translation

from accounts.models import Library
from recommendations import topics
from recommendations.models import Topic, TopicName
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    TopicFactory,
    UserFactory,
    recommend_in,
)


def names_of(topic):
    return {row.language: row.name for row in topic.names.all()}


@pytest.mark.django_db
def test_topic_has_its_default_name_if_no_translation_exists():
    jobs = topics.add_topic(name="Jobs", names={"es": "Empleo", "de": "Arbeit"})
    law = topics.add_topic(name="Law", names={"es": ""})
    for language, shown in {"en": "Jobs", "es": "Empleo", "de": "Arbeit", "fr": "Jobs"}.items():
        with translation.override(language):
            assert (str(jobs), str(law)) == (shown, "Law")


@pytest.mark.django_db
def test_renaming_a_topic_changes_only_the_given_languages():
    jobs = topics.add_topic(name="Jobs", names={"es": "Empleo", "de": "Arbeit", "fr": "Emploi"})
    topics.change_topic(jobs, name="Work", names={"es": "Trabajo", "de": "", "pt": "Trabalho"})
    assert Topic.objects.get().name == "Work"
    assert names_of(jobs) == {"es": "Trabajo", "fr": "Emploi", "pt": "Trabalho"}


@pytest.mark.django_db
def test_starting_topics_have_spanish_names_and_do_not_change_existing_topics():
    own = topics.add_topic(name="Health", names={"es": "Bienestar"})
    topics.add_starting_topics()
    topics.add_starting_topics()
    assert Topic.objects.count() == len(topics.STARTING)
    assert names_of(own) == {"es": "Bienestar"}
    assert names_of(Topic.objects.get(name="Housing")) == {"es": "Vivienda"}


def address_of(name, branch, staff, rows):
    """Create `rows` topics with Spanish names, and return the address of the page that shows them."""
    patron = UserFactory()
    # The page of outcomes doesn't show ratings of visits from the current quarter.
    last_quarter = Library.current().today() - datetime.timedelta(days=100)
    for number in range(rows):
        topic = TopicFactory(name=f"Topic {number:02}")
        TopicName.objects.create(topic=topic, language="es", name=f"Tema {number:02}")
        session = HelpSessionFactory(
            branch=branch, staff=staff, topic=topic, patron=patron, happened_on=last_quarter
        )
        conversation = ConversationFactory(
            help_session=session, topic=topic, recommendation=recommend_in(session)[0], assignee=staff
        )
        MessageFactory(conversation=conversation)
    return {
        "queue": lambda: reverse("desk"),
        "record": lambda: reverse("record"),
        "sessions": lambda: reverse("desk_sessions"),
        "patron": lambda: reverse("patron_record", args=[patron.public_id]),
        "outcomes": lambda: reverse("outcomes"),
        "topics": lambda: reverse("topics"),
        "ask": lambda: reverse("ask"),
    }[name]()


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("rows", [1, 20])
@pytest.mark.parametrize(
    ("name", "queries"),
    [
        ("queue", 10),
        ("record", 13),
        ("sessions", 11),
        ("patron", 13),
        ("outcomes", 9),
        ("topics", 6),
        ("ask", 11),
    ],
)
def test_spanish_page_reads_all_topic_names_in_one_query(
    name, queries, rows, client, branch, staff, coordinator, sign_in, django_assert_num_queries
):
    person = coordinator if name in ("outcomes", "topics") else staff
    person.language = "es"
    person.save(update_fields=["language"])
    sign_in(client, person)
    url = address_of(name, branch, staff, rows)
    client.get(url)
    with django_assert_num_queries(queries):
        shown = client.get(url).content.decode()
    # The page of outcomes shows a topic only if enough patrons rated their visits. In this test, too few
    # patrons did.
    if name != "outcomes":
        assert f"Tema {rows - 1:02}" in shown


@pytest.fixture
def before_topic_names(transactional_db):
    """Undo the migration that created the table of topic names, and redo it after the test.

    Migrations of other apps that depend on it are undone and redone too.
    """
    migrate_to("0002_text_index")
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.fixture
def before_private_topics(transactional_db):
    """Undo the migration that marks private topics, and redo it after the test."""
    migrate_to("0013_item_matches")
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def migrate_to(name):
    """Migrate the app `recommendations` to the named migration. Return the app registry of that migration."""
    executor = MigrationExecutor(connection)
    return executor.migrate([("recommendations", name)]).apps


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
def test_migration_of_spanish_topic_names_can_be_undone(before_topic_names):
    old = migrate_to("0002_text_index").get_model("recommendations", "Topic")
    for name, name_es in [("Jobs", "Empleo"), ("Health", "Salud"), ("Law", "")]:
        old.objects.create(name=name, name_es=name_es)
    then = migrate_to("0003_topic_names").get_model("recommendations", "Topic")
    assert {topic.name: names_of(topic) for topic in then.objects.all()} == {
        "Jobs": {"es": "Empleo"},
        "Health": {"es": "Salud"},
        "Law": {},
    }
    TopicName.objects.create(topic_id=then.objects.get(name="Law").pk, language="de", name="Recht")
    old = migrate_to("0002_text_index").get_model("recommendations", "Topic")
    assert dict(old.objects.values_list("name", "name_es")) == {
        "Jobs": "Empleo",
        "Health": "Salud",
        "Law": "",
    }


@pytest.mark.only_long
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("check_ins", [False, True], ids=["check-ins are off", "check-ins are on"])
def test_migration_marks_private_topics_if_check_ins_are_off(before_private_topics, check_ins):
    old = migrate_to("0013_item_matches").get_model("recommendations", "Topic")
    for name, spanish in [("Money and taxes", ""), ("Our home", "Vivienda"), ("Chess", "Ajedrez")]:
        topic = old.objects.create(name=name)
        topic.names.create(language="es", name=spanish)
    Library.objects.create(pk=1, name="Harbor", check_ins=check_ins)
    migrate_to("0014_mark_private_topics")
    marked = Topic.objects.filter(never_by_message=True).values_list("name", flat=True)
    assert sorted(marked) == ([] if check_ins else ["Money and taxes", "Our home"])


def test_saving_a_topic_raises_name_taken_if_another_request_has_just_saved_the_name(db, monkeypatch):
    jobs = topics.add_topic(name="Jobs", names={})
    health = topics.add_topic(name="Health", names={})
    # Skip the first check, as if another request saved the topic "Jobs" right after this check.
    monkeypatch.setattr(topics, "_check_free", lambda *args, **kwargs: None)
    with pytest.raises(topics.NameTaken):
        topics.add_topic(name="Jobs", names={})
    with pytest.raises(topics.NameTaken):
        topics.change_topic(health, name="Jobs", names={})
    assert [*Topic.objects.filter(name="Jobs")] == [jobs]
