"""Count contacts that staff don't describe any further. Such a contact is called a tally."""

import uuid
from collections import Counter

from django.db import IntegrityError, transaction
from django.db.models import Min

from accounts.models import Library
from accounts.staff_actions import staff_action
from recommendations.models import QuestionType

from .models import HelpSession
from .unfinished import day_and_hour

# The maximum number of contacts of one kind that staff can count at once.
MAX_AT_ONCE = 500


@staff_action
def tally(*, by, at, branch, service_point=None, kind=None):
    """Count one short contact, such as "Where is the printer?", and return its row."""
    return HelpSession.objects.create(
        created_at=at, **day_and_hour(at), **_tallied(by, branch, service_point, kind)
    )


@staff_action
def tally_several(*, by, at, service_point, happened_on, hour, numbers, token):
    """Count several contacts of one hour at this service point. Return the public id of the first contact.

    `numbers` is {TallyKind: number}. `token` is the UUID of the submitted form. If the same form is sent
    twice, its contacts are counted once. If staff go back, change the form and send it again, the contacts of
    both forms count.
    """
    kinds = [kind for kind, number in numbers.items() for _count in range(number)]
    rows = [
        HelpSession(
            created_at=at,
            happened_on=happened_on,
            hour=hour,
            **_tallied(by, service_point.branch, service_point, kind),
        )
        for kind in kinds
    ]
    rows[0].public_id = token
    try:
        with transaction.atomic():
            HelpSession.objects.bulk_create(rows)
    except IntegrityError:
        if _contents(_counted_with(token, by)) == _contents(rows):
            return token
        # Staff have changed the form and sent it again, or another session has this public id. So give these
        # contacts a new public id.
        rows[0].public_id = uuid.uuid4()
        HelpSession.objects.bulk_create(rows)
    return rows[0].public_id


def _counted_with(token, by):
    """Return the contacts that this staff member counted with the form that has this token."""
    own = HelpSession.objects.filter(staff=by, status=HelpSession.Status.TALLY)
    return own.filter(created_at__in=own.filter(public_id=token).values("created_at"))


def _contents(rows):
    return Counter((row.happened_on, row.hour, row.service_point_id, row.tally_kind_id) for row in rows)


def _tallied(by, branch, service_point, kind):
    return {
        "status": HelpSession.Status.TALLY,
        "question_type": QuestionType.DIRECTIONAL,
        "staff": by,
        "branch": branch,
        "service_point": service_point,
        "tally_kind": kind,
    }


@staff_action
def undo_several(*, by, at, token):
    """Delete the contacts that this staff member counted with one form. Return how many were deleted.

    `token` is the UUID of the form. Contacts that were counted on an earlier day are not deleted.
    """
    counted = _counted_with(token, by)
    counted_at = counted.aggregate(counted_at=Min("created_at"))["counted_at"]
    library = Library.current()
    if counted_at is None or library.today(counted_at) != library.today(at):
        return 0
    return counted.delete()[0]


@staff_action
def undo_tally(help_session, *, by, at):
    """Delete this tally, if the same staff member made it today."""
    tallies_of(by, at).filter(pk=help_session.pk).delete()


@staff_action
def take_back_tally(*, by, at, count):
    """Delete the latest tally that this staff member made today. Return whether a tally was deleted.

    `count` is the number of tallies that the page showed. If the number has changed, nothing is deleted. So a
    form that is sent twice deletes only one tally.
    """
    tallies = list(tallies_of(by, at).select_for_update().order_by("created_at", "pk"))
    if not tallies or len(tallies) != count:
        return False
    tallies[-1].delete()
    return True


def tallies_of(person, at):
    """Return the tallies that this staff member made on the day of `at`."""
    today = Library.current().today(at)
    return HelpSession.objects.filter(staff=person, status=HelpSession.Status.TALLY, happened_on=today)
