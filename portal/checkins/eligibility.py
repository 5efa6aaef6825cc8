"""Find out whether the library may ask how a visit turned out, and if not, why.

The conditions are checked at the moment when the library asks, not when the check-in is planned. Before that
moment, patrons may change their choice, remove the visit from their account or write to the library.
"""

from datetime import datetime, time, timedelta

from allauth.account.models import EmailAddress
from django.db import models
from django.db.models import Case, Exists, OuterRef, Q, Value, When
from django.utils.translation import gettext_lazy as _

from accounts.hours import Calendar
from accounts.models import Branch, Library, User
from portal.conversations.models import Conversation
from portal.helpsessions.forgetting import over
from portal.helpsessions.models import HelpSession, SessionRecommendation
from portal.notifications.deciding import next_opening
from portal.notifications.models import FailingAddress
from portal.notifications.push.subscriptions import living

from .models import CheckIn

# A patron gets at most one email or push message about check-ins per week.
WEEK = timedelta(days=7)
# A check-in that could not be sent within this time after its due day is never sent.
ASKED_WITHIN = timedelta(days=30)
# If a branch has entered no opening hours, these hours are assumed.
USUAL_OPENING, USUAL_CLOSING = time(9), time(17)


class Why(models.TextChoices):
    """Why the library doesn't ask now. The labels are for the helper."""

    OFF = "off", _("Check-ins are turned off for this library.")
    GONE = "gone", _("The visit was deleted, or recorded again for another patron.")
    QUIET = "quiet", _("Nobody is asked about a quiet visit.")
    PAPER = "paper", _("The child got only a printed slip.")
    OVER = "over", _("The library no longer keeps this visit.")
    LEFT_OUT = "left_out", _("The patron doesn't want to be asked about this visit.")
    REFUSED = "refused", _("The patron doesn't want check-ins.")
    ANSWERED = "answered", _("The patron has answered everything.")
    LATE = "late", _("The day of the check-in was more than 30 days ago.")
    CONVERSATION = (
        "conversation",
        _("The check-in waits until the open conversation about the visit is closed."),
    )
    NOT_DUE = "not_due", _("The day of the check-in has not come yet.")
    # The following reasons apply only to messages: emails, and messages on the patron's phone. The portal's
    # pages may still ask the patron.
    NOT_KEPT = "not_kept", _("The visit isn't in a patron's account.")
    DIED = "died", _("The patron has died.")
    INACTIVE = "inactive", _("The patron's account is closed.")
    SEVERAL = "several", _("The visit was recorded for several people.")
    TOPIC = "topic", _("We never ask patrons about this topic by email or with a message on their phone.")
    CHILD = "child", _("The library sends no message about this visit with a child.")
    PAGES = "pages", _("The patron wants to be asked only on the library's web pages.")
    NOT_CHOSEN = (
        "not_chosen",
        _("The patron hasn't chosen yet whether we may ask by email or with a message on their phone."),
    )
    NO_ADDRESS = "no_address", _("The patron's account has no email address.")
    UNCONFIRMED = "unconfirmed", _("The patron has not confirmed their email address.")
    ADDRESS_OFF = "address_off", _("Emails to the patron's address don't arrive.")
    NO_PHONE = "no_phone", _("None of the patron's phones gets messages from the library now.")
    THIS_WEEK = "this_week", _("The patron was asked about a visit less than a week ago.")
    NOT_REVIEWED = (
        "not_reviewed",
        _("Nobody has approved the check-in, so it appears only on the patron's pages."),
    )
    CLOSED = "closed", _("The check-in waits until the branch is open.")


ORDER = {why: number for number, why in enumerate(Why)}
# The reasons in WAITS only delay the email. The email is sent as soon as no reason applies.
WAITS = {Why.CONVERSATION, Why.NOT_DUE, Why.THIS_WEEK, Why.NOT_REVIEWED, Why.CLOSED}
# The reasons in PASSED_WHEN_WRITTEN are checked only when the email is written to the outbox. They are not
# checked again when the email is sent from there.
PASSED_WHEN_WRITTEN = frozenset({Why.NOT_DUE, Why.THIS_WEEK, Why.NOT_REVIEWED, Why.CLOSED})


def with_why(check_ins, *, at, but=frozenset()):
    """Annotate each check-in with `why_not_by_message`: the reason not to send a message, or "".

    If there are several reasons, it is the one that comes first in Why. The reasons in `but` are ignored.
    """
    library = Library.current()
    if not library.check_ins:
        return check_ins.annotate(why_not_by_message=Value(Why.OFF.value))
    reasons = [*_by_any_way(library, at), *_by_message(library, at)]
    reasons.sort(key=lambda pair: ORDER[pair[0]])
    return check_ins.annotate(
        why_not_by_message=Case(
            *[When(condition, then=Value(why.value)) for why, condition in reasons if why not in but],
            default=Value(""),
        )
    )


def without_reasons(check_ins, *, late_before, closed_after, but=frozenset()):
    """Leave out the check-ins that the library may neither send as a message nor show on a page.

    The reasons in `but` are ignored. For `late_before` and `closed_after`, see `too_late`. The caller must
    also check the day of the check-in, and when the retention period of the visit ends.
    """
    for why, condition in _on_any_day(late_before, closed_after):
        if why not in but:
            check_ins = check_ins.exclude(condition)
    return check_ins


def open_branches(library, at):
    """Return the primary keys of the branches that are open at the time `at`."""
    branches = Branch.objects.filter(closed_at=None).prefetch_related("opening_hours", "closed_days")
    return [branch.pk for branch in branches if _is_open(Calendar.of(branch, library), at)]


def _is_open(calendar, at):
    local: datetime = at.astimezone(calendar.zone)
    if not calendar.week:
        return local.date() not in calendar.closed_days and USUAL_OPENING <= local.time() < USUAL_CLOSING
    return next_opening(at, calendar) is None


def _by_any_way(library, at):
    """Return (reason, condition) for each reason that forbids asking, both by message and on pages.

    The reason is a Why. The condition is a Q that matches the check-ins for which the reason applies.
    """
    today = library.today(at)
    is_over = Exists(over(at).filter(pk=OuterRef("help_session")))
    return [
        *_on_any_day(**times_of_too_late(library, at)),
        (Why.OVER, Q(help_session__forgotten_on__isnull=False) | is_over),
        (Why.NOT_DUE, Q(due_on__gt=today)),
    ]


def _on_any_day(late_before, closed_after):
    """Return the pairs of `_by_any_way` except those for Why.OVER and Why.NOT_DUE."""
    open_ones = Conversation.objects.filter(
        help_session=OuterRef("help_session"), status__in=Conversation.OPEN
    )
    return [
        (Why.GONE, ~Q(help_session__status=HelpSession.Status.RECORDED)),
        (Why.QUIET, Q(help_session__quiet=True)),
        (Why.PAPER, Q(help_session__with_child=Library.Children.PAPER)),
        (Why.LEFT_OUT, Q(help_session__check_ins=HelpSession.CheckIns.NONE)),
        (Why.REFUSED, Q(help_session__patron__check_ins=User.CheckIns.NONE)),
        (Why.ANSWERED, everything_answered()),
        (Why.LATE, too_late(late_before, closed_after)),
        (Why.CONVERSATION, Exists(open_ones)),
    ]


def times_of_too_late(library, at):
    """Return the arguments to pass to `too_late` at the time `at`, as a dict."""
    return {"late_before": library.today(at) - ASKED_WITHIN, "closed_after": at - ASKED_WITHIN}


def too_late(late_before, closed_after):
    """Return the condition for check-ins that can no longer be sent, because they are long overdue.

    A check-in is too late if it was due before the day `late_before`. There is one exception: a conversation
    about its visit is open, or was closed after the time `closed_after`. The library doesn't ask while the
    conversation is open, so it may ask for as long as ASKED_WITHIN after the conversation was closed.
    """
    open_or_just_closed = Q(status__in=Conversation.OPEN) | Q(closed_at__gt=closed_after)
    about_it = Conversation.objects.filter(open_or_just_closed, help_session=OuterRef("help_session"))
    return Q(status=CheckIn.Status.PLANNED, due_on__lt=late_before) & ~Exists(about_it)


def everything_answered():
    """Return the condition for check-ins about visits whose questions are all answered.

    Ignore the question whether the patron would come back, because it is no reason to write to the patron.
    """
    undecided = SessionRecommendation.objects.not_removed().filter(
        help_session=OuterRef("help_session"), recommendation__starred=True, recommendation__verdict=""
    )
    return ~Q(help_session__found="") & ~Q(help_session__satisfaction="") & ~Exists(undecided)


def _by_message(library, at):
    """Return (reason, condition) for each reason that forbids messages, but not questions on a page.

    The reason is a Why. The condition is a Q that matches the check-ins for which the reason applies. A
    missing email address is no reason if the patron chose messages on the phone. A missing device is no
    reason if the patron chose email.
    """
    patron = "help_session__patron"
    is_childs = Q(**{f"{patron}__child_since__isnull": False})
    with_a_child = ~Q(help_session__with_child="") | is_childs
    # A visit with a child may be in an adult's account, and the library doesn't ask adults about it. So only
    # a child's account gets emails about a visit with a child.
    may_not_write = with_a_child & ~is_childs if library.check_ins_of_children else with_a_child
    address = {"email": OuterRef(f"{patron}__email")}
    unconfirmed = EmailAddress.objects.filter(user=OuterRef(patron), verified=False, **address)
    off = FailingAddress.objects.off().filter(person=OuterRef(patron), **address)
    on_phone = Q(**{f"{patron}__check_ins": User.CheckIns.PUSH})
    # Ignore a sending time that is far in the future, because a fast clock has written it.
    this_week = Q(
        **{f"{patron}__check_in_sent_at__gt": at - WEEK, f"{patron}__check_in_sent_at__lt": at + WEEK}
    )
    not_reviewed = Q(reviewed_at=None, help_session__branch__check_ins_unreviewed=False)
    visits_choice = Q(help_session__check_ins=HelpSession.CheckIns.PAGES)
    return [
        (Why.NOT_KEPT, Q(**{patron: None})),
        (Why.DIED, Q(**{f"{patron}__died_at__isnull": False})),
        (Why.INACTIVE, Q(**{f"{patron}__is_active": False})),
        (Why.SEVERAL, Q(help_session__people__gt=1)),
        (Why.TOPIC, Q(help_session__topic__never_by_message=True)),
        (Why.CHILD, may_not_write),
        (Why.PAGES, visits_choice | Q(**{f"{patron}__check_ins": User.CheckIns.PAGES})),
        (Why.NOT_CHOSEN, Q(**{f"{patron}__check_ins": ""})),
        (Why.NO_ADDRESS, ~on_phone & Q(**{f"{patron}__email": None})),
        (Why.UNCONFIRMED, ~on_phone & Exists(unconfirmed)),
        (Why.ADDRESS_OFF, ~on_phone & Exists(off)),
        (Why.NO_PHONE, on_phone & ~Exists(living(at).filter(person=OuterRef(patron)))),
        (Why.THIS_WEEK, this_week),
        (Why.NOT_REVIEWED, not_reviewed),
        (Why.CLOSED, ~Q(help_session__branch__in=open_branches(library, at))),
    ]
