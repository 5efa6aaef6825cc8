"""The page on which staff record the next step for an item that a patron could not get."""

from urllib.parse import parse_qsl

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.sign_in.access import staff_only
from portal.conversations import next_steps
from portal.conversations.models import Conversation
from portal.desk.access_log import log_reading
from portal.desk.conversation_lookup import can_open, conversation_for_action
from portal.desk.forms.next_steps import NextStepForm
from portal.desk.next_step_items import items_to_get
from portal.desk.params import number_or_none
from portal.desk.queue import QueueQuery
from portal.desk.queue_navigation import conversation_url
from portal.desk.undo import undo_tag
from portal.htmx import back_to
from portal.text import uuid_or_none

from .action_responses import unless_gone

# {value of the pressed button: the action}
ENDS = {
    "arrived": next_steps.mark_arrived,
    "given": next_steps.mark_given,
    "take_back": next_steps.take_back,
}


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@unless_gone
def desk_next_step(request, public_id):
    """Show what staff have recorded about an item, and a form for the next step. On POST, save the next step.

    `item` is the public id of the recommendation. If it is missing, show the only item that the patron
    couldn't get, or a list of these items.
    """
    conversation, at = conversation_for_action(request, public_id), timezone.now()
    items = items_to_get(conversation)
    if not items:
        words = _("No item in this conversation is marked “Could not get it”. Nothing was recorded.")
        return _back(request, conversation, words, level=messages.WARNING)
    item = _chosen(request, items)
    log_reading(request, conversation, at=at)
    if request.method == "POST" and item is not None:
        return _save(request, conversation, item, at)
    if request.method == "POST":
        words = _("The patron no longer says that they couldn't get this item. Nothing was recorded.")
        return _back(request, conversation, words, level=messages.WARNING)
    form = _form(request, conversation, item, at) if item else None
    return _page(request, conversation, items, item, form)


def _chosen(request, items):
    """Return the ItemToGet that the request names.

    If the request names no item, return the only item, or None if there are several.
    """
    wanted = uuid_or_none(request.POST.get("item") or request.GET.get("item", ""))
    if wanted is None:
        return items[0] if len(items) == 1 else None
    return next((item for item in items if item.recommendation.public_id == wanted), None)


def _form(request, conversation, item, at, data=None):
    step, initial = item.step, {"seen": item.seen}
    if step is not None and step.arrived_at is None:
        initial |= {"kind": step.kind, "promised_on": step.promised_on}
        if step.other_item:
            title = step.other_item.title[:200]
            initial |= {"other": title, "found_for": title, "other_item": step.other_item.public_id}
    return NextStepForm(
        data,
        initial=initial,
        item=item.recommendation.item,
        today=request.library.today(at),
        branch=conversation.branch,
    )


def _page(request, conversation, items, item, form, status=200):
    context = {
        "conversation": conversation,
        "items": items,
        "chosen": item,
        "form": form,
        "back": _url_back(request, conversation),
        "own_branch_id": conversation.branch_id,
    }
    return render(request, "desk/next_step.html", context, status=status)


def _save(request, conversation, item, at):
    action, done = ENDS.get(request.POST.get("do")), {"by": request.user, "at": at}
    done["seen"] = number_or_none(request.POST.get("seen"))
    try:
        if action is not None:
            conversation = action(conversation, item.recommendation, **done)
        else:
            form = _form(request, conversation, item, at, request.POST)
            if not form.is_valid():
                return _page(request, conversation, [item], item, form, status=422)
            conversation = next_steps.record(conversation, item.recommendation, form.step, **done)
    except next_steps.StepChanged:
        words = _(
            "A colleague has recorded something about this item, so your change was not saved. Read what "
            "your colleague recorded, then save again."
        )
        messages.warning(request, words)
        if action is not None:
            return redirect(request.get_full_path_info())
        return _page_of_slower(request, conversation, item, at)
    except next_steps.NothingToDo:
        words = _(
            "The patron or a colleague has already settled what happens with this item. There is nothing to "
            "record anymore."
        )
        return _back(request, conversation, words, level=messages.WARNING)
    return _back(request, conversation, _words(request.POST.get("do"), conversation), undo=True)


def _page_of_slower(request, conversation, item, at):
    """Show what a colleague recorded first, and the form with the values that this staff member typed."""
    items = items_to_get(conversation)
    item = next((each for each in items if each.recommendation == item.recommendation), item)
    form = _form(request, conversation, item, at, request.POST.dict() | {"seen": item.seen})
    return _page(request, conversation, [item], item, form, status=409)


def _words(done, conversation):
    if done == "arrived":
        return _("Recorded: the item has arrived. The patron can see this now.")
    if done == "given":
        return _("Recorded: the patron has the item.")
    if done == "take_back":
        return _("Removed. Nothing is promised anymore.")
    if conversation.status == Conversation.Status.WAITING_FOR_STAFF:
        return _("Saved. The patron can see this now. This conversation still needs an answer.")
    return _(
        "Saved. The patron can see this now. If the promised day passes, the conversation comes back to "
        "the queue."
    )


def _back(request, conversation, words, *, undo=False, level=messages.INFO):
    """Redirect to the page that the staff member came from, with a message and a button to undo."""
    tag = undo_tag(request.user, conversation) if undo else ""
    messages.add_message(request, level, words, extra_tags=tag)
    if not can_open(request, conversation):
        return redirect("desk")
    return redirect(_url_back(request, conversation))


def _url_back(request, conversation):
    """Return the URL of the queue if the staff member came from there, or else of the conversation."""
    if "queue" in request.GET:
        asked = QueueQuery.read(dict(parse_qsl(request.GET["queue"])), request.user)
        return asked.url()
    return back_to(request, otherwise=conversation_url(request, conversation))
