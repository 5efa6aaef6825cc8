"""Share a demo list, and the items of a demo answer, by links."""

from portal.conversations.models import Message, Side
from portal.desk.shared_items import is_conversation_shareable, items_of_answer
from portal.lists.links import make_link
from portal.lists.models import SavedList
from portal.lists.staff_links import make_staff_link


def make(builder):
    """Make the links. Call this after the lists and conversations."""
    named = SavedList.objects.exclude(name="").select_related("patron")
    saved_list = next(each for each in named.order_by("made_at", "pk") if not each.patron.is_child)
    make_link(saved_list, with_notes=True, name=saved_list.patron.name, at=builder.now)
    _share_an_answer(at=builder.now)


def _share_an_answer(*, at):
    answers = Message.objects.filter(side=Side.STAFF, recommendation_links__isnull=False).distinct()
    for answer in answers.select_related("conversation__branch", "author").order_by("-sent_at", "-pk"):
        items = items_of_answer(answer.conversation, answer.public_id, at=at)
        if items and is_conversation_shareable(answer.conversation):
            make_staff_link(items, branch=answer.conversation.branch, by=answer.author, at=at)
            return
