"""The page "Messages on this phone": turn push messages on or off in this browser, and send a test message.

The service worker repairs a subscription (templates/home/push_sw.js). If the browser's subscription seems to
differ from the subscription in the portal's database, the service worker requests `phone_here`.
"""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.patron import phone_consent
from accounts.sign_in.access import is_borrowed, sign_in_to_open
from accounts.sign_in.sign_ins import device
from accounts.staff.desk_lock import background_request
from portal import limits
from portal.conversations.viewer import OPENED_CODES
from portal.helpsessions import push
from portal.helpsessions.models import HelpSession
from portal.home.forms import SubscriptionForm
from portal.htmx import back_to
from portal.notifications.push import browser, repairing, subscriptions
from portal.notifications.push.delivery import send_test_message
from portal.notifications.push.hosts import UnknownPushHost
from portal.notifications.push.keys import application_key, is_set_up
from portal.text import uuid_or_none


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def phone_messages(request):
    """Show on which devices the person gets messages. A POST turns messages on in this browser."""
    if not is_set_up():
        raise Http404

    def turn_on(**fields):
        sign_in = browser.sign_in_of(request)
        subscription = subscriptions.subscribe(person=request.user, sign_in=sign_in, **fields)
        phone_consent.record(request.user, language=fields["language"], at=fields["at"])
        return subscription

    devices = list(subscriptions.devices_of(request.user, at=timezone.now()))
    return _page(request, {"devices": devices}, about="", turn_on=turn_on)


@sign_in_to_open(HelpSession)
@require_http_methods(["GET", "HEAD", "POST"])
def visit_phone_messages(request, public_id):
    """Show whether this browser gets messages about a visit that it opened by code. A POST turns them on.

    A viewer by code has no record, so no consent can be stored. Only the subscription shows that they agreed.
    """
    visit = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    if not is_set_up():
        raise Http404
    if request.user.is_authenticated and visit.patron_id == request.user.pk:
        return redirect("phone_messages")
    if not push.can_subscribe(visit) or visit.pk not in request.viewer.opened_by_code:
        raise Http404

    def turn_on(**fields):
        return push.subscribe_by_code(visit, opened_codes=request.session[OPENED_CODES], **fields)

    return _page(request, {"help_session": visit}, about=push.about(visit), turn_on=turn_on)


def _page(request, context, *, about, turn_on):
    """Show the page. A valid POST calls `turn_on`, which saves the browser's subscription."""
    may_turn_on = browser.offers_push(request)
    form = SubscriptionForm(request.POST if request.method == "POST" else None)
    if may_turn_on and form.is_valid():
        limits.count(request, "push_device")
        if _save(request, form, turn_on):
            messages.success(request, _("This phone gets messages from the library now."))
            return redirect(request.path_info)
    here = browser.subscription_of(request, about)
    context |= {
        "form": form,
        "may_turn_on": may_turn_on,
        "is_borrowed": is_borrowed(request),
        "here": here,
        # List this device first.
        "devices": sorted(context.get("devices", []), key=lambda row: row != here),
        "sentence": phone_consent.sentence(),
        "key": application_key(),
    }
    return render(request, "home/phone.html", context, status=422 if request.method == "POST" else 200)


def _save(request, form, turn_on):
    """Save the subscription and return True. If it can't be saved, add an error to the form."""
    user_agent = request.headers.get("User-Agent", "")
    try:
        with transaction.atomic():
            subscription = turn_on(
                **form.cleaned_data, language=get_language(), device=device(user_agent), at=timezone.now()
            )
    except UnknownPushHost:
        form.refuse_service()
        return False
    except (subscriptions.InvalidSubscription, subscriptions.SignedOut, push.NotOffered):
        form.refuse()
        return False
    browser.remember(request, subscription)
    return True


@require_POST
def try_phone(request):
    """Send one message to this browser."""
    limits.count(request, "push_device")
    found = _own(request)
    if found is None:
        raise Http404
    send_test_message(found, at=timezone.now())
    messages.success(request, _("A message is on its way to this phone."))
    return redirect(_back(request))


@require_POST
def end_phone(request):
    """Turn off messages on the device that the form names: one of the person's devices, or this browser."""
    found = _own(request)
    if found is not None:
        subscriptions.unsubscribe(found)
        messages.success(request, _("%(device)s gets no more messages.") % {"device": found.device})
    return redirect(_back(request))


@background_request
@require_safe
def phone_here(request):
    """Return the fingerprint of this browser's stored subscription, and what a script needs to repair it.

    The service worker sends this request if the browser's subscription differs from the one that the page
    names, or if the page names none.
    """
    rows = repairing.subscriptions_here(request)
    return JsonResponse(
        {
            "subscription": repairing.fingerprint(rows[0]) if rows else "",
            "isDue": bool(rows) and repairing.is_due(rows[0], at=timezone.now()),
            "key": application_key(),
            "token": get_token(request),
        }
    )


@background_request
@require_POST
def renew_phone(request):
    """Replace the stored subscription of this browser with the browser's current subscription.

    An empty endpoint in the form says that the browser no longer allows messages. Then end the subscription.
    """
    rows = repairing.subscriptions_here(request)
    if rows and not request.POST.get("endpoint"):
        repairing.end(rows)
    elif rows:
        limits.count(request, "push_device")
        form = SubscriptionForm(request.POST)
        if not form.is_valid():
            return HttpResponse(status=422)
        try:
            repairing.renew(rows, language=get_language(), at=timezone.now(), **form.cleaned_data)
        except (subscriptions.InvalidSubscription, UnknownPushHost):
            return HttpResponse(status=422)
    return HttpResponse(status=204)


def _own(request):
    """Return the subscription with the posted id, if it belongs to the person or to this browser."""
    public_id = uuid_or_none(request.POST.get("device"))
    if public_id is None:
        return None
    person = request.user if request.user.is_authenticated else None
    theirs = subscriptions.devices_of(person, at=timezone.now()) if person else []
    return next(
        (row for row in [*theirs, *repairing.subscriptions_here(request)] if row.public_id == public_id), None
    )


def _back(request):
    return back_to(request, otherwise=reverse("phone_messages" if request.user.is_authenticated else "home"))
