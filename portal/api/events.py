"""Tell another system once a day how many verdicts patrons gave, and how many check-ins they answered."""

import datetime

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef
from django.db.models.functions import Coalesce

from accounts.models import Library
from portal import once
from portal.checkins.models import CheckIn
from portal.conversations.models import MessageRecommendation
from portal.counts.pooling import MIN_PEOPLE
from portal.helpsessions.models import SessionRecommendation
from portal.notifications import webhooks
from recommendations.models import Recommendation

NUMBERS_EVENT = "answers.day"
TWO_DAYS = 2 * 24 * 60 * 60
# No visit number is below this one (recommendations/visit_numbers.py).
WITHOUT_NUMBER = -(10**16)


@transaction.atomic
def announce_numbers(*, at):
    """Announce how many verdicts and answered check-ins the whole library got on the previous day.

    The worker runs this job. A number that comes from fewer than MIN_PEOPLE different visits is left
    out. If both numbers are left out, nothing is announced. Quiet visits and visits with a child don't count.
    """
    library = Library.current()
    day = library.today(at) - datetime.timedelta(days=1)
    if not webhooks.is_set_up() or not once.claim("webhook_numbers", day, seconds=TWO_DAYS):
        return
    begins, ends = (
        datetime.datetime.combine(each, datetime.time(), library.zone)
        for each in (day, day + datetime.timedelta(days=1))
    )
    verdicts = _verdicts().filter(decided_at__gte=begins, decided_at__lt=ends)
    check_ins = _check_ins().filter(answered_at__gte=begins, answered_at__lt=ends)
    # A recommendation without a visit number counts as a separate visit.
    visit = Coalesce("visit_number", WITHOUT_NUMBER - F("pk"))
    numbers = {
        "verdicts": verdicts.aggregate(number=Count("pk"), visits=Count(visit, distinct=True)),
        "check_ins": check_ins.aggregate(number=Count("pk"), visits=Count("help_session", distinct=True)),
    }
    shown = {name: each["number"] for name, each in numbers.items() if each["visits"] >= MIN_PEOPLE}
    if shown:
        webhooks.announce(NUMBERS_EVENT, {"day": day.isoformat(), **shown}, at=begins)


def _verdicts():
    given = Recommendation.objects.filter(never_counted=False, patron__child_since=None).exclude(verdict="")
    # The filter above leaves out children. Also leave out items that an adult got about a visit with a child.
    for model, child in (
        (SessionRecommendation, "help_session__with_child__gt"),
        (MessageRecommendation, "message__conversation__help_session__with_child__gt"),
    ):
        given = given.filter(~Exists(model.objects.filter(**{"recommendation": OuterRef("pk"), child: ""})))
    return given


def _check_ins():
    visits = {
        "help_session__quiet": False,
        "help_session__with_child": "",
        "help_session__patron__child_since": None,
    }
    return CheckIn.objects.filter(status=CheckIn.Status.ANSWERED, **visits)
