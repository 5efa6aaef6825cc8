"""Let patrons choose how long the library remembers their visits. They see the effect before they confirm."""

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
    """Show the form for the retention choice. If the URL contains a choice, also show its effect.

    A POST saves the choice. The "Undo" button sends the earlier choice as a POST.
    """
    asked = request.GET if "remember" in request.GET else None
    form = RememberForm(
        request.POST if "remember" in request.POST else asked,
        initial=_current_choice(request.user),
        is_child=request.user.is_child,
    )
    if not form.is_valid():
        context = {"form": form, "effect": []}
        return render(request, "privacy/remember.html", context, status=422 if form.is_bound else 200)
    at, choice, before = timezone.now(), form.cleaned_data, _current_choice(request.user)
    sentences = effect(request.user, **choice, at=at)
    if request.method != "POST":
        is_unchanged = choice == before
        context = {"form": form, "effect": [] if is_unchanged else sentences, "is_unchanged": is_unchanged}
        return render(request, "privacy/remember.html", context)
    # Without reauthentication, anyone who finds the device signed in could have all visits deleted.
    if not recently_authenticated(request):
        return redirect(f"{reverse('reauthenticate')}?{urlencode({'next': _address_of(choice)})}")
    retention_choice.choose(
        request.user, **choice, wording="\n".join(sentences), language=get_language(), at=at
    )
    messages.success(request, _("Your choice is saved."), extra_tags=f"undo={_address_of(before)}")
    return redirect("privacy")


def _address_of(choice):
    return f"{reverse('remember')}?{urlencode({name: value for name, value in choice.items() if value})}"


def _current_choice(person):
    chosen = retention_choice.chosen_by(person)
    return {
        "remember": chosen,
        "until": person.remember_until if chosen == retention_choice.Remember.UNTIL else None,
    }
