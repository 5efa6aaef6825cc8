"""The sentences that say at the desk what happened to a check-in."""

from django.utils import timezone
from django.utils.translation import gettext as _

from portal.checkins.models import CheckIn
from portal.templatetags.portal import day_in_a_sentence

Status = CheckIn.Status


def why_not_planned(check_in):
    """Return a sentence that says why nobody can change the check-in now, or "" if staff can change it."""
    if check_in.status == Status.ASKED:
        words = _("This check-in was sent on %(day)s. It can't be changed anymore.")
        return words % {"day": _day(check_in.asked_at)}
    if check_in.status == Status.ANSWERED:
        words = _("The patron answered on %(day)s. The check-in can't be changed anymore.")
        return words % {"day": _day(check_in.answered_at)}
    if check_in.status == Status.SKIPPED:
        words = _("On %(day)s, staff or the patron decided that the library won't ask about this visit.")
        return words % {"day": _day(check_in.ended_at)}
    if check_in.status == Status.ENDED:
        return _("This check-in ended on %(day)s.") % {"day": _day(check_in.ended_at)}
    return ""


def history_of(check_in):
    """Return the sentences about what happened to a check-in, oldest first."""
    by = check_in.reviewed_by
    lines = [_("Planned on %(day)s.") % {"day": _day(check_in.created_at)}]
    if check_in.reviewed_at and by:
        words = _("%(name)s approved the check-in on %(day)s.")
        lines.append(words % {"name": by.display_name, "day": _day(check_in.reviewed_at)})
    elif check_in.reviewed_at:
        lines.append(_("Approved on %(day)s.") % {"day": _day(check_in.reviewed_at)})
    if check_in.asked_at and check_in.asked_by:
        words = _("Sent on %(day)s in the name of %(name)s.")
        lines.append(words % {"name": check_in.asked_by.display_name, "day": _day(check_in.asked_at)})
    elif check_in.asked_at:
        lines.append(_("Sent on %(day)s in the name of the branch.") % {"day": _day(check_in.asked_at)})
    if check_in.answered_at:
        lines.append(_("The patron answered on %(day)s.") % {"day": _day(check_in.answered_at)})
    if check_in.status in {Status.SKIPPED, Status.ENDED}:
        lines.append(why_not_planned(check_in))
    return lines


def _day(moment):
    return day_in_a_sentence(timezone.localtime(moment))
