"""Add texts and attachments to the messages and events on a patron's conversation page."""

from django.db.models import F, OuterRef, Subquery
from django.utils.translation import gettext as _

from portal.helpsessions.recommendation_panels import recommendation_panels
from portal.lists.models import SavedItem
from recommendations.models import Recommendation, each_once

from .changes import writer_in
from .models import Event, Side


def add_details(part, conversation, viewer, *, files, quiet):
    """Add writers, headings, files, items and event texts to the entries of a MessageRange.

    `files` is {primary key of a message: [its attachments]}.
    """
    items = _items(part, conversation, viewer, quiet) if conversation.has_items else []
    for message in part.messages:
        message.files = files.get(message.pk)
        message.given = [item for item in items if item.message_id == message.pk]
        message.by, message.heading = _writer(message, quiet)
    for event in part.events:
        event.event = _event_text(event)
    if conversation.help_session is not None and conversation.help_session.is_shared:
        _name_child_and_adult(part, conversation, writer_in(conversation, viewer.person, Side.PATRON))


def arrival_text(part, quiet):
    """Return the text that a screen reader reads out when an answer arrives on an open page, or ""."""
    answers = [message for message in part.messages if message.side == Side.STAFF]
    return _("%(name)s replied") % {"name": _writer(answers[-1], quiet)[0]} if answers else ""


def _items(part, conversation, viewer, quiet):
    """Return the recommendations in the messages of a MessageRange. Each has the attribute `message_id`."""
    saved = SavedItem.objects.belonging_to(viewer).filter(item=OuterRef("item"))
    items = each_once(
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
        items,
        viewer,
        {item.pk: conversation for item in items},
        quiet=quiet,
        saved={item.item_id: item.saved_as for item in items},
    )


def _writer(message, quiet):
    """Return the name of the writer and the heading of the message.

    If staff wrote the message in a quiet session, the name is "The library".
    """
    if message.side == Side.PATRON:
        return _("You"), _("You wrote")
    if not message.author_name or quiet:
        return _("The library"), _("The library wrote")
    return message.author_name, _("%(name)s wrote") % {"name": message.author_name}


def _event_text(event):
    if event.kind == Event.Kind.CLOSED and event.side == Side.PATRON:
        return _("You closed this conversation")
    return {
        Event.Kind.CLOSED: _("The library closed this conversation"),
        Event.Kind.CLOSED_BY_ITSELF: _("This conversation closed automatically because nobody wrote again"),
        Event.Kind.REOPENED: _("This conversation was opened again"),
        Event.Kind.MERGED: _("The library merged another conversation of yours into this one"),
    }[event.kind]


def _name_child_and_adult(part, conversation, me):
    """Set the names shown for other people in a shared visit, such as "The child" or "The adult".

    `me` is the person who sees the page, or None for a viewer by code. Messages by `me` keep the name "You".
    """
    my_pk = me and me.pk
    for message in part.messages:
        if message.side == Side.PATRON and (message.author_id != my_pk or message.writer_erased):
            message.is_mine = False
            message.by, message.heading = _other_writer(message, conversation)
    for event in part.events:
        is_patrons = event.side == Side.PATRON and event.kind == Event.Kind.CLOSED
        if is_patrons and (event.by_id is None or event.by_id != my_pk):
            event.event = _("This conversation was closed")


def _other_writer(message, conversation):
    if message.author_id is None and not message.writer_erased:
        return _("Someone with the code"), _("Someone with the code wrote")
    if message.author_id is not None and message.author_id == conversation.patron_id:
        return _("The child"), _("The child wrote")
    if message.author_id is not None and message.author_id == conversation.help_session.shared_with_id:
        return _("The adult"), _("The adult wrote")
    return _("Someone who kept this visit before"), _("Written by someone who kept this visit before")
