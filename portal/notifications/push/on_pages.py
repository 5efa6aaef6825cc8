"""Gather the facts about push messages that the pages about notices show."""

from dataclasses import dataclass

from django.utils import timezone

from ..choices import is_emailed_instead
from .browser import offers_push
from .keys import is_set_up
from .subscriptions import devices_of


@dataclass(frozen=True)
class PushOnPage:
    """What a page shows about push messages.

    `devices` is the number of the person's devices that get messages. `offered` is true if this browser may
    get messages. `is_emailed_instead` is true if the person chose push for some notice, but has no device.
    """

    devices: int
    offered: bool
    is_emailed_instead: bool

    @property
    def may_be_chosen(self):
        """Return whether the page offers push messages as a choice for each kind of notice."""
        return bool(self.devices) or self.is_emailed_instead


def push_on_page(request):
    """Return the PushOnPage of the signed-in person, or None if the library sends no messages to devices."""
    if not is_set_up():
        return None
    person, at = request.user, timezone.now()
    return PushOnPage(
        devices=devices_of(person, at=at).count(),
        offered=offers_push(request),
        is_emailed_instead=is_emailed_instead(person, at=at),
    )
