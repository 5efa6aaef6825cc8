"""Private notes about a conversation, and mentions of colleagues in these notes.

No code for patron pages imports this module.
"""

import re

from django.db.models import Q
from django.utils import timezone

from accounts.models import Absence, Library, User
from accounts.staff_actions import staff_action
from portal.notifications.writing import notify

from . import drafts
from .changes import lock_conversation, save
from .models import Conversation, ConversationNote, Draft, NoteMention, Side
from .staff_notices import about, desk_url

# Matches an @ that is not part of an email address.
AT = re.compile(r"(?<![\w@.])@(?=\w)")
NAME = re.compile(r"[\w'’.-]*\w")
MENTIONS_MAX = 20


@staff_action
def write_note(conversation, *, by, at, body, client_token):
    """Add a note, send an email to the colleagues that the note mentions, and return the note.

    The email doesn't contain the text of the note. If the same `client_token` is sent twice, the note is
    saved once. Raises Erased, RoleEnded.
    """
    conversation = lock_conversation(conversation, at)
    note, is_new = ConversationNote.objects.get_or_create(
        conversation=conversation,
        client_token=client_token,
        defaults={"author": by, "body": body, "written_at": conversation.changed_at},
    )
    if not is_new:
        return note
    for person in mentioned_in(body, conversation):
        if person != by:
            NoteMention.objects.create(note=note, person=person)
            _email_mention(person, note, by, at)
    drafts.forget(conversation, person=by, side=Side.STAFF, kind=Draft.Kind.NOTE)
    save(conversation)
    return note


def may_be_mentioned(conversation):
    """Return the colleagues who can open the conversation at the desk.

    These are the staff of the conversation's branch and of a branch that covers for it now. The assignee also
    counts, and so does the colleague who covers for the assignee today.
    """
    covers = (
        Absence.objects.on(Library.current().today()).filter(person=conversation.assignee_id).values("cover")
    )
    branches = conversation.branch_ids_at_desk(timezone.now())
    can_open = Q(staff_roles__branch__in=branches) | Q(staff_roles__isnull=False) & (
        Q(pk=conversation.assignee_id) | Q(pk__in=covers)
    )
    return User.objects.filter(can_open, is_active=True).exclude(name="").distinct().order_by("name", "pk")


def mentioned_in(body, conversation):
    """Return the colleagues whose name follows an @ in the text."""
    people, _unknown = _look_up(body, conversation)
    return people


def unknown_names(body, conversation):
    """Return the words after an @ that match no colleague, or several colleagues."""
    _people, unknown = _look_up(body, conversation)
    return unknown


def _look_up(body, conversation):
    """Return ([people], [unknown words]) for the words after an @.

    The text after an @ is compared with full names first. The longest full name that matches wins. If none
    matches, the first word is compared with first names. A first name matches only if exactly one person has
    that first name.
    """
    places = [match.end() for match in AT.finditer(body)]
    if not places:
        return [], []
    people = list(may_be_mentioned(conversation))
    whole, first = {}, {}
    for person in people:
        whole.setdefault(person.name.casefold(), []).append(person)
        first.setdefault(person.name.casefold().split()[0], []).append(person)
    names = sorted(whole, key=len, reverse=True)
    mentioned, unknown = [], []
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
            mentioned += whole[name]
        elif len(first.get(word.casefold(), [])) == 1:
            mentioned += first[word.casefold()]
        else:
            unknown.append(word)
    return [person for person in people if person in mentioned], unknown


def see_mentions(conversation, *, person, at):
    """Record that this person has seen all notes in the conversation that mention them."""
    NoteMention.objects.filter(person=person, note__conversation=conversation, seen_at=None).update(
        seen_at=at
    )


def unseen_mentions(person):
    """Return the conversations with a mention that this person hasn't seen. The latest mention comes first.

    Each conversation has two more attributes: `mentioned_by` is a list of names, and `mentioned_at` is the
    time of the latest mention. Conversations that the person may no longer open are left out. Runs one query.
    """
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
    for mention in newest_first[:MENTIONS_MAX]:
        note = mention.note
        conversation = conversations.setdefault(note.conversation_id, note.conversation)
        if not hasattr(conversation, "mentioned_by"):
            conversation.mentioned_by, conversation.mentioned_at = [], note.written_at
        if note.author is not None and note.author.display_name not in conversation.mentioned_by:
            conversation.mentioned_by.append(note.author.display_name)
    return list(conversations.values())


def _email_mention(person, note, by, at):
    if not person.email:
        return
    url = desk_url(note.conversation)
    notify(
        "conversations/mention",
        to=person.email,
        at=at,
        recipient=person,
        language=person.language,
        context={"colleague": by, "url": url},
        about=about(note.conversation),
        url=url,
        branch=note.conversation.branch,
    )
