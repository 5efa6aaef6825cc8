"""The part of a conversation's page above the composer: the timeline, and who else has the page open."""

import zlib

from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.conversations.models import Attachment, Side
from portal.conversations.views import attaching

from .given_items import given_in
from .shared_items import may_show_share_link


def timeline_context(request, conversation, timeline, around, at, *, since=None):
    """Return the context of the timeline, and of the line that says which colleagues have the page open.

    Also set `files` and `given` on each message. `given` contains the message's recommendations. `around` is
    the result of `presence.look`. If `since` is a time, screen readers announce what other people have done
    after that time.
    """
    messages = [entry for entry in timeline.entries if entry.shape == "message"]
    by_message, given_before = given_in(conversation, timeline)
    files = _files_of(request, conversation, messages)
    for message in messages:
        message.files = files.get(message.pk)
        message.given = by_message.get(message.pk, ())
    news = [
        entry.news
        for entry in timeline.entries
        if since and entry.at > since and entry.actor_id != request.user.pk
    ]
    return {
        "conversation": conversation,
        "help_session": conversation.help_session,
        "timeline": timeline,
        "given": given_before,
        "here": _others_in_words(around),
        "state_of_page": state_of_page(conversation, around),
        "may_share_items": may_show_share_link(conversation),
        "now": at,
        "announce": ". ".join(dict.fromkeys(news)),
    }


def state_of_page(conversation, around):
    """Return a text that changes when an open page is out of date.

    It changes if the conversation changes, if a colleague opens or leaves the page, or if a colleague starts
    or stops writing.
    """
    here = ",".join(f"{person.pk}{'w' if writing else ''}" for person, writing in around.others)
    return f"{conversation.desk_version}-{zlib.crc32(here.encode()):x}"


def _others_in_words(around):
    writing = [person.display_name for person, is_writing in around.others if is_writing]
    looking = [person.display_name for person, is_writing in around.others if not is_writing]
    sentences = []
    if writing:
        words = ngettext("%(names)s is writing.", "%(names)s are writing.", len(writing))
        sentences.append(words % {"names": get_text_list(writing, _("and"))})
    if looking:
        words = ngettext(
            "%(names)s is looking at this conversation too.",
            "%(names)s are looking at this conversation too.",
            len(looking),
        )
        sentences.append(words % {"names": get_text_list(looking, _("and"))})
    return " ".join(sentences)


def _files_of(request, conversation, messages):
    """Return {primary key of a message: its files}.

    Also set `conversation.unsent_files` to the files that the staff member added but has not sent yet. One
    query finds all of these files. Skip the query if the conversation has no files.
    """
    files = {}
    if conversation.has_files:
        unsent = Attachment.objects.filter(
            conversation=conversation, message=None, side=Side.STAFF, added_by=request.user
        )
        files = attaching.files_of(conversation, messages, unsent=unsent, route="desk_attachment")
    conversation.unsent_files = files.get(None, [])
    return files
