"""Read and save what people choose about notices, and set the library's defaults."""

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.models import User
from accounts.staff_actions import staff_action

from .kinds import KINDS, NONE, Choice
from .models import NoticeChoice, NoticeTimes
from .push.subscriptions import devices_of


class Choices:
    """The choices of one person, or only the library's defaults if the person is None."""

    def __init__(self, person):
        rows = NoticeChoice.objects.filter(Q(person=person) | Q(person=None))
        self._own = {
            (row.person_id is not None, row.kind, row.branch_id): Choice(row.channel, row.rhythm)
            for row in rows
        }

    def own(self, kind, branch=None):
        """Return what the person chose for this kind at this branch, or at every branch if `branch` is None.

        Return None if the person has made no such choice.
        """
        return self._own.get((True, kind, branch))

    def default(self, kind):
        """Return the library's default for this kind. If the library has set none, return the portal's."""
        return self._own.get((False, kind, None)) or KINDS[kind].default

    def of(self, kind, branch=None):
        """Return the Choice for this kind.

        The person's choice for this branch comes first, then their choice for every branch, then the default.
        """
        return self.own(kind, branch) or self.own(kind) or self.default(kind)


@transaction.atomic
def choose(person, chosen, times):
    """Save the person's choices, and the times when they want emails.

    `chosen` is {(kind, branch): Choice or None}, and `times` is {field of NoticeTimes: value}. `branch` is
    the primary key of a branch, or None for every branch. None as a Choice deletes the person's choice.

    A person's first choice for every branch is not stored if it equals the library's default. So a later
    change of the default also applies to this person.
    """
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    before = Choices(person)
    for (kind, branch), choice in chosen.items():
        if choice is None:
            NoticeChoice.objects.filter(person=person, kind=kind, branch=branch).delete()
        elif before.own(kind, branch) or branch is not None or choice != before.of(kind):
            _save(choice, person=person, kind=kind, branch_id=branch)
    NoticeTimes.objects.update_or_create(person=person, defaults=times)


@staff_action
def set_defaults(chosen, *, library, by, at):
    """Save the library's defaults. `chosen` is {(kind, None): Choice}. The default can't be push."""
    for (kind, _branch), choice in chosen.items():
        _save(choice, person=None, kind=kind, branch_id=None)
    audit.record("changed_library", library, by=by, at=at)


@transaction.atomic
def turn_off(person, kinds):
    """Turn off these kinds of notices for the person, at every branch."""
    User.objects.select_for_update(no_key=True).get(pk=person.pk)
    NoticeChoice.objects.filter(person=person, kind__in=kinds).exclude(branch=None).delete()
    for kind in kinds:
        _save(NONE, person=person, kind=kind, branch_id=None)


def is_emailed_instead(person, *, at):
    """Return whether the person chose push but has no device, and therefore gets emails."""
    chose_push = NoticeChoice.objects.filter(person=person, channel=NoticeChoice.Channel.PUSH)
    return chose_push.exists() and not devices_of(person, at=at).exists()


def _save(choice, **whose):
    NoticeChoice.objects.update_or_create(
        **whose, defaults={"channel": choice.channel, "rhythm": choice.rhythm}
    )
