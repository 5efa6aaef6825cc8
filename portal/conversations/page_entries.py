"""Add texts and attachments to the messages and events on a patron's conversation page."""

from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.sign_in.email_addresses import confirmed_address
from portal.helpsessions.recommendation_panels import recommendation_panels
from recommendations.models import Recommendation, each_once

from .changes import writer_in
from .models import Event, Message, Side

EMAIL_ADDED = {
    Event.Kind.EMAIL_ADDED: gettext_lazy("%(name)s added your email"),
    Event.Kind.OTHER_EMAIL_ADDED: gettext_lazy("%(name)s added your email from another address"),
}
# Texts about what the other person in a shared visit did. They don't say who did it.
NAMELESS = {
    Event.Kind.CLOSED: gettext_lazy("This conversation was closed"),
    Event.Kind.CALL_ASKED: gettext_lazy("Someone asked for a call"),
    Event.Kind.CALL_CANCELED: gettext_lazy("The call was canceled"),
}


def add_details(part, conversation, viewer, *, files, quiet):
    """Add writers, headings, files, items and event texts to the messages and events of a MessageRange.

    `files` is {primary key of a message: [its attachments]}.
    """
    items = _items(part, conversation, viewer, quiet) if conversation.has_items else []
    originals = _own_originals(part, viewer)
    for message in part.messages:
        message.files = files.get(message.pk)
        message.given = [item for item in items if item.message_id == message.pk]
        message.by, message.heading = _writer(message, quiet)
        if message.pk in originals:
            message.original = reverse("original_email", args=[message.public_id])
    for event in part.events:
        event.event = _event_text(event, quiet)
    if conversation.help_session is not None and conversation.help_session.is_shared:
        _name_child_and_adult(part, conversation, writer_in(conversation, viewer.person, Side.PATRON))


def _own_originals(part, viewer):
    """Return the primary keys of the messages whose original email the viewer sent.

    If staff added an email to the conversation, somebody else may have sent it. In this case, the email must
    have come from the viewer's confirmed address.
    """
    own = [
        row for row in part.messages if row.by_email and viewer.person and row.author_id == viewer.person.pk
    ]
    keys = {row.pk for row in own if row.by_email == Message.ByEmail.OWN}
    added = [row.pk for row in own if row.pk not in keys]
    if added and (address := confirmed_address(viewer.person)):
        theirs = Message.objects.filter(pk__in=added, incoming_email__sender__iexact=address)
        keys |= set(theirs.values_list("pk", flat=True))
    return keys


def arrival_text(part, quiet):
    """Return the text that a screen reader reads out when an answer arrives on an open page, or ""."""
    answers = [message for message in part.messages if message.side == Side.STAFF]
    return _("%(name)s replied") % {"name": _writer(answers[-1], quiet)[0]} if answers else ""


def _items(part, conversation, viewer, quiet):
    """Return the recommendations in the messages of a MessageRange, with their `message_id`."""
    items = each_once(
        Recommendation.objects.filter(
            messagerecommendation__message__in=[message.pk for message in part.messages]
        )
        .select_related("item", "branch", "recommended_by")
        .with_places()
        .annotate(message_id=F("messagerecommendation__message"))
        .order_by("messagerecommendation__position", "pk", "place_branch")
    )
    return recommendation_panels(items, viewer, {item.pk: conversation for item in items}, quiet=quiet)


def _writer(message, quiet):
    """Return the name of the writer and the heading of the message.

    If staff wrote the message in a quiet session, the name is "The library".
    """
    if message.side == Side.PATRON:
        return _("You"), _("You wrote")
    if not message.author_name or quiet:
        return _("The library"), _("The library wrote")
    return message.author_name, _("%(name)s wrote") % {"name": message.author_name}


def _event_text(event, quiet):
    if event.kind == Event.Kind.CLOSED and event.side == Side.PATRON:
        return _("You closed this conversation")
    if event.kind in EMAIL_ADDED:
        return EMAIL_ADDED[event.kind] % {"name": _staff_name(event, quiet)}
    if event.kind == Event.Kind.CALL_ASKED and event.side == Side.PATRON:
        return _("You asked for a call")
    if event.kind == Event.Kind.CALL_EXPIRED and event.side == Side.PATRON:
        return _("The phone number for the call was deleted")
    return {
        Event.Kind.CLOSED: _("The library closed this conversation"),
        Event.Kind.CLOSED_BY_ITSELF: _("This conversation closed automatically because nobody wrote again"),
        Event.Kind.REOPENED: _("This conversation was opened again"),
        Event.Kind.MERGED: _("The library merged another conversation of yours into this one"),
        Event.Kind.CALL_ASKED: _("The library added you to its call list"),
        Event.Kind.CALL_TRIED: _("We called and didn't reach you"),
        Event.Kind.CALL_SPOKEN: _("We spoke on the phone"),
        Event.Kind.CALL_GIVEN_UP: _("We didn't reach you and won't call again"),
        Event.Kind.CALL_CANCELED: _("You canceled the call"),
        Event.Kind.CALL_EXPIRED: _("We didn't call you in time and deleted your number"),
    }[event.kind]


def _staff_name(event, quiet):
    return event.by.name if event.by and event.by.name and not quiet else _("The library")


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
        is_patrons = event.side == Side.PATRON and event.kind in NAMELESS
        if is_patrons and (event.by_id is None or event.by_id != my_pk):
            event.event = NAMELESS[event.kind]


def _other_writer(message, conversation):
    if message.author_id is None and not message.writer_erased:
        return _("Someone with the code"), _("Someone with the code wrote")
    if message.author_id is not None and message.author_id == conversation.patron_id:
        return _("The child"), _("The child wrote")
    if message.author_id is not None and message.author_id == conversation.help_session.shared_with_id:
        return _("The adult"), _("The adult wrote")
    return _("Someone who kept this visit before"), _("Written by someone who kept this visit before")
