"""Remove a wrong patron from a visit, and make a new visit for the right patron (decision 15)."""

from accounts import audit
from accounts.staff_actions import staff_action
from portal.checkins import planning
from portal.conversations import actions as conversations_actions
from portal.conversations.models import Conversation, Side
from portal.helpsessions import handover, search
from portal.helpsessions.models import HelpSession, SessionNote, SessionRecommendation
from recommendations.models import Recommendation
from recommendations.visit_numbers import number_of

from . import unlinking
from .corrected_fields import COLUMNS, links_of
from .models import UnfinishedCorrection
from .session_lock import lock_session


class NotThePatron(Exception):
    """The person is no longer the visit's patron."""


@staff_action
def remove_wrong_patron(help_session, person, *, by, at):
    """Remove the visit from the account of a wrong patron, and return (a new visit, its code).

    The patron and an adult who shares the visit lose all access to it. The new visit has what staff recorded,
    but no answers, verdicts or conversations of the wrong patron. The old visit is no longer counted. The
    desk can see the old visit until its retention period is over. Raises Gone and NotThePatron.
    """
    help_session, conversations = lock_session(help_session)
    if help_session.patron_id != person.pk:
        raise NotThePatron
    new = _copy(help_session, at=at)
    unlinking.unlink_wrong_patron(help_session, conversations, at=at)
    help_session.status = HelpSession.Status.REPLACED
    help_session.save()
    search.index(help_session)
    help_session.claim_codes.revoke()
    UnfinishedCorrection.objects.filter(help_session=help_session).delete()
    # No patron can open these conversations now, so close them.
    open_ones = conversations.filter(status__in=Conversation.OPEN, merged_into=None)
    for conversation in open_ones.order_by("branch", "pk"):
        conversations_actions.close(conversation, by=by, side=Side.STAFF, at=at)
    wish = planning.chosen_by_staff(help_session, at=at)
    planning.end_all(help_session, at=at)
    planning.plan(new, at=at, wish=wish)
    audit.record("removed_patron", help_session, by=by, patron=person, at=at)
    audit.record("recorded", new, by=by, at=at)
    return new, handover.make_code(new, by=by, at=at)


def _copy(old, *, at):
    """Return a new visit with everything that staff recorded."""
    new = HelpSession.objects.create(
        status=HelpSession.Status.RECORDED,
        staff=old.staff,
        created_at=at,
        **_recorded(old),
    )
    note = SessionNote.objects.filter(help_session=old).first()
    if note is not None:
        SessionNote.objects.create(
            help_session=new, body=note.body, author=note.author, written_at=note.written_at
        )
    for position, link in enumerate(links_of(old)):
        given = link.recommendation
        recommendation = Recommendation.objects.create(
            item=given.item,
            reason=given.reason,
            starred=given.starred,
            recommended_by=given.recommended_by,
            branch=given.branch,
            topic=given.topic,
            question_type=given.question_type,
            recommended_at=given.recommended_at,
            never_counted=given.never_counted,
            visit_number=number_of(help_session=new.pk),
            from_kit=given.from_kit,
        )
        SessionRecommendation.objects.create(
            help_session=new, recommendation=recommendation, position=position
        )
    search.index(new)
    return new


def _recorded(help_session):
    """Return {column: value} for what staff recorded.

    The patron group is left out if it came from the library card of the wrong patron.
    """
    columns = {name: getattr(help_session, name) for name in COLUMNS}
    if help_session.is_group_from_card:
        columns["patron_group"] = None
    return columns
