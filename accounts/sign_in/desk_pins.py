"""The PIN of a member of staff: what opens a shared desk computer that is unlocked, at a branch where they work, and nothing else.

Why it may do no more: docs/decisions/0012-shared-desk-computers-and-pins.md.
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

SHORTEST, LONGEST = 4, 6
MOST_WRONG_OF_ONE = 5  # of one person on one computer; then it is shut until they show their second factor
MOST_WRONG = 20  # of all on one computer; then that is closed, and somebody unlocks it anew
MOST_WRONG_ANYWHERE = (
    15  # of one person on all computers together: whoever may unlock one may unlock it over and over
)
PURPOSE = "accounts.desk_pins"  # part of every stored PIN hash: it never changes
BY_PIN = "by_pin"  # in the session: a PIN opened it


class WrongPin(Exception):
    """`left`: how often it may still be tried here."""

    def __init__(self, left):
        self.left = left


class PinShut(Exception):
    """It was wrong too often on this computer: it works again once its owner has shown their second factor."""


class DeskClosed(Exception):
    """Too many PINs were wrong on this computer, or somebody closed it: it has to be unlocked anew."""


def is_easy_to_guess(pin):
    """One digit or two, a run (also over the end, 8901), something twice (4545, 123123), the middle of the keypad, or a year."""
    steps = {(int(after) - int(before)) % 10 for before, after in zip(pin, pin[1:], strict=False)}
    half = len(pin) // 2
    doubled = len(pin) % 2 == 0 and pin[:half] == pin[half:]
    a_year = len(pin) == 4 and pin[:2] in {"19", "20"}
    return len(set(pin)) < 3 or steps in ({1}, {9}) or doubled or pin in {"2580", "0852"} or a_year


@transaction.atomic
def set_pin(person, *, pin, at, but=""):
    """The PIN is this from now on. Where the old one had opened a desk, that ends; except in the session with the key `but`."""
    DeskPin.objects.update_or_create(
        person=person,
        defaults={"pin_hash": make_password(_peppered(person, pin)), "set_on": Library.current().today(at)},
    )
    open_again(person)
    _end_sign_ins(person, but=but)
    audit.record("set_desk_pin", person, by=person, at=at)
    mail_security_notice(person, "set_desk_pin")


@transaction.atomic
def remove_pin(person, *, by, at):
    """It opens nothing any more, and what it has opened is closed."""
    if DeskPin.objects.filter(person=person).delete()[0]:
        _end_sign_ins(person)
        audit.record("removed_desk_pin", person, by=by, at=at)


def remove_pin_without_second_factor(person, *, by, at):
    """A PIN is the short form of what they have shown: it goes with the last app or passkey."""
    if not person.has_second_factor:
        remove_pin(person, by=by, at=at)


def pin_of(person):
    """Their PIN's row, or None."""
    return DeskPin.objects.filter(person=person).first()


def people_at(desk):
    """Who may open this computer by PIN: they work at its branch and have one. By name."""
    works_there = User.objects.filter(
        is_active=True, desk_pin__isnull=False, staff_roles__branch=desk.branch_id
    )
    return list(works_there.select_related("desk_pin").order_by("name", "pk"))


def try_pin(desk, person, pin, *, at):
    """Whether `pin` is that of `person` (of people_at), who then opens `desk`. Returns how many wrong tries came before the right one.

    Raises WrongPin, PinShut, DeskClosed. A try is counted before it is looked at, by one UPDATE with its limit in it: any number at
    once have no more tries than one after the other.
    """
    tries = PinTries.objects.get_or_create(desk=desk, person=person)[0]
    if not PinTries.objects.filter(pk=tries.pk, count__lt=MOST_WRONG_OF_ONE).update(count=F("count") + 1):
        raise PinShut
    if not SharedDesk.objects.filter(pk=desk.pk, closed_at=None, wrong_tries__lt=MOST_WRONG).update(
        wrong_tries=F("wrong_tries") + 1
    ):
        raise DeskClosed
    if not DeskPin.objects.filter(person=person, wrong_tries__lt=MOST_WRONG_ANYWHERE).update(
        wrong_tries=F("wrong_tries") + 1
    ):
        raise PinShut
    tries.refresh_from_db()
    if not _is_right(person, pin):
        if SharedDesk.objects.filter(pk=desk.pk, wrong_tries__gte=MOST_WRONG).exists():
            _close(desk, at=at)
            raise DeskClosed
        if tries.count >= MOST_WRONG_OF_ONE:
            audit.record("shut_desk_pin", person, by=None, at=at)
            raise PinShut
        raise WrongPin(MOST_WRONG_OF_ONE - tries.count)
    PinTries.objects.filter(pk=tries.pk).update(count=0)
    SharedDesk.objects.filter(pk=desk.pk).update(wrong_tries=F("wrong_tries") - 1)
    DeskPin.objects.filter(person=person, wrong_tries__gt=0).update(wrong_tries=F("wrong_tries") - 1)
    return max(tries.count - 1, 0)


def open_again(person):
    """They have shown their second factor: wherever their PIN was shut, it may be tried again."""
    PinTries.objects.filter(person=person).update(count=0)
    DeskPin.objects.filter(person=person).update(wrong_tries=0)


def _close(desk, *, at):
    """Nobody did: too many wrong PINs."""
    if SharedDesk.objects.filter(pk=desk.pk, closed_at=None).update(closed_at=at):
        audit.record("closed_shared_desk", desk, by=None, at=at)


def _end_sign_ins(person, *, but=""):
    """Wherever a PIN of theirs has opened a desk, they are signed out."""
    signed_in = {
        signed_in.session_key: signed_in
        for signed_in in UserSession.objects.filter(user=person).exclude(session_key=but)
    }
    for session in Session.objects.filter(session_key__in=signed_in):
        if session.get_decoded().get(BY_PIN):
            signed_in[session.session_key].end()


def _is_right(person, pin):
    """One that was set under a key of before is kept under the present one from now on."""
    present, *before = keys.fingerprints(PURPOSE, _whose(person, pin))
    if check_password(present, person.desk_pin.pin_hash):
        return True
    if not any(check_password(peppered, person.desk_pin.pin_hash) for peppered in before):
        return False
    DeskPin.objects.filter(person=person).update(pin_hash=make_password(present))
    return True


def _peppered(person, pin):
    """Ten thousand PINs are tried in an hour by whoever reads the database, however slow the hash: so the server's key goes in first."""
    return keys.fingerprint(PURPOSE, _whose(person, pin))


def _whose(person, pin):
    return f"{person.pk}:{pin}"
