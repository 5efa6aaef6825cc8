"""Find the help sessions that a staff member may correct, and the corrections of a help session."""

from django.db.models import Q

from portal.errors import one_or_404
from portal.helpsessions.models import HelpSession
from portal.privacy.corrected_fields import LABELS
from portal.privacy.models import Correction

# Sessions with these statuses have a page at the desk. Nobody can correct a replaced session.
HAVE_A_PAGE = [HelpSession.Status.RECORDED, HelpSession.Status.REPLACED]


def sessions_to_correct(user):
    """Return the recorded sessions that this staff member may correct.

    These are the sessions that they recorded, and those of the branches that they coordinate.
    """
    own = Q(staff=user) | Q(branch__in=_coordinated(user))
    return HelpSession.objects.at_desk_of(user).recorded().filter(own)


def session_to_correct(request, public_id):
    """Return the session with this id if the staff member may correct it, or raise Http404."""
    related = "branch", "staff", "topic", "patron", "shared_with", "note"
    sessions = sessions_to_correct(request.user).select_related(*related)
    return one_or_404(sessions.filter(public_id=public_id))


def may_correct(user, help_session):
    """Return whether `sessions_to_correct` has the session, without a query."""
    is_own = help_session.staff_id == user.pk or help_session.branch_id in _coordinated(user)
    return help_session.status == HelpSession.Status.RECORDED and is_own


def history_of(help_session, since=0):
    """Return the corrections from number `since` on, each with `field_labels`."""
    corrections = list(Correction.objects.filter(help_session=help_session).select_related("by"))[since:]
    for correction in corrections:
        correction.field_labels = [LABELS.get(name, name) for name in correction.fields]
    return corrections


def _coordinated(user):
    return [role.branch_id for role in user.roles if role.is_coordinator]
