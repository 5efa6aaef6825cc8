"""End a staff member's role, unassign their conversations, and delete the drafts that they wrote as staff."""

from dataclasses import dataclass

from django.db import transaction

from accounts.models import StaffRole, User
from accounts.staff import roles
from portal.helpsessions.models import HelpSession

from .changes import moment_of_change, raise_queue
from .models import Attachment, Conversation, DeskEvent, Draft, NoteMention, Participation, Side

BATCH_SIZE = 500


@dataclass(frozen=True)
class Ends:
    """The conversations, help sessions and drafts that a staff member loses if one of their roles ends."""

    # Whether the role that ends is the person's only role.
    is_last: bool
    # The number of open conversations that will be unassigned.
    open_conversations: int
    # The number of unfinished help sessions that will move to the coordinator who ends the role.
    unfinished: int
    drafts: int


def what_ends(person, *, branch):
    """Return an Ends with what the person would lose if their role at `branch` ended."""
    is_last = not StaffRole.objects.filter(user=person).exclude(branch=branch).exists()
    only_there = None if is_last else branch
    conversations, unfinished = _taken(person, only_there), _unfinished(person, only_there)
    drafts = Draft.objects.filter(person=person, side=Side.STAFF).exclude(body="")
    here = drafts if is_last else drafts.filter(conversation__branch=branch)
    return Ends(
        is_last, conversations.filter(status__in=Conversation.OPEN).count(), unfinished.count(), here.count()
    )


@transaction.atomic
def end_role(person, *, branch, by, at):
    """End the person's role at `branch`, and everything that depends on the role.

    A concurrent action of the person is either saved before the role ends, or refused. This works because
    every action of staff locks their roles. Raises LastCoordinator.
    """
    roles.end_role(person, branch=branch, by=by, at=at)
    # Load the person again, because the ended role may still be in the cached `person.roles`.
    person = User.objects.get(pk=person.pk)
    only_there = branch if person.roles else None
    _release(_taken(person, only_there), person, by, at)
    if by != person:
        # A patron may have a code card for an unfinished session. So the unfinished sessions are not deleted.
        # The coordinator who ends the role gets them.
        _unfinished(person, only_there).update(staff=by)
    within_reach = Conversation.objects.at_desk_of(person).values("pk") if person.roles else []
    _delete_attachments(
        Attachment.objects.filter(side=Side.STAFF, added_by=person, message=None).exclude(
            conversation__in=within_reach
        )
    )
    begun = Draft.with_discarded.filter(side=Side.STAFF, person=person)
    begun.exclude(conversation__in=within_reach).delete()
    Participation.objects.filter(side=Side.STAFF, person=person).exclude(
        conversation__in=within_reach
    ).delete()
    NoteMention.objects.filter(person=person, seen_at=None).exclude(
        note__conversation__in=within_reach
    ).delete()


def _taken(person, branch):
    """Return the conversations assigned to the person at `branch`, or at every branch if `branch` is None.

    Include closed conversations, because the patron may write in them again.
    """
    conversations = Conversation.objects.filter(assignee=person)
    return conversations.filter(branch=branch) if branch else conversations


def _unfinished(person, branch):
    begun = HelpSession.objects.unfinished().filter(staff=person)
    return begun.filter(branch=branch) if branch else begun


def _release(conversations, person, by, at):
    rows = list(conversations.select_for_update(no_key=True).order_by("pk"))
    for row in rows:
        row.assignee, row.assigned_at, row.changed_at = None, None, moment_of_change(row, at)
        row.desk_version += 1
    DeskEvent.objects.bulk_create(
        [
            DeskEvent(conversation=row, kind=DeskEvent.Kind.UNASSIGNED, by=by, was=person, at=row.changed_at)
            for row in rows
        ],
        batch_size=BATCH_SIZE,
    )
    Conversation.objects.bulk_update(
        rows, ["assignee", "assigned_at", "changed_at", "desk_version"], batch_size=BATCH_SIZE
    )
    for branch_id in sorted({row.branch_id for row in rows}):
        raise_queue(branch_id)


def _delete_attachments(attachments):
    files = [name for attachment in attachments for name in attachment.stored_names()]
    transaction.on_commit(lambda: Attachment.remove_files(files))
    attachments.delete()
