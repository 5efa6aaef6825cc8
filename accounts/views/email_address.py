"""Another address, or a first one: proven by a code, and then confirmed by the old one, or stopped there."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms import AddressForm, CodeForm
from accounts.models import AddressChange, Library
from accounts.patron import people
from accounts.sign_in import email_addresses, library_cards
from accounts.sign_in.access import lately_proved, lately_read, note_other_record, note_read, to_prove
from accounts.sign_in.emailed_codes import EmailedCode
from accounts.sign_in.single_sign_on import accounts_of, has_another_sign_in_method
from accounts.views.prove import ask_by_code
from portal import limits
from portal.templatetags.portal import day_in_a_sentence

NEW_ADDRESS = "new_address"  # the one at which they have read a code, while the old one is asked


@login_required
def add_address(request):
    """Whoever can shows first that it is still them: an address lets in whoever reads it. For a person whom only this device can show, its
    code is enough. Then come the new address, the code from there, and the old address."""
    if _can_prove(request.user) and not lately_proved(request):
        return to_prove(request)
    process = EmailedCode.going_on(request, purpose="add_address")
    new = request.session.get(NEW_ADDRESS)
    if request.POST.get("another"):
        request.session.pop(NEW_ADDRESS, None)
        if process:
            process.abort()
        return redirect("add_address")
    if new in lately_read(request) and new != request.user.email:
        return _ask_old(request, new)
    return _ask_code(request, process) if process else _ask_address(request)


def _can_prove(person):
    return has_another_sign_in_method(person) or accounts_of(person).exists()


@login_required
@require_POST
def keep_address(request):
    """They have thought better of a change that waits."""
    if email_addresses.keep_address(request.user, at=timezone.now()):
        messages.success(request, _("Your address stays as it is."))
    return redirect("me")


def stop_address(request, token):
    """For whoever reads the old address: opened from a mail, so that looking changes nothing; a button does."""
    try:
        change = email_addresses.change_to_stop(token)
        if request.method == "POST":
            email_addresses.stop_change(token, at=timezone.now())
            if request.user == change.person:
                logout(request)  # here too, and what is written into a session that ended is refused
    except email_addresses.UnknownChange:
        return render(request, "accounts/stop_address.html", {"unknown": True}, status=404)
    return render(
        request,
        "accounts/stop_address.html",
        {"email": change.person.email, "done": request.method == "POST"},
    )


def _ask_address(request):
    form = AddressForm(
        request.POST or None,
        request=request,
        initial={"email": email_addresses.offered_address(request.user)},
    )
    if form.is_valid():
        EmailedCode.start(request, purpose="add_address", email=form.cleaned_data["email"])
        return redirect("add_address")
    card, sign_on = library_cards.card_of(request.user), accounts_of(request.user).exists()
    return _page(
        request, form=form, card=card, sign_on=sign_on, waits=email_addresses.change_that_waits(request.user)
    )


def _ask_code(request, process):
    form = CodeForm(request.POST or None, request=request, process=process)
    if form.is_valid():
        process.abort()
        note_read(request, process.email)
        request.session[NEW_ADDRESS] = process.email
        return _change(request, process.email)
    if form.is_bound and not process.record_invalid_attempt():
        messages.error(
            request,
            _(
                "That was not the code either, so it no longer works. Write your address again to get a new one."
            ),
        )
        return redirect("add_address")
    return _page(request, form=form, email=process.email)


def _ask_old(request, new):
    """A code from there, or a week. Where it has said yes already, by the code that let them in or showed that it is still them, a button is enough."""
    old = email_addresses.proven_address(request.user)
    if old in ("", *lately_read(request)):
        return _change(request, new) if request.method == "POST" else _page(request, new=new, confirmed=True)
    if request.POST.get("wait"):
        return _wait(request, new)
    return ask_by_code(
        request,
        purpose="old_address",
        email=old,
        then=lambda: _change(request, new),
        page=lambda form: _page_of_old(request, form, new, old),
    )


def _change(request, new):
    try:
        email_addresses.change_address(
            request.user, email=new, read_at=lately_read(request), at=timezone.now()
        )
    except (
        email_addresses.NotYet,
        IntegrityError,
    ):  # somebody else's at this very moment: asked again, it is taken
        return redirect("add_address")
    except people.AddressTaken as taken:
        del request.session[NEW_ADDRESS]
        note_other_record(request, taken.person)
        return redirect("merge_records")
    del request.session[NEW_ADDRESS]
    messages.success(request, _("From now on you can sign in with this address on any device."))
    return redirect("me")


def _wait(request, new):
    limits.count(request, "address_change")
    try:
        change = email_addresses.change_in_a_week(request.user, email=new, at=timezone.now())
    except email_addresses.NotByWaiting:
        return redirect("add_address")
    except people.AddressTaken:
        messages.error(
            request,
            _(
                "With that address you have another library account already. Any desk of the library can make the two one."
            ),
        )
    else:
        day = day_in_a_sentence(change.happens_on)
        messages.success(
            request,
            _("On %(day)s the new address takes the place of this one. Until then you sign in as before.")
            % {"day": day},
        )
    del request.session[NEW_ADDRESS]
    return redirect("me")


def _page_of_old(request, form, new, old):
    happens_on = Library.current().today(timezone.now() + AddressChange.WAITS)
    return _page(request, form=form, new=new, old=old, happens_on=happens_on)


def _page(request, **context):
    return render(
        request,
        "accounts/add_address.html",
        {"now": request.user.email, "read": lately_read(request), **context},
    )
