"""Writing a note beside a conversation, and telling the colleagues whom it names. No patron's page, mail or export ever imports this."""

import re

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from accounts.models import Absence, Library, User
from accounts.staff_actions import staff_action
from portal.notifications.actions import notify

from . import drafts
from .changes import lock_conversation, save
from .models import Conversation, ConversationNote, Draft, NoteMention, Side

AT = re.compile(r"(?<![\w@.])@(?=\w)")  # not within an e-mail address
NAME = re.compile(r"[\w'’.-]*\w")
SHOWN = 20


@staff_action
def write_note(conversation, *, by, at, body, client_token):
    """Add a note. Colleagues whose name stands in it after an @ are told that there is one; never, by mail, what it says.

    The same token twice is one note. Raises Erased, RoleEnded.
    """
    conversation = lock_conversation(conversation, at)
    note, new = ConversationNote.objects.get_or_create(
        conversation=conversation,
        client_token=client_token,
        defaults={"author": by, "body": body, "written_at": conversation.changed_at},
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
    """The colleagues who can open the conversation: those of its branch, whose it is, and who covers for them today."""
    covers = (
        Absence.objects.on(Library.current().today()).filter(person=conversation.assignee_id).values("cover")
    )
    can_open = Q(staff_roles__branch=conversation.branch_id) | Q(staff_roles__isnull=False) & (
        Q(pk=conversation.assignee_id) | Q(pk__in=covers)
    )
    return User.objects.filter(can_open, is_active=True).exclude(name="").distinct().order_by("name", "pk")


def mentioned_in(body, conversation):
    """Whom the words name after an @."""
    found, _unknown = _look_up(body, conversation)
    return found


def names_of_nobody(body, conversation):
    """What stands after an @ and isn't the name of one colleague who can open the conversation."""
    _found, unknown = _look_up(body, conversation)
    return unknown


def _look_up(body, conversation):
    """([people], [words]): a whole name counts before a first name, the longer before the shorter; a first name only if one has it."""
    places = [found.end() for found in AT.finditer(body)]
    if not places:
        return [], []
    people = list(may_be_mentioned(conversation))
    whole, first = {}, {}
    for person in people:
        whole.setdefault(person.name.casefold(), []).append(person)
        first.setdefault(person.name.casefold().split()[0], []).append(person)
    names = sorted(whole, key=len, reverse=True)
    found, unknown = [], []
    for place in places:
        rest = body[place:].casefold()
        name = next(
            (
                name
                for name in names
                if rest.startswith(name) and not rest[len(name) : len(name) + 1].isalnum()
            ),
            None,
        )
        word = NAME.match(body[place:])[0]
        if name is not None:
            found += whole[name]
        elif len(first.get(word.casefold(), [])) == 1:
            found += first[word.casefold()]
        else:
            unknown.append(word)
    return [person for person in people if person in found], unknown


def see_mentions(conversation, *, person, at):
    """The person has opened the conversation in which they were named."""
    NoteMention.objects.filter(person=person, note__conversation=conversation, seen_at=None).update(
        seen_at=at
    )


def unseen_mentions(person):
    """The conversations in which this person was named and hasn't looked yet, newest first, each with `mentioned_by`, the names of who did, and
    `mentioned_at`. For desk/mentions.html; what they may not open any more is left out. One query."""
    unseen = NoteMention.objects.filter(
        person=person,
        seen_at=None,
        note__conversation__in=Conversation.objects.at_desk_of(person).values("pk"),
    )
    newest_first = (
        unseen.select_related("note__author", "note__conversation")
        .defer("note__body")
        .order_by("-note__written_at", "-pk")
    )
    conversations = {}
    for mention in newest_first[:SHOWN]:
        note = mention.note
        conversation = conversations.setdefault(note.conversation_id, note.conversation)
        if not hasattr(conversation, "mentioned_by"):
            conversation.mentioned_by, conversation.mentioned_at = [], note.written_at
        if note.author is not None and note.author.display_name not in conversation.mentioned_by:
            conversation.mentioned_by.append(note.author.display_name)
    return list(conversations.values())


def _tell(person, note, by, at):
    if not person.email:
        return
    url = settings.BASE_URL + reverse("desk_conversation", args=[note.conversation.public_id])
    notify(
        "conversations/mention",
        to=person.email,
        at=at,
        recipient=person,
        language=person.language,
        context={"colleague": by, "url": url},
    )
