"""Change the library's list of topics."""

from django.db import transaction

from .models import Topic, TopicName

STARTING = [
    ("Family history", {"es": "Historia familiar"}),
    ("Government and law", {"es": "Gobierno y leyes"}),
    ("Health", {"es": "Salud"}),
    ("Housing", {"es": "Vivienda"}),
    ("Jobs", {"es": "Empleo"}),
    ("Learning English", {"es": "Aprender inglés"}),
    ("Local history", {"es": "Historia local"}),
    ("Money", {"es": "Dinero"}),
    ("Music and film", {"es": "Música y cine"}),
    ("Reading", {"es": "Lectura"}),
    ("Research", {"es": "Investigación"}),
    ("School", {"es": "Escuela"}),
    ("Small business", {"es": "Pequeños negocios"}),
    ("Technology", {"es": "Tecnología"}),
]


class NameTaken(Exception):
    """Another topic has this name. The other topic may be retired."""


@transaction.atomic
def add_starting_topics():
    """Add the topics in STARTING that the library doesn't have yet."""
    for name, names in STARTING:
        topic, is_new = Topic.objects.get_or_create(name=name)
        if is_new:
            _save_names(topic, names)


@transaction.atomic
def add_topic(*, name, names):
    """Add a topic and return the topic. Raises NameTaken.

    `names` is {language: name} for the other languages. An empty name means that the topic has no name in
    that language.
    """
    _check_free(name)
    topic = Topic.objects.create(name=name)
    _save_names(topic, names)
    return topic


@transaction.atomic
def rename_topic(topic, *, name, names):
    """Change the names of a topic. Raises NameTaken.

    Past help sessions show the new names too. `names` has the same form as in add_topic.
    """
    _check_free(name, but=topic)
    topic.name = name
    topic.save(update_fields=["name"])
    _save_names(topic, names)


def retire_topic(topic, *, at):
    """Stop offering the topic for new help sessions. Past help sessions still show the topic."""
    topic.retired_at = at
    topic.save(update_fields=["retired_at"])


def bring_back_topic(topic):
    """Offer a retired topic again."""
    topic.retired_at = None
    topic.save(update_fields=["retired_at"])


def _check_free(name, *, but=None):
    if Topic.objects.filter(name__iexact=name).exclude(pk=but and but.pk).exists():
        raise NameTaken


def _save_names(topic, names):
    topic.names.filter(language__in=[language for language, name in names.items() if not name]).delete()
    TopicName.objects.bulk_create(
        (TopicName(topic=topic, language=language, name=name) for language, name in names.items() if name),
        update_conflicts=True,
        unique_fields=["topic", "language"],
        update_fields=["name"],
    )
