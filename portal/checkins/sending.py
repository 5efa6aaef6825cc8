"""Send the check-ins that are due, each exactly once. The worker runs this job.

Sending locks the patrons, then the visits, then the check-ins. `send_now` locks the staff member's roles
before these rows. After locking, eligibility.py checks which check-ins may be sent. The check is repeated
when the worker takes the email from the outbox.
"""

from collections import defaultdict

from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch, Q

from accounts.models import Library, User
from accounts.staff_actions import staff_action
from portal.helpsessions import forgetting
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification
from portal.notifications.writing import save_all
from portal.prepared import update_all

from . import links
from .drafting import askers
from .eligibility import PASSED_WHEN_WRITTEN, WEEK, Why, with_why
from .emails import Emails
from .models import CheckIn
from .weekly_limit import uncount_unsent_email

Status = CheckIn.Status
BATCH = 500
# `send_now` ignores these reasons not to send a check-in. The staff member has chosen to send the check-in
# before its day, and has reviewed its text. If the branch is closed, the email waits in the outbox until the
# branch is open.
SENT_NOW_IN_SPITE_OF = frozenset({Why.NOT_DUE, Why.NOT_REVIEWED, Why.CLOSED})
# The columns of a visit that are needed to write the email of its check-in.
READ_OF_VISIT = ["patron", "branch", "staff", "language", "with_child", "created_at", "kept_at"]
WRITTEN = [
    "status",
    "asked_at",
    "asked_by",
    "asked",
    "message_id",
    "token_hmac",
    "link_ends_at",
    "reviewed_at",
    "reviewed_by",
]


class NotNow(Exception):
    """The check-in can't be sent now. `why` is the reason, a Why."""

    def __init__(self, why):
        self.why = why


def send_due_check_ins(*, at):
    """Write the emails for all check-ins that are due, in batches. The worker runs this job."""
    plan_dropped_again(at=at)
    keys = _chosen(at)
    for first in range(0, len(keys), BATCH):
        _send_batch(keys[first : first + BATCH], at=at)


@staff_action
def send_now(check_in, *, by, at):
    """Send a planned check-in now, even before its day or without an approval. Raises NotNow.

    The email is sent when the branch is open. Two rules still apply: at most one email a week, and not before
    a day that the patron chose.
    """
    _lock([check_in.pk])
    rows = with_why(_planned([check_in.pk]), at=at, but=SENT_NOW_IN_SPITE_OF)
    row = rows.first()
    if row is None or row.why_not_by_message:
        raise NotNow(Why(row.why_not_by_message) if row else Why.GONE)
    if waits_for_patrons_day(row, today=Library.current().today(at)):
        raise NotNow(Why.NOT_DUE)
    if row.reviewed_at is None:
        row.reviewed_at, row.reviewed_by = at, by
    _write([row], at=at)
    return row


def waits_for_patrons_day(check_in, *, today):
    """Return whether the patron chose a later day. Before that day, even staff can't send the check-in."""
    return check_in.set_by == CheckIn.SetBy.PATRON and check_in.due_on > today


def plan_dropped_again(*, at):
    """Plan a check-in again if the worker dropped its email without trying to send it.

    The worker drops an email if, for example, the patron has changed their choice or their address, or has
    written to the library. A check-in that has ended is not planned again. A dropped email never counts
    toward the limit of one email a week.

    Delivered emails stay in the outbox for as long as their links work. So if the link of a check-in works
    but the outbox has no email for the check-in, the worker has dropped the email.
    """
    emails = Notification.objects.filter(message_id=OuterRef("message_id"))
    counts = Q(status=Status.ASKED) | Q(asked_at__gt=at - WEEK)
    written = CheckIn.objects.filter(counts, link_ends_at__gt=at).exclude(message_id="")
    for check_in in written.filter(~Exists(emails)).order_by("pk"):
        _plan_again(check_in)


@transaction.atomic
def _plan_again(check_in):
    uncount_unsent_email(check_in)
    row = CheckIn.objects.filter(pk=check_in.pk, message_id=check_in.message_id)
    row.filter(status=Status.ASKED).update(status=Status.PLANNED)
    row.update(asked_at=None, asked_by=None, asked=None, message_id="", token_hmac=None, link_ends_at=None)


def still_wanted(rows, person, at):
    """Return {primary key: True} for the outbox rows whose check-in may still be sent.

    The outbox calls this function through portal.notifications.facts.Sources.
    """
    check_ins = CheckIn.objects.filter(
        message_id__in=[row.message_id for row in rows],
        status=Status.ASKED,
        asked=person,
        help_session__patron=person,
        token_hmac__isnull=False,
        link_ends_at__gt=at,
    )
    wanted = with_why(check_ins, at=at, but=PASSED_WHEN_WRITTEN).filter(why_not_by_message="")
    message_ids = set(wanted.values_list("message_id", flat=True))
    # The email contains the link, so send it only to the address that the person has confirmed. Messages on a
    # phone go to the devices where the person is signed in.
    by_push = person.check_ins == User.CheckIns.PUSH
    return {
        row.pk: True
        for row in rows
        if row.message_id in message_ids and (by_push or row.to_address == person.email)
    }


def _chosen(at):
    """Return the primary keys of the check-ins to send now, at most one for each patron.

    A patron gets at most one email a week. If a patron has several check-ins, choose the check-in whose visit
    will be forgotten first. If that visit will be forgotten within a week but its check-in isn't due yet,
    choose none of the patron's check-ins now. Otherwise the weekly limit would stop that check-in on its day.
    """
    library = Library.current()
    soon = CheckIn.objects.filter(status=Status.PLANNED, due_on__lt=library.today(at) + WEEK)
    columns = "help_session__patron", "pk", "due_on"
    may_go = with_why(soon, at=at, but={Why.NOT_DUE}).filter(why_not_by_message="")
    of_patron = defaultdict(list)
    for patron, pk, due_on in may_go.order_by("due_on", "pk").values_list(*columns):
        of_patron[patron].append((pk, due_on))
    several = [pk for own in of_patron.values() if len(own) > 1 for pk, _due_on in own]
    ends_at = {
        row.pk: forgetting.ends_at(row.help_session, library)
        for row in CheckIn.objects.filter(pk__in=several, help_session__patron__isnull=False).select_related(
            "help_session__patron"
        )
    }
    chosen = [_first(own, ends_at, library.today(at), at) for own in of_patron.values()]
    return sorted(pk for pk in chosen if pk is not None)


def _first(own, ends_at, today, at):
    """Return the primary key of the check-in to send to one patron now, or None. See `_chosen`.

    `own` is a list of (primary key, due day) for the patron's check-ins. `ends_at` is {primary key of a
    check-in: the time when its visit is forgotten}. It is needed only if the patron has several check-ins.
    """
    soon = at + WEEK
    urgent = [
        (ends_at.get(pk, soon), due_on, pk)
        for pk, due_on in own
        if due_on <= today or ends_at.get(pk, soon) < soon
    ]
    _ends_at, due_on, pk = min(urgent, default=(None, None, None))
    return pk if due_on and due_on <= today else None


@transaction.atomic
def _send_batch(keys, *, at):
    patrons = _lock(keys)
    of_patron: dict = {}
    for row in with_why(_planned(keys), at=at).filter(why_not_by_message="").order_by("pk"):
        # Skip the visit if its patron is not locked. This happens if a concurrent transaction has just merged
        # the patron's record or moved the visit to another patron.
        if row.help_session.patron_id in patrons:
            of_patron.setdefault(row.help_session.patron_id, row)
    _write(list(of_patron.values()), at=at)


def _lock(keys):
    """Lock the check-ins, their visits and patrons. Return the primary keys of the patrons."""
    check_ins = CheckIn.objects.filter(pk__in=keys)
    visits = HelpSession.objects.filter(pk__in=list(check_ins.values_list("help_session", flat=True)))
    patrons = User.objects.filter(pk__in=list(visits.values_list("patron", flat=True)))
    locked = [
        list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        for rows in (patrons, visits, check_ins)
    ]
    return set(locked[0])


def _planned(keys):
    planned = CheckIn.objects.filter(pk__in=keys, status=Status.PLANNED)
    visits = HelpSession.objects.only(*READ_OF_VISIT).select_related("patron")
    # Many visits have the same branch and helper. Prefetching them builds each of these objects only once.
    visits = visits.prefetch_related("branch", "staff")
    return planned.prefetch_related(Prefetch("help_session", visits))


def _write(check_ins, *, at):
    """Write the emails of these locked check-ins, and mark the check-ins as asked."""
    library = Library.current()
    emails = Emails(library)
    today = library.today(at)
    askers_of = askers([(row.help_session, today) for row in check_ins if row.reviewed_at])
    written = []
    for check_in in check_ins:
        visit = check_in.help_session
        token = links.new_link(check_in, at=at)
        check_in.link_ends_at = min(check_in.link_ends_at, forgetting.ends_at(visit, library))
        check_in.status, check_in.asked, check_in.asked_at = Status.ASKED, visit.patron, at
        # A check-in that nobody reviewed is sent in the branch's name.
        check_in.asked_by = askers_of.get(visit.pk)
        email = emails.write(check_in, token=token, at=at)
        check_in.message_id = email.message_id
        written.append(email)
    save_all(written)
    patrons = [check_in.asked_id for check_in in check_ins]
    User.objects.filter(pk__in=patrons).update(check_in_sent_at=at)
    update_all(check_ins, WRITTEN)
