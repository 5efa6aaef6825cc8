"""The page where staff choose which notices about the desk they get, and when."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.sign_in.access import staff_only
from portal.notifications.choices import Choices, choose
from portal.notifications.forms import NoticesForm, initial_choices, initial_times
from portal.notifications.kinds import kinds_to_choose
from portal.notifications.models import NoticeTimes
from portal.notifications.push.on_pages import push_on_page


@staff_only
def desk_notices(request):
    """Show the choices, or save them on POST. There is one choice per kind of notice and branch."""
    person = request.user
    kinds = kinds_to_choose(staff=True, coordinator=person.is_coordinator)
    branches = [role.branch for role in person.roles] if len(person.roles) > 1 else []
    times = NoticeTimes.objects.filter(person=person).first()
    push = push_on_page(request)
    form = NoticesForm(
        request.POST if request.method == "POST" else None,
        kinds=kinds,
        branches=branches,
        library=request.library,
        push=push is not None and push.may_be_chosen,
        for_staff=True,
        initial=initial_choices(Choices(person), kinds, branches) | initial_times(times),
    )
    if form.is_valid():
        choose(person, form.chosen(), form.chosen_times())
        messages.success(request, _("Your choices are saved."))
        return redirect("desk_notices")
    sections = [(branch, form.at(branch)) for branch in branches]
    return render(request, "desk/notices.html", {"form": form, "sections": sections, "push": push})
