"""Distinguish people with the same name by the end of the card number and the month of joining.

These details appear only if two people have the same name. Otherwise, a patron who sees the screen could
learn something about others. Pages also show a masked email address next to each name.
"""

from collections import Counter

from django.db.models import prefetch_related_objects
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import NameWord, User
from portal.folding import fold

# At most this many names are compared. If a name is short, such as "Li", its letters can occur in very many
# other names.
MAX_COMPARED = 1000


def tell_apart(people, *, shown=lambda person: fold(person.display_name)):
    """Set `apart` on each person: a text that distinguishes the person from namesakes, or "".

    Two people are namesakes if `shown` returns the same value for both. By default, `shown` returns the name.
    """
    counts = Counter(shown(person) for person in people)
    namesakes = [person for person in people if counts[shown(person)] > 1]
    prefetch_related_objects(namesakes, "library_cards")
    for person in people:
        person.apart = _words(person) if person in namesakes else ""


def words_if_namesake(person):
    """Return a text that distinguishes the person from namesakes, or "" if nobody has the same name."""
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
