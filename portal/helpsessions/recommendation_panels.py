"""Prepare the panels of recommended items on a patron's page."""

import uuid

from django.utils.translation import gettext as _

from recommendations.models import Item, Recommendation
from recommendations.verdicts import NEEDS_FOLLOW_UP, ONLINE, choices_for, label_for, reasons_for

Verdict, Kind = Recommendation.Verdict, Item.Kind
# A visit has the button "The unanswered items helped" if at least this many of its items have no verdict.
ALL_HELPED_FROM = 2


def recommendation_panels(
    recommendations, viewer, conversations=None, *, quiet=False, may_save=True, saved=None
):
    """Return the recommendations with the attributes that their panels show.

    `conversations` is {primary key of a recommendation: its conversation}. It has only conversations that the
    viewer may open. If `quiet` is true, the panels don't name the staff member, and the patron can't save the
    items.

    `saved` is {primary key of an item: public id of the SavedItem}. If it is None, it is looked up.
    """
    recommendations = list(recommendations)
    may_save = may_save and not quiet
    if saved is None:
        saved = _saved(recommendations, viewer) if may_save else {}
    for recommendation in recommendations:
        conversation = (conversations or {}).get(recommendation.pk)
        recommendation.choices = choices_for(recommendation)
        recommendation.said = label_for(recommendation)
        recommendation.why_choices = reasons_for(recommendation)
        recommendation.conversation = conversation
        recommendation.asked_since = bool(
            conversation
            and recommendation.decided_at
            and conversation.last_message_at >= recommendation.decided_at
        )
        recommendation.offer = (
            first_line(recommendation)
            if recommendation.verdict in NEEDS_FOLLOW_UP and not recommendation.asked_since
            else ""
        )
        recommendation.token = uuid.uuid4()
        recommendation.quiet = quiet
        recommendation.may_save = may_save
        recommendation.saved_as = saved.get(recommendation.item_id)
    return recommendations


def count_at_once(undecided):
    """Return how many items the button "The unanswered items helped" marks, or 0 if there is no such button.

    `undecided` is the number of items that the patron is asked about and that have no verdict.
    """
    return undecided if undecided >= ALL_HELPED_FROM else 0


def removed_panels(recommendations):
    """Return the items that staff removed from the visit after the patron had said something about them.

    Items that the patron has dismissed are left out.
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
    """Return a suggested first message to staff, if the patron couldn't get the item or it didn't help.

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


def _saved(recommendations, viewer):
    """Return {primary key of an item: public id of the viewer's SavedItem}."""
    if not viewer.person or not recommendations:
        return {}
    items = [recommendation.item_id for recommendation in recommendations]
    return dict(
        viewer.person.saved_lists.filter(
            saved_items__item__in=items, saved_items__removed_at=None
        ).values_list("saved_items__item", "saved_items__public_id")
    )
