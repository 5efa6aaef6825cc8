"""What the desk does with a conversation besides answering: whose it is, until when it waits, notes, joining, closing, erasing.

Each is a form of its own that posts and leads back to the conversation; what is being typed there is kept as a draft.
"""

import datetime
from functools import wraps
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import AuditEvent
from accounts.sign_in.access import coordinator_only, staff_only
from portal.conversations import actions, desk_actions, merging, notes
from portal.conversations.models import Conversation
from portal.desk import shown_today
from portal.desk.access_log import log_opened, log_reading
from portal.desk.forms import AssignForm, NoteForm, SnoozeForm
from portal.desk.queue import conversation_url
from portal.desk.toolbar import may_be_given_to
from portal.htmx import render_page
from portal.privacy.holds import HeldByLaw, erase_conversation, held
from portal.templatetags.portal import day_in_a_sentence, waited

A_MOMENT = datetime.timedelta(minutes=2)
YEARS = range(2000, 9000)  # those that any clock and zone can count in


def unless_erased(view):
    """Of a conversation that was erased, perhaps meanwhile, there is only the page that says so."""

    @wraps(view)
    def guarded(request, public_id):
        try:
            return view(request, public_id)
        except actions.Erased:
            return redirect("desk_conversation", public_id)

    return guarded


@staff_only
@require_POST
@unless_erased
def desk_take(request, public_id):
    conversation, at = _conversation(request, public_id), timezone.now()
    try:
        conversation = desk_actions.take(conversation, by=request.user, at=at)
    except desk_actions.AlreadyTaken as taken:
        return _taken_first(request, conversation, taken.assignee)
    return _back(request, conversation, _("It is yours."), undo=True)


@staff_only
@require_http_methods(["GET", "POST"])
@unless_erased
def desk_assign(request, public_id):
    """To a colleague, to nobody in particular, to another branch."""
    conversation, at = _conversation(request, public_id), timezone.now()
    colleagues, coordinators, branches = may_be_given_to(conversation, request.library.today(at))
    was = conversation.assignee.public_id if conversation.assignee else None
    form = AssignForm(
        request.POST or None,
        initial={"was": was},
        colleagues=colleagues,
        coordinators=coordinators,
        branches=branches,
    )
    if request.method == "POST" and form.is_valid():
        return _assign(request, conversation, form, at)
    context = {"conversation": conversation, "form": form}
    return render_page(
        request, "desk/assign.html", context, partial="form", status=422 if form.errors else 200
    )


def _assign(request, conversation, form, at):
    to, said = form.cleaned_data["to"], form.cleaned_data["was"]
    assignee = conversation.assignee
    if said != (assignee.public_id if assignee else None):
        return _taken_first(request, conversation, assignee)
    try:
        if to in form.branches:
            desk_actions.transfer(
                conversation, branch=form.branches[to], by=request.user, at=at, was=assignee
            )
            return _handed_over(request, conversation, form.branches[to])
        conversation = desk_actions.assign(
            conversation, to=form.people.get(to), by=request.user, at=at, was=assignee
        )
    except desk_actions.AlreadyTaken as taken:
        return _taken_first(request, conversation, taken.assignee)
    name = conversation.assignee.display_name if conversation.assignee else ""
    return _back(
        request,
        conversation,
        _("%(name)s has it now.") % {"name": name} if name else _("It is nobody's in particular now."),
        undo=True,
    )


def _handed_over(request, conversation, branch):
    messages.info(request, _("%(branch)s has it now.") % {"branch": branch})
    return (
        redirect(conversation_url(request, conversation))
        if _may_open(request, conversation)
        else redirect("desk")
    )


@staff_only
@require_POST
@unless_erased
def desk_snooze(request, public_id):
    conversation, at = _conversation(request, public_id), timezone.now()
    form = SnoozeForm(request.POST, today=request.library.today(at))
    if not form.is_valid():
        messages.error(
            request,
            form.non_field_errors()[0]
            if form.non_field_errors()
            else _("Choose the day on which it is to come back."),
        )
        return redirect(conversation_url(request, conversation))
    until = form.cleaned_data["until"]
    try:
        conversation = desk_actions.snooze(conversation, until=until, by=request.user, at=at)
    except desk_actions.NotOpen:
        return _back(
            request, conversation, _("It is closed: there is nothing to put off."), level=messages.WARNING
        )
    day = day_in_a_sentence(until)
    return _back(
        request,
        conversation,
        _("Put off until %(day)s. It comes back sooner if the patron writes.") % {"day": day},
        undo=True,
    )


@staff_only
@require_POST
@unless_erased
def desk_wake(request, public_id):
    conversation = desk_actions.wake(_conversation(request, public_id), by=request.user, at=timezone.now())
    return _back(request, conversation, _("It is back among those that need an answer."), undo=True)


@staff_only
@require_POST
@unless_erased
def desk_undo(request, public_id):
    """What this member of staff did a moment ago, named by its time: a button pressed twice takes back nothing else."""
    conversation, done_at = _conversation(request, public_id), parse_moment(request.GET.get("done"))
    if done_at is None:
        raise Http404
    try:
        conversation = desk_actions.undo(conversation, done_at=done_at, by=request.user, at=timezone.now())
    except desk_actions.CannotUndo:
        words = _("This can't be undone any more: something else has happened since, or it is too long ago.")
        return _back(request, conversation, words, level=messages.WARNING)
    return _back(request, conversation, _("Undone."))


@staff_only
@require_http_methods(["GET", "POST"])
@unless_erased
def desk_merge(request, public_id):
    """First the patron's other conversations, then the chosen one beside this one, then it is done."""
    conversation, at = _conversation(request, public_id), timezone.now()
    others = merging.mergeable(conversation).filter(
        pk__in=Conversation.objects.at_desk_of(request.user, shown_today.ids(request)).values("pk")
    )
    chosen = _chosen(
        others.select_related("branch", "assignee", "patron"),
        request.POST.get("with") or request.GET.get("with"),
    )
    if request.method == "POST" and chosen is not None:
        try:
            joined = merging.merge(chosen, into=conversation, by=request.user, at=at)
        except merging.CannotMerge:
            return _back(
                request,
                conversation,
                _("These two can't be joined any more. Nothing was changed."),
                level=messages.WARNING,
            )
        return _back(request, joined, _("Joined. What was written in either stands here now, by its time."))
    context = {
        "conversation": conversation,
        "others": list(others.select_related("branch")[:30]) if chosen is None else [],
        "chosen": chosen,
    }
    if chosen is not None:
        context["both"] = [with_first_and_last(one) for one in (conversation, chosen)]
        log_reading(request, conversation, at=at)
        log_opened(request, chosen, at=at, where=AuditEvent.Where.CONVERSATION)
    return render(request, "desk/merge.html", context)


@coordinator_only
@require_http_methods(["GET", "POST"])
@unless_erased
def desk_erase(request, public_id):
    conversation = _conversation(request, public_id)
    if held(conversation):
        return _held_by_law(request)
    if request.method == "POST":
        try:
            erase_conversation(conversation, by=request.user, at=timezone.now())
        except HeldByLaw:
            return _held_by_law(request)
        messages.info(request, _("Erased."))
        return redirect(conversation_url(request, conversation))
    context = {
        "conversation": conversation,
        "counts": {
            rows: getattr(conversation, rows).count()
            for rows in ("messages", "attachments", "notes", "merged")
        },
    }
    return render(request, "desk/erase.html", context)


def _held_by_law(request):
    messages.error(
        request, _("It is held by law: nothing of it may be erased until a coordinator lifts the hold.")
    )
    return redirect("legal_holds")


@staff_only
@require_POST
@unless_erased
def desk_note(request, public_id):
    conversation, at = _conversation(request, public_id), timezone.now()
    form = NoteForm(request.POST)
    unknown = notes.unknown_names(form.cleaned_data["body"], conversation) if form.is_valid() else []
    if form.errors or (unknown and not form.cleaned_data["warned"]):
        context = {
            "conversation": conversation,
            "form": form,
            "unknown": unknown,
            "people": _others(request, conversation),
        }
        return render(request, "desk/note.html", context, status=422)
    note = notes.write_note(
        conversation,
        by=request.user,
        at=at,
        body=form.cleaned_data["body"],
        client_token=form.cleaned_data["client_token"],
    )
    told = [
        mention.person.display_name
        for mention in note.mentions.select_related("person").order_by("person__name")
    ]
    words = (
        _("Noted. %(names)s will be told that there is a note.") % {"names": ", ".join(told)}
        if told
        else _("Noted, for colleagues only.")
    )
    messages.info(request, words)
    return redirect(f"{conversation_url(request, conversation)}#note-{note.public_id}")


@staff_only
@require_GET
@unless_erased
def desk_colleagues(request, public_id):
    """The names that an @ in a note may be followed by."""
    conversation = _conversation(request, public_id)
    return render(request, "desk/colleagues.html", {"people": _others(request, conversation)})


def _others(request, conversation):
    return [person for person in notes.may_be_mentioned(conversation) if person != request.user]


def with_first_and_last(conversation):
    """A conversation with its first and its last message, for a look at what is joined."""
    said = conversation.messages.in_order().select_related("author")
    conversation.first_said, conversation.last_said, conversation.count = (
        said.first(),
        said.last(),
        said.count(),
    )
    return conversation


def _conversation(request, public_id):
    """The conversation; of one that was joined into another, that other, if this member of staff may open it. Raises Erased."""
    mine = Conversation.objects.at_desk_of(request.user, shown_today.ids(request)).select_related(
        "branch", "patron", "help_session", "assignee"
    )
    conversation = get_object_or_404(mine, public_id=public_id)
    if conversation.merged_into_id:
        conversation = get_object_or_404(mine, pk=conversation.merged_into_id)
    if conversation.status == Conversation.Status.ERASED:
        raise actions.Erased
    return conversation


def _may_open(request, conversation):
    return (
        Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
        .filter(pk=conversation.pk)
        .exists()
    )


def _taken_first(request, conversation, assignee):
    """Somebody was faster: nothing is changed, and the page says who."""
    current = Conversation.objects.select_related("assignee").get(pk=conversation.pk)
    if assignee is None:
        words = _("It is nobody's any more. Nothing was changed: please look again.")
    elif timezone.now() - current.assigned_at < A_MOMENT:
        words = _("%(name)s took this a moment ago. Nothing was changed.") % {"name": assignee.display_name}
    else:
        words = _("%(name)s took this %(time)s ago. Nothing was changed.") % {
            "name": assignee.display_name,
            "time": waited(current.assigned_at),
        }
    return _back(request, conversation, words, level=messages.WARNING)


def _back(request, conversation, words, *, undo=False, level=messages.INFO):
    """To the conversation again, which says what was done and, with `undo`, takes it back at a touch."""
    messages.add_message(request, level, words, extra_tags=undo_tag(request, conversation) if undo else "")
    if not _may_open(request, conversation):
        return redirect("desk")
    return redirect(conversation_url(request, conversation))


def undo_tag(request, conversation):
    """For a message: how what was just done is taken back; "" where nothing was."""
    if not desk_actions.can_be_undone(conversation, by=request.user):
        return ""
    return f"undo={reverse('desk_undo', args=[conversation.public_id])}?{urlencode({'done': conversation.changed_at.isoformat()})}"


def parse_moment(text):
    """A moment that a page was told before, or None."""
    try:
        moment = parse_datetime(text or "")
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None and moment.year in YEARS else None


def _chosen(conversations, public_id):
    return (
        next(
            (conversation for conversation in conversations if str(conversation.public_id) == public_id), None
        )
        if public_id
        else None
    )
