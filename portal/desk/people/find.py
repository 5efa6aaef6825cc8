"""Finding one patron among all of them, without showing any of the others; and which records this leaves open.

A whole identifier finds one person or nobody. Letters of a name find a few, and only with a reason, which is kept with each of them.
Whoever was found stays open to this member of staff until the day ends.
"""

from django.db.models import Exists, OuterRef, Q, Subquery

from accounts.models import LibraryCard, LookingReason, User
from accounts.patron.people import unconfirmed_people
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from recommendations.search import fold

FOUND = "found_at_desk"  # in the Django session: {public id: the number of an event, or None} of whom this member of staff found today
REMEMBERED = 60
LETTERS = 3
FEW = 8


class TooMany(Exception):
    """More people fit than may be listed."""


def at_desk_of(user, found=()):
    """Whose record this member of staff may open: who has a visit or a conversation at their desk (`is_near`), and whom they found
    today (public ids)."""
    visits = HelpSession.objects.at_desk_of(user).filter(patron=OuterRef("pk"))
    shared = HelpSession.objects.at_desk_of(user).filter(shared_with=OuterRef("pk"))
    conversations = Conversation.objects.at_desk_of(user).filter(patron=OuterRef("pk"))
    near = Exists(visits) | Exists(conversations) | Exists(shared)
    return _people().filter(near | Q(public_id__in=list(found))).annotate(is_near=near)


def by_identifier(text):
    """The person with this whole card number or e-mail address, or None; also where two people have had the card."""
    if "@" in text:
        return _people().filter(email=text.strip().lower()).first()
    card = LibraryCard.objects.filter(person=OuterRef("pk"), barcode__iexact="".join(text.split()))
    found = list(_people().filter(Exists(card))[:2])
    return found[0] if len(found) == 1 else None


def by_name(letters):
    """The few people in whose names each of these words begins one, by name, each with the branch where they were last. Raises TooMany.

    Names are compared without case and accents, which neither database does alike: so all of them are read, and no row is kept.
    """
    words = fold(letters).split()
    fitting = []
    for pk, name in User.objects.filter(is_active=True).exclude(name="").values_list("pk", "name").iterator():
        if _fits(words, name):
            fitting.append(pk)
            if len(fitting) > FEW:
                raise TooMany
    last_branch = HelpSession.objects.filter(patron=OuterRef("pk")).latest_first().values("branch__name")[:1]
    return list(
        _people().filter(pk__in=fitting).annotate(branch=Subquery(last_branch)).order_by("name", "pk")
    )


def is_enough(letters):
    return len(fold(letters).replace(" ", "")) >= LETTERS


def remember(request, people, *, because=None):
    """These were found: their records open for this member of staff until the day ends. `because`: {person: the event with the reason} where one
    was given. The session holds the event's number and no words: they are the reason's own, and end with whom it is about."""
    before = found(request)
    kept = {
        str(person.public_id): because[person].pk if because else before.get(str(person.public_id))
        for person in people
    }
    request.session[FOUND] = {
        "on": str(request.library.today()),
        "people": dict(list((before | kept).items())[-REMEMBERED:]),
    }


def found(request):
    """{public id: the number of the event with the reason given, or None} of whom this member of staff found today."""
    kept = request.session.get(FOUND, {})
    return kept["people"] if kept.get("on") == str(request.library.today()) else {}


def reason_for(request, person):
    """Why this member of staff said today that they look at this person; "" if they didn't."""
    event = found(request).get(str(person.public_id))
    event = event if isinstance(event, int) else None  # a session of an older release holds words
    reasons = LookingReason.objects.filter(event=event, patron=person, event__by=request.user)
    return (event and reasons.values_list("reason", flat=True).first()) or ""


def masked(email):
    """As much of an address as tells two people apart to who knows them."""
    name, _at, host = (email or "").partition("@")
    return f"{name[:1]}•••@{host}" if host else ""


def _people():
    """Without addresses that somebody typed and nobody confirmed."""
    return User.objects.filter(~Exists(unconfirmed_people(at=None).filter(pk=OuterRef("pk"))), is_active=True)


def _fits(words, name):
    parts = fold(name).split()
    return all(any(part.startswith(word) for part in parts) for word in words)
