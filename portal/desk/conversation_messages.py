"""Texts that tell staff who is assigned to a conversation, and who gets an email about a note."""

import datetime

from django.utils.translation import gettext as _

from portal.conversations.models import Conversation, DeskEvent
from portal.templatetags.portal import waited

A_MOMENT = datetime.timedelta(minutes=2)


def assigned_words(conversation):
    """Return a sentence that says who is assigned to the conversation now."""
    if conversation.assignee is None:
        return _("Nobody is assigned now.")
    return _("Assigned to %(name)s.") % {"name": conversation.assignee.display_name}


def taken_words(conversation, assignee, at):
    """Return the message for an action that failed because a colleague changed the assignee first.

    The message says who made the change. `assignee` is the new assignee, or None if nobody is assigned now.
    """
    if assignee is None:
        return _("Nobody is assigned any more. Nothing was changed. Check the conversation and try again.")
    assigned_at = Conversation.objects.get(pk=conversation.pk).assigned_at
    changes = conversation.desk_events.filter(kind__in=[DeskEvent.Kind.TAKEN, DeskEvent.Kind.ASSIGNED])
    latest = changes.select_related("by").order_by("at", "pk").last()
    names = {"name": assignee.display_name, "time": waited(assigned_at)}
    if latest and latest.kind == DeskEvent.Kind.TAKEN and latest.by == assignee:
        words = (
            _("%(name)s took this conversation a moment ago. Nothing was changed.")
            if at - assigned_at < A_MOMENT
            else _("%(name)s took this conversation %(time)s ago. Nothing was changed.")
        )
    elif latest and latest.by and latest.to == assignee:
        names["by"] = latest.by.display_name
        words = (
            _("%(by)s assigned this conversation to %(name)s a moment ago. Nothing was changed.")
            if at - assigned_at < A_MOMENT
            else _("%(by)s assigned this conversation to %(name)s %(time)s ago. Nothing was changed.")
        )
    else:
        words = _("This conversation is now assigned to %(name)s. Nothing was changed.")
    return words % names


def noted_words(note):
    """Return a text that says that the note was saved, and which colleagues get an email about the note."""
    mentions = note.mentions.select_related("person").order_by("person__name")
    names = [mention.person.display_name for mention in mentions]
    if not names:
        return _("Note saved. Only staff see it.")
    return _("Note saved. We'll tell %(names)s about it.") % {"names": ", ".join(names)}
