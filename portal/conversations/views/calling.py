"""The pages where a patron asks for a call, changes the number, and cancels the call.

The forms on these pages contain a phone number. So the portal stores no drafts of these forms. If the person
must sign in again before the portal accepts a form, the portal doesn't store this form either.
"""

import uuid

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.hours import promised_at
from accounts.models import Branch
from accounts.sign_in.access import is_borrowed, sign_in_to_open
from accounts.sign_in.library_cards import home_branch_of
from accounts.sign_in.unsent import done_after_sign_in
from portal import limits
from portal.conversations import actions, call_backs, call_texts
from portal.conversations.forms import CallForm
from portal.conversations.models import Conversation
from portal.conversations.views.sending import opened_visits
from portal.helpsessions.forms import CodeForm
from portal.helpsessions.models import HelpSession
from portal.limits import TooOften
from portal.phone_numbers import ending

# Under this key, the Django session stores a random id of the device. Limits count requests by device.
DEVICE = "device"


@sign_in_to_open()
@require_http_methods(["GET", "HEAD", "POST"])
def ask_for_call(request):
    """Ask for a call about something new, or about a visit that this browser opened by code."""
    person, visits = request.viewer.person, opened_visits(request)
    if not request.viewer:
        context = {"code_form": CodeForm(), "going_to": reverse("ask_for_call")}
        return render(request, "conversations/call_ways.html", context)
    quiet = any(visit.quiet for visit in visits)
    form = _form(request, visits=visits, may_be_new=person is not None, is_private=quiet)
    if form.is_bound and form.is_valid():
        branch = None if form.visit else _branch_of(person)
        about = {"help_session": form.visit, "branch": branch}
        asked = _saved(request, form, form.visit, lambda **words: call_backs.ask(**about, **words))
        if asked is not None:
            return asked
    visit = next(iter(visits), None)
    branch = _branch_of(person) if person else visit and visit.branch
    return _page(request, form, branch=branch, quiet=quiet, back=reverse("ask"))


def _branch_of(person):
    return Branch.objects.filter(pk=home_branch_of(person), closed_at=None).first()


@sign_in_to_open()
@require_http_methods(["GET", "HEAD", "POST"])
def call_about_session(request, public_id):
    """Ask for a call about a visit.

    If the patron already waits for a call, redirect to the page that changes the number.
    """
    sessions = HelpSession.objects.belonging_to(request.viewer).select_related("branch")
    session = get_object_or_404(sessions, public_id=public_id)
    waiting = Conversation.objects.belonging_to(request.viewer).filter(
        help_session=session, call_since__isnull=False
    )
    if request.method != "POST" and (conversation := waiting.first()):
        return redirect("call_in_conversation", conversation.public_id)
    form = _form(request, is_private=session.quiet)
    if form.is_bound and form.is_valid():
        asked = _saved(request, form, session, lambda **words: call_backs.ask(help_session=session, **words))
        if asked is not None:
            return asked
    about = "" if session.quiet else session.title
    back = session.get_absolute_url()
    return _page(request, form, branch=session.branch, quiet=session.quiet, back=back, about=about)


@sign_in_to_open()
@require_http_methods(["GET", "HEAD", "POST"])
def call_in_conversation(request, public_id):
    """Ask for a call in a conversation, or change the number of the call that is open there."""
    conversation, now = _find(request, public_id), timezone.now()
    quiet = conversation.help_session is not None and conversation.help_session.quiet
    form = _form(request, asks_about=False, is_private=quiet)
    waits = call_texts.call_since(conversation, now) is not None
    if form.is_bound and form.is_valid():
        asked = _saved(
            request,
            form,
            conversation,
            lambda body="", language="", **words: call_backs.ask_in(conversation, **words),
            is_change=waits,
        )
        if asked is not None:
            return asked
    return _page(
        request,
        form,
        branch=conversation.branch,
        quiet=quiet,
        back=conversation.get_absolute_url(),
        about="" if quiet else conversation.subject,
        conversation=conversation,
        waits=waits,
        ending=_ending_for(conversation, request.viewer.person) if waits else "",
    )


@sign_in_to_open()
@done_after_sign_in
@require_POST
def cancel_call(request, public_id):
    """Cancel the call. The next page has a button that undoes the cancellation."""
    conversation = _find(request, public_id)
    try:
        conversation = call_backs.cancel(conversation, by=request.viewer.person, at=timezone.now())
    except actions.Erased:
        raise Http404 from None
    except call_backs.NoCall:
        messages.info(request, _("The call has already ended."))
    else:
        undo = reverse("restore_call", args=[conversation.public_id])
        messages.success(request, _("The call is canceled."), extra_tags=f"undo={undo}")
    return redirect(f"{conversation.get_absolute_url()}#latest")


@sign_in_to_open()
@require_POST
def restore_call(request, public_id):
    """Undo the cancellation of a call."""
    conversation = _find(request, public_id)
    try:
        conversation = call_backs.undo_cancel(conversation, at=timezone.now())
    except actions.Erased:
        raise Http404 from None
    except call_backs.TooLate:
        messages.warning(request, _("This can't be undone anymore. You can ask for another call."))
    else:
        messages.success(request, _("We'll call you after all."))
    return redirect(f"{conversation.get_absolute_url()}#latest")


def _find(request, public_id):
    """Return the conversation. If it was merged, return the conversation that it was merged into."""
    rows = Conversation.objects.belonging_to(request.viewer).select_related("branch", "help_session")
    conversation = get_object_or_404(rows, public_id=public_id)
    if not conversation.merged_into_id:
        return conversation
    return get_object_or_404(rows, pk=conversation.merged_into_id)


def _form(request, *, is_private=False, **options):
    is_private = is_private or is_borrowed(request)
    return CallForm(request.POST if request.method == "POST" else None, is_private=is_private, **options)


def _saved(request, form, about, save, *, is_change=False):
    """Call `save` with the values of the form, and return a redirect to the conversation.

    If the limit is reached, add an error to the form and return None. `about` is the visit, the conversation
    or None.
    """
    try:
        _count(request, about, "call_change" if is_change else "call")
        conversation = save(
            caller=form.caller,
            by=request.viewer.person,
            at=timezone.now(),
            client_token=form.cleaned_data["client_token"],
            language=get_language(),
            body=form.cleaned_data.get("body", ""),
        )
    except TooOften as wait:
        form.add_error(None, wait.words_for_writer)
        return None
    except actions.Erased:
        raise Http404 from None
    words = _("The new number is saved.") if is_change else _("You are on our call list.")
    messages.success(request, words)
    return redirect(f"{conversation.get_absolute_url()}#latest")


def _count(request, about, what):
    """Count the request toward the limit of this device.

    If the visit is in nobody's account, also count the request toward the limit of the visit.
    """
    device = request.session.setdefault(DEVICE, uuid.uuid4().hex)
    is_nobodys = about is not None and about.patron_id is None
    limits.count(request, what, target=device, names_nobody=is_nobodys)
    if is_nobodys and what == "call":
        visit = about.pk if isinstance(about, HelpSession) else about.help_session_id
        limits.count(request, "call_about_visit", target=str(visit), names_nobody=True)


def _ending_for(conversation, person):
    """Return the last digits of the phone number for the open call.

    Return "" if no call is open, or if somebody other than this viewer may have given the number.
    """
    number = call_backs.open_call(conversation)
    if number is None or number.by_id not in (None, person and person.pk):
        return ""
    if number.by_id is None and _may_be_anothers(number, conversation.help_session, person):
        return ""
    return ending(number.number)


def _may_be_anothers(number, session, person):
    """Return whether somebody other than the viewer may have given this number.

    Call this if the row of the number has no person: a viewer by code gave the number, or staff added it. In
    a shared visit, the number may be the child's or the adult's. If the number was given before the visit was
    added to an account, anyone with the slip may have given it.
    """
    if session is None:
        return False
    was_given_before = session.kept_at is None or session.kept_at > number.asked_at
    return session.is_shared or (person is not None and was_given_before)


def _page(request, form, *, branch, quiet, back, about="", conversation=None, waits=False, ending=""):
    now = timezone.now()
    branch = branch or request.library.default_branch
    too_often = getattr(request, "too_often", None)
    typed = form.cleaned_data if form.is_bound else {}
    context = {
        "form": form,
        "token": typed.get("client_token") or uuid.uuid4(),
        "quiet": quiet,
        "is_private": quiet or is_borrowed(request),
        "back": back,
        "about": about,
        "conversation": conversation,
        "waits": waits,
        "ending": ending,
        "promise": call_texts.promise_sentence(promised_at(branch, now), now) if branch else "",
    }
    status = 429 if too_often else 422 if form.errors else 200
    return render(request, "conversations/call.html", context, status=status)
