"""The page where patrons choose whether and how the library may ask later how visits turned out."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.patron import check_ins as own_choice
from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.email_addresses import confirmed_address
from portal.checkins import planning
from portal.checkins.due import suggested_day
from portal.helpsessions.check_ins import choose_for_opened, choose_for_visit, may_leave_out, undo_for_opened
from portal.helpsessions.models import HelpSession
from portal.htmx import back_to
from portal.notifications.push.subscriptions import has_device
from portal.text import uuid_or_none

CheckIns = User.CheckIns
# The choices in BY_MESSAGE let the library send messages. Only people with an account can make these choices.
BY_MESSAGE = {CheckIns.EMAIL, CheckIns.PUSH}


@require_http_methods(["GET", "HEAD", "POST"])
def check_ins(request):
    """Show whether the library may ask the person how visits turned out. A POST saves the person's choice.

    A viewer by code can save a choice for the opened visits. The page after a POST has a button that undoes
    the choice. The URL of this button has the new choice in `undo` and the earlier choice in `before`.
    """
    viewer = request.viewer
    if not viewer or (viewer.person is None and request.method != "POST"):
        return redirect_to_login(reverse("check_ins"))
    if request.method != "POST":
        return render(request, "checkins/choice.html", _context(request))
    try:
        return _undo(request, request.GET["undo"]) if "undo" in request.GET else _save(request)
    except own_choice.NotOffered:
        messages.error(
            request, _("The library can't ask about your visits in this way. Choose something else.")
        )
        return redirect(_back(request))


@login_required
@require_POST
def titles(request):
    """Save whether check-in emails, and the pages that their links open, may show titles of items."""
    allowed = request.POST.get("titles") == "yes"
    own_choice.allow_titles(
        request.user,
        allowed,
        wording=own_choice.titles_wording(allowed),
        language=get_language(),
        at=timezone.now(),
    )
    saved = (
        _("The emails can show titles now, and so can the pages that their links open.")
        if allowed
        else _("The emails no longer show titles, and neither do the pages that their links open.")
    )
    messages.success(request, saved)
    return redirect("check_ins")


@sign_in_to_open(HelpSession)
@require_POST
def leave_out(request, public_id):
    """Stop asking about this visit, or ask again if the form has the field `ask`."""
    visits = HelpSession.objects.belonging_to(request.viewer)
    visit = get_object_or_404(visits, public_id=public_id)
    if not may_leave_out(visit, request.viewer, request.library):
        raise Http404
    who, at = {"person": request.viewer.person}, timezone.now()
    if "ask" in request.POST:
        planning.ask_again(visit, day=suggested_day(request.library, at=at), at=at, **who)
    else:
        choose_for_visit(visit, HelpSession.CheckIns.NONE, at=at, **who)
    return redirect(f"{visit.get_absolute_url()}#desk-title")


def _context(request):
    person = request.user
    return {
        "sentences": own_choice.sentences_for(person, request.library),
        "choices": own_choice.choices_for(person, request.library),
        "is_confirmed": bool(confirmed_address(person)),
        "has_device": has_device(person),
        "titles_wording": own_choice.titles_wording(True),
        "back": reverse("check_ins"),
    }


def _save(request):
    viewer, choice, at = request.viewer, request.POST.get("check_ins", ""), timezone.now()
    to_keep = _visit_to_keep(request) if choice in BY_MESSAGE else None
    if choice not in CheckIns.values or (choice in BY_MESSAGE and not (viewer.person or to_keep)):
        return redirect(_back(request))
    before = viewer.person.check_ins if viewer.person else ""
    if viewer.person:
        _choose(request, choice, at)
    if choice not in BY_MESSAGE:
        choose_for_opened(viewer, choice, at=at)
    if to_keep:
        query = "" if viewer.person else f"?{urlencode({'check_ins': choice})}"
        return redirect(reverse("keep_session", args=[to_keep.public_id]) + query)
    undo = urlencode({"undo": choice, "before": before, "back": _back(request)})
    next_page = _next_step(viewer.person, choice)
    # If there is a `next_page`, the library can't ask yet, and the page says what is missing. So this message
    # must not promise that the library asks.
    words = _("Your choice is saved.") if next_page else _saved(choice)
    messages.success(request, words, extra_tags=f"undo={reverse('check_ins')}?{undo}")
    return redirect(next_page or _back(request))


def _next_step(person, choice):
    """Return the name of the page on which the person must complete the choice, or "" if it is complete.

    To be asked by email, a person needs a confirmed address. To be asked on the phone, they need a device
    that gets messages.
    """
    if choice == CheckIns.EMAIL and not confirmed_address(person):
        return "check_ins"
    if choice == CheckIns.PUSH and not has_device(person):
        return "phone_messages"
    return ""


def _undo(request, choice):
    viewer, before, at = request.viewer, request.GET.get("before", ""), timezone.now()
    if viewer.person and before in CheckIns.values:
        _choose(request, before, at)
    elif viewer.person:
        own_choice.undo_first_choice(viewer.person, at=at)
    if choice in HelpSession.CheckIns.values:
        undo_for_opened(viewer, choice, at=at)
    messages.success(request, _("Your earlier choice applies again."))
    return redirect(_back(request))


def _choose(request, choice, at):
    person = request.viewer.person
    words = own_choice.wording_for(choice, person, request.library)
    own_choice.choose(person, choice, wording=words, language=get_language(), at=at)


def _visit_to_keep(request):
    """Return the visit that the person must first add to their account, or None.

    The form sends the id of the visit. The library writes only to people who have the visit in their account.
    Return None if the visit is already in their account, or if the form sent no id.
    """
    public_id, person = uuid_or_none(request.POST.get("visit")), request.viewer.person
    if public_id is None:
        return None
    visit = get_object_or_404(HelpSession.objects.belonging_to(request.viewer), public_id=public_id)
    return visit if person is None or visit.patron_id != person.pk else None


def _back(request):
    return back_to(request, otherwise=reverse("check_ins" if request.viewer.person else "home"))


def _saved(choice):
    return {
        CheckIns.EMAIL: _("Saved. The library may email you to ask about your visits."),
        CheckIns.PUSH: _("Saved. The library may send messages to your phone to ask about your visits."),
        CheckIns.PAGES: _("Saved. The library asks you about your visits only on its web pages."),
        CheckIns.NONE: _("Saved. The library won't ask you about your visits."),
    }[choice]
