"""A conversation at the desk: read, answered, closed."""

import uuid

from django.contrib import messages
from django.db.models import Prefetch
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts import audit
from accounts.access import staff_only
from portal.conversations import actions
from portal.conversations.models import Conversation, Message, MessageRecommendation
from portal.conversations.timeline import days_of
from portal.desk import shown_today
from portal.desk.choosing import Choosing
from portal.desk.forms import ReplyForm
from portal.htmx import render_page
from recommendations.models import Recommendation

from .items import found_for, items_part
from .sessions import with_words

SENDS = {"send", "send_anyway"}


@staff_only
@require_GET
def desk_conversation(request, public_id):
    return _page(request, _conversation(request, public_id))


@staff_only
@require_POST
def desk_reply(request, public_id):
    conversation = _conversation(request, public_id)
    action, form, choosing = request.POST.get("action", "send"), ReplyForm(request.POST), Choosing(request.POST)
    if action not in SENDS:  # a button of the items part
        choosing.change(action)
        if request.htmx:
            return items_part(request, choosing, conversation.branch, request.path)
        return _page(request, conversation, ReplyForm(initial=_typed(request.POST)), choosing)
    items_fine = choosing.check()
    if not form.is_valid() or not items_fine:
        return _page(request, conversation, form, choosing, status=422)
    newer = [] if action == "send_anyway" else _said_since(conversation, form.cleaned_data)
    if newer:
        return _page(request, conversation, ReplyForm(initial=_typed(request.POST)), choosing, newer=newer, status=422)
    actions.reply(
        conversation,
        by=request.user,
        side=Message.Side.STAFF,
        at=timezone.now(),
        body=form.cleaned_data["body"],
        language=form.cleaned_data["language"],
        client_token=form.cleaned_data["client_token"],
        items=choosing.chosen(),
    )
    if not request.htmx:
        messages.success(request, _("Sent."))
        return redirect("desk_conversation", public_id)
    return _page(request, _conversation(request, public_id), sent=True)


@staff_only
@require_POST
def desk_close(request, public_id):
    conversation = _conversation(request, public_id)
    if request.POST.get("body", "").strip():  # closing must not throw away what was written
        return _page(request, conversation, ReplyForm(initial=_typed(request.POST)), Choosing(request.POST), unsent=True, status=422)
    actions.close(conversation, by=request.user, side=Message.Side.STAFF, at=timezone.now())
    if request.htmx:
        return _page(request, _conversation(request, public_id))
    messages.info(request, _("Closed. It opens again when somebody writes."))
    return redirect("desk_conversation", public_id)


def _conversation(request, public_id):
    conversations = Conversation.objects.at_desk_of(request.user, shown_today.ids(request))
    related = "branch", "patron", "help_session__topic", "help_session__staff", "help_session__branch", "recommendation__item"
    return get_object_or_404(conversations.select_related(*related), public_id=public_id)


def _said_since(conversation, typed):
    """The messages that came after the page was drawn; none if this very answer is among them: then it was posted twice."""
    sent = list(conversation.messages.in_order().select_related("author"))
    if any(message.client_token == typed["client_token"] for message in sent):
        return []
    seen = [str(message.public_id) for message in sent]
    return sent[seen.index(typed["seen"]) + 1 :] if typed["seen"] in seen else sent


def _typed(data):
    return {name: data[name] for name in ReplyForm.base_fields if name in data}


def _page(request, conversation, form=None, choosing=None, *, newer=(), sent=False, unsent=False, status=200):
    if conversation.patron_id and not sent:  # whoever draws the page has read it, by whatever button
        audit.record("opened", conversation, by=request.user, patron=conversation.patron, at=timezone.now())
    said = list(
        conversation.messages.in_order()
        .select_related("author")
        .prefetch_related(
            Prefetch(
                "recommendation_links",
                MessageRecommendation.objects.select_related("recommendation__item").prefetch_related("recommendation__item__holdings__branch"),
            )
        )
    )
    for message in said:
        message.by, message.heading = _told_by(message)
    seen = str(said[-1].public_id) if said else ""
    if form is None:
        form = ReplyForm(initial={"client_token": uuid.uuid4(), "language": _language(conversation, said), "seen": seen})
    elif newer:
        form.initial["seen"] = seen  # shown now: sending again is sending anyway
    if sent:
        form.fields["body"].widget.attrs["autofocus"] = True
    choosing = choosing or Choosing()
    context = {
        "conversation": conversation,
        "help_session": conversation.help_session,
        "days": days_of(said, conversation.events.all()),
        "given": with_words(_given(conversation)),
        "form": form,
        "choosing": choosing,
        "items_url": reverse("desk_reply", args=[conversation.public_id]),
        **found_for(choosing, conversation.branch),
        "newer": newer,
        "sent": sent,
        "unsent": unsent,
        "now": timezone.now(),
    }
    return render_page(request, "desk/thread.html", context, partial="thread", status=status)


def _told_by(message):
    """Who wrote it, as the desk reads it, and the heading that says so."""
    if message.side == Message.Side.PATRON:
        return message.author.display_name if message.author else _("The patron"), _("The patron wrote")
    name = message.author.display_name if message.author else _("The library")
    return name, _("%(name)s answered") % {"name": name}


def _language(conversation, said):
    """The language of the patron's last words, or of the session."""
    theirs = [message.language for message in said if message.side == Message.Side.PATRON]
    session = conversation.help_session
    return theirs[-1] if theirs else session.language if session else "en"


def _given(conversation):
    """What this patron was given on this occasion: nothing of their other history."""
    if conversation.help_session_id is None:
        return Recommendation.objects.filter(pk=conversation.recommendation_id).for_page()
    in_session = Recommendation.objects.filter(sessionrecommendation__help_session=conversation.help_session_id)
    return in_session.order_by("sessionrecommendation__position", "pk").for_page()
