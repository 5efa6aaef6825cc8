"""Add texts and attachments to the messages and events on a patron's conversation page."""

from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.sign_in.email_addresses import confirmed_address
from portal.helpsessions.recommendation_panels import recommendation_panels
from portal.templatetags.portal import day_in_a_sentence
from recommendations.models import NextStep, Recommendation, each_once

from .changes import writer_in
from .models import Event, Message, Side

EMAIL_ADDED = {
    Event.Kind.EMAIL_ADDED: gettext_lazy("%(name)s added an email that came from your address"),
    Event.Kind.OTHER_EMAIL_ADDED: gettext_lazy(
        "%(name)s added an email that came from a different address than yours"
    ),
}
# Texts about what the other person in a shared visit did. They don't say who did it.
NAMELESS = {
    Event.Kind.CLOSED: gettext_lazy("This conversation was closed"),
    Event.Kind.CALL_ASKED: gettext_lazy("Someone asked for a call"),
    Event.Kind.CALL_CANCELED: gettext_lazy("The call was canceled"),
    Event.Kind.STEP_ENDED: gettext_lazy("Someone changed the answer about an item"),
}
Kind, Step = Event.Kind, NextStep.Kind
# {kind of a next step: what the patron reads when staff have recorded it}
STEPS = {
    Step.RESERVED: gettext_lazy("We reserved “%(title)s” for you. You can expect it by %(day)s"),
    Step.ORDERED: gettext_lazy("We ordered “%(title)s”. You can expect it by %(day)s"),
    Step.ON_ITS_WAY: gettext_lazy(
        "“%(title)s” is on its way from another branch. You can expect it by %(day)s"
    ),
    Step.ON_LOAN: gettext_lazy("“%(title)s” is on loan until %(day)s"),
    Step.OTHER_ITEM: gettext_lazy(
        "We suggested “%(other)s” instead of “%(title)s”. You can expect it by %(day)s"
    ),
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

    If staff added an email to the conversation, somebody else may have sent it. So such an email counts only
    if it came from the viewer's confirmed address.
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
    """Return the recommendations in the messages of a MessageRange. Each has the attribute `message_id`."""
    items = each_once(
        Recommendation.objects.filter(
            messagerecommendation__message__in=[message.pk for message in part.messages]
        )
        .select_related("item", "branch", "recommended_by")
        .with_next_step()
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
    if event.kind in Event.STEPS:
        return _step_text(event)
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


def _step_text(event):
    """Return the text of an event about a next step."""
    words = {
        "title": event.recommendation.item.title,
        "day": event.promised_on and day_in_a_sentence(event.promised_on),
        "other": event.other_item and event.other_item.title,
    }
    if event.kind == Kind.STEP_RECORDED:
        return STEPS[event.step] % words
    if event.other_item and event.kind in {Kind.STEP_ARRIVED, Kind.STEP_GIVEN, Kind.STEP_LATE}:
        # The patron expects the other item, which staff suggested instead. So the event is about that item.
        words["title"] = words["other"]
    text = {
        Kind.STEP_TAKEN_BACK: _("Our plan for “%(title)s” has changed"),
        Kind.STEP_ARRIVED: _("“%(title)s” is ready for you"),
        Kind.STEP_GIVEN: _("You got “%(title)s” from us"),
        Kind.STEP_LATE: _("“%(title)s” didn't come by %(day)s. We have not forgotten you"),
        Kind.STEP_ENDED: _("You changed your answer about “%(title)s”"),
    }[event.kind]
    return text % words


def _staff_name(event, quiet):
    return event.by.name if event.by and event.by.name and not quiet else _("The library")


def _name_child_and_adult(part, conversation, me):
    """Show other people in a shared visit under names such as "The child" or "The adult".

    `me` is the person who views the page, or None for a viewer by code. The messages that `me` wrote keep the
    name "You".
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
    return (
        _("Someone who had this visit in their account before"),
        _("Written by someone who had this visit in their account before"),
    )
