"""Prepare the panels of recommended items on a patron's page."""

import uuid

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from recommendations.models import Item, Recommendation
from recommendations.saved_as import saved_as
from recommendations.step_texts import shown_step
from recommendations.verdicts import NEEDS_FOLLOW_UP, NOT_GOTTEN, ONLINE, choices_for, label_for, reasons_for

Verdict, Kind = Recommendation.Verdict, Item.Kind
# The button "Mark the unanswered items as helpful" appears if at least this many items of a visit have no
# verdict.
ALL_HELPED_FROM = 2
# {what a patron wants after a recommendation: the question that the page suggests}
WISHES = {
    "more": _lazy("Can you suggest more like “%(title)s”?"),
    "other": _lazy("You suggested “%(title)s”. Can you suggest something different?"),
}


def recommendation_panels(
    recommendations,
    viewer,
    conversations=None,
    *,
    quiet=False,
    may_save=True,
    declined=frozenset(),
    may_get=False,
):
    """Return the recommendations with the attributes that their panels show.

    `conversations` is {primary key of a recommendation: its conversation}. It has only conversations that the
    viewer may open. If `quiet` is true, the panels don't name the staff member, and the patron can't save the
    items.

    `declined` has the primary keys of recommendations that did not help, if the patron wants no answer about
    them. If `may_get` is true, items such as books have the button "I've got it" until the patron gives a
    verdict. An item that the library gets for the patron always has this button.

    The recommendations must have been read with `with_next_step`.
    """
    recommendations = list(recommendations)
    may_save = may_save and not quiet
    items = {recommendation.item_id for recommendation in recommendations}
    saved = saved_as(viewer.person, items) if may_save else {}
    for recommendation in recommendations:
        conversation = (conversations or {}).get(recommendation.pk)
        recommendation.choices = choices_for(recommendation)
        recommendation.said = label_for(recommendation)
        recommendation.why_choices = reasons_for(recommendation)
        recommendation.conversation = conversation
        recommendation.step = step = shown_step(recommendation)
        # Staff are already getting the item, so the page doesn't ask whether they should write.
        is_in_hand = step is not None and not step.is_late
        recommendation.asked_since = bool(
            conversation
            and recommendation.decided_at
            and conversation.last_message_at >= recommendation.decided_at
        )
        recommendation.offer = (
            first_line(recommendation)
            if recommendation.verdict in NEEDS_FOLLOW_UP and not recommendation.asked_since and not is_in_hand
            else ""
        )
        recommendation.has_declined = recommendation.pk in declined and not recommendation.asked_since
        recommendation.may_get = step is not None or (
            may_get
            and not quiet
            and recommendation.item.kind not in NOT_GOTTEN
            and recommendation.verdict in ("", Verdict.NOT_TRIED)
        )
        recommendation.token = uuid.uuid4()
        recommendation.quiet = quiet
        recommendation.may_save = may_save
        recommendation.saved_as = saved.get(recommendation.item_id)
    return recommendations


def count_at_once(undecided):
    """Return how many items the button "Mark the unanswered items as helpful" marks.

    0 means that the page shows no such button.

    `undecided` is the number of items that the patron is asked about and that have no verdict.
    """
    return undecided if undecided >= ALL_HELPED_FROM else 0


def removed_panels(recommendations):
    """Return the recommendations that have a verdict but that staff removed from the visit.

    Recommendations that the patron has hidden are left out.
    """
    removed = [
        recommendation
        for recommendation in recommendations
        if recommendation.removed_at and not recommendation.is_dismissed and recommendation.verdict
    ]
    for recommendation in removed:
        recommendation.said = label_for(recommendation)
    return removed


def first_line(recommendation):
    """Return the message that the page suggests if the item didn't help or the patron couldn't get it.

    Return "" for other verdicts.
    """
    kind, title = recommendation.item.kind, {"title": recommendation.item.title}
    if recommendation.verdict == Verdict.DID_NOT_HELP:
        return _("“%(title)s” wasn't what I needed. Can you suggest something else?") % title
    if recommendation.verdict != Verdict.COULD_NOT_GET_IT:
        return ""
    if kind == Kind.PERSON:
        return _("I couldn't talk to “%(title)s”. Is there another way, or somebody else?") % title
    if kind in (Kind.COURSE, Kind.EVENT):
        return _("I couldn't go to “%(title)s”. Is there another time, or something similar?") % title
    if kind in ONLINE:
        return _("I couldn't open “%(title)s”. Is there another way, or something similar?") % title
    return _("I couldn't get “%(title)s”. Is there another way to get it, or something similar?") % title
