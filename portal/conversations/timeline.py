"""The part of a long thread that its page at the desk shows. What its patron sees of it stands in thread_page.py."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

FEW = 20  # messages that a page shows, and by which it goes back
MANY = 60  # as many if there are so many to be read


@dataclass(frozen=True)
class Window:
    """The part of a long thread that its page shows: from some message to the end."""

    messages: list
    unread: int | None  # primary key of the first message that wasn't read yet: the page opens there
    earlier: str  # with this as its `start` the page shows earlier messages too; "" where all are shown
    since: datetime | None  # events before this belong to what is folded; None: all are shown


def window(messages, *, unread, start=None):
    """The last messages of a thread, or all from the first that wasn't read; with `start` (a public id) that one, some before it
    and all after it.

    `messages` is what this reader may see; `unread(message)` says whether they haven't read it. Without `start` it costs the
    same whether there are 3 messages or 3,000.
    """
    newest_first = messages.order_by("-sent_at", "-pk")
    begin = messages.filter(public_id=start).values_list("sent_at", flat=True).first() if is_uuid(start) else None
    if begin is not None:
        after, before = list(newest_first.filter(sent_at__gte=begin)), list(newest_first.filter(sent_at__lt=begin)[: FEW + 1])
        found, count = after + before, len(after) + min(len(before), FEW)
    else:
        found = list(newest_first[: FEW + 1])
        count = min(len(found), FEW)
        if len(found) > FEW and unread(found[FEW]):
            found += newest_first[FEW + 1 : MANY + 1]
            count = next((number for number, message in enumerate(found[:MANY]) if number >= FEW and not unread(message)), min(len(found), MANY))
    shown = found[:count][::-1]
    folded = len(found) > count
    return Window(
        messages=shown,
        unread=next((message.pk for message in shown if unread(message)), None),
        earlier=str(shown[0].public_id) if folded else "",
        since=shown[0].sent_at if folded else None,
    )


def is_uuid(text):
    try:
        return bool(text) and bool(UUID(text))
    except ValueError:
        return False
