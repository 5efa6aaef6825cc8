"""Writing a note beside a thread, and telling the colleagues whom it names. No patron's page, mail or export ever imports this."""

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from accounts.models import User
from portal.notifications.actions import notify

from . import drafts
from .actions import locked, save
from .models import Conversation, ConversationNote, Draft, NoteMention, Side


@transaction.atomic
def write_note(conversation, *, by, at, body, client_token):
    """Add a note. Colleagues whose name stands in it after an @ are told that there is one; never, by mail, what it says.

    The same token twice is one note.
    """
    conversation = locked(conversation, at)
    note, new = ConversationNote.objects.get_or_create(
        conversation=conversation, client_token=client_token, defaults={"author": by, "body": body, "written_at": at}
    )
    if not new:
        return note
    for person in mentioned_in(body, conversation):
        if person != by:
            NoteMention.objects.create(note=note, person=person)
            _tell(person, note, by, at)
    drafts.forget(conversation, person=by, side=Side.STAFF, kind=Draft.Kind.NOTE)
    save(conversation)
    return note


def may_be_mentioned(conversation):
    """The colleagues who can open the thread: those of its branch, and whose it is."""
    people = User.objects.filter(Q(staff_roles__branch=conversation.branch_id) | Q(pk=conversation.assignee_id), is_active=True)
    return people.exclude(name="").distinct().order_by("name", "pk")


def mentioned_in(body, conversation):
    """Whom the words name after an @, the longest name first: @Rosa Lind is not also @Rosa."""
    rest, found = body.casefold(), []
    for person in sorted(may_be_mentioned(conversation), key=lambda person: -len(person.name)):
        name = f"@{person.name.casefold()}"
        if name in rest:
            rest = rest.replace(name, " ")
            found.append(person)
    return found


def see_mentions(conversation, *, person, at):
    """The person has opened the thread in which they were named."""
    NoteMention.objects.filter(person=person, note__conversation=conversation, seen_at=None).update(seen_at=at)


def unseen_mentions(person):
    """The threads in which this person was named and hasn't looked yet, newest first."""
    threads = Conversation.objects.filter(notes__mentions__person=person, notes__mentions__seen_at=None)
    return threads.distinct().order_by("-queued_at", "-pk")


def _tell(person, note, by, at):
    if not person.email:
        return
    url = settings.BASE_URL + reverse("desk_conversation", args=[note.conversation.public_id])
    notify("conversations/mention", to=person.email, at=at, recipient=person, language=person.language, context={"colleague": by, "url": url})
