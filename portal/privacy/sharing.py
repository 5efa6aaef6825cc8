"""Who holds a child's visit lets go of it: the child, or the adult beside them; by themselves, at the child's word, by the desk, or in time.

It stands up here, above what it changes, because of the law: what is held through somebody stays held once they are no longer behind it. Nobody is
kept from letting go, and nobody learns of a hold by it.
"""

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.staff_actions import staff_action
from portal.conversations import search
from portal.conversations.answer_emails import withdraw_announcements_to
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import Conversation
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.lists.models import SavedItem
from recommendations.models import Recommendation

from . import exports, holds


@transaction.atomic
def stop_keeping(help_session, *, by, at):
    """Either of the two leaves it to the other: what they wrote stays there, and nothing of it is theirs any more. Whoever holds it no longer
    changes nothing."""
    help_session = _locked(help_session)
    if help_session.patron_id == by.pk:
        _let_go_of_the_childs_part(help_session, at=at)
        audit.record("left", help_session, by=by, patron=by, at=at)
    elif help_session.shared_with_id == by.pk:
        _let_go_of_the_adults_part(help_session, at=at)
        audit.record("ended_sharing", help_session, by=by, patron=by, at=at)
    return help_session


@transaction.atomic
def keep_alone(help_session, *, by, at):
    """The child's word: no adult holds it any more, nor ever again, and no code that was handed over opens it. Of whoever doesn't have the
    child's part it changes nothing."""
    help_session = _locked(help_session)
    if help_session.patron_id == by.pk:
        if help_session.shared_with_id:
            _let_go_of_the_adults_part(help_session, at=at)
            audit.record(
                "ended_sharing", help_session, by=by, patron=by, at=at
            )  # neither reads the other's name
        _leave_it_to_the_child(help_session)
    return help_session


@staff_action
def take_out(help_session, person, *, by, at):
    """The desk takes out who has the adult's part, at the child's wish, or the child's, because they are somebody else: whoever has a slip can say
    that they are the child. No code that was handed over opens it any more. Returns whether they still held it.

    Whoever wasn't the child keeps nothing of it but what they wrote themselves, and their word that no adult is to hold it counts no longer.
    """
    help_session = _locked(help_session)
    if person.pk not in (help_session.patron_id, help_session.shared_with_id):
        return False
    if help_session.shared_with_id == person.pk:
        _let_go_of_the_adults_part(help_session, at=at)
        _leave_it_to_the_child(help_session)
        audit.record("ended_sharing", help_session, by=by, patron=person, at=at)
    else:
        given = _let_go_of_the_childs_part(help_session, at=at)
        help_session.is_the_childs_alone = False
        help_session.save(update_fields=["is_the_childs_alone"])
        _revoke_codes(help_session)
        exports.forget_all_of(person)
        if not holds.held(person):
            SavedItem.objects.filter(saved_list__patron=person, recommendation__in=given).delete()
        audit.record("took_out", help_session, by=by, patron=person, at=at)
    return True


@transaction.atomic
def end_by_itself(help_session, *, at):
    """The adult's time is over, or they had come back by no act of theirs; the child goes on. The caller has locked it."""
    _let_go_of_the_adults_part(help_session, at=at)
    audit.record("ended_sharing", help_session, by=None, at=at)


def _locked(help_session):
    return HelpSession.objects.select_for_update(no_key=True).get(pk=help_session.pk)


def _let_go_of_the_adults_part(help_session, *, at):
    _leave_behind(help_session, help_session.shared_with, at=at)
    help_session.shared_with = help_session.shared_at = None
    help_session.save(update_fields=["shared_with", "shared_at"])


def _let_go_of_the_childs_part(help_session, *, at):
    """Returns what was recommended in it."""
    conversations = Conversation.objects.filter(help_session=help_session)
    made_here = Q(sessionrecommendation__help_session=help_session) | Q(
        messagerecommendation__message__conversation__in=conversations
    )
    given = Recommendation.objects.filter(
        pk__in=list(Recommendation.objects.filter(made_here).values_list("pk", flat=True))
    )
    lock_recommendations(given)
    _leave_behind(help_session, help_session.patron, at=at)
    help_session.patron = None
    help_session.save(update_fields=["patron"])
    given.update(patron=None)
    conversations.update(patron=None)
    for conversation in conversations.filter(merged_into=None):
        search.index_conversation(conversation)
    return given


def _leave_behind(help_session, person, *, at):
    """They are no longer behind it: what the law holds through them stays held, and no mail about it goes to them any more."""
    conversations = Conversation.objects.filter(help_session=help_session)
    list(
        conversations.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    )  # an answer that is being sent has written its mails then
    holds.carry_along(person, help_session, at=at)
    withdraw_announcements_to(person, conversations)


def _leave_it_to_the_child(help_session):
    if help_session.patron_id:
        help_session.is_the_childs_alone = True
        help_session.save(update_fields=["is_the_childs_alone"])
    _revoke_codes(help_session)


def _revoke_codes(help_session):
    help_session.claim_codes.filter(state=ClaimCode.State.LIVE).update(state=ClaimCode.State.REVOKED)
