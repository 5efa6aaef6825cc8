"""Find one patron without showing others, and decide which records staff may open.

A full card number or email address finds one person or nobody. Letters of a name find a few people, but staff
must give a reason. The access log stores the reason for each person found. Staff can then open the records of
these people until the day ends.
"""

from django.db.models import Exists, OuterRef, Q, Subquery

from accounts.models import LibraryCard, LookingReason, NameWord, User
from accounts.patron.people import unconfirmed_people
from portal.conversations.models import Conversation
from portal.folding import fold
from portal.helpsessions.models import HelpSession

# request.session[FOUND] is {"on": day, "people": people}. In `people`, each key is the primary key of a
# person that the staff member found, as text. Its value is the primary key of the event with the reason, or
# None. Public ids aren't stored here, because they also occur in the server's log. Somebody who compares the
# two could learn who an erased person was.
FOUND = "found_today"
MAX_REMEMBERED = 60
MIN_LETTERS = 3
MAX_LISTED = 8


class TooMany(Exception):
    """More people match than may be listed."""


def at_desk_of(user, found=(), *, covering=False):
    """Return the people whose record this staff member may open.

    `found` contains the primary keys of the people that the staff member found today. Each person gets the
    attribute `is_near`. `is_near` is true if the person has a visit or conversation that the staff member may
    open without covering for another branch.

    If `covering` is true, the result also contains people with visits or conversations at covered branches.
    Their `is_near` is false if they have none at the staff member's own branches. The caller must then ask
    for a reason.
    """
    near = _is_near(user, covering=False)
    listed = near | Q(pk__in=list(found))
    if covering and user.covered_branch_ids:
        listed |= _is_near(user, covering=True)
    return _people().filter(listed).annotate(is_near=near)


def _is_near(user, *, covering):
    visits = HelpSession.objects.at_desk_of(user, covering=covering).filter(patron=OuterRef("pk"))
    shared = HelpSession.objects.at_desk_of(user, covering=covering).filter(shared_with=OuterRef("pk"))
    conversations = Conversation.objects.at_desk_of(user, covering=covering).filter(patron=OuterRef("pk"))
    return Exists(visits) | Exists(conversations) | Exists(shared)


def by_identifier(text):
    """Return the person whose full card number or email address is `text`, or None.

    Return None if two people have had a card with this number.
    """
    if "@" in text:
        return _people().filter(email=text.strip().lower()).first()
    card = LibraryCard.objects.filter(person=OuterRef("pk"), barcode__iexact="".join(text.split()))
    people = list(_people().filter(Exists(card))[:2])
    return people[0] if len(people) == 1 else None


def by_card_or_confirmed_email(text):
    """Return the person that `by_identifier` finds.

    Return None if `text` is an email address that the person has not confirmed.
    """
    person = by_identifier(text)
    if person is None or "@" not in text:
        return person
    return person if person.emailaddress_set.filter(email=person.email, verified=True).exists() else None


def by_name(letters):
    """Return the people whose name matches, each with the `branch` of their last visit.

    A name matches if each word in `letters` is part of a word in the name, so "sullivan" finds O'Sullivan.
    Raise TooMany if more than MAX_LISTED people match. The query uses the index of NameWord, so it is fast
    even among many people.
    """
    matches = User.objects.filter(is_active=True)
    for word in set(fold(letters).split()):
        matches = matches.filter(pk__in=NameWord.objects.beginning_with(word).values("person"))
    # Another query loads the details. If one query joined all the tables, PostgreSQL would read all people.
    keys = list(matches.values_list("pk", flat=True)[: MAX_LISTED + 1])
    if len(keys) > MAX_LISTED:
        raise TooMany
    visits = HelpSession.objects.filter(patron=OuterRef("pk")).latest_first()
    people = _people().filter(pk__in=keys).annotate(branch=Subquery(visits.values("branch__name")[:1]))
    return list(people.order_by("name", "pk"))


def is_enough(letters):
    """Return whether the text has enough letters for a search by name."""
    return len(fold(letters).replace(" ", "")) >= MIN_LETTERS


def remember(request, people, *, events=None):
    """Let the staff member open the records of these people until the day ends.

    If the staff member gave a reason, `events` is {person: audit event with the reason}. The Django session
    stores only the event's primary key, so no copy of the reason remains when the person is erased.
    """
    before = found(request)
    new = {person.pk: events[person].pk if events else before.get(person.pk) for person in people}
    newest = list((before | new).items())[-MAX_REMEMBERED:]
    request.session[FOUND] = {"on": str(request.library.today()), "people": dict(newest)}


def found(request):
    """Return the people found today, as {primary key: primary key of the event with the reason, or None}."""
    stored = request.session.get(FOUND, {})
    if stored.get("on") != str(request.library.today()):
        return {}
    return {int(key): event for key, event in stored["people"].items()}


def reason_for(request, person):
    """Return the reason that the staff member gave today for looking up this person, or ""."""
    event = found(request).get(person.pk)
    if event is None:
        return ""
    reasons = LookingReason.objects.filter(event=event, patron=person, event__by=request.user)
    return reasons.values_list("reason", flat=True).first() or ""


def masked(email):
    """Return an email address with most letters hidden. People who know the address will recognize it."""
    name, _at, host = (email or "").partition("@")
    return f"{name[:1]}•••@{host}" if host else ""


def _people():
    """Return all active people, except records that consist only of an unconfirmed email address."""
    return User.objects.filter(~Exists(unconfirmed_people(at=None).filter(pk=OuterRef("pk"))), is_active=True)
