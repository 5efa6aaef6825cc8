"""The branch and the service point that a posted form belongs to."""

from accounts.models import Branch

from .params import number_or_none


def branch_for(request):
    """Return the branch that the request names, if the staff member works there.

    Otherwise return the staff member's first branch.
    """
    own_branches = Branch.objects.filter(pk__in=request.user.desk_branch_ids)
    pk = number_or_none(request.POST.get("branch") or request.GET.get("branch"))
    return own_branches.filter(pk=pk).first() or own_branches.first()


def service_point(request, branch):
    """Return the name of the shared desk computer that the request came from.

    Return "" if it came from another computer, or if the shared computer is at another branch.
    """
    desk = request.shared_desk
    return desk.name if desk and desk.branch_id == branch.pk else ""
