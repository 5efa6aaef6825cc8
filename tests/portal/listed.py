"""Find the conversations in the desk's lists, with the query that the queue page uses."""

from accounts.models import Branch
from portal.conversations.desk_lists import LISTS, Desk, Filters, compiled, in_list
from portal.conversations.models import Conversation
from portal.conversations.search import look_up


def listed(*names, at, text=""):
    """Return the set of conversations that are in one of the desk's lists with these names, for all branches.

    With `text`, return only conversations that contain the words of `text`.
    """
    rows, desk = (
        compiled(Conversation.objects.values_list("pk")),
        Desk(tuple(Branch.objects.values_list("pk", flat=True)), ()),
    )
    filters = Filters(words=look_up(text) if text else None)
    keys = [pk for name in names for (pk,) in in_list(rows, desk, LISTS[name], filters, at=at, size=100)]
    assert len(keys) == len(set(keys))
    return set(Conversation.objects.filter(pk__in=keys))
