"""A conversation on the patron's phone: the list, the conversation, writing in it, closing it."""

import uuid
from functools import wraps

from django.db.models import F, OuterRef, Subquery, UUIDField
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from accounts.staff.desk_lock import background_request
from accounts.viewer import for_viewers
from portal import limits
from portal.conversations import actions, changes, conversation_page
from portal.conversations.forms import ComposerForm, DraftForm
from portal.conversations.models import Conversation, Draft, Event, Message
from portal.conversations.views import attaching, drafting
from portal.errors import one_or_404
from portal.helpsessions.recommendation_panels import recommendation_panels
from portal.htmx import render_page
from portal.limits import TooOften
from portal.lists.models import SavedItem
from portal.paging import page_of
from recommendations.models import Recommendation, each_once


@require_safe
def conversations(request):
    """All of them, the latest word first."""
    rows = Conversation.objects.belonging_to(request.viewer).not_merged().select_related("help_session")
    conversations, older = page_of(rows, "last_message_at", request.GET.get("after"))
    context = {"conversations": conversations, "older": older, "after": request.GET.get("after")}
    return render_page(request, "conversations/all.html", context)


@require_safe
def conversation(request, public_id):
    """The last messages and all that is new; `?message=` the part around that one. `?before=` gives htmx the page of messages before one."""
    now, before, named = timezone.now(), request.GET.get("before"), request.GET.get("message")
    found = _for_page(request, now, public_id)
    if found.merged_into_id:
        return redirect(_find(request, public_id))
    if before and request.htmx:
        part = conversation_page.messages_before(found, now, before)
        return _answer(request, found, part, now, partial="earlier") if part else HttpResponse(status=204)
    if before:
        return _answer(
            request,
            found,
            conversation_page.messages_around(found, now, before, back=conversation_page.PAGE),
            now,
        )
    part = (
        conversation_page.messages_around(found, now, named)
        if named
        else conversation_page.latest_messages(found, now, unread_since=_unread_since(request, found))
    )
    return _answer(request, found, part, now)


@background_request
@require_safe
def conversation_news(request, public_id):
    """What an open conversation asks every 20 seconds: 204, or what was shown since, and whose turn it is now."""
    now, found = timezone.now(), one_or_404(_polled(request.viewer, public_id=public_id))
    if not request.htmx:
        return redirect(found)
    if request.GET.get("since") == str(found.version_at(now)):
        return HttpResponse(status=204)
    if found.merged_into_id:
        return HttpResponseClientRedirect(f"{_find(request, public_id).get_absolute_url()}#latest")
    return _news(request, found, now)


def gone_if_erased(view):
    """What is erased while it is being written in is gone, as it would have been a moment later."""

    @wraps(view)
    def guarded(request, public_id):
        try:
            return view(request, public_id)
        except actions.Erased:
            raise Http404 from None

    return guarded


@require_POST
@gone_if_erased
def reply(request, public_id):
    found = _find(request, public_id)
    form = ComposerForm(request.POST)
    is_fine, token = form.is_valid(), form.cleaned_data.get("client_token")
    composer = {"by": request.viewer.person, "side": Message.Side.PATRON, "client_token": token}
    refused = attaching.take_in(request, found, **composer)[1] if token else []
    if is_fine and not refused:
        _count(request, found, form)
    if refused or form.errors:
        return _composer_again(request, found, form, refused)
    typed = form.cleaned_data
    sent = actions.reply(
        found,
        by=request.viewer.person,
        side=Message.Side.PATRON,
        at=timezone.now(),
        body=typed["body"],
        language=get_language(),
        client_token=typed["client_token"],
        draft_sequence=typed["sequence"],
    )
    if (
        sent.body != typed["body"]
    ):  # the composer was sent from another device, with other words: these are not lost
        form = ComposerForm(typed | {"client_token": uuid.uuid4()})
        form.add_error(
            "body",
            _(
                "You have sent this from another page, with other words. These are not sent yet: send them too, or change them."
            ),
        )
        return _composer_again(request, found, form)
    if not request.htmx:
        return redirect(f"{found.get_absolute_url()}#latest")
    return _news(request, found, timezone.now(), shown=request.POST.get("shown"), partial="sent")


def _count(request, found, form):
    """The same message once more, from a second tap or a browser that tries again, is none."""
    try:
        limits.count_written(request, "message", found)
    except TooOften as error:
        if not found.messages.filter(client_token=form.cleaned_data["client_token"]).exists():
            form.add_error("body", error.words_for_writer)


@require_POST
def conversation_draft(request, public_id):
    found = _find(request, public_id)
    person = changes.writer_in(found, request.viewer.person, Message.Side.PATRON)
    whose = {"conversation": found, "person": person, "side": Message.Side.PATRON, "kind": Draft.Kind.REPLY}
    return drafting.keep(request, form=DraftForm(request.POST), **whose, language=get_language())


@require_POST
@gone_if_erased
def close_conversation(request, public_id):
    found = _find(request, public_id)
    actions.close(found, by=request.viewer.person, side=Message.Side.PATRON, at=timezone.now())
    if not request.htmx:
        return redirect(f"{found.get_absolute_url()}#latest")
    return _news(request, found, timezone.now(), shown=request.POST.get("shown"))


def _find(request, public_id):
    """The conversation; of one that was joined into another, that other."""
    found = one_or_404(_mine(request.viewer, public_id=public_id))
    return (
        get_object_or_404(Conversation.objects.belonging_to(request.viewer), pk=found.merged_into_id)
        if found.merged_into_id
        else found
    )


@for_viewers(public_id=UUIDField())
def _mine(viewer, public_id):
    return (
        Conversation.objects.belonging_to(viewer)
        .filter(public_id=public_id)
        .only("public_id", "patron", "help_session", "merged_into")
    )


@for_viewers(public_id=UUIDField())
def _polled(viewer, public_id):
    return (
        Conversation.objects.belonging_to(viewer)
        .filter(public_id=public_id)
        .only("public_id", "patron", "merged_into", "version", "pending_from")
    )


def _for_page(request, at, public_id):
    """The conversation with what its page needs to know beside it."""
    return one_or_404(
        conversation_page.for_page(request.viewer, public_id=public_id, at=at, today=timezone.localdate(at))
    )


def _unread_since(request, conversation):
    """How far this reader has read, None if to the end. What was held a moment ago isn't counted as unread yet, but may be."""
    if conversation.pk not in request.viewer.unread and conversation.pending_from is None:
        return None
    return conversation_page.read_until(conversation, request.viewer.person) or conversation_page.EPOCH


def _composer_again(request, found, form, refused=()):
    now = timezone.now()
    found = _for_page(request, now, found.public_id)
    part = conversation_page.latest_messages(found, now)
    return _answer(request, found, part, now, form=form, refused=refused, partial="composer", status=422)


def _news(request, found, now, *, shown=None, partial="news"):
    """To htmx what was shown since `shown`, to be put below the rest. Where it can't be, the whole conversation anew."""
    found = _for_page(request, now, found.public_id)
    part = conversation_page.messages_since(found, now, request.GET.get("shown") if shown is None else shown)
    if part is not None:
        return _answer(request, found, part, now, partial=partial)
    whole = _answer(
        request,
        found,
        conversation_page.latest_messages(found, now),
        now,
        partial="sent_whole" if partial == "sent" else "conversation",
    )
    return reswap(retarget(whole, "#conversation"), "outerHTML")


def _answer(request, conversation, part, now, *, form=None, refused=(), partial="", status=200):
    quiet = conversation.help_session is not None and conversation.help_session.quiet
    _read(request, conversation, part, now)
    composer = _composer(conversation, form)
    files = _files(request, conversation, part, composer)
    _dress(request, conversation, part, files, quiet)
    address = conversation.get_absolute_url()
    context = {
        "conversation": conversation,
        "quiet": quiet,
        "address": address,  # the conversation's other addresses begin with it
        "attach": f"{address}attach/",
        "part": part,
        "version": conversation.version_at(now),
        "closed": conversation_page.turn(conversation, now) == Conversation.Status.CLOSED,
        "state": conversation_page.state_in_words(conversation, now),
        "away": "" if quiet else conversation_page.away_in_words(conversation, part, now),
        **composer,
        "attached": files.get(None, []),
        "refused": refused,
        "announce": _("Sent.") if partial.startswith("sent") else _arrived(part, quiet) if part.after else "",
        "partial": partial,
        "back": address,
    }
    return render_page(request, "conversations/conversation.html", context, partial=partial, status=status)


def _read(request, conversation, part, now):
    """What the page shows is read."""
    if request.method != "GET" or not part.messages:
        return
    if (
        conversation.pk in request.viewer.unread
        or conversation.pending_from is not None
        or part.after is not None
    ):
        actions.mark_read(
            conversation, person=request.viewer.person, at=now, until=part.messages[-1].shown_from
        )
    if not part.later:
        request.viewer.unread.discard(conversation.pk)


def _dress(request, conversation, part, files, quiet):
    """What each entry says, and what hangs on it."""
    given = (
        _given(request, conversation, part, quiet) if conversation.there_is & conversation_page.ITEMS else []
    )
    for message in part.messages:
        message.files = files.get(message.pk)
        message.given = [
            recommendation for recommendation in given if recommendation.message_id == message.pk
        ]
        message.by, message.heading = _told_by(message, quiet)
    for event in part.events:
        event.event = _told_of(event)
    if conversation.help_session is not None and conversation.help_session.is_shared:
        _tell_apart(
            conversation, part, changes.writer_in(conversation, request.viewer.person, Message.Side.PATRON)
        )


def _given(request, conversation, part, quiet):
    saved = SavedItem.objects.belonging_to(request.viewer).filter(item=OuterRef("item"))
    given = each_once(
        Recommendation.objects.filter(
            messagerecommendation__message__in=[message.pk for message in part.messages]
        )
        .select_related("item", "branch", "recommended_by")
        .with_places()
        .annotate(
            message_id=F("messagerecommendation__message"), saved_as=Subquery(saved.values("public_id")[:1])
        )
        .order_by("messagerecommendation__position", "pk", "stands_at")
    )
    return recommendation_panels(
        given,
        request.viewer,
        {recommendation.pk: conversation for recommendation in given},
        quiet=quiet,
        saved={recommendation.item_id: recommendation.saved_as for recommendation in given},
    )


def _told_by(message, quiet):
    """Who wrote it, as the patron reads it, and the heading that says so. In a quiet session nobody is named."""
    if message.side == Message.Side.PATRON:
        return _("You"), _("You wrote")
    if not message.author_name or quiet:
        return _("The library"), _("The library wrote")
    return message.author_name, _("%(name)s wrote") % {"name": message.author_name}


def _tell_apart(conversation, part, me):
    """Of a visit that a child and an adult hold: which of them wrote what, by what they are and never by a name or an address. Under
    `me` None stands whoever holds the code."""
    mine = me and me.pk
    for message in part.messages:
        if message.side == Message.Side.PATRON and (message.author_id != mine or message.writer_erased):
            message.is_mine = False
            message.by, message.heading = _told_by_another(message, conversation)
    for event in part.events:
        if (
            event.side == Message.Side.PATRON
            and event.kind == Event.Kind.CLOSED
            and (event.by_id is None or event.by_id != mine)
        ):
            event.event = _("This was closed: it was sorted")


def _told_by_another(message, conversation):
    if message.author_id is None and not message.writer_erased:
        return _("Written with the code"), _("Written with the code")
    if message.author_id is not None and message.author_id == conversation.patron_id:
        return _("The child"), _("The child wrote")
    if message.author_id is not None and message.author_id == conversation.help_session.shared_with_id:
        return _("The adult"), _("The adult wrote")
    return _("Somebody who kept this visit before"), _("Somebody who kept this visit before wrote")


def _told_of(event):
    if event.kind == Event.Kind.CLOSED and event.side == Message.Side.PATRON:
        return _("You closed this: it was sorted")
    return {
        Event.Kind.CLOSED: _("The library closed this"),
        Event.Kind.CLOSED_BY_ITSELF: _("This closed by itself, because nothing more was written"),
        Event.Kind.REOPENED: _("Opened again"),
        Event.Kind.MERGED: _("The library put another conversation of yours in here"),
    }[event.kind]


def _arrived(part, quiet):
    """What a screen reader is told of an answer that came while the page was open."""
    answers = [message for message in part.messages if message.side == Message.Side.STAFF]
    return _("%(name)s replied") % {"name": _told_by(answers[-1], quiet)[0]} if answers else ""


def _composer(conversation, form):
    """What was being typed, wherever that was. A form that came back has the token that it came with, so that sending what was mended is
    still the same message."""
    if form is not None:
        kept = form.cleaned_data
        return {
            "form": form,
            "typed": form["body"].value(),
            "token": kept.get("client_token") or uuid.uuid4(),
            "sequence": kept.get("sequence") or 0,
        }
    sequence, token, words = conversation_page.draft_of(conversation)
    return {"typed": words, "token": token, "sequence": sequence}


def _files(request, conversation, part, composer):
    """{primary key of a message: its files}, and under None those of the composer, in one query."""
    if not conversation.there_is & (conversation_page.FILES | conversation_page.UNSENT_FILES):
        return {}
    person = changes.writer_in(conversation, request.viewer.person, Message.Side.PATRON)
    unsent = conversation.attachments.in_composer(composer["token"], side=Message.Side.PATRON, person=person)
    return attaching.files_of(conversation, part.messages, unsent=unsent, route="attachment")
