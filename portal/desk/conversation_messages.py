"""Messages about who works on a conversation, and what a note does."""

import datetime

from django.utils.translation import gettext as _

from portal.conversations.models import Conversation
from portal.templatetags.portal import waited

A_MOMENT = datetime.timedelta(minutes=2)


def assigned_words(conversation):
    """Say who the conversation is assigned to now."""
    if conversation.assignee is None:
        return _("It is nobody's in particular now.")
    return _("%(name)s has it now.") % {"name": conversation.assignee.display_name}


def taken_words(conversation, assignee, at):
    """Say that nothing was changed, because the conversation is assigned to `assignee` or to nobody by now."""
    if assignee is None:
        return _("It is nobody's any more. Nothing was changed: please look again.")
    assigned_at = Conversation.objects.get(pk=conversation.pk).assigned_at
    if at - assigned_at < A_MOMENT:
        return _("%(name)s took this a moment ago. Nothing was changed.") % {"name": assignee.display_name}
    words = _("%(name)s took this %(time)s ago. Nothing was changed.")
    return words % {"name": assignee.display_name, "time": waited(assigned_at)}


def noted_words(note):
    """Say that the note was saved, and who gets an email about it."""
    mentions = note.mentions.select_related("person").order_by("person__name")
    names = [mention.person.display_name for mention in mentions]
    if not names:
        return _("Noted, for colleagues only.")
    return _("Noted. %(names)s will be told that there is a note.") % {"names": ", ".join(names)}
