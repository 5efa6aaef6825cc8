"""How long the library remembers: chosen, explained with its days, and only then made so."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.patron import retention_choice
from accounts.sign_in.access import recently_authenticated
from portal.privacy.forms import RememberForm
from portal.privacy.retention_preview import effect


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def remember(request):
    """Without a choice the form; with one in the address what it would do; a POST makes it so. Undoing is the POST of the choice before."""
    asked = request.GET if "remember" in request.GET else None
    form = RememberForm(
        request.POST if "remember" in request.POST else asked,
        initial=_now(request.user),
        is_child=request.user.is_child,
    )
    if not form.is_valid():
        return render(
            request,
            "privacy/remember.html",
            {"form": form, "effect": []},
            status=422 if form.is_bound else 200,
        )
    at, choice = timezone.now(), form.cleaned_data
    sentences = effect(request.user, **choice, at=at)
    if request.method != "POST":
        return render(request, "privacy/remember.html", {"form": form, "effect": sentences})
    if not recently_authenticated(request):  # whoever finds the device open could have all of it forgotten
        return redirect(f"{reverse('reauthenticate')}?{urlencode({'next': _address_of(choice)})}")
    before = _now(request.user)
    retention_choice.choose(
        request.user, **choice, wording="\n".join(sentences), language=get_language(), at=at
    )
    messages.success(
        request,
        _("That is how long the library remembers from now on."),
        extra_tags=f"undo={_address_of(before)}",
    )
    return redirect("privacy")


def _address_of(choice):
    return f"{reverse('remember')}?{urlencode({name: value for name, value in choice.items() if value})}"


def _now(person):
    chosen = retention_choice.chosen_by(person)
    return {
        "remember": chosen,
        "until": person.remember_until if chosen == retention_choice.Remember.UNTIL else None,
    }
