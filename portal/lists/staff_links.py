"""Make, change and end the links with which staff show items to everybody who has the link.

The items may come from a patron's visit or question. But the links are not about this patron, so the audit
trail doesn't name the patron.
"""

from accounts import audit
from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines

from .links import DEFAULT_DAYS, ENDED_KEPT_FOR, LinkEnded, TooManyLinks, end_of, new_token_columns
from .models import MAX_STAFF_LINKS, StaffLink, StaffLinkItem


@compares_deadlines
@staff_action
def make_staff_link(items, *, branch, days=DEFAULT_DAYS, client_token=None, by, at, now):
    """Make a link that shows these items, and return it.

    If the form with this `client_token` has made a link already, return that link, unless it has ended.
    `staff_action` locks the roles of `by`, so the second request of a double tap waits for the first.

    The caller checks that `by` may share the items. Raises TooManyLinks and RoleEnded.
    """
    working = working_staff_links(by, now())
    if client_token and (made := working.filter(client_token=client_token).first()):
        return made
    if working.count() >= MAX_STAFF_LINKS:
        raise TooManyLinks
    link = StaffLink.objects.create(
        made_by=by,
        branch=branch,
        client_token=client_token,
        made_at=at,
        ends_at=end_of(days, at),
        **new_token_columns(),
    )
    # A dict drops duplicate items and preserves the order.
    StaffLinkItem.objects.bulk_create(
        StaffLinkItem(link=link, item=item, position=position)
        for position, item in enumerate(dict.fromkeys(items))
    )
    audit.record("made_staff_link", link, by=by, at=at)
    return link


@compares_deadlines
@staff_action
def change_staff_link(link, *, days, by, at, now):
    """Let the link end after this number of days, counted from today. Raises LinkEnded and RoleEnded."""
    ends_at = end_of(days, at)
    if not StaffLink.objects.working(now()).filter(pk=link.pk).update(ends_at=ends_at):
        raise LinkEnded
    link.ends_at = ends_at
    audit.record("changed_staff_link", link, by=by, at=at)


@staff_action
def end_staff_link(link, *, by, at):
    """End the link for good, and delete its token and items. Raises RoleEnded."""
    ended = StaffLink.objects.filter(pk=link.pk, ended_at=None).update(
        ended_at=at, token_hmac=None, token_sealed=""
    )
    if ended:
        StaffLinkItem.objects.filter(link=link).delete()
        audit.record("ended_staff_link", link, by=by, at=at)


def working_staff_links(person, at):
    """Return the working links that this staff member made."""
    return StaffLink.objects.working(at).filter(made_by=person)


def forget_staff_links(*, at):
    """Delete the links that ended at least ENDED_KEPT_FOR ago. The worker runs this job."""
    return StaffLink.objects.ended_before(at - ENDED_KEPT_FOR).delete()[0]
