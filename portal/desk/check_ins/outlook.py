"""Texts that tell the helper what will happen to a planned check-in."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from portal.checkins import sending
from portal.checkins.eligibility import Why, with_why

# These reasons only say that a check-in can't be sent today. This module ignores them, because the list shows
# the day of each check-in.
NOT_TODAY = frozenset({Why.NOT_DUE, Why.CLOSED})
# If one of these reasons applies, the library sends no email or push message about the check-in. It can still
# ask the patron on a page of the portal.
MESSAGE_ONLY = list(Why)[list(Why).index(Why.NOT_KEPT) :]


@dataclass(frozen=True)
class Outlook:
    """What will happen to a check-in.

    `text` says what will happen, and `why` gives the reason. `words` says where the patron can read the
    question. `may_send` is true if staff may send the check-in now. `is_asked` is false if the patron is
    asked neither by message nor on a page.
    """

    icon: str
    text: str
    why: str = ""
    words: str = ""
    may_send: bool = False
    is_asked: bool = True


def with_outlook(check_ins, *, at):
    """Return the check-ins with the annotations that `outlook_of` needs."""
    return with_why(check_ins, at=at, but=NOT_TODAY)


def outlook_of(check_in, *, asker, user):
    """Return the Outlook of a check-in: when and how it will be sent, in words for the staff member `user`.

    `asker` is the person in whose name the check-in is sent, or None for the branch.
    """
    why = Why(check_in.why_not_by_message) if check_in.why_not_by_message else None
    on_page = _("The patron reads the text only on the visit's page.")
    may_send = not sending.waits_for_patrons_day(check_in, today=timezone.localdate())
    if why == Why.CONVERSATION:
        text = _("Waits until the open conversation about the visit is closed")
        return Outlook("clock", text, "", on_page)
    if why == Why.THIS_WEEK:
        return Outlook("clock", _("The check-in waits"), str(why.label), on_page)
    if why == Why.NOT_REVIEWED:
        return Outlook(
            "clock",
            _once_approved(check_in, is_own=asker == user),
            _("A check-in that nobody has approved appears only on the patron's pages."),
            _where(check_in),
            may_send=may_send,
        )
    if why is None:
        # If nobody has approved the check-in, the message is sent in the name of the branch.
        asker = asker if check_in.reviewed_at else None
        icon = "phone" if _is_on_phone(check_in) else "mail"
        return Outlook(icon, _by_message(check_in, asker, user), "", _where(check_in), may_send=may_send)
    if why in MESSAGE_ONLY:
        return Outlook("person", _("Only on the patron's pages"), str(why.label), on_page)
    return Outlook("close", _("The patron is not asked"), str(why.label), is_asked=False)


def _is_on_phone(check_in):
    patron = check_in.help_session.patron
    return patron is not None and patron.check_ins == User.CheckIns.PUSH


def _once_approved(check_in, *, is_own):
    if _is_on_phone(check_in):
        by_own = _("With a message on the patron's phone, in your name, once you approve it")
        by_staff = _("With a message on the patron's phone, once a staff member approves it")
        return by_own if is_own else by_staff
    return (
        _("By email in your name, once you approve it")
        if is_own
        else _("By email, once a staff member approves it")
    )


def _by_message(check_in, by, user):
    on_phone = _is_on_phone(check_in)
    if by == user:
        by_message = _("With a message on the patron's phone, in your name")
        return by_message if on_phone else _("By email in your name")
    if by is not None:
        words = _("By email in the name of %(name)s")
        if on_phone:
            words = _("With a message on the patron's phone, in the name of %(name)s")
        return words % {"name": by.display_name}
    if not check_in.reviewed_at:
        if on_phone:
            return _(
                "With a message on the patron's phone, in the name of the branch, because no staff member "
                "approved this check-in"
            )
        return _("By email in the name of the branch, because no staff member approved this check-in")
    if on_phone:
        return _("With a message on the patron's phone, in the name of the branch")
    return _("By email in the name of the branch")


def _where(check_in):
    """Return a text that says where the patron can read the question."""
    patron = check_in.help_session.patron
    if _is_on_phone(check_in):
        return _("The message says only who asks. The text of the check-in is on the visit's page.")
    if patron is not None and patron.check_in_titles:
        return _(
            "The email says only who asks. Its link opens a page with the titles of the items. The text of "
            "the check-in is on the visit's page."
        )
    return _("The email says only who asks. The text of the check-in is on the visit's page.")
