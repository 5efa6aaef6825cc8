"""Change the library's list of topics."""

import re

from django.db import IntegrityError, transaction

from portal.folding import fold

from .models import Topic, TopicName

STARTING = [
    ("Family history", {"es": "Historia familiar"}),
    ("Government and law", {"es": "Gobierno y leyes"}),
    ("Health", {"es": "Salud"}),
    ("Housing", {"es": "Vivienda"}),
    ("Immigration", {"es": "Inmigración"}),
    ("Jobs", {"es": "Empleo"}),
    ("Learning English", {"es": "Aprender inglés"}),
    ("Local history", {"es": "Historia local"}),
    ("Money", {"es": "Dinero"}),
    ("Music and film", {"es": "Música y cine"}),
    ("Reading", {"es": "Lectura"}),
    ("Research", {"es": "Investigación"}),
    ("Safety and abuse", {"es": "Seguridad y maltrato"}),
    ("School", {"es": "Escuela"}),
    ("Small business", {"es": "Pequeños negocios"}),
    ("Technology", {"es": "Tecnología"}),
]
# Topics with these words are private: they are about health, law, immigration, housing, money or abuse.
# Nobody should be asked about such a topic by email, because others may read the email. The words are English
# and Spanish, without accents. Most of them are beginnings of words.
SENSITIVE = re.compile(
    r"\b(health|medic|illness|disease|mental|addict|pregnan|disab|hiv\b|sexual|gender|lgbt|laws?\b|lawyer"
    r"|legal|court|crime|crimin|prison|police|divorce|custody|immigra|asylum|refugee|citizen|visas?\b|deport|housing"
    r"|evict|rent(s|al|ing|ers)?\b|homeless|tenan|money|debt|financ|tax(es)?\b|benefits|bankrupt|poverty|abus"
    r"|violen|safety|victim|salud|enferm|adicci|embaraz|discap|genero|ley(es)?\b|tribunal|carcel|policia"
    r"|custodia|inmigra|migra|asilo|refugi|ciudadania|vivienda|desaloj|alquiler|renta\b|dinero|deuda|finanz"
    r"|impuesto|maltrat|segurid|victima)"
)


class NameTaken(Exception):
    """Another topic has this name. The other topic may be retired."""


@transaction.atomic
def add_starting_topics():
    """Add the topics in STARTING that the library doesn't have yet."""
    for name, names in STARTING:
        flags = {"never_by_message": sounds_sensitive(name)}
        topic, is_new = Topic.objects.get_or_create(name=name, defaults=flags)
        if is_new:
            _save_names(topic, names)


def sounds_sensitive(*names):
    """Return whether a topic with these names is probably private. No email should mention such a topic."""
    return any(SENSITIVE.search(fold(name)) for name in names)


def private_but_not_marked():
    """Return the offered topics that sound private, but about which the library may ask by email."""
    topics = Topic.objects.filter(never_by_message=False, retired_at=None).prefetch_related("names")
    return [each for each in topics if sounds_sensitive(each.name, *(row.name for row in each.names.all()))]


@transaction.atomic
def add_topic(*, name, names, never_by_message=False):
    """Add a topic and return it. Raises NameTaken.

    `names` is {language: name} for the other languages. An empty name means that the topic has no name in
    that language. If `never_by_message` is true, the library sends no check-in by email about a visit with
    this topic.
    """
    _check_free(name)
    topic = Topic(name=name, never_by_message=never_by_message)
    _save_unless_taken(topic)
    _save_names(topic, names)
    return topic


@transaction.atomic
def change_topic(topic, *, name, names, never_by_message=False):
    """Change a topic. Raises NameTaken.

    Past help sessions show the new names too. The arguments are the same as for `add_topic`.
    """
    _check_free(name, but=topic)
    topic.name, topic.never_by_message = name, never_by_message
    _save_unless_taken(topic)
    _save_names(topic, names)


def retire_topic(topic, *, at):
    """Stop offering the topic for new help sessions. Past help sessions still show the topic."""
    topic.retired_at = at
    topic.save(update_fields=["retired_at"])


def bring_back_topic(topic):
    """Offer a retired topic again."""
    topic.retired_at = None
    topic.save(update_fields=["retired_at"])


def _save_unless_taken(topic):
    """Save the topic. Raises NameTaken if another request has just taken the name."""
    try:
        with transaction.atomic():
            topic.save()
    except IntegrityError:
        raise NameTaken from None


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
