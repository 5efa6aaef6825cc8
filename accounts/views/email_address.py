"""The pages where people add or change their email address.

A person enters a code that was sent to the new address. Then they enter a code that was sent to the old
address, or the change waits a week.
"""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.forms.sign_in import AddressForm, CodeForm
from accounts.models import AddressChange, Library
from accounts.patron import people
from accounts.sign_in import email_addresses, library_cards
from accounts.sign_in.access import (
    recently_authenticated,
    recently_verified_addresses,
    record_verified_address,
    redirect_to_reauthenticate,
    remember_other_record,
)
from accounts.sign_in.emailed_codes import EmailedCode, claim_code
from accounts.sign_in.single_sign_on import has_another_sign_in_method, linked_accounts
from accounts.views.reauthenticate import ask_for_code, redirect_after_used_code
from portal import limits
from portal.templatetags.portal import day_in_a_sentence

# The session stores the confirmed new address under this key, until the old address is confirmed too.
NEW_ADDRESS = "new_address"


@login_required
def add_address(request):
    """Ask for the new address, for the code sent to it, and for the code sent to the old address.

    The person reauthenticates first, because later anyone who reads the new mailbox can sign in. A person
    without a sign-in method can't reauthenticate, and needs only the code sent to the new address.
    """
    if _can_reauthenticate(request.user) and not recently_authenticated(request):
        return redirect_to_reauthenticate(request)
    process = EmailedCode.resume(request, purpose="add_address")
    new = request.session.get(NEW_ADDRESS)
    if request.POST.get("another"):
        request.session.pop(NEW_ADDRESS, None)
        if process:
            process.abort()
        return redirect("add_address")
    if new in recently_verified_addresses(request) and new != request.user.email:
        return _ask_old(request, new)
    return _ask_code(request, process) if process else _ask_address(request)


def _can_reauthenticate(person):
    return has_another_sign_in_method(person) or linked_accounts(person).exists()


@login_required
@require_POST
def keep_address(request):
    """Cancel the person's pending change of address."""
    if email_addresses.keep_address(request.user, at=timezone.now()):
        messages.success(request, _("Your email address won't change."))
    return redirect("me")


def stop_address(request, token):
    """Show a page with a button that stops the change. The email to the old address has a link to this page.

    Opening the link stops nothing, because mail scanners open links automatically.
    """
    try:
        change = email_addresses.change_with_token(token)
        if request.method == "POST":
            email_addresses.stop_change(token, at=timezone.now())
            if request.user == change.person:
                # `stop_change` has deleted this request's session. Django can't save a deleted session, so
                # sign the person out.
                logout(request)
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
    card, sign_on = library_cards.card_of(request.user), linked_accounts(request.user).exists()
    return _page(
        request,
        form=form,
        card=card,
        sign_on=sign_on,
        waits=email_addresses.pending_address_change(request.user),
    )


def _ask_code(request, process):
    form = CodeForm(request.POST or None, request=request, process=process)
    if form.is_valid():
        if not claim_code(process):
            return redirect_after_used_code(request, "add_address")
        process.abort()
        record_verified_address(request, process.email)
        request.session[NEW_ADDRESS] = process.email
        return _change(request, process.email)
    if form.is_bound and not process.record_invalid_attempt():
        messages.error(
            request,
            _(
                "You entered too many wrong codes, so the code that we sent no longer works. Enter your "
                "address again to get a new code."
            ),
        )
        return redirect("add_address")
    return _page(request, form=form, email=process.email)


def _ask_old(request, new):
    """Ask for a code sent to the old address, or let the change wait a week.

    In two cases, show only a button that changes the address: no old address is confirmed, or the person has
    just entered a code that was sent to the old address.
    """
    old = email_addresses.confirmed_address(request.user)
    if old in ("", *recently_verified_addresses(request)):
        return _change(request, new) if request.method == "POST" else _page(request, new=new, confirmed=True)
    if request.POST.get("wait"):
        return _wait(request, new)
    return ask_for_code(
        request,
        purpose="old_address",
        email=old,
        then=lambda: _change(request, new),
        page=lambda form: _page_of_old(request, form, new, old),
    )


def _change(request, new):
    try:
        email_addresses.change_address(
            request.user, email=new, verified=recently_verified_addresses(request), at=timezone.now()
        )
    except (email_addresses.ConfirmationMissing, IntegrityError):
        # An IntegrityError means that another person took the address at the same moment. If the patron tries
        # again, AddressTaken is raised.
        return redirect("add_address")
    except people.AddressTaken as taken:
        del request.session[NEW_ADDRESS]
        remember_other_record(request, taken.person)
        return redirect("merge_records")
    del request.session[NEW_ADDRESS]
    messages.success(request, _("You can now sign in with this email address on any device."))
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
                "Another library account already uses that address. If that account is yours, staff at "
                "any desk can merge the two accounts."
            ),
        )
    else:
        day = day_in_a_sentence(change.happens_on)
        messages.success(
            request,
            _("Your new address replaces the old one on %(day)s. Until then, sign in as before.")
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
        {"now": request.user.email, "read": recently_verified_addresses(request), **context},
    )
