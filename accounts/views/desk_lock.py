"""A shared desk computer that nobody is signed in on: staff open it by their PIN."""

from django.contrib import messages
from django.http import HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.forms import OpenByPinForm
from accounts.models import RefusedPost
from accounts.sign_in import desk_pins
from accounts.sign_in.access import safe_next, sign_in
from accounts.staff import desk_lock
from portal.security_log import note


@sensitive_post_parameters("pin")
def locked(request):
    """Who works here and has a PIN; of one of them, the PIN. Whoever was here last is asked for theirs at once."""
    if request.user.is_authenticated:
        return redirect(_where_they_were(request, request.user))
    desk = desk_lock.desk_here(request)
    if desk is None:
        return _to_sign_in(request)
    people = desk_pins.people_at(desk)
    whose = request.POST.get("whose") or request.GET.get("whose") or ""
    chosen = request.POST.get("who") or request.GET.get("who") or whose
    who = next((person for person in people if str(person.public_id) == chosen), None)
    form = OpenByPinForm(request.POST or None, desk=desk, person=who) if who else None
    if form and form.is_valid():
        return _let_in(request, who, wrong=form.wrong)
    if form and form.is_bound:
        note(request, "too_often" if form.shut or form.closed else "refused", what="desk_pin")
    if form and form.closed:
        messages.error(
            request,
            _(
                "Too many PINs were wrong, so this computer is closed. Somebody unlocks it again with their second factor."
            ),
        )
        return _to_sign_in(request)
    context = {
        "desk": desk,
        "form": form,
        "who": who,
        "people": _named(people),
        "next": safe_next(request),
        "whose": whose,
    }
    return render(request, "accounts/locked.html", context)


@require_POST
def lock(request):
    """Whoever is signed in here no longer is. Their drafts rest on the server."""
    if request.shared_desk is None and not desk_lock.is_locked(request):
        return redirect("home")
    return desk_lock.lock(request, going_to=safe_next(request))


def _let_in(request, person, *, wrong):
    request.session.flush()  # what the browser was before is not theirs
    sign_in(request, person, by="desk_pin")
    request.session[desk_pins.BY_PIN] = True
    if wrong:
        words = ngettext(
            "There was %(count)s wrong PIN with your name on this computer before this one. If that wasn't you, choose another PIN.",
            "There were %(count)s wrong PINs with your name on this computer before this one. If that wasn't you, choose another PIN.",
            wrong,
        )
        messages.warning(request, words % {"count": wrong})
    return redirect(_where_they_were(request, person))


def _where_they_were(request, person):
    """What was refused while the computer was locked comes first; then their page, if it was theirs; otherwise the queue."""
    if RefusedPost.objects.offered_to(person, at=timezone.now()).exists():
        return reverse("kept")
    was_theirs = str(person.public_id) == (request.POST.get("whose") or request.GET.get("whose"))
    return (was_theirs and safe_next(request)) or reverse("desk" if person.is_staff else "home")


def _to_sign_in(request):
    going_to = safe_next(request)
    response = HttpResponseRedirect(
        f"{reverse('sign_in')}?{urlencode({'next': going_to if going_to == reverse('kept') else reverse('desk')})}"
    )
    response.delete_cookie(desk_lock.DESK_TOKEN, samesite="Lax")
    return response


def _named(people):
    """(person, the name on their button): the first name, or where two have the same the whole."""
    first = [person.name.split()[0] if person.name else person.display_name for person in people]
    return [
        (person, name if first.count(name) == 1 else person.display_name)
        for person, name in zip(people, first, strict=True)
    ]
