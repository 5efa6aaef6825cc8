"""The kinds of notices: what each is about, what people read about it, and when it comes by default.

Emails of other kinds, such as codes, security notices, invitations and copies that are ready, are no notices.
Nobody can turn them off, and they always go at once, even to an address that is off.
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
    """How a notice reaches a person, and how often at most."""

    channel: str
    rhythm: str


# The choices that a page offers, by their value in a form.
CHOICES = {rhythm.value: Choice(Channel.EMAIL, rhythm.value) for rhythm in Rhythm} | {
    "none": Choice(Channel.NONE, Rhythm.AT_ONCE)
}


@dataclass(frozen=True)
class Kind:
    """One kind of notice. Its key is the `kind` of its rows in the outbox."""

    key: str
    # What the person reads when they choose: "An answer from the library".
    label: Promise
    # A sentence that says why the email came.
    why: Promise
    # Returns the line of a digest about `count` notices.
    line: Callable[[int], str]
    default: Choice
    # The name of the URL of the page to which a line about several notices leads.
    list_page: str = "conversations"
    # Whether people get this notice because they work at a desk.
    for_staff: bool = False


AT_ONCE, HOURLY, NONE = CHOICES["at_once"], CHOICES["hourly"], CHOICES["none"]
AT_THE_DESK = _("You're getting this email because you work at the desk.")

KINDS = {
    kind.key: kind
    for kind in [
        Kind(
            "conversations/answer",
            _("The library has answered you"),
            _(
                "You're getting this email because you wrote to the library. To protect your privacy, it "
                "doesn't say what the answer is about."
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
            _("An answer comes on a different day"),
            _(
                "You're getting this email because you wrote to the library. To protect your privacy, it "
                "doesn't say what you wrote about."
            ),
            lambda count: ngettext(
                "You can expect %(count)d answer on a different day.",
                "You can expect %(count)d answers on different days.",
                count,
            ),
            AT_ONCE,
        ),
        Kind(
            "privacy/corrected",
            _("The library has corrected a visit"),
            _(
                "You're getting this email because the visit is in your library account. To protect your "
                "privacy, it doesn't say what the visit is about."
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
            "conversations/new",
            _("A new conversation at the branch"),
            AT_THE_DESK,
            lambda count: ngettext(
                "%(count)d new conversation waits at %(branch)s.",
                "%(count)d new conversations wait at %(branch)s.",
                count,
            ),
            HOURLY,
            list_page="desk",
            for_staff=True,
        ),
        Kind(
            "conversations/reply",
            _("An answer in a conversation that is assigned to you"),
            AT_THE_DESK,
            lambda count: ngettext(
                "%(count)d of your conversations at %(branch)s has a new message.",
                "%(count)d of your conversations at %(branch)s have new messages.",
                count,
            ),
            HOURLY,
            list_page="desk",
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
            for_staff=True,
        ),
    ]
}
# The emails that replace several notices, by `Kind.for_staff`.
DIGESTS = {False: "notifications/digest", True: "notifications/desk_digest"}
# Why an email with notices of several kinds came.
WHY_DIGEST = {
    False: _("You're getting this email because you chose to get several notices in one email."),
    True: AT_THE_DESK,
}


def is_notice(kind):
    """Return whether emails of this kind are notices: of a kind in KINDS, or a digest of them."""
    return kind in KINDS or kind in DIGESTS.values()


def kinds_for(*, staff):
    """Return the kinds of notices for staff, or the kinds for patrons."""
    return [kind for kind in KINDS.values() if kind.for_staff == staff]
