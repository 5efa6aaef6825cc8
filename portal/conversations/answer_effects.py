"""Apply and undo the effects of an answer: assign the conversation, count it, or make it come back later.

Each effect adds a DeskEvent that is linked to the answer. Taking back the answer undoes its effects.
Callers must lock the conversation before they call a function of this module, and save it afterward. Only
`lock_comes_back_to` is called before the conversation is locked.
"""

from accounts.staff_actions import lock_if_staff
from portal.helpsessions import actions as helpsessions

from .desk_actions import CHANGES_OF_ASSIGNEE, Kind, is_away, is_last_change
from .models import Conversation, DeskEvent, Message, Side


def take_with(message):
    """Assign the conversation to the writer of the answer."""
    conversation, writer = message.conversation, message.author
    if conversation.assignee_id != writer.pk:
        _change_assignee(message, Kind.TAKEN, to=writer, by=writer, at=message.sent_at)


def count_with(message, contact):
    """Count the conversation as a contact, if it isn't counted yet.

    `contact` is a dict with further arguments for helpsessions.actions.record.
    """
    conversation, by, at = message.conversation, message.author, message.sent_at
    if conversation.logged_as_id is None:
        conversation.logged_as = helpsessions.record(by=by, at=at, **contact)
        DeskEvent.objects.create(
            conversation=conversation, kind=Kind.LOGGED, message=message, by=by, at=conversation.changed_at
        )


def ask_to_count(conversation):
    """Let the desk's page ask staff, only once, whether the closed conversation counts as a contact."""
    if conversation.logged_as_id is None and not conversation.count_question:
        conversation.count_question = Conversation.CountQuestion.ASKED


def lock_comes_back_to(conversation):
    """Lock the roles of the person in `comes_back_to`, and return the person's primary key.

    Return None if the conversation comes back to its branch, or if the person is no longer staff. Call this
    before the conversation is locked, because actions of staff lock their roles first.
    """
    if conversation.merged_into_id:
        conversation = conversation.merged_into
    person = conversation.comes_back_to_id
    return person if person is not None and lock_if_staff(person) else None


def return_to_writer(conversation, person, *, at):
    """Assign the conversation to the person in `comes_back_to`, if nobody is assigned.

    Call this when the patron has written. `person` is the result of `lock_comes_back_to`. If the person is
    away today, the conversation comes back to its branch.
    """
    if person is None or person != conversation.comes_back_to_id or conversation.assignee_id is not None:
        return
    writer = conversation.comes_back_to
    if not writer.is_active or is_away(writer, at):
        return
    answers = conversation.messages.filter(side=Side.STAFF, author=writer, back_to_writer=True)
    answer = answers.exclude(then=Message.Then.OURS).in_order().last()
    if answer is not None:
        answer.conversation = conversation
        _change_assignee(answer, Kind.RETURNED, to=writer, by=None, at=at)


def undo_effects(message, *, at):
    """Undo the effects of an answer. Call this before the answer is deleted.

    If a colleague has changed the assignee since the answer, the new assignee stays.
    """
    conversation = message.conversation
    events = list(DeskEvent.objects.filter(message=message).select_related("was").order_by("pk"))
    changes = [event for event in events if event.kind in CHANGES_OF_ASSIGNEE]
    if changes and is_last_change(conversation, changes[-1]):
        was = changes[-1].was
        was = was if was is not None and was.is_staff else None
        conversation.assignee = was
        conversation.assigned_at = _assigned_at(conversation, was, changes[-1].at) if was else None
    contact = conversation.logged_as if any(event.kind == Kind.LOGGED for event in events) else None
    # Undo only the contact that this answer recorded. After a merge, `logged_as` can be a contact that a
    # different answer recorded.
    is_own = contact is not None and contact.created_at == message.sent_at
    if is_own and helpsessions.undo_record(contact, by=message.author, at=at):
        conversation.logged_as = None


def _assigned_at(conversation, person, before):
    """Return when the conversation was last assigned to the person before the time `before`.

    If there was no such assignment, return `before`.
    """
    earlier = conversation.desk_events.filter(to=person, at__lt=before).order_by("at", "pk").last()
    return earlier.at if earlier else before


def _change_assignee(message, kind, *, to, by, at):
    conversation = message.conversation
    DeskEvent.objects.create(
        conversation=conversation,
        kind=kind,
        message=message,
        by=by,
        to=to,
        was=conversation.assignee,
        at=at,
    )
    conversation.assignee, conversation.assigned_at = to, at
