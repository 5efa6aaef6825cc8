"""The code that lets somebody without an e-mail address into their record for the first time, handed to them at the desk.

Whoever holds it is them, so there is one only for a record that nobody has been in yet: staff never make a way into one that is in use.
"""

import datetime

from django.db import transaction

from accounts import audit
from accounts.models import StaffRole, User
from accounts.staff_actions import staff_action

from . import codes
from .models import AccountCode

LIFE = datetime.timedelta(days=7)


class NotForThem(Exception):
    """They have an address, a card or a passkey to come in with, or have been in already."""


class CodeEnded(Exception):
    """No record has this code, or not any more."""


@staff_action
def make_code(person, *, by, at):
    """A code that opens the record once, on the device it is typed into; one made before opens nothing any more. Raises NotForThem."""
    person = User.objects.select_for_update(no_key=True).get(pk=person.pk)
    if not may_have_code(person):
        raise NotForThem
    code = codes.new_code()
    AccountCode.objects.update_or_create(
        person=person, defaults={"hmac": codes.hmac_of(code), "made_by": by, "expires_at": at + LIFE}
    )
    audit.record("made_account_code", person, by=by, patron=person, at=at)
    return code


def may_have_code(person):
    """Whether nobody has been in, and nothing else lets them in."""
    new = person.is_active and person.email is None and person.last_login is None
    return (
        new
        and not StaffRole.objects.filter(user=person).exists()
        and not person.library_cards.exists()
        and not person.passkeys.exists()
    )


def opens_a_record(code, *, at):
    """Whether `use_code` would open one now."""
    found = (
        AccountCode.objects.select_related("person")
        .filter(hmac__in=codes.hmacs_of(code), expires_at__gt=at)
        .first()
    )
    return found is not None and may_have_code(found.person)


@transaction.atomic
def use_code(code, *, at):
    """The person whose record the code opens, this once. Raises CodeEnded."""
    found = (
        AccountCode.objects.select_for_update(of=("self",))
        .select_related("person")
        .filter(hmac__in=codes.hmacs_of(code), expires_at__gt=at)
        .first()
    )
    if found is None or not may_have_code(found.person):
        raise CodeEnded
    person = found.person
    found.delete()
    audit.record("used_account_code", person, by=person, patron=person, at=at)
    return person


def forget_account_codes(*, at):
    """For the worker: those that open nothing any more."""
    AccountCode.objects.filter(expires_at__lte=at).delete()
