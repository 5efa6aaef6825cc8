"""The page where patrons choose which emails they get from the library, and when."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portal.notifications.choices import Choices, choose
from portal.notifications.forms import NoticesForm, initial_choices, initial_times
from portal.notifications.kinds import kinds_to_choose
from portal.notifications.models import NoticeTimes
from portal.notifications.push.on_pages import push_on_page


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def notices(request):
    """Show the person's choices about notices. A POST saves the choices."""
    person, kinds = request.user, kinds_to_choose(staff=False)
    times = NoticeTimes.objects.filter(person=person).first()
    push = push_on_page(request)
    form = NoticesForm(
        request.POST if request.method == "POST" else None,
        kinds=kinds,
        library=request.library,
        push=push is not None and push.may_be_chosen,
        initial=initial_choices(Choices(person), kinds) | initial_times(times),
    )
    if form.is_valid():
        choose(person, form.chosen(), form.chosen_times())
        messages.success(request, _("Your choices are saved."))
        return redirect("notices")
    return render(request, "notifications/notices.html", {"form": form, "push": push})
