"""Make and use the codes that open a record once.

Staff give such a code to a person without an email address, who then signs in for the first time. Anyone who
has the code can open the record. So staff can only make a code for a record that nobody has opened yet.
"""

import datetime

from django.db import transaction

from accounts import audit
from accounts.models import StaffRole, User
from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines

from . import codes
from .models import AccountCode

LIFE = datetime.timedelta(days=7)


class NotForThem(Exception):
    """The person can't have a code, for example because they have signed in before. See `may_have_code`."""


class CodeEnded(Exception):
    """The code does not open a record, because it is wrong, has expired or was used already."""


@staff_action
def make_code(person, *, by, at):
    """Make a code that opens the person's record once, and return the code.

    An earlier code for the record stops working. Raises NotForThem.
    """
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
    """Return whether the person may get a code.

    The record must be active, and the person must be alive. Staff, people who have ever signed in, and people
    with a sign-in method get no code.
    """
    new = person.is_active and not (person.died_at or person.email or person.last_login)
    return (
        new
        and not StaffRole.objects.filter(user=person).exists()
        and not person.library_cards.exists()
        and not person.passkeys.exists()
    )


def opens_a_record(code, *, at):
    """Return whether the code opens a person's record at the time `at`. This doesn't use up the code."""
    account_code = (
        AccountCode.objects.select_related("person")
        .filter(hmac__in=codes.hmacs_of(code), expires_at__gt=at)
        .first()
    )
    return account_code is not None and may_have_code(account_code.person)


@compares_deadlines
@transaction.atomic
def use_code(code, *, at, now):
    """Return the person whose record the code opens, and delete the code. Raises CodeEnded."""
    account_code = (
        AccountCode.objects.select_for_update(of=("self",))
        .select_related("person")
        .filter(hmac__in=codes.hmacs_of(code))
        .first()
    )
    if account_code is None or account_code.expires_at <= now() or not may_have_code(account_code.person):
        raise CodeEnded
    person = account_code.person
    account_code.delete()
    audit.record("used_account_code", person, by=person, patron=person, at=at)
    return person


def forget_account_codes(*, at):
    """Delete expired account codes."""
    AccountCode.objects.filter(expires_at__lte=at).delete()
