"""Actions that decide who works on a conversation and when: take, assign, transfer, snooze, wake and undo.

Each action has its own HTML form, and redirects to the conversation. The composer saves a half-written answer
as a draft, so that these actions don't lose the answer.
"""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.sign_in.access import staff_only
from portal.conversations import desk_actions, transfers
from portal.conversations.draft_answers import writers_who_lose_access
from portal.desk.conversation_lookup import can_open, conversation_for_action
from portal.desk.conversation_messages import assigned_words, taken_words
from portal.desk.forms.conversations import AssignForm, SnoozeForm
from portal.desk.queue_navigation import conversation_url
from portal.desk.toolbar import assignment_choices
from portal.htmx import render_page
from portal.templatetags.portal import day_in_a_sentence
from portal.text import parse_moment

from .action_responses import back_to_conversation, unless_gone


@staff_only
@require_POST
@unless_gone
def desk_take(request, public_id):
    """Assign the conversation to the staff member."""
    conversation = conversation_for_action(request, public_id)
    try:
        conversation = desk_actions.take(conversation, by=request.user, at=timezone.now())
    except desk_actions.AlreadyTaken as taken:
        return _taken_first(request, conversation, taken.assignee)
    return back_to_conversation(request, conversation, _("Assigned to you."), undo=True)


@staff_only
@require_http_methods(["GET", "POST"])
@unless_gone
def desk_assign(request, public_id):
    """Assign the conversation to a colleague or to nobody, or transfer it to another branch."""
    conversation, at = conversation_for_action(request, public_id), timezone.now()
    colleagues, coordinators, branches = assignment_choices(conversation, request.library.today(at))
    was = conversation.assignee.public_id if conversation.assignee else None
    form = AssignForm(
        request.POST or None,
        initial={"was": was},
        colleagues=colleagues,
        coordinators=coordinators,
        branches=branches,
    )
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["was"] != was:
            return _taken_first(request, conversation, conversation.assignee)
        if not _loses_a_draft(request.user, conversation, form):
            return _assign(request, conversation, form, at)
    context = {"conversation": conversation, "form": form, "anyway": getattr(form, "confirms", "")}
    return render_page(
        request, "desk/assign.html", context, partial="form", status=422 if form.errors else 200
    )


def _loses_a_draft(person, conversation, form):
    """Return whether this transfer would take the conversation away from somebody with an unsent text in it.

    If so, add an error to the form. If only colleagues have unsent texts, the staff member can press the
    button again to confirm the transfer. Return False if the staff member has confirmed.
    """
    branch = form.branches.get(form.cleaned_data["to"])
    writers = writers_who_lose_access(conversation, branch) if branch else []
    if person in writers:
        words = _(
            "You have an unsent answer or note in this conversation, and can't open the conversation after "
            "the transfer. Send or discard your answer, and save or delete your note. Then transfer the "
            "conversation."
        )
    elif writers and form.cleaned_data["anyway"] != form.cleaned_data["to"]:
        names = ", ".join(writer.display_name for writer in writers)
        words = _(
            "Unsent answer or note by: %(names)s. They can't open the conversation after the transfer. Ask "
            "them first, or transfer it anyway. They will find their text under “Unsent text” in their "
            "queue, but not their files."
        ) % {"names": names}
        form.confirms = form.cleaned_data["to"]
    else:
        return False
    form.add_error("to", words)
    return True


def _assign(request, conversation, form, at):
    to, was = form.cleaned_data["to"], conversation.assignee
    try:
        if to in form.branches:
            branch = form.branches[to]
            return _transfer(request, conversation, branch, at)
        person = form.people.get(to)
        conversation = desk_actions.assign(conversation, to=person, by=request.user, at=at, was=was)
    except desk_actions.AlreadyTaken as taken:
        return _taken_first(request, conversation, taken.assignee)
    return back_to_conversation(request, conversation, assigned_words(conversation), undo=True)


def _transfer(request, conversation, branch, at):
    was = conversation.assignee
    conversation = desk_actions.transfer(conversation, branch=branch, by=request.user, at=at, was=was)
    key = transfers.undo_key(conversation, user=request.user)
    tag = f"undo={reverse('desk_undo_transfer')}?{urlencode({'key': key})}" if key else ""
    messages.info(request, _("Transferred to %(branch)s.") % {"branch": branch}, extra_tags=tag)
    if can_open(request, conversation):
        return redirect(conversation_url(request, conversation))
    return redirect("desk")


def _taken_first(request, conversation, assignee):
    """Redirect to the conversation, and say that a colleague has changed the assignee first."""
    words = taken_words(conversation, assignee, timezone.now())
    return back_to_conversation(request, conversation, words, level=messages.WARNING)


@staff_only
@require_POST
@unless_gone
def desk_snooze(request, public_id):
    conversation, at = conversation_for_action(request, public_id), timezone.now()
    form = SnoozeForm(request.POST, today=request.library.today(at))
    if not form.is_valid():
        errors = form.non_field_errors() or [_("Choose a day to snooze until.")]
        messages.error(request, errors[0])
        return redirect(conversation_url(request, conversation))
    until = form.cleaned_data["until"]
    try:
        conversation = desk_actions.snooze(conversation, until=until, by=request.user, at=at)
    except desk_actions.NotOpen:
        words = _("This conversation is closed, so it can't be snoozed.")
        return back_to_conversation(request, conversation, words, level=messages.WARNING)
    words = _("Snoozed until %(day)s. The conversation returns sooner if the patron writes.")
    return back_to_conversation(request, conversation, words % {"day": day_in_a_sentence(until)}, undo=True)


@staff_only
@require_POST
@unless_gone
def desk_wake(request, public_id):
    """Bring a snoozed conversation back into the queue."""
    conversation = conversation_for_action(request, public_id)
    conversation = desk_actions.wake(conversation, by=request.user, at=timezone.now())
    words = _("The conversation is back in the queue.")
    return back_to_conversation(request, conversation, words, undo=True)


@staff_only
@require_POST
@unless_gone
def desk_undo(request, public_id):
    """Undo one action of the staff member. The parameter `done` in the URL is the time of the action.

    If staff press the button twice, the second request does nothing, because the action with this time is
    undone already.
    """
    conversation, done_at = conversation_for_action(request, public_id), parse_moment(request.GET.get("done"))
    if done_at is None:
        raise Http404
    try:
        conversation = desk_actions.undo(conversation, done_at=done_at, by=request.user, at=timezone.now())
    except desk_actions.CannotUndo:
        words = _("It's too late to undo this, or the conversation has changed again.")
        return back_to_conversation(request, conversation, words, level=messages.WARNING)
    return back_to_conversation(request, conversation, _("Your last change was undone."))


@staff_only
@require_POST
def desk_undo_transfer(request):
    """Undo a transfer. The signed key in the URL identifies the transfer and the person who made it."""
    try:
        conversation = transfers.undo(request.GET.get("key", ""), by=request.user, at=timezone.now())
    except desk_actions.CannotUndo:
        words = _("It's too late to undo this transfer, or somebody has begun to work on the conversation.")
        messages.warning(request, words)
        return redirect("desk")
    words = _("Transfer undone. The conversation is at %(branch)s again.") % {"branch": conversation.branch}
    return back_to_conversation(request, conversation, words)
