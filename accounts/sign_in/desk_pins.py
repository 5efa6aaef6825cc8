"""Set, check and remove staff members' PINs.

Staff sign in with a PIN on an unlocked shared desk computer of their branch. A PIN works nowhere else. See
docs/decisions/0012-shared-desk-computers-and-pins.md.
"""

from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F

from portal import keys

from .. import audit
from ..models import DeskPin, Library, PinTries, SharedDesk, User
from .security_mails import mail_security_notice
from .sign_ins import end_sign_in_elsewhere

MIN_LENGTH, MAX_LENGTH = 4, 6
# After this many wrong PINs for one person on one computer, the PIN is blocked on that computer. The PIN
# works there again once the person has used their second factor.
MAX_WRONG_PER_PERSON = 5
# After this many wrong PINs on one computer, for all people together, the computer is closed. Then a staff
# member has to unlock the computer again.
MAX_WRONG_PER_COMPUTER = 20
# After this many wrong PINs for one person, on all computers together, the PIN is blocked on every computer.
# Without this limit, a colleague could unlock one computer after another, and so get more tries at guessing
# the PIN.
MAX_WRONG_IN_TOTAL = 15
# This name is part of every stored PIN hash, so it never changes.
PURPOSE = "accounts.desk_pins"
# request.session has this key after a sign-in by PIN.
BY_PIN = "by_pin"


class WrongPin(Exception):
    """The PIN is wrong. `left` is the number of tries left on this computer."""

    def __init__(self, left):
        self.left = left


class PinBlocked(Exception):
    """There were too many wrong PINs. The PIN works again after its owner has used their second factor."""


class DeskClosed(Exception):
    """The computer is closed, for example after too many wrong PINs.

    A staff member has to unlock the computer again.
    """


def is_easy_to_guess(pin):
    """Return whether this PIN is easy to guess.

    An easy PIN is one of these:
    - a PIN with only one or two different digits
    - digits in order, such as 1234 or 8901
    - a repeat, such as 123123
    - a year
    - the middle column of the keypad, 2580 or 0852
    """
    steps = {(int(after) - int(before)) % 10 for before, after in zip(pin, pin[1:], strict=False)}
    half = len(pin) // 2
    doubled = len(pin) % 2 == 0 and pin[:half] == pin[half:]
    a_year = len(pin) == 4 and pin[:2] in {"19", "20"}
    return len(set(pin)) < 3 or steps in ({1}, {9}) or doubled or pin in {"2580", "0852"} or a_year


@transaction.atomic
def set_pin(person, *, pin, at, keep=""):
    """Set the person's PIN, and end their sign-ins with the old PIN.

    If `keep` is the key of a session, that session stays signed in.
    """
    DeskPin.objects.update_or_create(
        person=person,
        defaults={"pin_hash": make_password(_peppered(person, pin)), "set_on": Library.current().today(at)},
    )
    reset_pin_tries(person)
    _end_sign_ins(person, keep=keep)
    audit.record("set_desk_pin", person, by=person, at=at)
    mail_security_notice(person, "set_desk_pin")


@transaction.atomic
def remove_pin(person, *, by, at):
    """Remove the person's PIN, and end their sign-ins by PIN."""
    if DeskPin.objects.filter(person=person).delete()[0]:
        _end_sign_ins(person)
        audit.record("removed_desk_pin", person, by=by, at=at)


def remove_pin_without_second_factor(person, *, by, at):
    """Remove the PIN if the person has no second factor.

    A PIN is only a shortcut for staff who have a second factor.
    """
    if not person.has_second_factor:
        remove_pin(person, by=by, at=at)


def pin_of(person):
    """Return the person's DeskPin, or None."""
    return DeskPin.objects.filter(person=person).first()


def people_with_pin(desk):
    """Return the staff who have a PIN and work at the computer's branch, ordered by name."""
    people = User.objects.filter(is_active=True, desk_pin__isnull=False, staff_roles__branch=desk.branch_id)
    return list(people.select_related("desk_pin").order_by("name", "pk"))


def try_pin(desk, person, pin, *, at):
    """Check the PIN of `person`, who must be one of people_with_pin(desk).

    Return how many wrong PINs were entered for the person on this computer since the last correct PIN. Raises
    WrongPin, PinBlocked or DeskClosed. Each try is counted before the PIN is checked. The UPDATE that counts
    the try also checks the limit, so simultaneous requests get no extra tries.
    """
    tries = PinTries.objects.get_or_create(desk=desk, person=person)[0]
    if not PinTries.objects.filter(pk=tries.pk, count__lt=MAX_WRONG_PER_PERSON).update(count=F("count") + 1):
        raise PinBlocked
    if not SharedDesk.objects.filter(
        pk=desk.pk, closed_at=None, wrong_tries__lt=MAX_WRONG_PER_COMPUTER
    ).update(wrong_tries=F("wrong_tries") + 1):
        raise DeskClosed
    if not DeskPin.objects.filter(person=person, wrong_tries__lt=MAX_WRONG_IN_TOTAL).update(
        wrong_tries=F("wrong_tries") + 1
    ):
        raise PinBlocked
    tries.refresh_from_db()
    if not _is_right(person, pin):
        if SharedDesk.objects.filter(pk=desk.pk, wrong_tries__gte=MAX_WRONG_PER_COMPUTER).exists():
            _close(desk, at=at)
            raise DeskClosed
        if tries.count >= MAX_WRONG_PER_PERSON:
            audit.record("shut_desk_pin", person, by=None, at=at)
            raise PinBlocked
        raise WrongPin(MAX_WRONG_PER_PERSON - tries.count)
    PinTries.objects.filter(pk=tries.pk).update(count=0)
    SharedDesk.objects.filter(pk=desk.pk).update(wrong_tries=F("wrong_tries") - 1)
    DeskPin.objects.filter(person=person, wrong_tries__gt=0).update(wrong_tries=F("wrong_tries") - 1)
    return max(tries.count - 1, 0)


def reset_pin_tries(person):
    """Set the counts of wrong PINs for this person to 0, so that a blocked PIN works again."""
    PinTries.objects.filter(person=person).update(count=0)
    DeskPin.objects.filter(person=person).update(wrong_tries=0)


def _close(desk, *, at):
    """Close the computer after too many wrong PINs. The audit event names no person."""
    if SharedDesk.objects.filter(pk=desk.pk, closed_at=None).update(closed_at=at):
        audit.record("closed_shared_desk", desk, by=None, at=at)


def _end_sign_ins(person, *, keep=""):
    """End the person's sign-ins by PIN. If `keep` is the key of a session, that session stays signed in."""
    signed_in = {
        signed_in.session_key: signed_in
        for signed_in in UserSession.objects.filter(user=person).exclude(session_key=keep)
    }
    for session in Session.objects.filter(session_key__in=signed_in):
        if session.get_decoded().get(BY_PIN):
            end_sign_in_elsewhere(signed_in[session.session_key])


def _is_right(person, pin):
    """Return whether the PIN is correct. If the stored hash was made with an old server key, replace it."""
    present, *older = keys.fingerprints(PURPOSE, _salted(person, pin))
    if check_password(present, person.desk_pin.pin_hash):
        return True
    if not any(check_password(peppered, person.desk_pin.pin_hash) for peppered in older):
        return False
    DeskPin.objects.filter(person=person).update(pin_hash=make_password(present))
    return True


def _peppered(person, pin):
    """Return a fingerprint of the PIN, made with the server's key.

    The key protects the PINs if somebody copies the database. Without a key, a thief could try all 10,000
    four-digit PINs in an hour, even if the hash is slow.
    """
    return keys.fingerprint(PURPOSE, _salted(person, pin))


def _salted(person, pin):
    return f"{person.pk}:{pin}"
