"""The patron's pages for conversations: list them, show one, reply, close it."""

import uuid
from functools import wraps

from django.db.models import UUIDField
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, reswap, retarget

from accounts.sign_in.access import sign_in_to_open
from accounts.sign_in.unsent import browser_of, done_after_sign_in, shows_unsent_text, unsent_form
from accounts.staff.desk_lock import background_request
from accounts.viewer import for_viewers
from accounts.waiting_forms import has_waited, may_wait_on_phone, refuse_quiet, say_refused
from portal import limits
from portal.conversations import (
    actions,
    call_texts,
    changes,
    conversation_page,
    drafts,
    page_entries,
    patron_lists,
    status_texts,
)
from portal.conversations.forms import ComposerForm, DraftForm
from portal.conversations.models import Conversation, Draft, Message
from portal.conversations.views import attaching, drafting
from portal.errors import one_or_404
from portal.helpsessions.push import can_subscribe
from portal.htmx import render_page
from portal.limits import TooOften
from portal.notifications.push.browser import offers_push
from portal.paging import page_of

PATRON = Message.Side.PATRON


@require_safe
def conversations(request):
    """List the viewer's conversations. Those with the latest messages come first."""
    rows = Conversation.objects.belonging_to(request.viewer).not_merged().select_related("help_session")
    conversations, older = page_of(rows, "last_message_at", request.GET.get("after"))
    patron_lists.add_last_words(conversations, request.viewer, timezone.now())
    context = {"conversations": conversations, "older": older, "after": request.GET.get("after")}
    return render_page(request, "conversations/all.html", context)


@sign_in_to_open(Conversation, opens_at="latest")
@require_safe
def conversation(request, public_id):
    """Show the latest messages of the conversation, including all unread messages.

    `?message=` names a message, and the page shows the messages around it. `?before=` names the first message
    that the patron sees now, and the page starts a few messages earlier. If htmx sends `?before=`, return
    only the messages before the named message.
    """
    now, before, around = timezone.now(), request.GET.get("before"), request.GET.get("message")
    conversation = _for_page(request, now, public_id)
    if conversation.merged_into_id:
        return redirect(_find(request, public_id))
    if before and request.htmx:
        part = conversation_page.messages_before(conversation, now, before)
        if part is None:
            return HttpResponse(status=204)
        return _respond(request, conversation, part, now, partial="earlier")
    if before:
        part = conversation_page.messages_around(conversation, now, before, back=conversation_page.PAGE_SIZE)
    elif around:
        part = conversation_page.messages_around(conversation, now, around)
    else:
        part = conversation_page.latest_messages(
            conversation, now, unread_since=_unread_since(request, conversation)
        )
    return _respond(request, conversation, part, now)


@sign_in_to_open(Conversation)
@background_request
@require_safe
def conversation_news(request, public_id):
    """Respond to the poll of an open page.

    If nothing has changed, return the status code 204. Otherwise return the messages and events that are new
    since the last poll, and the current status of the conversation.
    """
    now, conversation = timezone.now(), one_or_404(_polled(request.viewer, public_id=public_id))
    if not request.htmx:
        return redirect(conversation)
    if request.GET.get("since") == str(conversation.version_at(now)):
        return HttpResponse(status=204)
    if conversation.merged_into_id:
        return HttpResponseClientRedirect(f"{_find(request, public_id).get_absolute_url()}#latest")
    return _news(request, conversation, now)


def not_found_if_erased(view):
    """Decorate a view to return 404 if the conversation is erased while the request runs."""

    @wraps(view)
    def guarded(request, public_id):
        try:
            return view(request, public_id)
        except actions.Erased:
            raise Http404 from None

    return guarded


@may_wait_on_phone
@sign_in_to_open(Conversation)
@shows_unsent_text("conversation")
@require_POST
@not_found_if_erased
def reply(request, public_id):
    """Add the patron's message. If there is an error, show the composer again with the typed text."""
    conversation = _find(request, public_id)
    if has_waited(request):
        refuse_quiet(conversation.help_session)
    form = ComposerForm(request.POST)
    is_valid, token = form.is_valid(), form.cleaned_data.get("client_token")
    composer = {"by": request.viewer.person, "side": PATRON, "client_token": token}
    refused = attaching.add_posted_files(request, conversation, **composer)[1] if token else []
    if token and not is_valid and not refused:
        form = ComposerForm(attaching.with_words(request.POST, conversation, **composer))
        is_valid = form.is_valid()
    if is_valid and not refused:
        _count_message(request, conversation, form)
    if refused or form.errors:
        return _composer_again(request, conversation, form, refused)
    typed = form.cleaned_data
    sent = actions.reply(
        conversation,
        by=request.viewer.person,
        side=PATRON,
        at=timezone.now(),
        body=typed["body"],
        language=get_language(),
        client_token=typed["client_token"],
        draft_sequence=typed["sequence"],
    )
    if sent.body != typed["body"]:
        return _composer_again(request, conversation, _not_sent_form(typed))
    if not request.htmx:
        return redirect(f"{conversation.get_absolute_url()}#latest")
    return _news(request, conversation, timezone.now(), shown=request.POST.get("shown"), partial="sent")


def _count_message(request, conversation, form):
    """Count the message toward the limit, or add an error to the form if the limit is reached.

    There is no error if the same message was already sent, for example by a double tap.
    """
    try:
        limits.count_written(request, "message", conversation)
    except TooOften as error:
        if not conversation.messages.filter(client_token=form.cleaned_data["client_token"]).exists():
            form.add_error("body", error.words_for_writer)


def _not_sent_form(typed):
    """Return a form with the typed text, an error and a new token.

    Another page has already sent a different message with the old token.
    """
    form = ComposerForm(typed | {"client_token": uuid.uuid4()})
    form.add_error(
        "body",
        _(
            "This message is not sent yet. You already sent a different message from another page. Change "
            "this message, or send it as well."
        ),
    )
    return form


@sign_in_to_open(Conversation)
@require_POST
def conversation_draft(request, public_id):
    conversation = _find(request, public_id)
    person = changes.writer_in(conversation, request.viewer.person, PATRON)
    return drafting.keep(
        request,
        conversation,
        DraftForm(request.POST),
        person=person,
        side=PATRON,
        kind=Draft.Kind.REPLY,
        language=get_language(),
    )


@sign_in_to_open(Conversation)
@done_after_sign_in
@require_POST
@not_found_if_erased
def close_conversation(request, public_id):
    """Close the conversation and show its new status."""
    conversation = _find(request, public_id)
    actions.close(conversation, by=request.viewer.person, side=PATRON, at=timezone.now())
    if not request.htmx:
        request.done = _("The conversation is closed.")
        return redirect(f"{conversation.get_absolute_url()}#latest")
    return _news(request, conversation, timezone.now(), shown=request.POST.get("shown"))


def _find(request, public_id):
    """Return the conversation. If it was merged, return the conversation that it was merged into."""
    conversation = one_or_404(_for_writing(request.viewer, public_id=public_id))
    if not conversation.merged_into_id:
        return conversation
    return get_object_or_404(
        Conversation.objects.belonging_to(request.viewer), pk=conversation.merged_into_id
    )


@for_viewers(public_id=UUIDField())
def _for_writing(viewer, public_id):
    return (
        Conversation.objects.belonging_to(viewer)
        .filter(public_id=public_id)
        .select_related("branch", "help_session")
    )


@for_viewers(public_id=UUIDField())
def _polled(viewer, public_id):
    return (
        Conversation.objects.belonging_to(viewer)
        .filter(public_id=public_id)
        .only("public_id", "patron", "merged_into", "version", "pending_from")
    )


def _for_page(request, at, public_id):
    return one_or_404(
        conversation_page.for_page(request.viewer, public_id=public_id, at=at, today=timezone.localdate(at))
    )


def _unread_since(request, conversation):
    """Return when the viewer last read the conversation, or None if nothing is unread.

    If an answer has only just been shown, the conversation can be missing in `viewer.unread`, because the
    worker hasn't updated the conversation yet. So also look up the time if `pending_from` is set.
    """
    if conversation.pk not in request.viewer.unread and conversation.pending_from is None:
        return None
    return conversation_page.read_until(conversation, request.viewer.person) or conversation_page.EPOCH


def _composer_again(request, conversation, form, refused=()):
    now = timezone.now()
    say_refused(request, form)
    conversation = _for_page(request, now, conversation.public_id)
    part = conversation_page.latest_messages(conversation, now)
    return _respond(
        request, conversation, part, now, form=form, refused=refused, partial="composer", status=422
    )


def _news(request, conversation, now, *, shown=None, partial="news"):
    """Return a response with the messages and events that the open page doesn't have yet, for htmx.

    If the page can't be updated by adding entries at its end, the response has the whole conversation.
    `shown` is the value of MessageRange.shown_until for the open page, or None to read it from the URL.
    """
    conversation = _for_page(request, now, conversation.public_id)
    part = conversation_page.messages_since(
        conversation, now, request.GET.get("shown") if shown is None else shown
    )
    if part is not None:
        return _respond(request, conversation, part, now, partial=partial)
    part = conversation_page.latest_messages(conversation, now)
    whole = "sent_whole" if partial == "sent" else "conversation"
    response = _respond(request, conversation, part, now, partial=whole)
    return reswap(retarget(response, "#conversation"), "outerHTML")


def _respond(request, conversation, part, now, *, form=None, refused=(), partial="", status=200):
    quiet = conversation.help_session is not None and conversation.help_session.quiet
    _mark_read(request, conversation, part, now)
    person = changes.writer_in(conversation, request.viewer.person, PATRON)
    unsent = _unsent(request, conversation) if form is None and not partial else None
    composer = _composer(conversation, person, form, unsent)
    files = _files(conversation, person, part, composer)
    page_entries.add_details(part, conversation, request.viewer, files=files, quiet=quiet)
    # The URLs for attaching, replying and closing all begin with this URL.
    address = conversation.get_absolute_url()
    arrived = page_entries.arrival_text(part, quiet) if part.after else ""
    context = {
        "conversation": conversation,
        "quiet": quiet,
        "address": address,
        "attach": f"{address}attach/",
        "part": part,
        "version": conversation.version_at(now),
        "closed": status_texts.status_for_patron(conversation, now) == Conversation.Status.CLOSED,
        "state": status_texts.status_sentences(conversation, now),
        "waits_for_call": call_texts.call_since(conversation, now) is not None,
        "may_get_messages": not partial and _may_get_messages(request, conversation.help_session),
        "away": "" if quiet else status_texts.away_text(conversation, part.messages, now),
        **composer,
        "unsent": unsent,
        "attached": files.get(None, []),
        "refused": refused,
        "announce": _("Sent.") if partial.startswith("sent") else arrived,
        "partial": partial,
        "back": address,
    }
    return render_page(request, "conversations/conversation.html", context, partial=partial, status=status)


def _may_get_messages(request, help_session):
    """Return whether the page offers push messages about a visit that this browser opened by code.

    Signed-in people turn on push messages about the visits in their account on the page *Me*.
    """
    if help_session is None or help_session.pk not in request.viewer.opened_by_code:
        return False
    return offers_push(request) and can_subscribe(help_session)


def _mark_read(request, conversation, part, now):
    """Record that the viewer has read the messages on the page.

    Record nothing if a device fetches the page to keep it for reading offline. If the page has the latest
    message, also remove the conversation from `viewer.unread`, so that the page itself doesn't show it as
    unread.
    """
    is_unread = conversation.pk in request.viewer.unread
    is_opened = request.method == "GET" and not request.kept_at
    if not is_opened or not (part.messages or is_unread):
        return
    if is_unread or conversation.pending_from is not None or part.after is not None:
        # If a conversation began with a request for a call, it may have no message.
        until = part.messages[-1].shown_from if part.messages else conversation.last_message_at
        actions.mark_read(conversation, person=request.viewer.person, at=now, until=until)
    if not part.later:
        request.viewer.unread.discard(conversation.pk)


def _unsent(request, conversation):
    """Return the patron's unsent reply to this conversation or to a conversation that was merged into it."""
    if not browser_of(request):
        return None
    merged = Conversation.objects.belonging_to(request.viewer).filter(merged_into=conversation)
    return unsent_form(request, *(row.get_absolute_url() for row in [conversation, *merged]))


def _composer(conversation, person, form, unsent):
    """Return the context for the composer.

    The composer shows the first of these that exists: a form with errors, the unsent text together with the
    draft, or the draft. A form with errors keeps its token. So if the corrected form is sent twice, only one
    message is saved.
    """
    if form is not None:
        return {
            "form": form,
            "typed": form["body"].value(),
            "token": form.cleaned_data.get("client_token") or uuid.uuid4(),
            "sequence": form.cleaned_data.get("sequence") or 0,
        }
    if not conversation.has_drafts and unsent is None:
        return {"typed": "", "token": uuid.uuid4(), "sequence": 0}
    draft = drafts.draft_of(conversation, person=person, side=PATRON, kind=Draft.Kind.REPLY)
    typed, token = drafts.with_unsent_text(draft, unsent) if unsent else (draft.body, draft.client_token)
    return {"typed": typed, "token": token, "sequence": draft.sequence}


def _files(conversation, person, part, composer):
    """Return {primary key of a message: [its files]}. The key None has the files of the composer."""
    if not conversation.has_files:
        return {}
    unsent = conversation.attachments.in_composer(composer["token"], side=PATRON, person=person)
    return attaching.files_of(conversation, part.messages, unsent=unsent, route="attachment")
