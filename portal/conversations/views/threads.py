"""A conversation on the patron's phone: the list, the thread, writing in it, closing it."""

import uuid

from django.db.models import F, OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from portal.conversations import actions, drafts
from portal.conversations.forms import ComposerForm, DraftForm
from portal.conversations.models import Conversation, Draft, Message
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
    return _thread(request, _find(request, public_id))


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
    return _thread(request, found, partial="thread", announce=news)


@require_POST
def reply(request, public_id):
    found = _find(request, public_id)
    form = ComposerForm(request.POST)
    if not form.is_valid():
        return _thread(request, found, form, partial="composer", status=422)
    typed = form.cleaned_data
    sent = actions.reply(
        found,
        by=request.reader.person,
        side=Message.Side.PATRON,
        at=timezone.now(),
        body=typed["body"],
        language=get_language(),
        client_token=typed["client_token"],
        draft_sequence=typed["sequence"],
    )
    if sent.body != typed["body"]:  # the composer was sent from another device, with other words: these are not lost
        form = ComposerForm(typed | {"client_token": uuid.uuid4()})
        form.add_error("body", _("You have sent this from another page, with other words. These are not sent yet: send them too, or change them."))
        return _thread(request, found, form, partial="composer", status=422)
    if not request.htmx:
        return redirect(f"{found.get_absolute_url()}#latest")
    return _thread(request, _find(request, public_id), partial="sent", announce=_("Sent."))


@require_POST
def conversation_draft(request, public_id):
    """Keeps what is being typed: 204. Where newer words are kept 409 and a word about them; where it was sent meanwhile 410 and the
    token of another message. static/js/drafts.js asks."""
    found = _find(request, public_id)
    form = DraftForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=422)
    try:
        drafts.save_draft(**_whose_draft(request, found), language=get_language(), at=timezone.now(), **form.cleaned_data)
    except drafts.AlreadySent:
        return HttpResponse(str(uuid.uuid4()), status=410, content_type="text/plain")
    except drafts.NewerDraft as newer:
        if newer.draft is not None and newer.draft.body != form.cleaned_data["body"]:
            return render(request, "components/newer_draft.html", {"draft": newer.draft}, status=409)
    return HttpResponse(status=204)


@require_POST
def close_conversation(request, public_id):
    found = _find(request, public_id)
    actions.close(found, by=request.reader.person, side=Message.Side.PATRON, at=timezone.now())
    if not request.htmx:
        return redirect(f"{found.get_absolute_url()}#latest")
    return _thread(request, _find(request, public_id), partial="thread")


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


def _whose_draft(request, conversation):
    """By what a draft of this reader in this thread is found. Where the visit is not kept in their account it has no name."""
    person = request.reader.person
    mine = person if person is not None and conversation.patron_id == person.pk else None
    return {"conversation": conversation, "person": mine, "side": Message.Side.PATRON, "kind": Draft.Kind.REPLY}


def _composer(request, conversation):
    """What was being typed, wherever that was."""
    draft = drafts.draft_of(**_whose_draft(request, conversation))
    return ComposerForm(initial={"body": draft.body, "client_token": draft.client_token, "sequence": draft.sequence})


def _with_token(form):
    """A composer that came back has the token that it came with, so that sending what was mended is still the same message; or a new one."""
    token = form.cleaned_data.get("client_token") if form.is_bound else form.initial["client_token"]
    sequence = form.cleaned_data.get("sequence") if form.is_bound else form.initial["sequence"]
    return {"form": form, "token": token or uuid.uuid4(), "sequence": sequence or 0}


def _find(request, public_id):
    return get_object_or_404(Conversation.objects.belonging_to(request.reader).select_related("help_session"), public_id=public_id)


def _thread(request, conversation, form=None, *, partial="", status=200, announce=""):
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
        **_with_token(form or _composer(request, conversation)),
        "oob": partial == "sent",
        "announce": announce,
        "back": conversation.get_absolute_url(),
    }
    return render_page(request, "conversations/thread.html", context, partial=partial, status=status)
