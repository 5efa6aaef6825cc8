"""Find the items that staff may share by a link, and decide whether they may share them.

A link shows no text of the answer or the visit. But the items alone could reveal a private matter to people
who know whom the library helped. So staff can't share the items of some visits at all.
"""

from django.db.models import Q

from portal.conversations.models import Conversation, Message, MessageRecommendation, Side
from portal.helpsessions.models import HelpSession
from recommendations.models import Recommendation

from .given_items import given_at


def items_of_answer(conversation, message_id, *, at):
    """Return the items of this answer, sorted by position, or [] if the patron can't see the answer yet."""
    answers = Message.objects.filter(conversation=conversation, side=Side.STAFF).shown(at)
    rows = MessageRecommendation.objects.filter(message__in=answers.filter(public_id=message_id))
    return [row.recommendation.item for row in rows.select_related("recommendation__item")]


def items_of_session(help_session):
    """Return the items of a visit, sorted by position, without items that staff removed from the visit."""
    return [given.item for given in given_at(help_session).select_related("item")]


def may_show_share_link(conversation):
    """Return whether the page of the conversation offers to share the items of its answers.

    This check uses only what the page has already loaded. When staff share the items,
    `is_conversation_shareable` makes the full check.
    """
    return not _is_child(conversation.patron) and not _is_private(conversation.help_session)


def is_conversation_shareable(conversation):
    """Return whether staff may share the items of the answers in this conversation.

    Return False if this conversation, or one that was merged into it, is a child's or about a private matter.
    """
    visits = ("help_session", "logged_as")
    related = [f"{visit}__{name}" for visit in visits for name in ("topic", "patron")]
    rows = Conversation.objects.filter(Q(pk=conversation.pk) | Q(merged_into=conversation))
    return all(
        not _is_child(row.patron)
        and not _is_sensitive(row.topic)
        and (row.help_session is None or is_session_shareable(row.help_session))
        and (row.logged_as is None or is_session_shareable(row.logged_as))
        for row in rows.select_related("patron", "topic", *related)
    )


def is_session_shareable(help_session):
    """Return whether staff may share the items of this visit."""
    is_recorded = help_session.status == HelpSession.Status.RECORDED
    return is_recorded and not _is_private(help_session) and not _is_child(help_session.patron)


def may_copy_into_kit(help_session):
    """Return whether staff may copy the items of this visit into a kit."""
    return is_session_shareable(help_session)


def is_kit_shareable(kit):
    """Return whether staff may share the items of this kit."""
    return not _is_sensitive(kit.topic)


def without_private(items):
    """Return the items without those that staff typed by hand for private visits.

    Staff typed such an item for a visit whose items can't be shared. So its text could reveal what the visit
    was about. The text of an imported record reveals nothing.
    """
    by_hand = [item.pk for item in items if not item.source]
    if not by_hand:
        return items
    is_private = Q(never_counted=True) | _about_private("")
    conversation = "messagerecommendation__message__conversation__"
    is_private |= _about_private(conversation)
    visits = [f"{conversation}help_session", f"{conversation}logged_as"]
    for visit in ("sessionrecommendation__help_session", *visits):
        is_private |= Q(**{f"{visit}__quiet": True}) | Q(**{f"{visit}__with_child__gt": ""})
        is_private |= _about_private(f"{visit}__")
    rows = Recommendation.objects.filter(is_private, item__in=by_hand)
    private = set(rows.values_list("item", flat=True))
    return [item for item in items if item.pk not in private]


def _about_private(prefix):
    """Return a Q object that matches visits or conversations of children, or about a sensitive topic.

    `prefix` is the path from the filtered rows to the visit or conversation, such as "help_session__".
    """
    return Q(**{f"{prefix}topic__never_by_message": True}) | Q(
        **{f"{prefix}patron__child_since__isnull": False}
    )


def _is_private(help_session):
    if help_session is None:
        return False
    return help_session.quiet or bool(help_session.with_child) or _is_sensitive(help_session.topic)


def _is_sensitive(topic):
    return topic is not None and topic.never_by_message


def _is_child(person):
    return person is not None and person.is_child
