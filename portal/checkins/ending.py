"""The worker's job that ends check-ins and links that have expired."""

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from accounts.models import Library
from portal.helpsessions.forgetting import over
from portal.helpsessions.models import HelpSession

from .eligibility import everything_answered, times_of_too_late, too_late
from .models import CheckIn

Status = CheckIn.Status
BATCH = 500


def end_check_ins(*, at):
    """End check-ins that nobody can answer anymore, and mark check-ins as answered if no question is left.

    Also delete the HMACs of links that have ended.
    """
    gone = ~Q(help_session__status=HelpSession.Status.RECORDED) | Q(help_session__quiet=True)
    visit_is_over = Exists(over(at).filter(pk=OuterRef("help_session")))
    link_is_over = Q(status=Status.ASKED, link_ends_at__lte=at)
    open_ones, ended = CheckIn.objects.open(), {"status": Status.ENDED, "ended_at": at}
    _update(open_ones.filter(everything_answered()), status=Status.ANSWERED, answered_at=_answered_at(at))
    _update(open_ones.filter(link_is_over), **ended)
    _update(open_ones.filter(gone | visit_is_over), **ended)
    _update(open_ones.filter(too_late(**times_of_too_late(Library.current(), at))), **ended)
    links = CheckIn.objects.filter(token_hmac__isnull=False, link_ends_at__lte=at)
    _update(links, token_hmac=None)


def _update(check_ins, **values):
    """Update these check-ins in batches. Each batch is locked in the order of the primary keys.

    `reviewing.approve` locks many check-ins in the same order, so the two functions can't deadlock.
    """
    keys = list(check_ins.order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(keys), BATCH):
        with transaction.atomic():
            batch = check_ins.filter(pk__in=keys[first : first + BATCH]).order_by("pk")
            locked = batch.select_for_update(of=("self",), no_key=True)
            CheckIn.objects.filter(pk__in=list(locked.values_list("pk", flat=True))).update(**values)


def _answered_at(at):
    """Return the SQL expression for the time when the patron answered the questions about the visit.

    If that time is not stored, the expression has the value `at`.
    """
    visit = HelpSession.objects.filter(pk=OuterRef("help_session"))
    return Coalesce(Subquery(visit.values("answered_at")), Value(at))
