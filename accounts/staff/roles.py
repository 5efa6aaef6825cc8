"""Who works at which desk. What else ends with a role, of what lies above: portal/conversations/departures.py."""

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Q

from accounts.sign_in.sign_ins import end_all_sign_ins
from accounts.staff_actions import staff_action

from .. import audit
from ..models import AddressChange, Branch, Invitation, InvitedRole, StaffRole, User
from ..patron.children import end_childs_record
from ..sign_in.desk_pins import remove_pin
from ..sign_in.security_mails import mail_security_notice
from . import absences


class LastCoordinator(Exception):
    """Without them nobody could change the settings any more."""


@transaction.atomic
def give_role(person, *, branch, role, by, at):
    """The person works at `branch` as that, whether they did already or not. Raises LastCoordinator.

    Whoever worked at no desk until now has made their passkeys as a patron, by proofs that are too weak for staff: as a second factor
    they would open the desk, so they end. So does a change of address that waits: it needed no more than they did. Staff have no child's
    record: it is none from now on.
    """
    theirs = lock_for_role_change(person)
    if role != StaffRole.Role.COORDINATOR:
        _leave_a_coordinator(without=theirs.filter(branch=branch))
    if not theirs.exists():
        list(User.objects.select_for_update(no_key=True).filter(pk=person.pk))  # none begins in between
        AddressChange.objects.filter(person=person).delete()
        end_childs_record(person, by=by, at=at)
        if person.passkeys.all().delete()[0]:
            mail_security_notice(person, "ended_passkeys")
    StaffRole.objects.update_or_create(user=person, branch=branch, defaults={"role": role})
    _end_invitations(person)
    audit.record(f"made_{role}", branch, by=by, patron=person, at=at)


@transaction.atomic
def end_role(person, *, branch, by, at):
    """The person no longer works at `branch`; what they have as a patron stays. Raises LastCoordinator.

    With the last role they are signed out everywhere, and what opened the desk goes. From a page: portal.conversations.departures.end_role,
    which also frees what they had taken.
    """
    theirs = lock_for_role_change(person)
    _leave_a_coordinator(without=theirs.filter(branch=branch))
    theirs.filter(branch=branch).delete()
    if not theirs.exists():
        Authenticator.objects.filter(user=person).delete()
        remove_pin(person, by=by, at=at)
        end_all_sign_ins(person)
        mail_security_notice(person, "ended_last_role")
    absences.stop_covering(person, branch=branch, at=at)
    _end_invitations(person)
    audit.record("removed_role", branch, by=by, patron=person, at=at)


@staff_action
def forget_second_factor(person, *, by, at):
    """For somebody whose phone is lost, app and passkeys: at the desk's door they set up a new one, after a new code by mail.

    Whoever has the phone may be signed in on it, behind the door: that ends too."""
    Authenticator.objects.filter(user=person).delete()
    person.passkeys.all().delete()
    remove_pin(person, by=by, at=at)
    if person != by:
        end_all_sign_ins(person)
    audit.record("removed_second_factor", person, by=by, patron=person, at=at)
    mail_security_notice(person, "forgot_second_factor")


def lock_for_role_change(person):
    """The roles of the person; none of theirs and no coordinator's changes until the transaction ends. It too comes before all other rows."""
    rows = StaffRole.objects.select_for_update().filter(Q(user=person) | Q(role=StaffRole.Role.COORDINATOR))
    list(rows.order_by("pk").values_list("pk", flat=True))  # always in one order
    return StaffRole.objects.filter(user=person)


def _end_invitations(person):
    """Those that they sent to where they no longer coordinate."""
    invited = InvitedRole.objects.filter(invitation__invited_by=person)
    coordinates = StaffRole.objects.filter(user=person, role=StaffRole.Role.COORDINATOR).exists()
    (invited.exclude(branch__in=Branch.objects.at_desk_of(person)) if coordinates else invited).delete()
    Invitation.objects.filter(invited_by=person, roles=None).delete()


def _leave_a_coordinator(*, without):
    coordinators = set(
        StaffRole.objects.filter(role=StaffRole.Role.COORDINATOR, user__is_active=True).values_list(
            "pk", flat=True
        )
    )
    going = set(without.filter(role=StaffRole.Role.COORDINATOR).values_list("pk", flat=True))
    if going and not coordinators - going:
        raise LastCoordinator
