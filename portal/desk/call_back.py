"""The part of a conversation's page that shows staff the call that a patron is waiting for."""

from dataclasses import dataclass

from django.utils import timezone

from portal.conversations import call_backs
from portal.conversations.models import CallBack
from portal.phone_numbers import call_url

from .access_log import log_number_seen


@dataclass(frozen=True)
class OpenCall:
    """A call that a patron is waiting for.

    `number` is None if the staff member isn't the assignee, or if the number was deleted. `tries` is how
    often staff have called without reaching the patron. `most` is the number of tries after which staff stop
    calling.
    """

    number: CallBack | None
    url: str
    is_mine: bool
    tries: int
    most: int

    @property
    def is_tried(self):
        return self.tries > 0


def call_context(request, conversation):
    """Return the context of desk/call_back.html.

    If the context contains the phone number, log that the staff member saw the number.
    """
    if conversation.call_since is None:
        return {"call": None}
    is_mine = conversation.assignee_id == request.user.pk
    number = call_backs.open_call(conversation) if is_mine else None
    if number is not None:
        log_number_seen(request, conversation, at=timezone.now())
    return {
        "call": OpenCall(
            number=number,
            url=call_url(number.number) if number else "",
            is_mine=is_mine,
            tries=call_backs.tries(conversation),
            most=conversation.branch.call_tries,
        )
    }
