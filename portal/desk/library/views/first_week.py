"""The page "Your first week" for coordinators, and a page for each step that has no settings page."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from accounts import library as actions
from accounts.models import Branch
from accounts.sign_in.access import coordinator_only
from portal import limits
from portal.conversations import reply_templates
from portal.conversations.starter_templates import STARTERS
from portal.desk.languages import language_choices
from portal.desk.library.first_week import latest_test_email, steps
from portal.desk.library.forms.starter_templates import StarterTemplatesForm
from portal.htmx import render_page
from portal.notifications.actions import TEST_EMAIL
from portal.notifications.models import Notification
from portal.notifications.writing import notify
from recommendations.models import Item


@coordinator_only
@require_GET
def first_week(request):
    """List the steps of the first week, with a check mark for each step that is done."""
    listed = steps(request.library)
    context = {"steps": listed, "done": sum(step.done for step in listed)}
    return render(request, "desk/library/first_week.html", context)


@coordinator_only
@require_POST
def hide_first_week(request):
    """Hide the link in the queue to the page "Your first week". The button `show` shows the link again."""
    hidden = "show" not in request.POST
    actions.hide_first_week(request.library, hidden=hidden, by=request.user, at=timezone.now())
    if hidden:
        messages.success(request, _("List hidden. You can still find it at the end of the settings."))
    return redirect("settings" if hidden else "first_week")


@coordinator_only
def first_week_email(request):
    """Send a test email to the coordinator, and show whether it was delivered.

    While the email is on its way, the page polls. Each poll sends the state that the page shows. If the email
    is still in this state, the response is empty.
    """
    if request.method == "POST" and request.user.email:
        limits.count(request, "test_email")
        notify(
            TEST_EMAIL,
            to=request.user.email,
            at=timezone.now(),
            recipient=request.user,
            language=request.user.language,
            context={},
        )
        return redirect("first_week_email")
    email = latest_test_email(request.user)
    shown = request.GET.get("shown")
    if shown and email and shown == _state_of(email):
        return HttpResponse(status=204)
    context = {
        "email": email,
        "states": Notification.State,
        "state": _state_of(email) if email else "",
        "address": request.user.email,
    }
    return render_page(request, "desk/library/first_week_email.html", context, partial=shown and "state")


def _state_of(email):
    """Return the email's state in one word.

    The state is "failing" if the email failed but will be tried again.
    """
    is_failing = email.state == Notification.State.WAITING and email.last_error
    return "failing" if is_failing else email.state


@coordinator_only
@require_GET
def first_week_catalog(request):
    """Show how many items are in the catalog, and how to import a catalog."""
    context = {
        "items": Item.objects.filter(retired_at=None).count(),
        "branches": Branch.objects.filter(closed_at=None),
    }
    return render(request, "desk/library/first_week_catalog.html", context)


@coordinator_only
@require_GET
def first_week_backup(request):
    """Show when the last backup was made, and how to make and restore one."""
    return render(request, "desk/library/first_week_backup.html")


@coordinator_only
def starter_templates(request):
    """Offer the starter templates, and add the ones that the coordinator chose."""
    form = StarterTemplatesForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        added = reply_templates.add_starter_templates(
            form.cleaned_data["chosen"], by=request.user, at=timezone.now()
        )
        words = ngettext(
            "%(count)s template added. Open it to change its text.",
            "%(count)s templates added. Open one to change its text.",
            added,
        )
        messages.success(request, words % {"count": added})
        return redirect("reply_templates")
    context = {"form": form, "languages": _starters_by_language(request, form)}
    return render(request, "desk/library/starter_templates.html", context)


def _starters_by_language(request, form):
    """Return [(code, name of the language, rows)]. The library's language comes first and is preselected.

    A row is (number, starter, whether the library has a template with this name, whether it is selected).
    """
    taken = reply_templates.taken_names()
    names = dict(language_choices())
    own = request.library.language
    codes = sorted({starter.language for starter in STARTERS}, key=lambda code: (code != own, code))
    selected = set(request.POST.getlist("chosen")) if form.is_bound else None
    languages = []
    for code in codes:
        rows = []
        for number, starter in enumerate(STARTERS):
            if starter.language == code:
                is_selected = code == own if selected is None else str(number) in selected
                rows.append((number, starter, (code, starter.name.casefold()) in taken, is_selected))
        languages.append((code, names.get(code, code), rows))
    return languages
