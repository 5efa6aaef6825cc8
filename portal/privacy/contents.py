"""What an export holds: one table a model that the policy marks as exported, with the columns that docs/export.md explains.

A table is made of the rows that are this person's own and of what the library has shown them: never of a note, of what is done at
the desk, of an answer that is still held, or of anybody else's. Quiet sessions carry no name, so no export can hold one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.db.models import BooleanField, Case, Q, Value, When
from django.utils.translation import gettext_lazy as _

from accounts.models import (
    AddressChange,
    AuditEvent,
    Consent,
    Invitation,
    InvitedRole,
    Library,
    LibraryCard,
    Passkey,
    StaffRole,
    User,
)
from accounts.viewer import Viewer
from portal.conversations.models import (
    Attachment,
    Conversation,
    Draft,
    Event,
    Message,
    MessageRecommendation,
    Participation,
    ReadersForm,
    Side,
)
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.lists.models import SavedItem, SavedList
from portal.notifications.models import Notification
from recommendations.models import Recommendation

OF_THE_DESK = ["conversations/mention"]  # mails that somebody gets because they work there


@dataclass(frozen=True)
class Table:
    """`rows(person, at)` is a query. A column is a path of attributes, or a function of (row, at)."""

    model: str
    title: object
    rows: Callable
    columns: dict


def _name_of(person):
    return person.display_name if person else ""


def _conversations(person, at):
    return Conversation.objects.belonging_to(Viewer(person))


def _messages(person, at):
    """In their own conversations, and what they wrote as the adult beside a child: that visit is the child's."""
    theirs = Q(conversation__in=_conversations(person, at)) | Q(side=Side.PATRON, author=person)
    return Message.objects.shown(at).filter(theirs)


def _is_own(person, field):
    """What stands on the patron's side with their name, or without one; else it is another's who holds a child's visit beside them. Of such a
    visit nobody knows whose it is without a name: None."""
    unnamed, shared = Q(**{field: None}), Q(conversation__help_session__with_child=Library.Children.SHARED)
    return Case(
        When(Q(**{field: person}) | unnamed & ~shared, then=Value(True)),
        When(unnamed, then=None),
        default=Value(False),
        output_field=BooleanField(null=True),
    )


def _from(row, at):
    if row.side != Side.PATRON:
        return "library"
    return {True: "you", False: "another holder of the visit", None: "a holder of the visit"}[row.is_own]


def _sessions(person, at):
    return HelpSession.objects.belonging_to(Viewer(person))


def attachments(person, at):
    """Also what isn't sent yet, of this person's own."""
    return (
        Attachment.objects.open_to_patron(person, at)
        .filter(conversation__in=_conversations(person, at))
        .select_related("conversation", "message")
    )


def path_of(attachment):
    """Its name inside the archive: nothing that anybody chose."""
    return f"attachments/{attachment.public_id}.{attachment.file.name.rpartition('.')[2]}"


TABLES = {
    "you": Table(
        "accounts.User",
        _("your name, address and language"),
        lambda person, at: User.objects.filter(pk=person.pk),
        {
            "id": "public_id",
            "name": "name",
            "email": "email",
            "language": "language",
            "joined_at": "joined_at",
            "last_sign_in_at": "last_login",
            "remember": "remember",
            "remember_until": "remember_until",
            "child_since": "child_since",
        },
    ),
    "email_addresses": Table(
        "account.EmailAddress",
        _("your e-mail addresses"),
        lambda person, at: EmailAddress.objects.filter(user=person).order_by("pk"),
        {"email": "email", "confirmed": "verified", "primary": "primary"},
    ),
    "cards": Table(
        "accounts.LibraryCard",
        _("your library card, as the library's own system named it"),
        lambda person, at: (
            LibraryCard.objects.filter(person=person).select_related("home_branch").order_by("pk")
        ),
        {
            "number": "barcode",
            "id_in_that_system": "ils_id",
            "patron_group": "patron_group",
            "home_branch": "home_branch.name",
            "seen_at": "seen_at",
        },
    ),
    "sign_ons": Table(
        "socialaccount.SocialAccount",
        _("the sign-on of your campus or city, by which you come in"),
        lambda person, at: SocialAccount.objects.filter(user=person).order_by("date_joined", "pk"),
        {"provider": "provider", "id_there": "uid", "connected_at": "date_joined"},
    ),
    "staff_roles": Table(
        "accounts.StaffRole",
        _("where you work at a desk"),
        lambda person, at: StaffRole.objects.filter(user=person).select_related("branch").order_by("pk"),
        {"branch": "branch.name", "role": "role"},
    ),
    "invitations": Table(
        "accounts.Invitation",
        _("where you are invited to work at a desk"),
        lambda person, at: (
            Invitation.objects.filter(email=person.email).select_related("invited_by").order_by("pk")
        ),
        {
            "id": "public_id",
            "name": "name",
            "email": "email",
            "invited_by": lambda row, at: _name_of(row.invited_by),
            "sent_at": "sent_at",
        },
    ),
    "invited_roles": Table(
        "accounts.InvitedRole",
        _("at which branches those are"),
        lambda person, at: (
            InvitedRole.objects.filter(invitation__email=person.email)
            .select_related("invitation", "branch")
            .order_by("pk")
        ),
        {"invitation": "invitation.public_id", "branch": "branch.name", "role": "role"},
    ),
    "sign_ins": Table(
        "usersessions.UserSession",
        _("where you are signed in"),
        lambda person, at: UserSession.objects.filter(user=person).order_by("created_at", "pk"),
        {"began_at": "created_at", "network_address": "ip", "browser": "user_agent"},
    ),
    "address_changes": Table(
        "accounts.AddressChange",
        _("that another address waits to take the place of yours"),
        lambda person, at: AddressChange.objects.filter(person=person).order_by("pk"),
        {
            "begun_at": "begun_at",
            "happens_on": "happens_on",
        },  # never which: who reads the old one may have had the copy made
    ),
    "passkeys": Table(
        "accounts.Passkey",
        _("your passkeys"),
        lambda person, at: Passkey.objects.filter(person=person).order_by("added_on", "pk"),
        {"name": "name", "added_on": "added_on", "last_used_on": "last_used_on"},
    ),
    "consents": Table(
        "accounts.Consent",
        _("what you agreed to, in the words you read"),
        lambda person, at: Consent.objects.filter(person=person).order_by("given_at", "pk"),
        {
            "purpose": "purpose",
            "about": "subject",
            "wording": "wording",
            "language": "language",
            "given_at": "given_at",
        },
    ),
    "who_looked": Table(
        "accounts.AuditEvent",
        _("who opened or changed what is yours, and when"),
        lambda person, at: (
            AuditEvent.objects.filter(patron=person, at__lte=at).select_related("by").order_by("at", "pk")
        ),
        {
            "at": "at",
            "what": "action",
            "who": lambda row, at: _name_of(row.by),
            "was_you": lambda row, at: row.by_id == row.patron_id,
            "from_where": "where",
            "kind": "subject_type",
            "id": "subject",
        },
    ),
    "visits": Table(
        "helpsessions.HelpSession",
        _("your visits"),
        lambda person, at: (
            _sessions(person, at).select_related("branch", "staff", "topic").order_by("happened_on", "pk")
        ),
        {
            "id": "public_id",
            "day": "happened_on",
            "hour": "hour",
            "branch": "branch.name",
            "service_point": "service_point",
            "mode": "mode",
            "question_type": "question_type",
            "topic": "topic.name",
            "helper": lambda row, at: _name_of(row.staff),
            "language": "language",
            "question": "question",
            "summary": "summary",
            "found": "found",
            "help_was": "satisfaction",
            "answered_at": "answered_at",
            "handed_over_at": "handed_over_at",
            "kept_at": "kept_at",
            "with_child": "with_child",
            "shared_at": "shared_at",
        },
    ),
    "recommendations": Table(
        "recommendations.Recommendation",
        _("what was recommended to you, and your word on it"),
        lambda person, at: (
            Recommendation.objects.filter(patron=person, recommended_at__lte=at)
            .select_related("item", "branch", "topic", "recommended_by")
            .order_by("recommended_at", "pk")
        ),
        {
            "id": "public_id",
            "title": "item.title",
            "by": "item.creators",
            "kind": "item.kind",
            "year": "item.year",
            "isbn": "item.isbn",
            "link": "item.url",
            "reason": "reason",
            "helper": lambda row, at: _name_of(row.recommended_by),
            "branch": "branch.name",
            "topic": "topic.name",
            "question_type": "question_type",
            "recommended_at": "recommended_at",
            "verdict": "verdict",
            "why": "why",
            "comment": "comment",
            "decided_at": "decided_at",
        },
    ),
    "visit_recommendations": Table(
        "helpsessions.SessionRecommendation",
        _("which items belong to which visit"),
        lambda person, at: (
            SessionRecommendation.objects.filter(help_session__in=_sessions(person, at))
            .select_related("help_session", "recommendation")
            .order_by("help_session", "position", "pk")
        ),
        {"visit": "help_session.public_id", "recommendation": "recommendation.public_id"},
    ),
    "conversations": Table(
        "conversations.Conversation",
        _("your conversations with the library"),
        lambda person, at: (
            _conversations(person, at)
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
            "merged_into": "merged_into.public_id",
        },
    ),
    "messages": Table(
        "conversations.Message",
        _("what you and the library wrote to each other"),
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
            "helper": lambda row, at: _name_of(row.author) if row.side == Side.STAFF else "",
            "text": "body",
            "language": "language",
            "sent_at": "sent_at",
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
        _("when a conversation was closed and opened again"),
        lambda person, at: (
            Event.objects.filter(conversation__in=_conversations(person, at), shown_from__lte=at)
            .annotate(is_own=_is_own(person, "by"))
            .select_related("conversation", "by")
            .order_by("at", "pk")
        ),
        {
            "conversation": "conversation.public_id",
            "what": "kind",
            "from": _from,
            "who": lambda row, at: _name_of(row.by) if row.side == Side.STAFF or row.is_own else "",
            "at": "at",
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
    "readers_forms": Table(
        "conversations.ReadersForm",
        _("your answers in “Find me something to read”"),
        lambda person, at: (
            ReadersForm.objects.filter(conversation__in=_conversations(person, at))
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
        _("how far you have read"),
        lambda person, at: (
            Participation.objects.filter(person=person, side=Side.PATRON)
            .select_related("conversation")
            .order_by("pk")
        ),
        {"conversation": "conversation.public_id", "until": "read_until"},
    ),
    "drafts": Table(
        "conversations.Draft",
        _("what you were writing and have not sent"),
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
    "lists": Table(
        "lists.SavedList",
        _("your lists"),
        lambda person, at: SavedList.objects.filter(patron=person).order_by("made_at", "pk"),
        {"id": "public_id", "name": "name", "made_at": "made_at"},
    ),
    "list_items": Table(
        "lists.SavedItem",
        _("the items on your lists"),
        lambda person, at: (
            SavedItem.objects.filter(saved_list__patron=person)
            .select_related("saved_list", "item", "recommendation")
            .order_by("saved_at", "pk")
        ),
        {
            "list": "saved_list.public_id",
            "title": "item.title",
            "by": "item.creators",
            "kind": "item.kind",
            "year": "item.year",
            "isbn": "item.isbn",
            "link": "item.url",
            "recommendation": "recommendation.public_id",
            "saved_at": "saved_at",
        },
    ),
    "mails": Table(
        "notifications.Notification",
        _("the mails sent to you"),
        # One that waits for a held answer would say that there is one.
        lambda person, at: (
            Notification.objects.filter(recipient=person, due_at__lte=at)
            .exclude(kind__in=OF_THE_DESK)
            .order_by("created_at", "pk")
        ),
        {
            "to": "to_address",
            "subject": "subject",
            "text": lambda row, at: "" if row.blanked else row.text,  # a code or a link that opens something
            "language": "language",
            "state": "state",
            "written_at": "created_at",
            "delivered_at": "delivered_at",
        },
    ),
}


def entries(table, person, at):
    """The rows of one table as {column: value}, values as JSON has them."""
    for row in table.rows(person, at):
        yield {
            name: _plain(source(row, at) if callable(source) else reduce(_step, source.split("."), row))
            for name, source in table.columns.items()
        }


def _step(value, name):
    return None if value is None else getattr(value, name)


def _plain(value):
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if isinstance(value, (str, int, bool, float)) or value is None else str(value)
