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
    """Return a text for a staff member whose action failed because a colleague changed the assignee first.

    The text says who made the change, if the portal knows it. `assignee` is the new assignee, or None if
    nobody is assigned now.
    """
    assigned_at = Conversation.objects.get(pk=conversation.pk).assigned_at
    if assignee is None or assigned_at is None:
        return _(
            "Nobody is assigned anymore, so your change was not made. Check the conversation and try again."
        )
    change = conversation.desk_events.filter(to=assignee, at=assigned_at).select_related("by").last()
    names = {"name": assignee.display_name, "time": waited(assigned_at)}
    is_new = at - assigned_at < A_MOMENT
    if change is None or change.by is None:
        # No event says who assigned the conversation. Either a merge set the assignee, or the record of the
        # colleague who assigned the conversation was erased.
        words = _("This conversation is now assigned to %(name)s, so your change was not made.")
    elif change.by == assignee:
        words = (
            _("%(name)s took this conversation a moment ago, so your change was not made.")
            if is_new
            else _("%(name)s took this conversation %(time)s ago, so your change was not made.")
        )
    else:
        names["by"] = change.by.display_name
        words = (
            _("%(by)s assigned this conversation to %(name)s a moment ago, so your change was not made.")
            if is_new
            else _("%(by)s assigned this conversation to %(name)s %(time)s ago, so your change was not made.")
        )
    return words % names


def noted_words(note):
    """Return a text that says that the note was saved, and which colleagues get an email about the note."""
    mentions = note.mentions.select_related("person").order_by("person__name")
    names = [mention.person.display_name for mention in mentions]
    if not names:
        return _("Note saved. Only staff see it.")
    return _("Note saved. We'll tell %(names)s about it.") % {"names": ", ".join(names)}
