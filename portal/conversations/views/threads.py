"""A conversation on the patron's phone: the list, the thread, writing in it, closing it."""

import uuid

from django.db.models import F, OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portal.conversations import actions
from portal.conversations.forms import MessageForm
from portal.conversations.models import Conversation, Message
from portal.conversations.timeline import days_of, promise
from portal.helpsessions.cards import cards
from portal.htmx import render_page
from portal.lists.models import SavedItem
from portal.paging import page_of
from recommendations.models import Recommendation


@require_safe
def conversations(request):
    """All of them, the latest word first."""
    rows = Conversation.objects.belonging_to(request.reader).not_joined().select_related("help_session")
    threads, older = page_of(rows, "last_message_at", request.GET.get("after"))
    for thread in threads:
        thread.promise = promise(thread, timezone.now())
    return render_page(request, "conversations/all.html", {"conversations": threads, "older": older, "after": request.GET.get("after")})


@require_safe
def conversation(request, public_id):
    return _thread(request, _find(request, public_id), MessageForm())


@require_safe
def conversation_news(request, public_id):
    """What an open thread asks every 20 seconds: 204, or the thread as it is now."""
    found = _find(request, public_id)
    if not request.htmx:
        return redirect(found)
    if request.GET.get("since") == str(found.version_at(timezone.now())):
        return HttpResponse(status=204)
    latest = found.messages.shown(timezone.now()).in_order().select_related("author").last()
    news = _("%(name)s replied") % {"name": _told_by(latest, _is_quiet(found))[0]} if latest.side == Message.Side.STAFF else ""
    return _thread(request, found, MessageForm(), partial="thread", announce=news)


@require_POST
def reply(request, public_id):
    found = _find(request, public_id)
    form = MessageForm(request.POST)
    if not form.is_valid():
        return _thread(request, found, form, partial="composer", status=422)
    actions.reply(found, by=request.reader.person, side=Message.Side.PATRON, at=timezone.now(), language=get_language(), **form.cleaned_data)
    if not request.htmx:
        return redirect(f"{found.get_absolute_url()}#latest")
    return _thread(request, _find(request, public_id), MessageForm(), partial="sent", announce=_("Sent."))


@require_POST
def close_conversation(request, public_id):
    found = _find(request, public_id)
    actions.close(found, by=request.reader.person, side=Message.Side.PATRON, at=timezone.now())
    if not request.htmx:
        return redirect(f"{found.get_absolute_url()}#latest")
    return _thread(request, _find(request, public_id), MessageForm(), partial="thread")


def _is_quiet(conversation):
    return conversation.help_session is not None and conversation.help_session.quiet


def _told_by(message, quiet):
    """Who wrote it, as the patron reads it, and the heading that says so. In a quiet session nobody is named."""
    if message.side == Message.Side.PATRON:
        return _("You"), _("You wrote")
    if message.author is None or quiet:
        return _("The library"), _("The library wrote")
    name = message.author.display_name
    return name, _("%(name)s wrote") % {"name": name}


def _token(form):
    """The token of the composer: the one that came, so that sending what was mended is still the same message; or a new one."""
    return (form.is_bound and form.cleaned_data.get("client_token")) or uuid.uuid4()


def _find(request, public_id):
    return get_object_or_404(Conversation.objects.belonging_to(request.reader).select_related("help_session"), public_id=public_id)


def _thread(request, conversation, form, *, partial="", status=200, announce=""):
    now = timezone.now()
    if request.method == "GET" and conversation.pk in request.reader.unread:
        actions.mark_read(conversation, person=request.reader.person, at=now)
        request.reader.unread.remove(conversation.pk)
    messages = list(conversation.messages.shown(now).in_order().select_related("author"))
    quiet = _is_quiet(conversation)
    saved = SavedItem.objects.belonging_to(request.reader).filter(item=OuterRef("item"))
    given = list(
        Recommendation.objects.filter(messagerecommendation__message__conversation=conversation)
        .for_page()
        .annotate(message_id=F("messagerecommendation__message"), saved_as=Subquery(saved.values("public_id")[:1]))
        .order_by("messagerecommendation__position", "pk")
    )
    given = cards(
        given,
        request.reader,
        {recommendation.pk: conversation for recommendation in given},
        quiet=quiet,
        saved={recommendation.item_id: recommendation.saved_as for recommendation in given},
    )
    for message in messages:
        message.given = [recommendation for recommendation in given if recommendation.message_id == message.pk]
        message.by, message.heading = _told_by(message, quiet)
    latest = messages[-1]
    context = {
        "conversation": conversation,
        "quiet": quiet,
        "days": days_of(messages, conversation.events.filter(shown_from__lte=now)),
        "version": conversation.version_at(now),
        "latest": latest,
        "promise": promise(conversation, now),
        "form": form,
        "token": _token(form),
        "oob": partial == "sent",
        "announce": announce,
        "back": conversation.get_absolute_url(),
    }
    return render_page(request, "conversations/thread.html", context, partial=partial, status=status)
