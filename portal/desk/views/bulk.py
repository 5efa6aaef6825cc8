"""Views that change many conversations in the queue at once, and undo these changes."""

from urllib.parse import urlencode

from django.contrib import messages
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.sign_in.access import staff_only
from portal.conversations import bulk
from portal.conversations.models import Conversation
from portal.desk.bulk_messages import left_words, undone_words
from portal.desk.forms.conversations import SnoozeForm
from portal.desk.params import number_or_none
from portal.desk.queue import colleagues
from portal.htmx import back_to
from portal.text import uuid_or_none

MAX_SELECTED = 100


@staff_only
@require_POST
def desk_bulk(request):
    """Close, take, assign or snooze the selected conversations that the staff member may open."""
    selected = _selected(request)
    if not selected:
        messages.error(request, _("Nothing is selected. Select a conversation first."))
    else:
        action, _sep, option = request.POST.get("do", "").partition(":")
        if action in BULK_ACTIONS:
            BULK_ACTIONS[action](request, selected, option, timezone.now())
    return redirect(back_to(request, reverse("desk")))


def _close(request, selected, option, at):
    result = bulk.close_many(selected, by=request.user, at=at)
    count = len(result.changed)
    _report(
        request,
        result,
        ngettext("%(count)s conversation closed.", "%(count)s conversations closed.", count)
        % {"count": count},
    )


def _take(request, selected, option, at):
    result = bulk.take_many(selected, by=request.user, at=at)
    count = len(result.changed)
    _report(
        request,
        result,
        ngettext("%(count)s conversation assigned to you.", "%(count)s conversations assigned to you.", count)
        % {"count": count},
    )


def _assign(request, selected, option, at):
    chosen = [public_id for public_id in colleagues(request.user) if str(public_id) == request.POST.get("to")]
    to = User.objects.filter(public_id__in=chosen).first()
    if to is None:
        messages.error(request, _("Choose a colleague first."))
        return
    result = bulk.assign_many(selected, to=to, by=request.user, at=at)
    count = len(result.changed)
    words = ngettext(
        "%(count)s conversation assigned to {name}.", "%(count)s conversations assigned to {name}.", count
    )
    # Insert the name after formatting with %, because the name can contain a percent sign.
    _report(request, result, (words % {"count": count}).replace("{name}", to.display_name))


def _snooze(request, selected, option, at):
    """Snooze the selected conversations until the day in `option`, or until the day that was typed."""
    data = {"until": option, "day": request.POST.get("day", "")}
    form = SnoozeForm(data, today=request.library.today(at))
    if not form.is_valid():
        messages.error(request, " ".join(error for errors in form.errors.values() for error in errors))
        return
    result = bulk.snooze_many(selected, by=request.user, at=at, **form.cleaned_data)
    count = len(result.changed)
    _report(
        request,
        result,
        ngettext("%(count)s conversation snoozed.", "%(count)s conversations snoozed.", count)
        % {"count": count},
    )


BULK_ACTIONS = {"close": _close, "take": _take, "assign": _assign, "snooze": _snooze}


@staff_only
@require_POST
def desk_undo_bulk(request):
    """Undo a bulk change. The signed key in the URL says which change to undo."""
    try:
        count, left = bulk.undo(request.GET.get("key", ""), by=request.user, at=timezone.now())
    except bulk.CannotUndo:
        messages.error(request, _("This can't be undone anymore."))
    else:
        level = messages.INFO if count else messages.WARNING
        messages.add_message(request, level, undone_words(count, left))
    return redirect(back_to(request, reverse("desk")))


def _report(request, result, words):
    """Show how many conversations the bulk action changed. Show how many it did not change, and why."""
    if result.changed:
        undo_url = f"{reverse('desk_undo_bulk')}?{urlencode({'key': result.undo})}"
        messages.success(request, words, extra_tags=f"undo={undo_url}" if result.undo else "")
    if left := left_words(result):
        messages.warning(request, left)


def _selected(request):
    """Return {selected conversation: its version when the page was shown}."""
    boxes = dict(box.rpartition(".")[::2] for box in request.POST.getlist("conversation")[:MAX_SELECTED])
    versions = {uuid_or_none(public_id): number_or_none(version) for public_id, version in boxes.items()}
    conversations = Conversation.objects.at_desk_of(request.user).filter(
        public_id__in=[public_id for public_id in versions if public_id]
    )
    return {conversation: versions[conversation.public_id] for conversation in conversations}
