"""Give and end staff roles.

When a staff member leaves, portal/conversations/departures.py also unassigns their conversations.
"""

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Q

from accounts.sign_in.sign_ins import end_all_sign_ins
from accounts.staff_actions import RoleEnded, known_roles, staff_action

from .. import audit
from ..models import AddressChange, Branch, Invitation, InvitedRole, StaffRole, User
from ..patron.children import end_childs_record
from ..sign_in.desk_pins import remove_pin
from ..sign_in.security_mails import mail_security_notice
from . import absences


class LastCoordinator(Exception):
    """The library's last coordinator can't leave, because nobody else could change the settings."""


@transaction.atomic
def give_role(person, *, branch, role, by, at):
    """Give the person a role at `branch`, or change the role that they have there.

    Raises LastCoordinator, and RoleEnded if `by` has lost a role.
    """
    save_role(person, lock_for_role_change(person, by), branch=branch, role=role, by=by, at=at)


def save_role(person, own_roles, *, branch, role, by, at):
    """Save the role. `own_roles` is what `lock_for_role_change` returned. Raises LastCoordinator.

    If this is the person's first role, delete their passkeys and a pending change of address. The person may
    have added a passkey after a sign-in that is too weak for staff. A child's record becomes an ordinary
    record.
    """
    if role != StaffRole.Role.COORDINATOR:
        _require_other_coordinator(ending=own_roles.filter(branch=branch))
    if not own_roles.exists():
        # Lock the person, so that nobody can add a passkey or start a change of address before the role is
        # saved.
        list(User.objects.select_for_update(no_key=True).filter(pk=person.pk))
        AddressChange.objects.filter(person=person).delete()
        end_childs_record(person, by=by, at=at)
        if person.passkeys.all().delete()[0]:
            mail_security_notice(person, "ended_passkeys")
    StaffRole.objects.update_or_create(user=person, branch=branch, defaults={"role": role})
    _end_invitations(person)
    audit.record(f"made_{role}", branch, by=by, patron=person, at=at)


@transaction.atomic
def end_role(person, *, branch, by, at):
    """End the person's role at `branch`. The person remains a patron.

    If this was the person's last role, sign the person out everywhere, and delete the authenticator app and
    the PIN. Views call portal.conversations.departures.end_role instead, which also releases the person's
    conversations.

    Raises LastCoordinator, and RoleEnded if `by` has lost a role.
    """
    own_roles = lock_for_role_change(person, by)
    _require_other_coordinator(ending=own_roles.filter(branch=branch))
    own_roles.filter(branch=branch).delete()
    if not own_roles.exists():
        Authenticator.objects.filter(user=person).delete()
        remove_pin(person, by=by, at=at)
        end_all_sign_ins(person)
        mail_security_notice(person, "ended_last_role")
    absences.stop_covering(person, branch=branch, at=at)
    _end_invitations(person)
    audit.record("removed_role", branch, by=by, patron=person, at=at)


@staff_action
def forget_second_factor(person, *, by, at):
    """Remove the authenticator app, passkeys and PIN of a staff member who has lost their phone.

    The lost phone may be signed in. So if `by` is another person, the staff member is also signed out
    everywhere. Afterward, the staff member can sign in with an emailed code, and set up a new second factor.
    """
    Authenticator.objects.filter(user=person).delete()
    person.passkeys.all().delete()
    remove_pin(person, by=by, at=at)
    if person != by:
        end_all_sign_ins(person)
    audit.record("removed_second_factor", person, by=by, patron=person, at=at)
    mail_security_notice(person, "forgot_second_factor")


def lock_for_role_change(person, *staff):
    """Lock the roles of the person, of `staff` and of all coordinators, and return the person's roles.

    `staff` are the staff members who change the roles. Call this function before you lock other rows. The
    rows are locked in the order of their primary keys, because that avoids deadlocks. Raises RoleEnded if one
    of `staff` has lost a role since their roles were read.
    """
    known = known_roles(*staff)
    rows = StaffRole.objects.select_for_update().filter(
        Q(user__in=[person, *staff]) | Q(role=StaffRole.Role.COORDINATOR)
    )
    if not known <= set(rows.order_by("pk").values_list("user_id", "branch_id", "role")):
        raise RoleEnded
    return StaffRole.objects.filter(user=person)


def _end_invitations(person):
    """Delete the invitations that the person sent for branches that they no longer coordinate."""
    invited = InvitedRole.objects.filter(invitation__invited_by=person)
    coordinates = StaffRole.objects.filter(user=person, role=StaffRole.Role.COORDINATOR).exists()
    (invited.exclude(branch__in=Branch.objects.at_desk_of(person)) if coordinates else invited).delete()
    Invitation.objects.filter(invited_by=person, roles=None).delete()


def _require_other_coordinator(*, ending):
    """Raise LastCoordinator if ending the roles in `ending` would leave the library without a coordinator."""
    coordinators = set(
        StaffRole.objects.filter(role=StaffRole.Role.COORDINATOR, user__is_active=True).values_list(
            "pk", flat=True
        )
    )
    going = set(ending.filter(role=StaffRole.Role.COORDINATOR).values_list("pk", flat=True))
    if going and not coordinators - going:
        raise LastCoordinator
