"""The sentences that tell a patron what the library does about an item that they could not get."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from portal.templatetags.portal import day_in_a_sentence

from .models import Item, NextStep
from .verdicts import NOT_GOTTEN, ONLINE

Kind = NextStep.Kind
# Staff can't order a person or an event, or have them sent from another branch.
NOT_FOR_PLACES = {Kind.ORDERED, Kind.ON_ITS_WAY, Kind.ON_LOAN}
NOT_ONLINE = {Kind.RESERVED, Kind.ON_ITS_WAY, Kind.ON_LOAN}


@dataclass(frozen=True)
class ShownStep:
    """What a page shows about a next step. `other_item` is the item that staff recommend instead, or None."""

    sentence: str
    other_item: Item | None
    # Whether the promised day has passed and the item has not arrived.
    is_late: bool


def kinds_for(item):
    """Return the kinds of next steps that make sense for this kind of item."""
    left_out = NOT_ONLINE if item.kind in ONLINE else NOT_FOR_PLACES if item.kind in NOT_GOTTEN else ()
    return [kind for kind in Kind if kind not in left_out]


def shown_step(recommendation):
    """Return what the patron reads about the item, or None if staff have recorded nothing.

    Read the recommendation with `with_next_step`, because this function would otherwise run a query.
    """
    step = getattr(recommendation, "next_step", None)
    if step is None:
        return None
    other = None if step.is_late else step.other_item
    return ShownStep(_sentence(step, recommendation), other, step.is_late)


def _sentence(step, recommendation):
    item = recommendation.item
    words = {"day": day_in_a_sentence(step.promised_on), "branch": recommendation.branch}
    if step.arrived_at is not None and step.other_item:
        if step.other_item.kind in NOT_GOTTEN:
            return _("You can have this instead. It's ready for you:")
        return _("You can have this instead. It's ready for you at %(branch)s:") % words
    if step.arrived_at is not None:
        if item.kind in NOT_GOTTEN:
            return _("It's ready for you.")
        return _("It's ready for you. Ask for it at %(branch)s.") % words
    if step.is_late:
        return _("It's taking longer than we promised. We have not forgotten you.")
    if step.kind == Kind.RESERVED and item.kind in NOT_GOTTEN:
        return _("We've reserved a place for you. You can expect your place by %(day)s.") % words
    return {
        Kind.RESERVED: _("We've reserved it for you. You can expect it by %(day)s."),
        Kind.ORDERED: _("We've ordered it. You can expect it by %(day)s."),
        Kind.ON_ITS_WAY: _("It's on its way from another branch. You can expect it by %(day)s."),
        Kind.ON_LOAN: _("It's on loan until %(day)s. You can expect it then."),
        Kind.OTHER_ITEM: _("You can have this instead by %(day)s:"),
    }[step.kind] % words
