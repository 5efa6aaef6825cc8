"""Hand a help session over to its patron, with a code, a code card or a printed slip."""

import datetime
import re

from accounts import audit
from accounts.staff_actions import staff_action
from portal.deadlines import compares_deadlines
from portal.notifications.models import Notification
from portal.notifications.writing import notify
from portal.prepared import insert, update_rows

from . import codes, push
from .keeping import AlreadyKept, Forgotten, OnPaperOnly, QuietSession
from .models import KEPT_BY_CODE_FOR_DAYS, ClaimCode, HelpSession

CODE_LIFE = datetime.timedelta(days=KEPT_BY_CODE_FOR_DAYS)
CODE_CARD_LIFE = datetime.timedelta(days=365)
# The row of an expired code is deleted only after this time. Until then, a patron who types the code learns
# why it doesn't work.
FORGET_ENDED_CODES_AFTER = datetime.timedelta(days=60)


class UnknownCodeCard(Exception):
    """No code card of this library has the typed code."""


class CodeCardAlreadyAttached(Exception):
    """The code card can't be attached. It is attached to a session already, was revoked, or has expired."""


class CodeUnknown(Exception):
    """No session has the typed code."""


class CodeKept(Exception):
    """The code doesn't work, because the session is kept in an account. `help_session` is the session."""

    def __init__(self, help_session):
        self.help_session = help_session


class CodeExpired(Exception):
    """The code has expired, for example because the session was handed over more than 30 days ago."""


class CodeRevoked(Exception):
    """Staff revoked the code."""


class CodeForgotten(Exception):
    """The session was forgotten when its retention time was over."""


class CodeCardNotReady(Exception):
    """The code card has no session yet, or staff have not finished recording the session."""


@staff_action
def hand_over(help_session, *, by, at, base_url, to_address=""):
    """Make a code that opens the session for 30 days, and return the code.

    If `to_address` is set, send a link with the code to this email address. Earlier codes still work until
    staff revoke them, because the patron may have a slip with an earlier code.

    Raises Forgotten, OnPaperOnly and AlreadyKept. Also raises QuietSession if the session is quiet and
    `to_address` is set.
    """
    help_session = _lock_if_open(help_session)
    if to_address and help_session.quiet:
        raise QuietSession
    code = make_code(help_session, by=by, at=at)
    if to_address:
        email_code(help_session, code, to_address=to_address, at=at, base_url=base_url)
    return code


def make_code(help_session, *, by, at):
    """Make a code that opens the session for 30 days, and return the code.

    The caller must have locked the session and checked that the session can get a code.
    """
    code = codes.new_code()
    insert(
        ClaimCode(
            hmac=codes.hmac_of(code),
            state=ClaimCode.State.LIVE,
            help_session=help_session,
            branch_id=help_session.branch_id,
            made_by=by,
            made_at=at,
            expires_at=at + CODE_LIFE,
        )
    )
    mark_handed_over(help_session, at)
    audit.record("handed_over", help_session, by=by, at=at)
    return code


def email_code(help_session, code, *, to_address, at, base_url):
    """Send an email with a link that opens the session.

    The email says nothing about the question. The address is deleted as soon as the email is sent or the last
    attempt has failed.
    """
    notify(
        "helpsessions/hand_over",
        to=to_address,
        at=at,
        language=help_session.language,
        context={
            # Mail scanners open every link. So this link opens a page with a button, and the button opens the
            # visit.
            "url": f"{base_url}/c/{code}/?email",
            "code": codes.grouped(code),
            "days": KEPT_BY_CODE_FOR_DAYS,
            "branch": help_session.branch,
        },
        blank=True,
        remove=True,
        ends_at=at + CODE_LIFE,
    )


def mark_handed_over_on_paper(help_session, *, by, at):
    """Record that the child got the printed slip, which has no code."""
    mark_handed_over(help_session, at)
    audit.record("handed_over_on_paper", help_session, by=by, at=at)


@staff_action
def print_code_cards(*, by, at, branch, count):
    """Make `count` codes for new code cards, and return the codes.

    Staff can hand out a code card before they have recorded the session.
    """
    new = [codes.new_code() for _ in range(count)]
    ClaimCode.objects.bulk_create(
        ClaimCode(
            hmac=codes.hmac_of(code),
            state=ClaimCode.State.BLANK,
            branch=branch,
            made_by=by,
            made_at=at,
            expires_at=at + CODE_CARD_LIFE,
        )
        for code in new
    )
    audit.record("printed_cards", branch, by=by, at=at)
    return new


@compares_deadlines
@staff_action
def attach_code_card(help_session, *, code, by, at, now):
    """Attach the code card with this code to the session. A card can belong to one session only.

    Raises UnknownCodeCard, CodeCardAlreadyAttached, Forgotten, OnPaperOnly and AlreadyKept.
    """
    help_session = _lock_if_open(help_session)
    card = ClaimCode.objects.filter(hmac__in=codes.hmacs_of(codes.normalize(code))).first()
    if card is None:
        raise UnknownCodeCard
    attached = ClaimCode.objects.filter(pk=card.pk, state=ClaimCode.State.BLANK, expires_at__gt=now()).update(
        state=ClaimCode.State.LIVE, help_session=help_session, expires_at=at + CODE_LIFE
    )
    if not attached and not help_session.claim_codes.live(at).filter(pk=card.pk).exists():
        raise CodeCardAlreadyAttached
    mark_handed_over(help_session, at)
    audit.record("attached_card", help_session, by=by, at=at)


def withdraw_emails(help_session):
    """Delete the unsent emails with a code of this session.

    An email doesn't say which session it is about. So compare the codes in all unsent emails with the codes
    of the session. An email that a worker is sending now can't be deleted.
    """
    hmacs = set(help_session.claim_codes.values_list("hmac", flat=True))
    waiting = Notification.objects.filter(
        kind="helpsessions/hand_over", state=Notification.State.WAITING, leased_until=None
    )
    for email in waiting.select_for_update():
        code = re.search(r"/c/([0-9]+)/", email.text)
        if code and hmacs & set(codes.hmacs_of(code[1])):
            email.delete()


def _lock_if_open(help_session):
    """Lock the session's row and return the session, if the session can get a new code.

    Raises AlreadyKept if everybody who can keep the session has kept it. Also raises Forgotten and
    OnPaperOnly. A session that staff have deleted or replaced counts as forgotten.
    """
    help_session = HelpSession.objects.select_for_update(of=("self",)).filter(pk=help_session.pk).first()
    if (
        help_session is None
        or help_session.forgotten_on
        or help_session.status == HelpSession.Status.REPLACED
    ):
        raise Forgotten
    if help_session.is_on_paper_only:
        raise OnPaperOnly
    if help_session.is_fully_kept:
        raise AlreadyKept
    return help_session


def mark_handed_over(help_session, at):
    """Save the time when the session was first given to its patron, for the statistics."""
    if help_session.handed_over_at is None:
        update_rows(HelpSession, {"handed_over_at": at}, pk=help_session.pk, handed_over_at=None)


@staff_action
def revoke_codes(help_session, *, by, at):
    """Revoke all codes that open the session, and return how many codes were revoked."""
    revoked = help_session.claim_codes.revoke()
    push.end_for_visits(help_session)
    audit.record("revoked_codes", help_session, by=by, patron=help_session.patron, at=at)
    return revoked


def open_by_code(code, *, at):
    """Return the ClaimCode for the text that a person typed or scanned, if the code opens a session.

    Otherwise raises CodeUnknown, CodeKept, CodeExpired, CodeRevoked, CodeForgotten or CodeCardNotReady. The
    pages for these errors must reveal nothing about the session.
    """
    digits = codes.normalize(code)
    claim = (
        ClaimCode.objects.select_related("help_session").filter(hmac__in=codes.hmacs_of(digits)).first()
        if digits
        else None
    )
    if claim is None:
        raise CodeUnknown
    if claim.state == ClaimCode.State.KEPT:
        raise CodeKept(claim.help_session)
    if claim.state == ClaimCode.State.REVOKED:
        raise CodeRevoked
    if claim.state == ClaimCode.State.FORGOTTEN:
        raise CodeForgotten
    if claim.expires_at <= at:
        raise CodeExpired
    if claim.help_session is None or claim.help_session.status != HelpSession.Status.RECORDED:
        raise CodeCardNotReady
    return claim


def end_expired_codes(*, at):
    """Delete codes that expired more than FORGET_ENDED_CODES_AFTER ago. Return how many were deleted."""
    return ClaimCode.objects.filter(expires_at__lt=at - FORGET_ENDED_CODES_AFTER).delete()[0]
