"""Handing a help session over to its patron: codes, code cards, paper."""

import datetime

from accounts import audit
from accounts.staff_actions import staff_action
from portal.notifications.actions import notify

from . import codes
from .keeping import AlreadyKept, Forgotten, OnPaperOnly, QuietSession
from .models import KEPT_BY_CODE_FOR_DAYS, ClaimCode, HelpSession

CODE_LIFE = datetime.timedelta(days=KEPT_BY_CODE_FOR_DAYS)
CODE_CARD_LIFE = datetime.timedelta(days=365)
# During this time a patron who comes late still reads why their code no longer works.
FORGET_ENDED_CODES_AFTER = datetime.timedelta(days=60)


class UnknownCodeCard(Exception):
    """No code card of this library has that code."""


class CodeCardAlreadyAttached(Exception):
    """The code card belongs to a session, was revoked or has expired."""


class CodeUnknown(Exception):
    """No session has that code."""


class CodeKept(Exception):
    """The session was kept in an account, which ended the code. `help_session` is the session."""

    def __init__(self, help_session):
        self.help_session = help_session


class CodeExpired(Exception):
    """More than 30 days have passed since the hand-over."""


class CodeRevoked(Exception):
    """Staff revoked the code."""


class CodeForgotten(Exception):
    """The session was forgotten when its retention time was over."""


class CodeCardNotReady(Exception):
    """The code card has no session yet, or staff have not finished writing the session."""


@staff_action
def hand_over(help_session, *, by, at, base_url, to_address=""):
    """Make a code that opens the session for 30 days, and return it.

    If there is a `to_address`, email the link to it. Earlier codes stay valid until they are revoked, because
    the patron may have one on a slip. Raises OnPaperOnly, AlreadyKept, and QuietSession if a quiet session is
    to be emailed.
    """
    if to_address and help_session.quiet:
        raise QuietSession
    help_session = _lock_if_open(help_session)
    code = codes.new_code()
    ClaimCode.objects.create(
        hmac=codes.hmac_of(code),
        state=ClaimCode.State.LIVE,
        help_session=help_session,
        branch=help_session.branch,
        made_by=by,
        made_at=at,
        expires_at=at + CODE_LIFE,
    )
    _mark_handed_over(help_session, at)
    audit.record("handed_over", help_session, by=by, at=at)
    if to_address:
        notify(
            "helpsessions/hand_over",
            to=to_address,
            at=at,
            language=help_session.language,
            context={
                "url": f"{base_url}/c/{code}/",
                "code": codes.grouped(code),
                "days": KEPT_BY_CODE_FOR_DAYS,
            },
            blank=True,
        )
    return code


@staff_action
def hand_over_on_paper(help_session, *, by, at):
    """Record that the child has the printed slip. It has no code."""
    _mark_handed_over(help_session, at)
    audit.record("handed_over_on_paper", help_session, by=by, at=at)


@staff_action
def print_code_cards(*, by, at, branch, count):
    """Make `count` codes for code cards, which are handed out before their session is written.

    Return the codes.
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


@staff_action
def attach_code_card(help_session, *, code, by, at):
    """Attach the code card with that code to the session. A card belongs to one session only.

    Raises UnknownCodeCard, CodeCardAlreadyAttached, OnPaperOnly, AlreadyKept.
    """
    help_session = _lock_if_open(help_session)
    card = ClaimCode.objects.filter(hmac__in=codes.hmacs_of(codes.normalise(code))).first()
    if card is None:
        raise UnknownCodeCard
    attached = ClaimCode.objects.filter(pk=card.pk, state=ClaimCode.State.BLANK, expires_at__gt=at).update(
        state=ClaimCode.State.LIVE, help_session=help_session, expires_at=at + CODE_LIFE
    )
    if not attached and card.help_session_id != help_session.pk:
        raise CodeCardAlreadyAttached
    _mark_handed_over(help_session, at)
    audit.record("attached_card", help_session, by=by, at=at)


def _lock_if_open(help_session):
    """Return the session with its row locked, if codes may open it.

    Keeping a session ends its codes, so none may be made afterwards unless an adult can still share the
    visit. Raises AlreadyKept, Forgotten, OnPaperOnly.
    """
    help_session = HelpSession.objects.select_for_update(of=("self",)).get(pk=help_session.pk)
    if help_session.forgotten_on:
        raise Forgotten
    if help_session.is_on_paper_only:
        raise OnPaperOnly
    if help_session.is_fully_kept:
        raise AlreadyKept
    return help_session


def _mark_handed_over(help_session, at):
    HelpSession.objects.filter(pk=help_session.pk, handed_over_at__isnull=True).update(handed_over_at=at)


@staff_action
def revoke_codes(help_session, *, by, at):
    """Revoke all codes that open the session, and return how many there were."""
    revoked = help_session.claim_codes.filter(state=ClaimCode.State.LIVE).update(
        state=ClaimCode.State.REVOKED
    )
    audit.record("revoked_codes", help_session, by=by, patron=help_session.patron, at=at)
    return revoked


def open_by_code(code, *, at):
    """Return the live claim code for what a person typed or scanned.

    Raises CodeUnknown, CodeKept, CodeExpired, CodeRevoked, CodeForgotten or CodeCardNotReady. The pages for
    these errors must reveal nothing about the session.
    """
    digits = codes.normalise(code)
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
    """Delete codes that ended long ago, and return how many."""
    return ClaimCode.objects.filter(expires_at__lt=at - FORGET_ENDED_CODES_AFTER).delete()[0]
