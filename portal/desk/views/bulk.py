"""What is done in the queue with many conversations at once."""

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
from portal.desk.forms import SnoozeForm
from portal.desk.queue import colleagues
from portal.htmx import back_to
from portal.text import uuid_or_none

from .items import number_or_none

MOST = 100
NAMED = 3


@staff_only
@require_POST
def desk_bulk(request):
    """Close, take, assign or snooze the conversations that were chosen; those that aren't before this member of staff are as if they weren't there."""
    back = redirect(back_to(request, reverse("desk")))
    seen = _seen(request)
    if not seen:
        messages.error(request, _("Nothing is selected."))
        return back
    do, _sep, until = request.POST.get("do", "").partition(":")
    by, at, to = request.user, timezone.now(), None
    if do == "close":
        done = bulk.close_many(seen, by=by, at=at)
        words = ngettext("%(count)s closed.", "%(count)s closed.", len(done.changed))
    elif do == "take":
        done = bulk.take_many(seen, by=by, at=at)
        words = ngettext("%(count)s is yours.", "%(count)s are yours.", len(done.changed))
    elif do == "assign":
        to = User.objects.filter(
            public_id__in=[
                known for known in colleagues(request.user) if str(known) == request.POST.get("to")
            ]
        ).first()
        if to is None:
            messages.error(request, _("Choose the colleague first."))
            return back
        done = bulk.assign_many(seen, to=to, by=by, at=at)
        words = ngettext("%(count)s assigned to {name}.", "%(count)s assigned to {name}.", len(done.changed))
    elif do == "snooze":
        form = SnoozeForm(
            {"until": until, "day": request.POST.get("day", "")}, today=request.library.today(at)
        )
        if not form.is_valid():
            messages.error(request, " ".join(error for errors in form.errors.values() for error in errors))
            return back
        done = bulk.snooze_many(seen, by=by, at=at, **form.cleaned_data)
        words = ngettext("%(count)s put off.", "%(count)s put off.", len(done.changed))
    else:
        return back
    words = words % {"count": len(done.changed)}
    _tell(
        request, done, words.replace("{name}", to.display_name) if to else words
    )  # last: a name may hold whatever it likes
    return back


@staff_only
@require_POST
def desk_undo_bulk(request):
    """Put back what was done a moment ago; the address holds the signed key to it."""
    try:
        count, left = bulk.undo(request.GET.get("key", ""), by=request.user, at=timezone.now())
    except bulk.CannotUndo:
        messages.error(request, _("This can't be undone any more."))
        return redirect(back_to(request, reverse("desk")))
    words = (
        [ngettext("%(count)s is as it was.", "%(count)s are as they were.", count) % {"count": count}]
        if count
        else []
    )
    if left:
        since = ngettext(
            "In %(count)s something has happened since: it stays.",
            "In %(count)s something has happened since: they stay.",
            left,
        )
        words.append(since % {"count": left})
    (messages.info if count else messages.warning)(request, " ".join(words))
    return redirect(back_to(request, reverse("desk")))


def _seen(request):
    """{conversation: its version on the page}, as the boxes say."""
    said = dict(part.rpartition(".")[::2] for part in request.POST.getlist("conversation")[:MOST])
    versions = {uuid_or_none(public_id): number_or_none(version) for public_id, version in said.items()}
    conversations = Conversation.objects.at_desk_of(request.user).filter(
        public_id__in=[public_id for public_id in versions if public_id]
    )
    return {conversation: versions[conversation.public_id] for conversation in conversations}


def _tell(request, done, words):
    """How many were changed, with the way back; and which weren't, and why."""
    if done.changed:
        undo = f"{reverse('desk_undo_bulk')}?{urlencode({'key': done.undo})}"
        messages.success(request, words, extra_tags=f"undo={undo}" if done.undo else "")
    left = [
        _("%(conversation)s: %(name)s has it.")
        % {"conversation": _quoted(conversation), "name": conversation.assignee.display_name}
        for conversation in done.taken[:NAMED]
    ]
    left += [
        _("%(conversation)s has changed since this page was drawn: have a look at it first.")
        % {"conversation": _quoted(conversation)}
        for conversation in done.moved[:NAMED]
    ]
    left += [
        _("%(conversation)s: this can't be done with it.") % {"conversation": _quoted(conversation)}
        for conversation in done.unfit[:NAMED]
    ]
    count = len(done.taken) + len(done.moved) + len(done.unfit)
    if left:
        words = ngettext("%(count)s was left as it is.", "%(count)s were left as they are.", count) % {
            "count": count
        }
        messages.warning(request, " ".join([words, *left]))


def _quoted(conversation):
    return _("“%(subject)s”") % {"subject": conversation.subject}
