"""The defaults for the notices of patrons and staff."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.sign_in.access import coordinator_only
from portal.notifications.choices import Choices, set_defaults
from portal.notifications.forms import KindsForm, initial_choices
from portal.notifications.kinds import kinds_to_choose


@coordinator_only
def notice_defaults(request):
    """Choose how each notice reaches people who have chosen nothing themselves."""
    kinds = [*kinds_to_choose(staff=False), *kinds_to_choose(staff=True)]
    form = KindsForm(
        request.POST if request.method == "POST" else None,
        kinds=kinds,
        initial=initial_choices(Choices(None), kinds),
    )
    if form.is_valid():
        set_defaults(form.chosen(), library=request.library, by=request.user, at=timezone.now())
        messages.success(request, _("Defaults for notices saved."))
        return redirect("settings")
    fields = {"for_patrons": [], "for_staff": []}
    for kind, field in zip(kinds, form.at(), strict=True):
        fields["for_staff" if kind.for_staff else "for_patrons"].append(field)
    return render(request, "desk/library/notices.html", {"form": form, **fields})
