"""The check-in on the desk's page of a visit, and on the page after a visit is recorded."""

from portal.checkins import planning
from portal.checkins.models import CheckIn

from .forms import AskOnForm
from .rows import rows_of, with_row
from .states import history_of, why_not_planned


def check_in_context(request, help_session, *, at):
    """Return the context of the part of a page that shows the visit's check-in.

    The context is empty if the library never asks about the visit.
    """
    if not request.library.check_ins or not planning.is_asked_about(help_session):
        return {}
    history = list(with_row(CheckIn.objects.filter(help_session=help_session), at=at).order_by("pk"))
    latest = history[-1] if history else None
    is_planned = latest is not None and latest.status == CheckIn.Status.PLANNED
    today = request.library.today(at)
    row = rows_of(request, [latest], at=at, opened={latest.public_id})[0] if is_planned else None
    initial = {"day": latest.due_on, "reason": latest.reason} if is_planned else {}
    is_reviewer = (
        is_planned
        and CheckIn.objects.filter(pk=latest.pk).reviewed_by_person(request.user, today=today).exists()
    )
    return {
        "check_in": latest,
        "check_in_row": row,
        "check_in_state": why_not_planned(latest) if latest else "",
        "check_in_history": [line for check_in in history for line in history_of(check_in)],
        "is_reviewer": is_reviewer,
        "shows_check_in": True,
        "may_plan_check_in": latest is None or latest.status not in CheckIn.OPEN,
        "day_form": AskOnForm(initial=initial, today=today),
    }


def planned_row(request, help_session, *, at):
    """Return the Row of the visit's planned check-in, or None if no check-in is planned.

    Also return None if another staff member recorded the visit.
    """
    if not request.library.check_ins or help_session.staff_id != request.user.pk:
        return None
    planned = CheckIn.objects.filter(help_session=help_session, status=CheckIn.Status.PLANNED)
    check_in = with_row(planned, at=at).first()
    return rows_of(request, [check_in], at=at, opened={check_in.public_id})[0] if check_in else None
