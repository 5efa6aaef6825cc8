"""Functions that find the branch and the service point for a request."""

from portal.helpsessions import choices

from .params import number_or_none


def branch_for(request):
    """Return the branch whose primary key is in the request, if the staff member works at this branch.

    Otherwise return the staff member's first branch.
    """
    branches = [role.branch for role in request.user.roles]
    pk = number_or_none(request.POST.get("branch") or request.GET.get("branch"))
    return next((branch for branch in branches if branch.pk == pk), next(iter(branches), None))


def service_point(request, branch):
    """Return the service point of this branch that has the same name as the shared desk computer.

    Return None if there is none, if the request came from another computer, or if the shared computer is at
    another branch.
    """
    desk = request.shared_desk
    return choices.point_named(desk.name, branch.pk) if desk and desk.branch_id == branch.pk else None
