"""The branch and the service point that a posted form belongs to."""

from .params import number_or_none


def branch_for(request):
    """Return the branch that the request names, if the staff member works there.

    Otherwise return the staff member's first branch.
    """
    branches = [role.branch for role in request.user.roles]
    pk = number_or_none(request.POST.get("branch") or request.GET.get("branch"))
    return next((branch for branch in branches if branch.pk == pk), next(iter(branches), None))


def service_point(request, branch):
    """Return the name of the shared desk computer that the request came from.

    Return "" if it came from another computer, or if the shared computer is at another branch.
    """
    desk = request.shared_desk
    return desk.name if desk and desk.branch_id == branch.pk else ""
