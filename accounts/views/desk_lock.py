"""The page of a locked shared desk computer, where staff sign in with their PIN."""

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

from accounts.forms.desk_pins import OpenByPinForm
from accounts.models import RefusedPost
from accounts.refused_form import put_back
from accounts.sign_in import desk_pins
from accounts.sign_in.access import safe_next, sign_in
from accounts.staff import desk_lock
from accounts.staff.attendance import record_attendance
from portal.security_log import note


@sensitive_post_parameters("pin")
def locked(request):
    """List the staff who have a PIN, and ask the chosen staff member for their PIN.

    By default, the staff member who used the computer last is chosen.
    """
    if request.user.is_authenticated:
        return redirect(_where_they_were(request, request.user))
    desk = desk_lock.shared_desk_here(request)
    if desk is None:
        return _to_sign_in(request)
    people = desk_pins.people_with_pin(desk)
    whose = request.POST.get("whose") or request.GET.get("whose") or ""
    chosen = request.POST.get("who") or request.GET.get("who") or whose
    who = next((person for person in people if str(person.public_id) == chosen), None)
    form = OpenByPinForm(request.POST or None, desk=desk, person=who) if who else None
    if form and form.is_valid():
        return _let_in(request, who, wrong=form.wrong)
    if form and form.is_bound:
        note(request, "too_often" if form.blocked or form.closed else "refused", what="desk_pin")
    if form and form.closed:
        messages.error(
            request,
            _(
                "Too many wrong PINs, so this computer is closed. "
                "A staff member can unlock it again with their second factor."
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
    """Sign the staff member out of the shared computer. Their drafts are already saved on the server."""
    if request.shared_desk is None and not desk_lock.is_locked(request):
        return redirect("home")
    return desk_lock.lock(request, going_to=safe_next(request))


def _let_in(request, person, *, wrong):
    # Delete the old session, because it may contain data of the previous person.
    request.session.flush()
    sign_in(request, person, by="desk_pin")
    request.session[desk_pins.BY_PIN] = True
    record_attendance(person, at=timezone.now())
    if wrong:
        words = ngettext(
            "On this computer, a wrong PIN was entered under your name %(count)s time. "
            "If that wasn't you, change your PIN.",
            "On this computer, a wrong PIN was entered under your name %(count)s times. "
            "If that wasn't you, change your PIN.",
            wrong,
        )
        messages.warning(request, words % {"count": wrong})
    [post, *others] = [*RefusedPost.objects.offered_to(person, at=timezone.now()), None]
    if post and others == [None] and (page := put_back(request, post)):
        messages.warning(
            request, _("This computer was locked, so nothing was sent. Your text is still here.")
        )
        return redirect(page)
    return redirect(_where_they_were(request, person))


def _where_they_were(request, person):
    """Return the URL of the first page after the person signs in.

    This is the page that lists the person's refused forms, if there are any. Otherwise it is the person's own
    last page, if it is known. Otherwise it is the desk, or the home page for a person who is not staff.
    """
    if RefusedPost.objects.offered_to(person, at=timezone.now()).exists():
        return reverse("kept")
    was_theirs = str(person.public_id) == (request.POST.get("whose") or request.GET.get("whose"))
    return (was_theirs and safe_next(request)) or reverse("desk" if person.is_staff else "home")


def _to_sign_in(request):
    next_page = reverse("kept") if safe_next(request) == reverse("kept") else reverse("desk")
    response = HttpResponseRedirect(f"{reverse('sign_in')}?{urlencode({'next': next_page})}")
    response.delete_cookie(desk_lock.DESK_TOKEN, samesite="Lax")
    return response


def _named(people):
    """Return [(person, name)], where `name` is the person's first name.

    If several of the people have the same first name, return their full names instead.
    """
    first = [person.name.split()[0] if person.name else person.display_name for person in people]
    return [
        (person, name if first.count(name) == 1 else person.display_name)
        for person, name in zip(people, first, strict=True)
    ]
