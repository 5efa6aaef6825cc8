"""The export tables about conversations."""

from django.db.models import BooleanField, Case, Exists, OuterRef, Q, Value, When
from django.utils.translation import gettext_lazy as _

from accounts.models import Library
from accounts.viewer import Viewer
from portal.conversations.models import (
    Attachment,
    CallBack,
    Conversation,
    Draft,
    Event,
    Message,
    MessageRecommendation,
    Participation,
    ReadersForm,
    Side,
)
from portal.incoming.models import IncomingEmail
from recommendations.models import Recommendation

from .table import Table, name_of

# {value of `is_own`: text}. The text says who wrote the row, if the writer is not staff.
FROM = {
    True: "you",
    False: "someone else with access to this visit",
    None: "someone with access to this visit",
}


def attachments(person, at):
    """Return the attachments in the person's conversations, including the person's unsent attachments."""
    return (
        Attachment.objects.open_to_patron(person, at)
        .filter(conversation__in=_conversations(person))
        .select_related("conversation", "message")
    )


def path_of(attachment):
    """Return the attachment's file name in the archive. It contains nothing that a person typed."""
    return f"attachments/{attachment.public_id}.{attachment.file.name.rpartition('.')[2]}"


def incoming_emails(person):
    """Return the person's own emails to the library, without emails from other addresses."""
    return IncomingEmail.objects.sent_by(person).select_related("message").order_by("came_at", "pk")


def path_of_email(email):
    """Return the file name of the original email in the archive."""
    return f"emails/{email.public_id}.eml"


def _conversations(person):
    return Conversation.objects.belonging_to(Viewer(person))


def _events(person):
    """Return the events of the person's conversations, and the events about next steps for their items.

    A conversation without messages has no page for patrons. But the patron reads its next steps on the pages
    of the items.
    """
    about_items = Q(kind__in=Event.STEPS, recommendation__in=Recommendation.objects.filter(patron=person))
    return Event.objects.filter(Q(conversation__in=_conversations(person)) | about_items)


def _own_numbers(person):
    """Return the phone numbers that the person gave.

    A number has no name if a viewer by code or staff entered it. Before the person adds the visit to their
    account, anyone with the slip can enter a number. So a number without a name counts as the person's own
    only if it was entered after they added the visit, and only while the call is open. In a shared visit, a
    number without a name is never exported.
    """
    unnamed = Q(by=None, done_at=None, conversation__patron=person)
    shared = Q(conversation__help_session__with_child=Library.Children.SHARED)
    # A merge moves the phone numbers of one conversation to the other. So check the visits of both
    # conversations.
    kept_later = Conversation.objects.filter(
        Q(pk=OuterRef("conversation")) | Q(merged_into=OuterRef("conversation")),
        Q(help_session__kept_at=None) | Q(help_session__kept_at__gt=OuterRef("asked_at")),
        help_session__isnull=False,
    )
    return CallBack.objects.filter(Q(by=person) | unnamed & ~shared & ~Exists(kept_later))


def _messages(person, at):
    """Return the messages in the person's conversations, and all other messages that the person wrote.

    These other messages can be about a child's visit that the person no longer shares.
    """
    in_theirs = Message.objects.filter(conversation__in=_conversations(person)).order_by().values("pk")
    written = Message.objects.filter(side=Side.PATRON, author=person).order_by().values("pk")
    # With OR instead of a union, the database would read every message.
    return Message.objects.shown(at).filter(pk__in=in_theirs.union(written))


def _is_own(person, field):
    """Return an SQL expression for "the person wrote this row".

    `field` names the field with the author. A row without an author counts as the person's own. In a shared
    visit, the value is None for such a row, because the child or the adult may have written it.
    """
    unnamed, shared = Q(**{field: None}), Q(conversation__help_session__with_child=Library.Children.SHARED)
    return Case(
        When(Q(**{field: person}) | unnamed & ~shared, then=Value(True)),
        When(unnamed, then=None),
        default=Value(False),
        output_field=BooleanField(null=True),
    )


def _from(row, at):
    return FROM[row.is_own] if row.side == Side.PATRON else "library"


TABLES = {
    "conversations": Table(
        "conversations.Conversation",
        _("your conversations with the library"),
        lambda person, at: (
            _conversations(person)
            .select_related("help_session", "recommendation", "branch", "topic", "merged_into")
            .order_by("opened_at", "pk")
        ),
        {
            "id": "public_id",
            "subject": "subject",
            "visit": "help_session.public_id",
            "recommendation": "recommendation.public_id",
            "branch": "branch.name",
            "topic": "topic.name",
            "opened_at": "opened_at",
            "status": lambda row, at: row.status_at(at),
            "is_about_the_outcome": "is_about_outcome",
            "wants_no_answer": "wants_no_answer",
            "merged_into": "merged_into.public_id",
        },
    ),
    "messages": Table(
        "conversations.Message",
        _("the messages between you and the library"),
        lambda person, at: (
            _messages(person, at)
            .annotate(is_own=_is_own(person, "author"))
            .select_related("conversation", "author")
            .in_order()
        ),
        {
            "id": "public_id",
            "conversation": "conversation.public_id",
            "from": _from,
            "helper": lambda row, at: name_of(row.author) if row.side == Side.STAFF else "",
            "text": "body",
            "language": "language",
            "sent_at": "sent_at",
            "by_link": "by_link",
            "by_email": "by_email",
            "files_left_out": lambda row, at: ", ".join(name for name, _why in row.left_out),
        },
    ),
    "message_recommendations": Table(
        "conversations.MessageRecommendation",
        _("which items belong to which answer"),
        lambda person, at: (
            MessageRecommendation.objects.filter(message__in=_messages(person, at))
            .select_related("message", "recommendation")
            .order_by("message", "position", "pk")
        ),
        {"message": "message.public_id", "recommendation": "recommendation.public_id"},
    ),
    "events": Table(
        "conversations.Event",
        _("when a conversation was closed and reopened, how calls went, and what staff did about items"),
        lambda person, at: (
            _events(person)
            .filter(shown_from__lte=at)
            .annotate(is_own=_is_own(person, "by"))
            .select_related("conversation", "by", "recommendation", "other_item")
            .order_by("at", "pk")
        ),
        {
            # A conversation without messages isn't in the export, because it has no page for patrons.
            "conversation": lambda row, at: (
                str(row.conversation.public_id) if row.conversation.last_message_at else ""
            ),
            "what": "kind",
            "from": _from,
            "who": lambda row, at: name_of(row.by) if row.side == Side.STAFF or row.is_own else "",
            "at": "at",
            "recommendation": "recommendation.public_id",
            "next_step": "step",
            "promised_on": "promised_on",
            "other_item": "other_item.title",
        },
    ),
    "attachments": Table(
        "conversations.Attachment",
        _("pictures and PDFs, which are in the folder “attachments”"),
        lambda person, at: attachments(person, at).annotate(is_own=_is_own(person, "added_by")),
        {
            "id": "public_id",
            "conversation": "conversation.public_id",
            "message": "message.public_id",
            "from": _from,
            "name": "name",
            "description": "alt",
            "bytes": "size",
            "added_at": "added_at",
            "file": lambda row, at: path_of(row),
        },
    ),
    "incoming_emails": Table(
        "incoming.IncomingEmail",
        _("the emails that you sent to the library, which are in the folder “emails”"),
        lambda person, at: incoming_emails(person),
        {
            "id": "public_id",
            "message": "message.public_id",
            "from": "sender",
            "subject": "subject",
            "came_at": "came_at",
            "bytes": "size",
            "file": lambda row, at: path_of_email(row) if row.file else "",
        },
    ),
    "calls": Table(
        "conversations.CallBack",
        _("the phone numbers that you asked us to call"),
        lambda person, at: _own_numbers(person).select_related("conversation").order_by("asked_at", "pk"),
        {
            "conversation": "conversation.public_id",
            "number": "number",
            "ask_for": "ask_for",
            "may_leave_message": "may_leave_message",
            "asked_at": "asked_at",
            "done_at": "done_at",
        },
    ),
    "readers_forms": Table(
        "conversations.ReadersForm",
        _("your answers in “Find me something to read”"),
        lambda person, at: (
            ReadersForm.objects.filter(conversation__in=_conversations(person))
            .select_related("conversation")
            .order_by("pk")
        ),
        {
            "conversation": "conversation.public_id",
            "loved": "loved",
            "mood": "mood",
            "avoid": "avoid",
            "for_whom": "for_whom",
            "formats": "formats",
        },
    ),
    "read_until": Table(
        "conversations.Participation",
        _("how far you have read in each conversation"),
        lambda person, at: (
            Participation.objects.filter(person=person, side=Side.PATRON)
            .select_related("conversation")
            .order_by("pk")
        ),
        {"conversation": "conversation.public_id", "until": "read_until"},
    ),
    "drafts": Table(
        "conversations.Draft",
        _("messages you have written but not sent"),
        lambda person, at: (
            Draft.objects.filter(person=person, side=Side.PATRON)
            .select_related("conversation")
            .order_by("saved_at", "pk")
        ),
        {
            "kind": "kind",
            "conversation": "conversation.public_id",
            "text": "body",
            "language": "language",
            "saved_at": "saved_at",
        },
    ),
}
