"""Write messages of patrons and staff in tests, through the actions that the pages call."""

import uuid

from django.utils import timezone

from portal.conversations import actions
from portal.conversations.models import Conversation


def ask(by, *, at=None, body="Where is it?", **about):
    """Send a question and return its conversation. `about` is a branch, a help_session or a recommendation."""
    token = uuid.uuid4()
    return actions.ask(by=by, at=at or timezone.now(), body=body, language="en", client_token=token, **about)


def say(conversation, by, side="staff", *, at=None, body="Hello", **kwargs):
    """Reply in the conversation as it is now, and return the message. `kwargs` go to the action `reply`."""
    return actions.reply(
        now_of(conversation),
        by=by,
        side=side,
        at=at or timezone.now(),
        body=body,
        language="en",
        client_token=uuid.uuid4(),
        **kwargs,
    )


def now_of(conversation):
    """Return the conversation as it is in the database now, without cached values."""
    return Conversation.objects.get(pk=conversation.pk)
