"""The composer, which is the form that staff use to answer a conversation."""

import uuid

from django.urls import reverse
from django.utils import timezone

from accounts.patron.retention_choice import ends_at
from portal.conversations import drafts
from portal.conversations.models import Conversation, Draft, Message, Side
from portal.conversations.models.conversations import KEPT_AFTER_LAST_MESSAGE
from portal.page_addresses import address_of
from portal.text import uuid_or_none

from .conversation_lookup import conversation_at_desk
from .forms.replies import DraftForm, composer_extras
from .item_picker import ItemPicker
from .items_part import search_context, untouched_items
from .languages import language_options
from .params import number_or_none
from .sending import must_ask_to_count, offered_buttons, pressed_button


def saved_drafts(request, conversation):
    """Return the staff member's drafts of an answer and of a note in this conversation, as {kind: draft}."""
    kinds = [Draft.Kind.REPLY, Draft.Kind.NOTE]
    return drafts.drafts_of(conversation, person=request.user, side=Side.STAFF, kinds=kinds)


def composer_context(
    request,
    conversation,
    draft,
    *,
    latest,
    form=None,
    picker=None,
    typed=None,
    templates=None,
    newer=(),
    taken="",
    refused=(),
    asks="",
    says="",
    alarm=False,
):
    """Return the context of the composer.

    If `form` is None, the composer shows the saved draft. Otherwise, it shows the values in `typed`, or the
    posted values if `typed` is None.

    `latest` is the primary key of the last message on the page. `newer` are the messages that arrived after
    the page was shown. `taken` is a text that says that a colleague has taken the conversation. `refused` are
    the files that could not be added. `asks` is the question that the composer shows: "discard" or
    "sent_otherwise". `says` is a text about the action that the staff member has just done. If `alarm` is
    true, this text is a warning.
    """
    data = draft.typed if form is None else typed or request.POST
    values = _saved_values(draft) if form is None else _posted_values(data)
    token = values["client_token"] or uuid.uuid4()
    picker = picker or ItemPicker(data)
    items_url = address_of("desk_reply", conversation.public_id)
    return {
        "form": form,
        "picker": picker,
        "is_closed": conversation.status == Conversation.Status.CLOSED,
        "readable_until": readable_until(conversation, library=request.library, at=timezone.now()),
        "composer": {
            "client_token": uuid.uuid4() if asks == "sent_otherwise" else token,
            "sequence": values["sequence"],
            "seen": latest,
            "body": values["body"],
            "languages": language_options(values["language"] or _language_for(conversation)),
            "then": values["then"] or Message.Then.TURN,
            "send_buttons": offered_buttons(conversation, request.user),
            "how": pressed_button(request.POST),
            "asks_to_count": must_ask_to_count(conversation),
            "newer": newer,
            "taken": taken,
            "asks": asks,
            "says": says,
            # If the composer shows a text from a saved draft, this text gets the focus. Otherwise, the
            # message in `says` gets it.
            "says_gets_focus": typed is not None or not values["body"],
            "alarm": alarm,
        },
        "templates": templates,
        "attached": [file for file in conversation.unsent_files if file.client_token == token],
        "refused": refused,
        "items_url": items_url,
        "untouched_items": untouched_items(picker, items_url),
        **search_context(picker, conversation.branch),
    }


def readable_until(conversation, *, library, at):
    """Return the last day on which the patron could read the conversation if staff closed it now.

    Return None if the conversation is in nobody's library account.
    """
    patron, session = conversation.patron, conversation.help_session
    if patron is None:
        return None
    kept_at = (session.kept_at or session.created_at) if session else at
    with_child = bool(session and session.with_child)
    ends = ends_at(patron, kept_at, library=library, with_child=with_child)
    return library.today(max(ends, at + KEPT_AFTER_LAST_MESSAGE))


def _saved_values(draft):
    return {
        "client_token": draft.client_token,
        "sequence": draft.sequence,
        "body": draft.body,
        "language": draft.language,
        "then": draft.typed.get("then"),
    }


def _posted_values(data):
    return {
        "client_token": uuid_or_none(data.get("client_token")),
        "sequence": number_or_none(data.get("sequence")) or 0,
        "body": data.get("body", ""),
        "language": data.get("language"),
        "then": data.get("then"),
    }


def _language_for(conversation):
    """Return the language of the patron's last message.

    If there is no such message, return the language of the visit. If there is no visit, return "en".
    """
    session = conversation.help_session
    return conversation.language_of_patron or (session.language if session else "en")


def put_text_back(request, typed, public_id):
    """Save the text of a refused answer or note as a draft, and return the URL of the conversation's page.

    Return "" if nothing was saved.
    """
    conversation = conversation_at_desk(request, public_id, "patron")
    if conversation.status == Conversation.Status.ERASED:
        return ""
    saved = save_typed(request, conversation, timezone.now(), data=typed)
    field = "note-body" if typed.get("kind") == Draft.Kind.NOTE else "id_body"
    return f"{reverse('desk_conversation', args=[conversation.public_id])}#{field}" if saved else ""


def save_typed(request, conversation, at, *, data=None):
    """Save the posted text and items as a draft of the staff member.

    Return whether there was a text or an item to save.

    The draft gets the next sequence number, so that it counts as the newest draft. `data` contains the values
    of the composer. If `data` is None, use request.POST.
    """
    data = request.POST if data is None else data
    sequence = (number_or_none(data.get("sequence")) or 0) + 1
    form = DraftForm(data.dict() | {"sequence": sequence})
    is_begun = form.is_valid() and (form.cleaned_data["body"] or ItemPicker(data).rows)
    if is_begun:
        drafts.keep_both(
            conversation,
            person=request.user,
            side=Side.STAFF,
            typed=composer_extras(data),
            at=at,
            **form.cleaned_data,
        )
    return bool(is_begun)
