"""The decorator for actions by staff. Nothing is saved if the staff member has lost a role meanwhile."""

from functools import wraps

from django.db import models, transaction

from portal.prepared import prepared

from .models import StaffRole


class RoleEnded(Exception):
    """The staff member has lost a role since the request began. Nothing was saved."""


def staff_action(action=None, *, also=None):
    """Run the action in one transaction that first locks the roles of the staff member `by`.

    `also` names an argument that holds a second staff member, or None. Both are locked in one query, so that
    two actions can't wait for each other. Raises RoleEnded, see `lock_roles`.
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

    Raises RoleEnded if one of them has no role, or if a role has ended or changed since `person.roles` was
    read. Call it before any other row is locked: ending a role locks in the same order.
    """
    locked = set(_locked_roles(people=[person.pk for person in people]))
    for person in people:
        known = {(person.pk, role.branch_id, role.role) for role in person.roles}
        if not person.is_staff or not known <= locked:
            raise RoleEnded


@prepared(people=models.BigAutoField())
def _locked_roles(people):
    roles = StaffRole.objects.select_for_update(no_key=True).filter(user__in=people).order_by("pk")
    return roles.values_list("user_id", "branch_id", "role")
