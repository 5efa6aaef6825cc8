"""Save the answers that a patron gives with the link of a check-in, and mark the check-in as answered.

Anyone who reads the patron's email can open the link, so these answers are normally saved with
`by_link=True`. They are saved with `by_link=False` if the browser may open the visit even without the link.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from accounts.models import Library, User
from portal.conversations import actions, outcomes
from portal.conversations.changes import PATRON, Erased
from portal.conversations.models import Conversation
from portal.conversations.verdicts import take_verdict
from portal.deadlines import compares_deadlines
from portal.helpsessions.actions import mark_all_helped
from portal.helpsessions.models import HelpSession
from recommendations.actions import unmark_as_helped
from recommendations.models import Recommendation

from . import links, planning
from .models import CheckIn

Status = CheckIn.Status


class LinkEnded(Exception):
    """The link no longer works, so nothing was saved."""


@dataclass(frozen=True)
class Answerer:
    """The viewer who answers with a link. `person` is the signed-in User or None.

    `may_open` says whether the viewer's browser may open the visit without the link.
    """

    may_open: bool
    person: User | None = None

    @classmethod
    def of(cls, viewer, help_session):
        if not viewer or not HelpSession.objects.belonging_to(viewer).filter(pk=help_session.pk).exists():
            return cls(may_open=False)
        # An adult who shares a child's visit may open the visit. But the link was sent to the child, so
        # the adult's answers are saved like those of a stranger who has the link.
        is_patrons = viewer.person is not None and viewer.person.pk == help_session.patron_id
        if help_session.is_shared and not is_patrons:
            return cls(may_open=False)
        return cls(may_open=True, person=viewer.person)

    @property
    def mark(self):
        return {"by": self.person, "by_link": not self.may_open}


def note_answer(help_session, *, at):
    """Record in the visit's check-in that the patron has answered.

    If the check-in isn't due yet, it remains planned. On its day, the library asks only if a question is
    still unanswered.
    """
    note_answers(HelpSession, visits=[help_session], at=at)


@transaction.atomic
def note_answers(sender, *, visits, at, **_signal):
    """Record in the check-ins of these visits that the patron has answered. See `note_answer`.

    This function receives the signal `patron_answered`.
    """
    asked = Q(status=Status.ASKED) | Q(status=Status.PLANNED, due_on__lte=Library.current().today(at))
    # Every function that changes several check-ins locks them by primary key. Otherwise two such functions
    # could deadlock.
    locked = CheckIn.objects.select_for_update(no_key=True).filter(asked, help_session__in=visits)
    answered = list(locked.order_by("pk").values_list("pk", flat=True))
    if answered:
        CheckIn.objects.filter(pk__in=answered).update(status=Status.ANSWERED, answered_at=at)


def by_link(action):
    """Decorate an action on a check-in: raise LinkEnded, and save nothing, if the link doesn't work.

    The action may have to wait for the lock on the visit or its conversation. During the wait, the visit may
    be erased, forgotten or given to someone else. So the link is checked after the action.
    """

    @compares_deadlines
    @transaction.atomic
    def run(check_in, *about, at, now, **arguments):
        try:
            result = action(check_in, *about, at=at, **arguments)
        except Erased:
            raise LinkEnded from None
        if not links.working(now()).filter(pk=check_in.pk).exists():
            raise LinkEnded
        return result

    return run


@by_link
def answer(check_in, *, answerer, at, **answers):
    """Save answers to the questions about the visit. `answers` are keyword arguments of `take_outcome`."""
    outcomes.take_outcome(check_in.help_session, at=at, **answerer.mark, **answers)


@by_link
def give_verdict(check_in, recommendation, *, verdict, answerer, at):
    """Save the verdict on an item. The patron's earlier comment on the item doesn't change."""
    take_verdict(recommendation, verdict=verdict, why=None, comment=None, at=at, **answerer.mark)


@by_link
def give_all_helped(check_in, *, answerer, at):
    """Save the verdict "helped" on the starred items that have no verdict yet."""
    visit = check_in.help_session
    mark_all_helped(visit, items_of(visit), at=at, by_link=not answerer.may_open)


@by_link
def undo_all_helped(check_in, *, answerer, marked_at, at):
    """Withdraw the verdicts that one press of "Mark the unanswered items as helpful" saved at `marked_at`.

    A browser that may not open the visit can withdraw only verdicts that were given with an emailed link.
    """
    items = items_of(check_in.help_session)
    if not answerer.may_open:
        items = items.filter(by_link=True)
    return unmark_as_helped(items, marked_at=marked_at)


@by_link
def wish(check_in, about, *, answerer, at, **wish):
    """Save whether the library should write to the patron. `wish` has arguments for `wish_for_answer`."""
    outcomes.wish_for_answer(about, at=at, **answerer.mark, **wish)


@by_link
def write(check_in, *, body, language, client_token, answerer, at):
    """Send the patron's text to the library, in an open conversation about the visit or in a new one.

    If the same `client_token` is sent twice, the text is saved once.
    """
    help_session = check_in.help_session
    message = {"body": body, "language": language, "client_token": client_token, "at": at}
    conversations = help_session.conversations.filter(recommendation=None, merged_into=None)
    sent = conversations.filter(messages__client_token=client_token).first()
    open_now = conversations.filter(status__in=Conversation.OPEN).order_by("-is_about_outcome", "-pk")
    if conversation := sent or open_now.first():
        actions.reply(conversation, side=PATRON, **message, **answerer.mark)
    else:
        actions.ask(help_session=help_session, **message, **answerer.mark)
    note_answer(help_session, at=at)


@by_link
def ask_later(check_in, *, day, answerer, at):
    """Ask the patron again on this day. Return whether the library will ask.

    If the patron chose not to be asked about this visit, only a browser that may open the visit can change
    that choice.
    """
    left_out = HelpSession.objects.filter(pk=check_in.help_session_id, check_ins=HelpSession.CheckIns.NONE)
    if not answerer.may_open and left_out.exists():
        return False
    return planning.ask_later(check_in.help_session, day=day, at=at) is not None


@by_link
def leave_out(check_in, *, at):
    """Stop asking the patron about this visit."""
    planning.leave_out(check_in.help_session, at=at)


def items_of(help_session):
    """Return the visit's recommendations that the check-in asks about: the starred ones."""
    links = help_session.recommendation_links.not_removed()
    return Recommendation.objects.filter(sessionrecommendation__in=links, starred=True)
