"""Find the help sessions that a staff member may correct, and the corrections of a help session."""

from django.db.models import Q

from portal.errors import one_or_404
from portal.helpsessions.models import HelpSession
from portal.privacy.corrected_fields import LABELS
from portal.privacy.models import Correction

# Help sessions with these statuses have a page at the desk. Only the recorded ones can be corrected.
HAVE_A_PAGE = [HelpSession.Status.RECORDED, HelpSession.Status.REPLACED]


def sessions_to_correct(user):
    """Return the recorded sessions that this staff member may correct.

    Staff may correct the sessions that they recorded. Coordinators may also correct those of their branches.
    """
    own = Q(staff=user) | Q(branch__in=user.coordinated_branch_ids)
    return HelpSession.objects.at_desk_of(user).recorded().filter(own)


def session_to_correct(request, public_id):
    """Return the session with this id if the staff member may correct it, or raise Http404."""
    related = "branch", "staff", "topic", "patron", "shared_with", "note", "patron_group", "service_point"
    sessions = sessions_to_correct(request.user).select_related(*related)
    return one_or_404(sessions.filter(public_id=public_id))


def may_correct(user, help_session):
    """Return whether this staff member may correct the session.

    Apply the same rule as `sessions_to_correct`, but without a query.
    """
    is_own = help_session.staff_id == user.pk or help_session.branch_id in user.coordinated_branch_ids
    return help_session.status == HelpSession.Status.RECORDED and is_own


def history_of(help_session, since=0):
    """Return the corrections of a help session, except the first `since` corrections.

    Also set `field_labels` on each correction: the labels of the fields that the correction changed.
    """
    corrections = list(Correction.objects.filter(help_session=help_session).select_related("by"))[since:]
    for correction in corrections:
        correction.field_labels = [LABELS.get(name, name) for name in correction.fields]
    return corrections
