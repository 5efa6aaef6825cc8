"""What is done with a help session: recorded, finished later, tallied, handed over, kept, answered for."""

import datetime
import uuid

from django.db import transaction

from accounts import audit
from accounts.models import Consent, Library, LibraryCard, User
from accounts.staff_actions import staff_action
from portal.notifications.actions import notify
from portal.text import clean
from recommendations.chosen_items import ChosenItem, recommend_chosen
from recommendations.models import QuestionType, Recommendation

from . import codes
from .models import (
    KEPT_BY_CODE_FOR_DAYS,
    ClaimCode,
    HelpSession,
    SessionNote,
    SessionRecommendation,
    UnfinishedForm,
)

__all__ = ["ChosenItem"]

CODE_LIFE = datetime.timedelta(days=KEPT_BY_CODE_FOR_DAYS)
CODE_CARD_LIFE = datetime.timedelta(days=365)
FORGET_ENDED_CODES_AFTER = datetime.timedelta(
    days=60
)  # so long a late comer still reads why the code no longer works


class UnknownCodeCard(Exception):
    """No card of this library has that code."""


class CodeCardAlreadyAttached(Exception):
    """The card belongs to a session already, was revoked or is too old."""


class CodeUnknown(Exception):
    """No session has that code."""


class CodeKept(Exception):
    """The session was kept in an account, which ended the code. `help_session` is the session."""

    def __init__(self, help_session):
        self.help_session = help_session


class CodeExpired(Exception):
    """More than 30 days have passed since the hand-over."""


class CodeRevoked(Exception):
    """The library took the code back."""


class CodeForgotten(Exception):
    """The library has forgotten the session, as it promised."""


class CodeCardNotReady(Exception):
    """The card is not attached to a session yet, or staff are still writing that session up."""


class AlreadyKept(Exception):
    """Somebody keeps this session in their account: nobody else can keep it, and no code opens it any more."""


class Forgotten(AlreadyKept):
    """The session was forgotten meanwhile: it is nobody's any more."""


class QuietSession(Exception):
    """A quiet session is never tied to a name or an address."""


class OnPaperOnly(Exception):
    """The library gives a child its help on paper: no code, no mail, no account."""


@staff_action
def record(
    *,
    by,
    at,
    branch,
    happened_on,
    hour,
    mode,
    question_type,
    topic,
    read_level,
    minutes,
    people,
    language,
    question,
    summary,
    quiet,
    note,
    items,
    with_child="",
    service_point="",
    unfinished=None,
    token=None,
):
    """Put a help session on record, with its recommendations and the desk's own note.

    `items` are ChosenItems. `with_child` is the library's choice for children (Library.Children) if it was with one. `service_point` is the name of the
    desk, where it is known. `unfinished` is the
    session that was begun earlier and is now complete. `token` is a UUID of the form: the same token recorded twice is one session.
    Returns the session.
    """
    help_session = HelpSession.objects.select_for_update().get(
        pk=(unfinished or _begin(token, by=by, at=at, branch=branch)).pk
    )
    if help_session.status == HelpSession.Status.RECORDED:
        return help_session
    help_session.status = HelpSession.Status.RECORDED
    help_session.branch, help_session.happened_on, help_session.hour = branch, happened_on, hour
    help_session.mode, help_session.question_type, help_session.topic = mode, question_type, topic
    help_session.read_level, help_session.minutes, help_session.people = read_level, minutes, people
    help_session.language, help_session.question, help_session.summary, help_session.quiet = (
        language,
        question,
        summary,
        quiet,
    )
    help_session.with_child, help_session.service_point = with_child, service_point
    help_session.save()
    if help_session.is_on_paper_only:  # a card was given away before that was said
        help_session.claim_codes.filter(state=ClaimCode.State.LIVE).update(state=ClaimCode.State.REVOKED)
    UnfinishedForm.objects.filter(help_session=help_session).delete()
    if note:
        SessionNote.objects.create(help_session=help_session, body=note, author=by, written_at=at)
    recommendations = recommend_chosen(
        items, by=by, at=at, branch=branch, topic=topic, question_type=question_type
    )
    SessionRecommendation.objects.bulk_create(
        SessionRecommendation(help_session=help_session, recommendation=recommendation, position=position)
        for position, recommendation in enumerate(recommendations)
    )
    audit.record("recorded", help_session, by=by, at=at)
    return help_session


@staff_action
def tally(*, by, at, branch, service_point=""):
    """Count one directional contact."""
    what = {
        "status": HelpSession.Status.TALLY,
        "question_type": QuestionType.DIRECTIONAL,
        "service_point": service_point,
    }
    return HelpSession.objects.create(
        staff=by, branch=branch, created_at=at, **what, **_now_in_the_library(at)
    )


@staff_action
def undo_tally(help_session, *, by, at):
    """Take a tally back, by the one who counted it."""
    HelpSession.objects.filter(pk=help_session.pk, status=HelpSession.Status.TALLY, staff=by).delete()


@staff_action
def start_unfinished(*, by, at, branch, fields, token=None):
    """Begin a session that is finished later. `fields` is the form as it was typed. The same token twice is one session."""
    help_session = _begin(token, by=by, at=at, branch=branch)
    save_unfinished(help_session, fields=fields, at=at)
    return help_session


def _begin(token, *, by, at, branch):
    """An unfinished session; the one with this token if another post of the same form, perhaps at this moment, was faster."""
    begun = {
        "status": HelpSession.Status.UNFINISHED,
        "branch": branch,
        "created_at": at,
        **_now_in_the_library(at),
    }
    return HelpSession.objects.get_or_create(public_id=token or uuid.uuid4(), staff=by, defaults=begun)[0]


@transaction.atomic
def save_unfinished(help_session, *, fields, at):
    """Keep the form as it now stands, wrong values included, but fit for any database. A session recorded meanwhile is left alone."""
    fields = {clean(name): clean(value, max_length=20_000, multiline=True) for name, value in fields.items()}
    help_session = HelpSession.objects.select_for_update().get(pk=help_session.pk)
    if help_session.status == HelpSession.Status.UNFINISHED:
        UnfinishedForm.objects.update_or_create(
            help_session=help_session, defaults={"fields": fields, "saved_at": at}
        )


@staff_action
def discard_unfinished(help_session, *, by, at):
    """Throw away a session that was begun and is not wanted. A card attached to it opens nothing from then on."""
    help_session = (
        HelpSession.objects.select_for_update()
        .filter(pk=help_session.pk, status=HelpSession.Status.UNFINISHED)
        .first()
    )
    if help_session is not None:
        audit.record("discarded", help_session, by=by, at=at)
        help_session.delete()


@staff_action
def hand_over(help_session, *, by, at, base_url, to_address=""):
    """Make a code that opens the session for 30 days, mail its link to `to_address` if there is one, and return the code.

    Codes made before stay good until they are revoked: somebody may hold that slip. Raises QuietSession if a quiet
    session is to be mailed, OnPaperOnly, and AlreadyKept for one that its patron keeps.
    """
    if to_address and help_session.quiet:
        raise QuietSession
    help_session = _still_open(help_session)
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
    """The child has the printed slip, which is all there is."""
    _mark_handed_over(help_session, at)
    audit.record("handed_over_on_paper", help_session, by=by, at=at)


@staff_action
def print_code_cards(*, by, at, branch, count):
    """Make `count` codes for cards that are handed out before their session is written. Returns the codes."""
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
    """Tie the card with that code to the session. Exactly one session gets a card.

    Raises UnknownCodeCard, CodeCardAlreadyAttached, OnPaperOnly, or AlreadyKept for a session that its patron keeps."""
    help_session = _still_open(help_session)
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


@staff_action
def revoke_codes(help_session, *, by, at):
    """Take back every code of the session that still opens it. Returns how many there were."""
    revoked = help_session.claim_codes.filter(state=ClaimCode.State.LIVE).update(
        state=ClaimCode.State.REVOKED
    )
    audit.record("revoked_codes", help_session, by=by, patron=help_session.patron, at=at)
    return revoked


def open_by_code(code, *, at):
    """The live claim code for what was typed or scanned.

    Raises CodeUnknown, CodeKept, CodeExpired, CodeRevoked, CodeForgotten or CodeCardNotReady; none of them may reveal anything of the session.
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


@transaction.atomic
def keep(help_session, *, by, at, wording, language, read_by=None):
    """Join the session to `by`, once, at their wish; that wish is the consent, recorded in the words they read.

    Of one that is shared a child's record has the child's part, and any other the adult's. Once nobody else may keep it, its codes end.
    `read_by` is who read these words to them, where they said so at the desk. Raises QuietSession, OnPaperOnly, or AlreadyKept if
    somebody else has that part.
    """
    if (
        help_session.is_shared and not by.is_child
    ):  # before the row of the session, as an erasure does; this is also what `by` is told to ask by
        User.objects.filter(pk=by.pk).update(has_shared_visits=True)
        by.has_shared_visits = True
    help_session = HelpSession.objects.select_for_update(no_key=True).get(pk=help_session.pk)
    if help_session.forgotten_on:
        raise Forgotten
    if help_session.quiet:
        raise QuietSession
    if help_session.is_on_paper_only:
        raise OnPaperOnly
    if by.pk in (help_session.patron_id, help_session.shared_with_id):
        return help_session
    if help_session.is_shared and not by.is_child:
        if not help_session.is_open_to_an_adult:
            raise AlreadyKept
        help_session.shared_with, help_session.shared_at, help_session.kept_at = (
            by,
            at,
            help_session.kept_at or at,
        )
    else:
        if help_session.patron_id:
            raise AlreadyKept
        help_session.patron, help_session.kept_at = by, at
        Recommendation.objects.filter(sessionrecommendation__help_session=help_session).update(patron=by)
    help_session.save(update_fields=["patron", "kept_at", "shared_with", "shared_at"])
    if help_session.is_fully_kept:
        help_session.claim_codes.filter(state=ClaimCode.State.LIVE).update(state=ClaimCode.State.KEPT)
    Consent.objects.create(
        person=by,
        purpose=Consent.Purpose.KEEP_SESSION,
        subject=help_session.public_id,
        wording=wording,
        language=language,
        given_at=at,
        read_by=read_by,
    )
    audit.record("kept", help_session, by=read_by or by, patron=by, at=at)
    return help_session


def answer_outcome(help_session, *, at, found=None, satisfaction=None):
    """Note the patron's word on the whole session. The two questions are separate: what is None stays as it was."""
    said = {
        name: value
        for name, value in {"found": found, "satisfaction": satisfaction}.items()
        if value is not None
    }
    HelpSession.objects.filter(pk=help_session.pk).update(answered_at=at, **said)


def forget(sessions, *, on, zone):
    """Make these sessions, whose rows the caller has locked, counts: what, where, in which hour, whether it was handed over, kept and
    answered; nobody's name, no words, no minute, and an id that no old address, code or event knows. `on` is the day, `zone` the
    library's own.
    """
    groups = dict(
        LibraryCard.objects.filter(person__in=[session.patron_id for session in sessions])
        .order_by("seen_at", "pk")
        .values_list("person", "patron_group")
    )
    for session in sessions:
        session.patron_group = groups.get(session.patron_id, "")
        hour = datetime.datetime.combine(session.happened_on, datetime.time(session.hour), zone)
        session.answered_within = _within(session.answered_at - hour) if session.answered_at else ""
        for name in ("created_at", "handed_over_at", "kept_at", "answered_at"):
            setattr(session, name, getattr(session, name) and hour)
        (
            session.public_id,
            session.patron,
            session.staff,
            session.question,
            session.summary,
            session.forgotten_on,
        ) = uuid.uuid4(), None, None, "", "", on
        session.shared_with, session.shared_at, session.is_the_childs_alone = None, None, False
    HelpSession.objects.bulk_update(
        sessions,
        [
            "public_id",
            "patron",
            "shared_with",
            "shared_at",
            "is_the_childs_alone",
            "staff",
            "question",
            "summary",
            "forgotten_on",
            "answered_within",
            "patron_group",
        ]
        + ["created_at", "handed_over_at", "kept_at", "answered_at"],
    )
    SessionNote.objects.filter(help_session__in=sessions).delete()
    UnfinishedForm.objects.filter(help_session__in=sessions).delete()
    ClaimCode.objects.filter(help_session__in=sessions).update(
        state=ClaimCode.State.FORGOTTEN, help_session=None, made_by=None
    )


def forget_words(help_session):
    """Take out what was written, also why each item was chosen; the session stays as a count."""
    HelpSession.objects.filter(pk=help_session.pk).update(question="", summary="")
    Recommendation.objects.filter(sessionrecommendation__help_session=help_session).update(
        reason="", comment=""
    )
    SessionNote.objects.filter(help_session=help_session).delete()


def end_expired_codes(*, at):
    """Forget codes that ended long ago. Returns how many."""
    return ClaimCode.objects.filter(expires_at__lt=at - FORGET_ENDED_CODES_AFTER).delete()[0]


def _still_open(help_session):
    """The session, locked, if a code may open it. Its patron was promised that keeping it ends the codes: none is made after that, unless
    an adult may still join them. Raises AlreadyKept, OnPaperOnly."""
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


def _within(passed):
    """How long after the session, in steps too wide to find anybody by."""
    steps = {
        1: HelpSession.AnsweredWithin.DAY,
        7: HelpSession.AnsweredWithin.WEEK,
        31: HelpSession.AnsweredWithin.MONTH,
    }
    return next(
        (step for days, step in steps.items() if passed < datetime.timedelta(days=days)),
        HelpSession.AnsweredWithin.LATER,
    )


def _now_in_the_library(at):
    local = at.astimezone(Library.current().zone)
    return {"happened_on": local.date(), "hour": local.hour}
