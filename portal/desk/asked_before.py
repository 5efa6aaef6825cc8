"""Find what helped before with this topic and question type. docs/what-helped.md explains the numbers."""

from dataclasses import dataclass

from django.db.models import BigAutoField, CharField, Count, DateField, IntegerField, Q

from portal.folding import fold
from portal.helpsessions.models import HelpSession, SessionWord
from portal.kits.models import ItemCount
from portal.prepared import prepared
from recommendations.holdings import fetch_holdings
from recommendations.models import QuestionType, Topic, topic_names
from recommendations.recorded import add_recorded

from .filler_words import FILLER_WORDS
from .kit_rows import offered_kits

MAX_ITEMS, MAX_KITS, MAX_VISITS = 6, 5, 5
KEY = BigAutoField()
# Words with fewer letters than this, such as "for" and "how", say little about a question. They are ignored.
MIN_LETTERS = 4
# At most this many words of a question are compared with past visits.
MAX_WORDS = 8


@dataclass(frozen=True)
class AskedBefore:
    """The result of `asked_before`. `topic` is None if nobody chose a topic and the question names none."""

    topic: Topic | None
    question_type: str
    items: list
    kits: list
    visits: list
    is_guessed: bool = False

    def __bool__(self):
        return bool(self.items or self.kits or self.visits)


def asked_before(user, *, topic=None, question_type=QuestionType.REFERENCE, question="", today):
    """Return an AskedBefore: items that helped with this topic, kits, and the staff member's own visits.

    If `topic` is None, use the topic that the question names, if there is one.
    """
    words = _words(question)
    guessed = None if topic else _topic_named_in(words)
    about = topic or guessed
    return AskedBefore(
        topic=about,
        question_type=question_type,
        items=what_helped(about, question_type, today=today) if about else [],
        kits=_kits(user, about, words),
        visits=_own_visits(user, about, words),
        is_guessed=guessed is not None,
    )


def what_helped(topic, question_type, *, today):
    """Return the ItemCounts of this topic whose items can still be recommended, best first.

    Each item also has its holdings and what staff have recorded about the item.
    """
    rows = _what_helped(topic=topic.pk, question_type=question_type, today=today)
    fetch_holdings([row.item for row in rows])
    add_recorded([row.item for row in rows], today)
    return rows


@prepared(topic=KEY, question_type=CharField(), today=DateField())
def _what_helped(topic, question_type, today):
    is_over = Q(item__ends_on__lt=today) | Q(
        item__kind="event", item__ends_on=None, item__starts_on__lt=today
    )
    rows = ItemCount.objects.filter(
        topic=topic, question_type=question_type, helped__gt=0, item__retired_at=None
    )
    rows = rows.exclude(is_over).select_related("item")
    return rows.order_by("-lower_bound", "-latest_on", "pk")[:MAX_ITEMS]


def _words(question):
    """Return the words of the question that say something about its topic. No word is repeated."""
    return list(dict.fromkeys(_telling_words(question)))[:MAX_WORDS]


def _telling_words(text):
    """Return the words of the text without short words and filler words."""
    return [word for word in fold(text).split() if len(word) >= MIN_LETTERS and word not in FILLER_WORDS]


def _topic_named_in(words):
    """Return the offered topic that has a word of the question in its name, in any language, or None."""
    if not words:
        return None
    for topic in Topic.objects.filter(retired_at=None).prefetch_related("names"):
        names = [topic.name, *(row.name for row in topic.names.all())]
        if set(words) & {word for name in names for word in _telling_words(name)}:
            return topic
    return None


def _kits(user, topic, words):
    """Return the kits about the topic, and the kits whose name has a word of the question."""
    asked = set(words)
    found = []
    for offered in offered_kits(user, topic=topic):
        kit = offered.kit
        names = {word for row in kit.words.all() for word in fold(row.name).split()}
        if (topic and kit.topic_id == topic.pk) or asked & names:
            found.append(offered)
    return found[:MAX_KITS]


def _own_visits(user, topic, words):
    """Return past visits that the staff member recorded. Visits with words of the question come first.

    Visits about the topic follow, latest first. Quiet visits, visits with a child, visits about a sensitive
    topic, and forgotten visits are left out.
    """
    found = _sharing_words(user, words) if words else []
    if topic and len(found) < MAX_VISITS:
        known = [visit.pk for visit in found]
        others = _about(person=user.pk, topic=topic.pk, but=known or None)
        found += others[: MAX_VISITS - len(found)]
    return found


def _sharing_words(user, words):
    """Return the visits that contain at least two of these words. Visits with more of the words come first.

    If there is only one word, return the visits that contain this word.
    """
    numbers = _numbers_of_words(person=user.pk, words=words, least=min(2, len(words)))
    keys = [row["help_session"] for row in numbers]
    visits = {visit.pk: visit for visit in _with_keys(person=user.pk, keys=keys)} if keys else {}
    return [visits[key] for key in keys if key in visits]


def _usable(person):
    rows = HelpSession.objects.recorded_by(person).filter(quiet=False, with_child="")
    return rows.exclude(patron__child_since__isnull=False).exclude(topic__never_by_message=True)


@prepared(person=KEY, topic=KEY, but=KEY)
def _about(person, topic, but):
    rows = _usable(person).filter(topic=topic)
    return (rows.exclude(pk__in=but) if but is not None else rows).latest_first()[:MAX_VISITS]


@prepared(person=KEY, words=CharField(), least=IntegerField())
def _numbers_of_words(person, words, least):
    shared = SessionWord.objects.filter(word__in=words, help_session__in=_usable(person))
    numbers = shared.order_by().values("help_session").annotate(shared=Count("pk"))
    return numbers.filter(shared__gte=least).order_by("-shared", "-help_session")[:MAX_VISITS]


@prepared(person=KEY, keys=KEY)
def _with_keys(person, keys):
    return _usable(person).filter(pk__in=keys)


def topics_offered():
    """Return the topics that staff can choose."""
    return Topic.objects.filter(retired_at=None).prefetch_related(*topic_names())
