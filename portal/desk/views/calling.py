"""Views that add a call for a patron, and record how a call went."""

import uuid

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.hours import promised_at
from accounts.sign_in.access import staff_only
from portal.conversations import actions, call_backs, call_texts
from portal.conversations.changes import Erased
from portal.conversations.desk_actions import AlreadyTaken
from portal.conversations.forms import CallForm
from portal.desk import shown_today
from portal.desk.conversation_lookup import conversation_for_action
from portal.desk.conversation_messages import taken_words
from portal.desk.params import number_or_none
from portal.desk.people.views.records import open_record
from portal.desk.queue_navigation import conversation_url
from portal.desk.record_defaults import defaults
from portal.helpsessions.models import HelpSession

from .action_responses import back_to_conversation, unless_gone


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@unless_gone
def desk_call(request, public_id):
    """Add a call about the conversation, or replace the phone number of the open call."""
    conversation = conversation_for_action(request, public_id)
    return _add(
        request,
        about=conversation.subject,
        branch=conversation.branch,
        back=conversation_url(request, conversation),
        waits=conversation.call_since is not None,
        conversation=conversation,
    )


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def desk_call_session(request, public_id):
    """Add a call about a help session."""
    sessions = HelpSession.objects.at_desk_of(request.user, shown_today.ids(request)).recorded()
    session = get_object_or_404(sessions.select_related("branch", "patron"), public_id=public_id)
    if session.is_on_paper_only:
        messages.warning(request, _("This visit is on paper only, so the patron couldn't see the call."))
        return redirect("desk_session", public_id)
    back = reverse("desk_session", args=[public_id])
    try:
        return _add(request, about=session.title, branch=session.branch, back=back, help_session=session)
    except Erased:
        words = _("The visit was deleted or removed from the patron's account. No call was added.")
        messages.warning(request, words)
        return redirect("desk")


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def desk_call_patron(request, public_id):
    """Add a call for a patron, and begin a new conversation. The call is not about a visit."""
    person, _reason = open_record(request, public_id)
    chosen = defaults(request.user, request.library, timezone.now(), shared_desk=request.shared_desk)
    branch = next((role.branch for role in request.user.roles if role.branch_id == chosen["branch"]), None)
    back = reverse("patron_record", args=[public_id])
    about = person.display_name
    try:
        return _add(request, about=about, branch=branch, back=back, patron=person, new_branch=branch)
    except Erased:
        messages.warning(request, _("The account was deleted. No call was added."))
        return redirect("desk")


def _add(request, *, about, branch, back, waits=False, new_branch=None, **whose):
    """Show the form, or save the call and redirect.

    `whose` is {argument of call_backs.add: the conversation, the help session or the patron}. Raise Erased if
    this object was deleted.
    """
    form, at = CallForm(request.POST or None, asks_about=False, is_private=True), timezone.now()
    if form.is_bound and form.is_valid():
        token = form.cleaned_data["client_token"]
        try:
            conversation = call_backs.add(
                form.caller, by=request.user, at=at, client_token=token, branch=new_branch, **whose
            )
        except actions.WantsNoAnswer:
            messages.warning(
                request, _("The patron doesn't want an answer, so nobody can call them about this.")
            )
            return redirect(back)
        words = _("The new number is saved.") if waits else _("The patron is on the call list.")
        return back_to_conversation(request, conversation, words, undo=True)
    context = {
        "form": form,
        "token": (form.cleaned_data.get("client_token") if form.is_bound else None) or uuid.uuid4(),
        "about": about,
        "back": back,
        "waits": waits,
        "promise": call_texts.promise_sentence(promised_at(branch, at), at),
    }
    return render(request, "desk/call.html", context, status=422 if form.errors else 200)


@staff_only
@require_POST
@unless_gone
def desk_called(request, public_id):
    """Record how a call went. The value of the pressed button is the outcome."""
    conversation, at = conversation_for_action(request, public_id), timezone.now()
    outcome = request.POST.get("outcome")
    if outcome not in call_backs.OUTCOMES:
        return redirect(conversation_url(request, conversation))
    try:
        conversation = call_backs.record_outcome(
            conversation, outcome, by=request.user, at=at, seen=_seen(request)
        )
    except call_backs.NoCall:
        words = _("The call has already ended. Nothing was changed.")
        return back_to_conversation(request, conversation, words, level=messages.WARNING)
    except call_backs.CallChanged as changed:
        words = _changed_words(changed)
        return back_to_conversation(request, conversation, words, level=messages.WARNING)
    except AlreadyTaken as taken:
        words = taken_words(conversation, taken.assignee, at)
        return back_to_conversation(request, conversation, words, level=messages.WARNING)
    return back_to_conversation(request, conversation, _done_words(conversation, outcome), undo=True)


def _seen(request):
    """Return (primary key of the call, number of tries) from the hidden fields of the page.

    Each of them is None if the posted value is not a number.
    """
    return tuple(number_or_none(request.POST.get(name)) for name in ("call", "tried"))


def _changed_words(changed):
    if changed.has_new_number:
        return _(
            "The phone number was changed while you had this page open. Nothing was recorded. If you spoke "
            "with the patron, press “We spoke” again."
        )
    return _("This call was already recorded. If you have called again since then, record that call now.")


def _done_words(conversation, outcome):
    if outcome == call_backs.SPOKEN:
        return _("Recorded: you spoke with the patron.")
    if outcome == call_backs.NO_ANSWER and conversation.call_since is not None:
        return _("Recorded: no answer. Tried %(tries)s of %(most)s times.") % {
            "tries": call_backs.tries(conversation),
            "most": conversation.branch.call_tries,
        }
    if outcome == call_backs.NO_ANSWER:
        return _("Recorded: no answer. That was the last try, so nobody needs to call again.")
    return _("Recorded: nobody needs to call this patron again.")
