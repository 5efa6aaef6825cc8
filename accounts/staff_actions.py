"""The decorator for actions by staff.

A decorated action saves nothing if the staff member has lost a role since the request began.
"""

from functools import wraps

from django.db import models, transaction

from portal.prepared import prepared

from .models import StaffRole


class RoleEnded(Exception):
    """The staff member has lost a role since the request began. Nothing was saved."""


def staff_action(action=None, *, also=None):
    """Decorate an action so that it runs in a transaction, which first locks the roles of `by`.

    `by` is the staff member who does the action. If a second staff member can take part in the action, `also`
    is the name of the argument with this staff member. The argument can be None. One query locks the roles of
    both people, because two actions with two queries each could deadlock. The decorated action raises
    RoleEnded, as `lock_roles` does.
    """
    if action is None:
        return lambda decorated: staff_action(decorated, also=also)

    @wraps(action)
    @transaction.atomic
    def run(*args, by, **kwargs):
        second = kwargs[also] if also else None
        lock_roles(by, *([second] if second else []))
        return action(*args, by=by, **kwargs)

    run.is_staff_action = True
    return run


def lock_roles(*people):
    """Lock the roles of these staff members until the transaction ends.

    Raises RoleEnded if a person has no role, or if a role has ended or changed after `person.roles` was read.
    Call this function before you lock other rows, because otherwise it could deadlock with code that ends a
    role.
    """
    known = known_roles(*people)
    locked = set(_locked_roles(people=[person.pk for person in people]))
    if not known <= locked or not all(person.is_staff for person in people):
        raise RoleEnded


def lock_if_staff(person_pk, *, branch_pk=None):
    """Lock the roles of a person until the transaction ends, and return whether they have a role.

    If `branch_pk` is set, only a role at this branch counts.
    """
    roles = _locked_roles(people=[person_pk])
    return any(branch_pk in (None, branch) for _person, branch, _role in roles)


def known_roles(*people):
    """Return a set of (user id, branch id, role), read from the attribute `roles` of each person."""
    return {(person.pk, role.branch_id, role.role) for person in people for role in person.roles}


@prepared(people=models.BigAutoField())
def _locked_roles(people):
    roles = StaffRole.objects.select_for_update(no_key=True).filter(user__in=people).order_by("pk")
    return roles.values_list("user_id", "branch_id", "role")
