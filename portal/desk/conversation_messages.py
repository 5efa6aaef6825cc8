"""Texts that tell staff who is assigned to a conversation, and who gets an email about a note."""

import datetime

from django.utils.translation import gettext as _

from portal.conversations.models import Conversation
from portal.templatetags.portal import waited

A_MOMENT = datetime.timedelta(minutes=2)


def assigned_words(conversation):
    """Return a sentence that says who is assigned to the conversation now."""
    if conversation.assignee is None:
        return _("Nobody is assigned now.")
    return _("Assigned to %(name)s.") % {"name": conversation.assignee.display_name}


def taken_words(conversation, assignee, at):
    """Return the message for an action that failed because a colleague changed the assignee first.

    `assignee` is the new assignee, or None if nobody is assigned now.
    """
    if assignee is None:
        return _("Nobody is assigned any more. Nothing was changed. Check the conversation and try again.")
    assigned_at = Conversation.objects.get(pk=conversation.pk).assigned_at
    if at - assigned_at < A_MOMENT:
        return _("%(name)s took this conversation a moment ago. Nothing was changed.") % {
            "name": assignee.display_name
        }
    words = _("%(name)s took this conversation %(time)s ago. Nothing was changed.")
    return words % {"name": assignee.display_name, "time": waited(assigned_at)}


def noted_words(note):
    """Return a text that says that the note was saved, and which colleagues get an email about the note."""
    mentions = note.mentions.select_related("person").order_by("person__name")
    names = [mention.person.display_name for mention in mentions]
    if not names:
        return _("Note saved. Only staff see it.")
    return _("Note saved. We'll tell %(names)s about it.") % {"names": ", ".join(names)}
