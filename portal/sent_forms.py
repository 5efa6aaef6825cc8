"""Save each form only once, even if the phone got no response and sends the form again. See decision 25."""

from datetime import timedelta

from portal.keys import fingerprints
from portal.models import Removal, SentForm

# The network delays forms, so the recorded time of a tap can be wrong by this much. A tap counts as earlier
# than another change only if the difference between their times is larger than this.
MARGIN = timedelta(minutes=1)


class ChangedMeanwhile(Exception):
    """The patron changed the same thing after this form was written, so the form was not saved."""


class TooOld(Exception):
    """The form was written so long ago that nobody knows whether the patron changed the same thing later."""


def claim_form(person, token, *, former_ids=(), at):
    """Return True if this form of the person arrives for the first time, or False if it arrived before.

    `former_ids` are the public ids of records that were merged into the person's record. The form may have
    arrived before the merge.

    Call this function in the transaction that saves the form. If the transaction fails, the form counts as
    not arrived. If two requests bring the same form simultaneously, the second call waits until the first
    transaction ends.
    """
    mark, *earlier = _marks(person.public_id, token)
    earlier += [mark for former_id in former_ids for mark in _marks(former_id, token)]
    if earlier and SentForm.objects.filter(mark__in=earlier).exists():
        return False
    return SentForm.objects.get_or_create(mark=mark, defaults={"arrived_at": at})[1]


def _marks(public_id, token):
    """Return the marks of a form: one made with the current SECRET_KEY, then those of earlier keys."""
    return fingerprints("portal.sent_forms", f"{public_id} {token}")


def forget_sent_forms(*, at):
    """Delete the SentForms of forms that no phone sends again. The worker runs this job."""
    return SentForm.objects.filter(arrived_at__lte=at - SentForm.KEPT_FOR).delete()[0]


def remember_removals(removals):
    """Store that things were removed. `removals` is {key of the thing: time of the removal}.

    This is needed only for removals that no other row shows.
    """
    Removal.objects.bulk_create(
        [Removal(mark=_removal_marks(key)[0], removed_at=removed_at) for key, removed_at in removals.items()],
        update_conflicts=True,
        unique_fields=["mark"],
        update_fields=["removed_at"],
    )


def check_not_removed(key, *, tapped_at, now):
    """Raise ChangedMeanwhile if the thing with this key was removed after the tap that would add it.

    Raise TooOld if removals from the time of the tap are no longer known.
    """
    if tapped_at < now - Removal.KEPT_FOR:
        raise TooOld
    if Removal.objects.filter(mark__in=_removal_marks(key), removed_at__gt=tapped_at + MARGIN).exists():
        raise ChangedMeanwhile


def forget_removals(*, at):
    """Delete the Removals that are older than every form that can still arrive. The worker runs this job."""
    return Removal.objects.filter(removed_at__lte=at - Removal.KEPT_FOR).delete()[0]


def _removal_marks(key):
    return fingerprints("portal.removals", key)
