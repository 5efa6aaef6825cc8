"""The library's own list of what help sessions are about."""

from django.db import transaction

from .models import Topic

STARTING = [
    ("Family history", "Historia familiar"),
    ("Government and law", "Gobierno y leyes"),
    ("Health", "Salud"),
    ("Housing", "Vivienda"),
    ("Jobs", "Empleo"),
    ("Learning English", "Aprender inglés"),
    ("Local history", "Historia local"),
    ("Money", "Dinero"),
    ("Music and film", "Música y cine"),
    ("Reading", "Lectura"),
    ("Research", "Investigación"),
    ("School", "Escuela"),
    ("Small business", "Pequeños negocios"),
    ("Technology", "Tecnología"),
]


class NameTaken(Exception):
    """Another topic, perhaps a retired one, has this name."""


@transaction.atomic
def add_starting_topics():
    for name, name_es in STARTING:
        Topic.objects.get_or_create(name=name, defaults={"name_es": name_es})


@transaction.atomic
def add_topic(*, name, name_es):
    """Raises NameTaken."""
    _check_free(name)
    return Topic.objects.create(name=name, name_es=name_es)


@transaction.atomic
def rename_topic(topic, *, name, name_es):
    """Past sessions show the new name too. Raises NameTaken."""
    _check_free(name, but=topic)
    topic.name, topic.name_es = name, name_es
    topic.save(update_fields=["name", "name_es"])


def retire_topic(topic, *, at):
    """No longer offered for new sessions; past ones keep it."""
    topic.retired_at = at
    topic.save(update_fields=["retired_at"])


def bring_back_topic(topic):
    topic.retired_at = None
    topic.save(update_fields=["retired_at"])


def _check_free(name, *, but=None):
    if Topic.objects.filter(name__iexact=name).exclude(pk=but and but.pk).exists():
        raise NameTaken
