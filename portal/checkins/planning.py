"""Plan, move and end check-ins.

The functions of this module lock rows in this order: the visit, its recommendations, its check-in. sending.py
locks the patron before the visit.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.db.models import BigAutoField, Max

from accounts.models import Library
from accounts.staff_actions import staff_action
from portal.helpsessions.check_ins import choose_for_visit
from portal.helpsessions.models import HelpSession
from portal.notifications.models import Notification
from portal.prepared import insert, prepared
from portal.sent_forms import check_not_removed, remember_removals
from recommendations.models import Recommendation

from .drafting import DRAFTED_FROM
from .models import CheckIn
from .rules import Rules
from .weekly_limit import uncount_unsent_email

Status, SetBy = CheckIn.Status, CheckIn.SetBy
# The day of a check-in is at most this many days after today.
MAX_DAYS = 180
# If "Ask me later" plans a new check-in, these fields are copied from the visit's earlier check-in.
TAKEN_OVER = ["tone", "words", "reviewed_at", "reviewed_by_id"]


class NotPlanned(Exception):
    """The check-in was asked, answered, skipped or ended, so it can no longer be changed."""


@dataclass(frozen=True)
class Wish:
    """What staff chose about the check-in on the record form.

    They can choose a different day with a reason, write the text and choose its tone, or plan no check-in
    (`dismissed`).
    """

    day: date | None = None
    reason: str = ""
    words: str = ""
    tone: str = ""
    dismissed: bool = False


NO_WISH = Wish()


def suggest(*, topic_id, question_type, happened_on, at) -> date | None:
    """Return the day to suggest for the check-in about a visit, or None if no rule plans a check-in."""
    library = Library.current()
    if not library.check_ins:
        return None
    values = HelpSession(topic_id=topic_id, question_type=question_type, happened_on=happened_on)
    return Rules.read().due_on(values, recorded_on=library.today(at))


def plan(help_session, *, at, wish=NO_WISH, library=None):
    """Plan a check-in about a visit that was recorded in this transaction. Return the check-in, or None.

    If the visit already has a check-in, because a form was submitted twice, return None. `library` is the
    Library, if it is loaded already.
    """
    library = library or Library.current()
    if not library.check_ins or not is_asked_about(help_session):
        return None
    if _first_of(help_session=help_session.pk):
        return None
    return _plan_new(help_session, library, wish, at=at)


@transaction.atomic
def replan(help_session, *, at, changed=()):
    """Move, plan or end the visit's check-in after the visit was corrected.

    Don't change a day that staff or the patron chose. If the check-in was asked, answered or skipped, plan no
    second check-in. `changed` has the names of the corrected fields. If the draft depends on a corrected
    field, delete the text that staff wrote for the check-in, and require a new approval.
    """
    help_session = _lock_session(help_session)
    if help_session is None:
        return
    if not is_asked_about(help_session):
        end_all(help_session, at=at)
        return
    library, latest = Library.current(), _lock_latest(help_session)
    if latest is None and library.check_ins:
        _plan_new(help_session, library, NO_WISH, at=at)
    elif latest is not None and latest.status == Status.PLANNED:
        if DRAFTED_FROM.intersection(changed):
            latest.words, latest.reviewed_at, latest.reviewed_by = "", None, None
            latest.save(update_fields=["words", "reviewed_at", "reviewed_by"])
        if latest.set_by == SetBy.RULE:
            _replan([latest], Rules.read(), library)


def chosen_by_staff(help_session, *, at):
    """Return the Wish with the later day and the reason that staff chose for the visit's planned check-in."""
    planned = CheckIn.objects.filter(help_session=help_session, status=Status.PLANNED, set_by=SetBy.STAFF)
    chosen = planned.filter(due_on__gt=Library.current().today(at)).first()
    return Wish(day=chosen.due_on, reason=chosen.reason) if chosen else NO_WISH


def day_of_check_in(help_session):
    """Return the day of the visit's planned check-in, or None if no check-in is planned."""
    planned = CheckIn.objects.filter(help_session=help_session, status=Status.PLANNED)
    return planned.values_list("due_on", flat=True).first()


def is_asked_about(help_session):
    """Return whether the library may ever ask how this visit turned out, by email or on its pages."""
    return (
        help_session.status == HelpSession.Status.RECORDED
        and not help_session.quiet
        and not help_session.is_on_paper_only
        and help_session.forgotten_on is None
    )


def _plan_new(help_session, library, wish, *, at):
    day = Rules.read().due_on(help_session, recorded_on=library.today(at))
    # A day that staff chose overrides a rule that says "never".
    day, set_by = (wish.day, SetBy.STAFF) if wish.day else (day, SetBy.RULE)
    if day is None:
        return None
    check_in = CheckIn(
        help_session=help_session,
        status=Status.SKIPPED if wish.dismissed else Status.PLANNED,
        ended_at=at if wish.dismissed else None,
        due_on=day,
        set_by=set_by,
        reason=wish.reason,
        words=wish.words,
        tone=wish.tone,
        created_at=at,
    )
    insert(check_in)
    return check_in


@prepared(help_session=BigAutoField())
def _first_of(help_session):
    return CheckIn.objects.filter(help_session=help_session).values_list("pk")[:1]


@staff_action
def set_day(check_in, *, day, reason, by, at):
    """Let staff choose the day of a planned check-in, with a reason that only staff see. Raises NotPlanned.

    If the patron chose the day, staff can only add a reason.
    """
    check_in = _lock_planned(check_in)
    if check_in.set_by != SetBy.PATRON and day != check_in.due_on:
        check_in.due_on, check_in.set_by = day, SetBy.STAFF
    check_in.reason = reason
    check_in.save(update_fields=["due_on", "set_by", "reason"])
    return check_in


@staff_action
def plan_on(help_session, *, day, reason, by, at):
    """Let staff plan a check-in about a visit that has no open check-in. Raises NotPlanned."""
    help_session = _lock_session(help_session)
    if help_session is None or not is_asked_about(help_session) or not Library.current().check_ins:
        raise NotPlanned
    latest = _lock_latest(help_session)
    if latest is not None and latest.status in CheckIn.OPEN:
        raise NotPlanned
    return _plan_new(help_session, Library.current(), Wish(day=day, reason=reason), at=at)


@staff_action
def skip(check_in, *, by, at):
    """Let staff decide not to ask about this visit. Raises NotPlanned."""
    check_in = _lock_planned(check_in)
    _end(check_in, Status.SKIPPED, at=at)
    return check_in


@staff_action
def unskip(check_in, *, by, at):
    """Let staff plan a skipped check-in again. Raises NotPlanned."""
    help_session = _lock_session(check_in.help_session)
    latest = _lock_latest(help_session) if help_session else None
    if latest is None or latest.pk != check_in.pk or latest.status != Status.SKIPPED:
        raise NotPlanned
    if not is_asked_about(help_session) or help_session.check_ins == HelpSession.CheckIns.NONE:
        raise NotPlanned
    latest.status, latest.ended_at = Status.PLANNED, None
    latest.save(update_fields=["status", "ended_at"])
    return latest


@transaction.atomic
def ask_later(help_session, *, day, at):
    """Let the patron choose the day of the check-in. Return the check-in, or None if the library can't ask.

    If the patron was already asked by email, end that check-in and plan a new one. The link in the email that
    was sent still works until it expires.
    """
    help_session = _lock_session(help_session)
    if help_session is None or not is_asked_about(help_session):
        return None
    HelpSession.objects.filter(pk=help_session.pk, check_ins=HelpSession.CheckIns.NONE).update(check_ins="")
    latest = _lock_latest(help_session)
    if latest is None or latest.status != Status.PLANNED:
        taken_over = {name: getattr(latest, name) for name in TAKEN_OVER} if latest else {}
        if latest and latest.status == Status.ASKED:
            _end(latest, Status.ENDED, at=at)
        latest = CheckIn(help_session=help_session, created_at=at, **taken_over)
    latest.due_on, latest.set_by = day, SetBy.PATRON
    latest.save()
    return latest


@transaction.atomic
def leave_out(help_session, *, at, person=None):
    """Let the patron stop the library from asking about this visit, both by message and on pages.

    `person` is None if the patron is a viewer by code, or uses the link in an email.
    """
    if choose_for_visit(help_session, HelpSession.CheckIns.NONE, person=person, at=at) is None:
        return
    for check_in in CheckIn.objects.select_for_update().open().filter(help_session=help_session):
        _end(check_in, Status.SKIPPED, at=at)


@transaction.atomic
def ask_again(help_session, *, day, at, person=None):
    """Undo `leave_out`, so that the library asks about the visit again.

    If the check-in about the visit was skipped, ask on `day`. Otherwise ask on the planned day.
    """
    choose_for_visit(help_session, "", person=person, at=at)
    latest = _lock_latest(help_session)
    if latest and latest.status == Status.SKIPPED:
        ask_later(help_session, day=day, at=at)


@transaction.atomic
def got_it(recommendation, *, at, tapped_at=None):
    """Save that the patron has the item now, and return whether anything changed.

    A rule may count the days until the check-in from this time. If the patron tapped offline and the phone
    sent the tap later, `tapped_at` is the time of the tap. Raises ChangedMeanwhile if the patron has undone
    "I've got it" after the tap. Raises TooOld if the tap is so old that the portal can't tell whether it was
    undone.
    """
    is_saved = _save_got_at(recommendation, tapped_at or at, at)
    if is_saved and tapped_at:
        check_not_removed(_got_it_key(recommendation), tapped_at=tapped_at, now=at)
    return is_saved


@transaction.atomic
def undo_got_it(recommendation, *, at):
    """Undo a mistaken "I've got it"."""
    is_undone = _save_got_at(recommendation, None, at)
    if is_undone:
        # A phone may later send a tap on "I've got it" that the patron made offline before this undo. Such a
        # tap must be refused.
        remember_removals({_got_it_key(recommendation): at})
    return is_undone


def _got_it_key(recommendation):
    return f"got item {recommendation.public_id}"


def _save_got_at(recommendation, got_at, at):
    sessions = HelpSession.objects.filter(recommendation_links__recommendation=recommendation)
    help_session = sessions.select_for_update(no_key=True, of=("self",)).first()
    changed = Recommendation.objects.filter(pk=recommendation.pk).exclude(got_at=got_at)
    if got_at is not None:
        # If the patron presses "I've got it" a second time on an old page, the saved time doesn't change.
        changed = changed.filter(got_at=None)
    if not changed.update(got_at=got_at):
        return False
    if help_session is not None:
        replan(help_session, at=at)
    return True


@transaction.atomic
def end_all(help_session, *, at):
    """End the check-ins about this visit for good, and delete their links.

    Call this if the visit becomes quiet, is replaced for the right patron, or is removed from its patron's
    account.
    """
    _end_those(help_session, CheckIn.OPEN, at=at)


@transaction.atomic
def let_go(help_session, *, at):
    """End the check-ins with the status ASKED about this visit, and delete their links and unsent emails.

    Call this when the visit is removed from a patron's account. A planned check-in stays planned, for the
    next patron who adds the visit to an account.
    """
    _end_those(help_session, [Status.ASKED], at=at)


def _end_those(help_session, statuses, *, at):
    check_ins = CheckIn.objects.select_for_update().filter(help_session=help_session).order_by("pk")
    for check_in in check_ins:
        if check_in.status in statuses:
            _end(check_in, Status.ENDED, at=at)
    written = {check_in.message_id: check_in for check_in in check_ins if check_in.message_id}
    # Don't delete an email that a worker is sending now.
    emails = Notification.objects.filter(message_id__in=written, leased_until=None)
    for message_id in emails.not_sent().values_list("message_id", flat=True):
        uncount_unsent_email(written[message_id])
    emails.delete()
    CheckIn.objects.filter(help_session=help_session).update(token_hmac=None, asked=None, message_id="")


def replan_by_rules(**visits):
    """Compute the days of planned check-ins again, after a rule has changed.

    `visits` are filters that choose the help sessions, such as topic=…. Days that staff or patrons chose
    don't change.
    """
    library, rules = Library.current(), Rules.read()
    rows = CheckIn.objects.filter(
        status=Status.PLANNED,
        set_by=SetBy.RULE,
        **{f"help_session__{name}": value for name, value in visits.items()},
    )
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(keys), 500):
        with transaction.atomic():
            batch = rows.filter(pk__in=keys[first : first + 500]).select_related("help_session")
            _replan(list(batch.select_for_update(of=("self",)).order_by("pk")), rules, library)


def _replan(check_ins, rules, library):
    """Compute the days of these locked check-ins again. Delete a check-in if its rule says "never"."""
    got_on = _got_on([check_in.help_session_id for check_in in check_ins], library)
    moved, never = [], []
    for check_in in check_ins:
        recorded_on = library.today(check_in.created_at)
        day = rules.due_on(
            check_in.help_session, recorded_on=recorded_on, got_on=got_on.get(check_in.help_session_id)
        )
        if day is None:
            never.append(check_in.pk)
        elif day != check_in.due_on:
            check_in.due_on = day
            moved.append(check_in)
    CheckIn.objects.filter(pk__in=never).delete()
    CheckIn.objects.bulk_update(moved, ["due_on"])


def _got_on(help_sessions, library):
    """Return {primary key of a visit: the day when the patron last pressed "I've got it"}."""
    taps = HelpSession.objects.filter(pk__in=help_sessions, recommendation_links__removed_at=None).annotate(
        got_at=Max("recommendation_links__recommendation__got_at")
    )
    return {pk: library.today(got_at) for pk, got_at in taps.values_list("pk", "got_at") if got_at}


def _lock_session(help_session):
    """Lock the visit and return its current state, or None if it was deleted."""
    return HelpSession.objects.select_for_update(no_key=True).filter(pk=help_session.pk).first()


def _lock_latest(help_session):
    """Lock the latest check-in about the visit and return it, or None if there is none."""
    rows = CheckIn.objects.select_for_update().filter(help_session=help_session).order_by("-pk")
    latest = rows.first()
    if latest is not None:
        latest.help_session = help_session
    return latest


def _lock_planned(check_in):
    help_session = _lock_session(check_in.help_session)
    latest = _lock_latest(help_session) if help_session else None
    if latest is None or latest.pk != check_in.pk or latest.status != Status.PLANNED:
        raise NotPlanned
    return latest


def _end(check_in, status, *, at):
    check_in.status, check_in.ended_at = status, at
    check_in.save(update_fields=["status", "ended_at"])


def latest_day(*, at) -> date:
    """Return the last day that staff or the patron can choose for a check-in."""
    return Library.current().today(at) + timedelta(days=MAX_DAYS)
