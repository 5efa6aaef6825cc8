"""Add a help session to a patron's account."""

from django.db import transaction

from accounts import audit
from accounts.models import Consent, User
from recommendations.models import Recommendation

from . import push
from .choices import group_from_card
from .models import ClaimCode, HelpSession

KEPT_FIELDS = ["patron", "kept_at", "shared_with", "shared_at", "patron_group", "is_group_from_card"]


class AlreadyKept(Exception):
    """The session is already in someone's account, so nobody else can keep it or get a code for it."""


class Forgotten(AlreadyKept):
    """The session has been forgotten and belongs to nobody."""


class QuietSession(Exception):
    """The session is quiet, so it must not be linked to a name or an address."""


class OnPaperOnly(Exception):
    """The session is a child's, and the library gives children only a printed slip.

    So the session can have no code, no email and no account.
    """


@transaction.atomic
def keep(help_session, *, by, at, wording, language, read_by=None):
    """Keep the session in the account of the person `by`, and return the session. Record the consent.

    `wording` is the text that the person agreed to. `read_by` is the staff member who read this text to them
    at the desk, or None.

    A child and one adult can both keep a shared visit. A child becomes its patron, and an adult becomes its
    `shared_with`. When nobody else can keep the visit, its codes stop working. Raises QuietSession and
    OnPaperOnly. Raises AlreadyKept if another person has already kept the visit in the same role.
    """
    if help_session.is_shared and not by.is_child:
        # This update locks the person before the session is locked. Erasing a person locks the rows in the
        # same order, so keeping and erasing can't deadlock.
        User.objects.filter(pk=by.pk).update(has_shared_visits=True)
        by.has_shared_visits = True
    help_session = HelpSession.objects.select_for_update(no_key=True).filter(pk=help_session.pk).first()
    # The session may have been deleted. It may also have been replaced, if it was in the account of the wrong
    # patron.
    exists = help_session is not None and help_session.status == HelpSession.Status.RECORDED
    if not exists or help_session.forgotten_on:
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
        help_session.shared_with, help_session.shared_at = by, at
        help_session.kept_at = help_session.kept_at or at
    else:
        if help_session.patron_id:
            raise AlreadyKept
        help_session.patron, help_session.kept_at = by, at
        _take_group_from_card(help_session, by)
        Recommendation.objects.filter(sessionrecommendation__help_session=help_session).update(patron=by)
    help_session.save(update_fields=KEPT_FIELDS)
    push.end_for_visits(help_session)
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


def _take_group_from_card(help_session, person):
    """Set the patron group from the person's library card, unless staff have chosen one.

    Visits with a child are not counted by patron group.
    """
    if help_session.patron_group_id is None and not help_session.with_child:
        help_session.patron_group = group_from_card(person)
        help_session.is_group_from_card = help_session.patron_group is not None
