"""Tell people with the same name apart, by the end of their card number and the month they joined.

The pages show a masked email address beside each name anyway. They show this only where two people have the
same name, so that a patron who sees the screen learns nothing about others.
"""

from collections import Counter

from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import NameWord, User
from portal.folding import fold

# A name of one short word is the beginning of many others. More than this many are not compared.
MAX_COMPARED = 1000


def tell_apart(people, *, shown=lambda person: fold(person.display_name)):
    """Give each person the attribute `apart`, a text that tells namesakes apart, or "".

    `shown` is a function that returns what the page shows of a person. By default, this is the name.
    """
    counts = Counter(shown(person) for person in people)
    namesakes = [person for person in people if counts[shown(person)] > 1]
    prefetch_related_objects(namesakes, "library_cards")
    for person in people:
        person.apart = _words(person) if person in namesakes else ""


def words_if_namesake(person):
    """Return the text that tells the person apart from somebody of the same name, or "" if nobody has it."""
    name = fold(person.name)
    others = User.objects.filter(is_active=True).exclude(pk=person.pk)
    for word in name.split():
        others = others.filter(pk__in=NameWord.objects.beginning_with(word).values("person"))
    names = others.values_list("name", flat=True)[:MAX_COMPARED] if name else []
    return _words(person) if any(fold(other) == name for other in names) else ""


def _words(person):
    joined = date_format(timezone.localtime(person.joined_at), "YEAR_MONTH_FORMAT")
    cards = list(person.library_cards.all())
    if cards:
        return _("card ending in %(digits)s, joined %(month)s") % {"digits": cards[0].ending, "month": joined}
    return _("no library card, joined %(month)s") % {"month": joined}
