"""The page where coordinators say which branch a code of the library's own system belongs to."""

from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import F
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import branch_codes as actions
from accounts.models import Branch, BranchCode
from accounts.sign_in.access import coordinator_only
from portal.desk.library.forms.branch_codes import BranchCodeForm


@coordinator_only
def branch_codes(request):
    """List the branch codes. On POST, add a code, or assign a branch to an unknown code of an import."""
    form = BranchCodeForm(request.POST or None)
    if form.is_valid() and _add(request, form):
        return redirect("branch_codes")
    codes = BranchCode.objects.select_related("branch")
    context = {
        "form": form,
        "codes": codes.filter(branch__isnull=False).order_by("branch__name", "code"),
        "unknown": codes.filter(branch=None).order_by(F("met").desc(), "code"),
        "branches": Branch.objects.filter(closed_at=None),
    }
    return render(request, "desk/library/branch_codes.html", context)


@coordinator_only
@require_POST
def remove_branch_code(request, public_id):
    """Remove a code. The message has a button that adds it again."""
    code = get_object_or_404(BranchCode.objects.select_related("branch"), public_id=public_id)
    actions.remove_code(code, by=request.user, at=timezone.now())
    undo = ""
    if code.branch:
        query = urlencode({"code": code.code, "branch": code.branch.slug})
        undo = f"undo={reverse('restore_branch_code')}?{query}"
    messages.success(request, _("%(code)s removed.") % {"code": code.code}, extra_tags=undo)
    return redirect("branch_codes")


@coordinator_only
@require_POST
def restore_branch_code(request):
    """Add a removed code again. The query string contains the code and the slug of its branch."""
    branch = get_object_or_404(Branch, slug=request.GET.get("branch", ""))
    request.POST = {"code": request.GET.get("code", ""), "branch": branch.pk}
    return branch_codes(request)


def _add(request, form):
    """Add the code and return True, or add an error to the form."""
    code, branch = form.cleaned_data["code"], form.cleaned_data["branch"]
    try:
        row = actions.add_code(code, branch=branch, by=request.user, at=timezone.now())
    except actions.CodeTaken as taken:
        form.add_error(
            "code",
            _("This code belongs to %(branch)s. Remove it there first.") % {"branch": taken.branch},
        )
        return False
    words = [_("%(code)s now means %(branch)s.") % {"code": row.code, "branch": branch}]
    if row.met:
        words.append(
            ngettext(
                "Import the catalog again to show %(count)s item at this branch.",
                "Import the catalog again to show %(count)s items at this branch.",
                row.met,
            )
            % {"count": row.met}
        )
    messages.success(request, " ".join(words))
    return True
