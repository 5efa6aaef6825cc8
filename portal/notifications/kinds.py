"""The kinds of notices: what each is about, what people read about it, and how it is sent by default.

Some emails are not notices, such as codes, security notices, invitations and emails about a finished copy.
Nobody can turn these emails off. They are always sent immediately, even to an address to which notices have
been stopped.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .models import NoticeChoice

Channel, Rhythm = NoticeChoice.Channel, NoticeChoice.Rhythm


@dataclass(frozen=True)
class Choice:
    """How a notice reaches a person, and how often it may be sent."""

    channel: str
    rhythm: str


# {value of a form field: Choice}. A page offers push only to people who have a device. There is no daily
# push, because a push message should be about something new.
CHOICES = {rhythm.value: Choice(Channel.EMAIL, rhythm.value) for rhythm in Rhythm} | {
    "push": Choice(Channel.PUSH, Rhythm.AT_ONCE),
    "push_hourly": Choice(Channel.PUSH, Rhythm.HOURLY),
    "none": Choice(Channel.NONE, Rhythm.AT_ONCE),
}


@dataclass(frozen=True)
class Kind:
    """One kind of notice. Rows of the outbox have its key in `kind`."""

    key: str
    # The name of the kind on the page of choices, such as "The library has answered you".
    label: Promise
    # A sentence that tells the person why they got the email.
    why: Promise
    # A function that takes a number of notices and returns the line about them in a digest.
    line: Callable[[int], str]
    default: Choice
    # If a line of a digest is about several things, the line links to the page with this URL name.
    list_page: str = "conversations"
    # Whether people get this notice because they work at a desk.
    for_staff: bool = False
    # The URL name of the page where people choose whether they get this notice.
    change_page: str = "notices"
    # Whether people choose this notice only on its `change_page`, and not on the page with the other kinds.
    # Such a notice is sent only in the way that the person agreed to.
    is_chosen_apart: bool = False
    # Whether the notice waits until the branch of its row is open.
    when_open: bool = False
    # Whether this kind is a report for coordinators. A report is always an email of its own, and people can
    # only turn it on or off. They get it even while they use the desk. Nobody gets a report in place of an
    # absent colleague.
    is_report: bool = False


AT_ONCE, HOURLY, NONE = CHOICES["at_once"], CHOICES["hourly"], CHOICES["none"]
AT_THE_DESK = _("You're getting this email because you work at the desk.")

# The email of the kind "app/name" has the templates templates/app/email/name.subject.txt, name.txt and
# name.html. A kind that staff get only as a line of a digest has no templates. A new kind also needs:
# - a call of notify() in the action that causes the notice, or a StaffNotice
# - a function in SOURCES in portal/jobs.py, if the notice can be out of date when it is sent
# - a title in TITLES in portal/desk/undelivered.py, for coordinators
KINDS = {
    kind.key: kind
    for kind in [
        Kind(
            "conversations/answer",
            _("The library has answered you"),
            _(
                "You're getting this email because you wrote to the library. To protect your privacy, this "
                "email doesn't say what the answer is about."
            ),
            lambda count: ngettext(
                "The library has answered in %(count)d conversation.",
                "The library has answered in %(count)d conversations.",
                count,
            ),
            AT_ONCE,
        ),
        Kind(
            "conversations/promise_moved",
            _("The library will answer on a different day than promised"),
            _(
                "You're getting this email because you wrote to the library. To protect your privacy, this "
                "email doesn't say what you wrote about."
            ),
            lambda count: ngettext(
                "The library will answer %(count)d conversation on a different day than promised.",
                "The library will answer %(count)d conversations on different days than promised.",
                count,
            ),
            AT_ONCE,
        ),
        Kind(
            "conversations/next_step",
            _("News about an item that you couldn't get"),
            _(
                "You're getting this email because you said that you couldn't get an item. To protect your "
                "privacy, this email doesn't name the item."
            ),
            lambda count: ngettext(
                "There is news about %(count)d item that you couldn't get.",
                "There is news about %(count)d items that you couldn't get.",
                count,
            ),
            AT_ONCE,
            list_page="recommendations",
        ),
        Kind(
            "privacy/corrected",
            _("The library has corrected a visit"),
            _(
                "You're getting this email because the visit is in your library account. To protect your "
                "privacy, this email doesn't say what the visit is about."
            ),
            lambda count: ngettext(
                "The library has corrected %(count)d visit.",
                "The library has corrected %(count)d visits.",
                count,
            ),
            AT_ONCE,
            list_page="help_sessions",
        ),
        Kind(
            "checkins/check_in",
            _("How a visit turned out"),
            _(
                "You're getting this email because you agreed that the library may ask you how things turned "
                "out."
            ),
            lambda count: ngettext(
                "The library would like to know how %(count)d visit turned out.",
                "The library would like to know how %(count)d visits turned out.",
                count,
            ),
            AT_ONCE,
            list_page="help_sessions",
            change_page="check_ins",
            is_chosen_apart=True,
            when_open=True,
        ),
        Kind(
            "conversations/new",
            _("A new conversation at the branch"),
            AT_THE_DESK,
            lambda count: ngettext(
                "%(count)d new conversation is waiting at %(branch)s.",
                "%(count)d new conversations are waiting at %(branch)s.",
                count,
            ),
            HOURLY,
            list_page="desk",
            change_page="desk_notices",
            for_staff=True,
        ),
        Kind(
            "conversations/reply",
            _("A patron's message in a conversation that is assigned to you"),
            AT_THE_DESK,
            lambda count: ngettext(
                "%(count)d of your conversations at %(branch)s has a new message.",
                "%(count)d of your conversations at %(branch)s have new messages.",
                count,
            ),
            HOURLY,
            list_page="desk",
            change_page="desk_notices",
            for_staff=True,
        ),
        Kind(
            "conversations/promise_due",
            _("A promised answer that is due in two hours"),
            AT_THE_DESK,
            lambda count: ngettext(
                "%(count)d conversation at %(branch)s is close to its promised time.",
                "%(count)d conversations at %(branch)s are close to their promised time.",
                count,
            ),
            HOURLY,
            list_page="desk",
            change_page="desk_notices",
            for_staff=True,
        ),
        Kind(
            "conversations/mention",
            _("A colleague mentions you in a note"),
            _(
                "You're getting this email because you work at the desk. The note isn't in this email. You "
                "can read it at the desk."
            ),
            lambda count: ngettext(
                "Colleagues mentioned you in the notes of %(count)d conversation at %(branch)s.",
                "Colleagues mentioned you in the notes of %(count)d conversations at %(branch)s.",
                count,
            ),
            HOURLY,
            list_page="desk",
            change_page="desk_notices",
            for_staff=True,
        ),
        Kind(
            "desk/month",
            _("Last month's figures"),
            _("You're getting this email because you coordinate the desk."),
            lambda count: ngettext(
                "The figures of %(count)d month are ready.",
                "The figures of %(count)d months are ready.",
                count,
            ),
            AT_ONCE,
            list_page="figures",
            change_page="desk_notices",
            for_staff=True,
            is_report=True,
        ),
    ]
}
# {Kind.for_staff: the kind of the email that replaces several notices}
DIGESTS = {False: "notifications/digest", True: "notifications/desk_digest"}
# {Kind.for_staff: the sentence that tells the person why they got a digest}
WHY_DIGEST = {
    False: _("You're getting this email because you chose to get several notices in one email."),
    True: AT_THE_DESK,
}


def is_notice(kind):
    """Return whether an email of this kind is a notice: the kind is in KINDS or is a digest."""
    return kind in KINDS or kind in DIGESTS.values()


def kinds_for(*, staff):
    """Return the kinds of notices for staff, or for patrons if `staff` is false."""
    return [kind for kind in KINDS.values() if kind.for_staff == staff]


def kinds_to_choose(*, staff, coordinator=True):
    """Return the kinds that the page of notices offers to staff, or to patrons if `staff` is false.

    If `coordinator` is false, reports are left out.
    """
    kinds = [kind for kind in kinds_for(staff=staff) if not kind.is_chosen_apart]
    return [kind for kind in kinds if coordinator or not kind.is_report]
