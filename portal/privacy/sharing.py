"""Remove a child's visit from the account of the child or of the adult who shares it.

This module belongs to `privacy`, because it copies legal holds. If a person is under a hold, the hold still
covers the visit after its removal from the person's account. A hold never prevents the removal, and people
don't learn of the hold (decision 14).
"""

from django.db import transaction
from django.db.models import Q

from accounts import audit
from accounts.staff_actions import staff_action
from portal.checkins import planning
from portal.conversations import search, step_notices
from portal.conversations.answer_emails import withdraw_announcements_to
from portal.conversations.changes import lock_recommendations
from portal.conversations.models import CallBack, Conversation
from portal.helpsessions import push
from portal.helpsessions.models import HelpSession
from portal.lists.models import SavedItem
from recommendations.models import Recommendation

from . import call_numbers, exports, holds
from .locks import lock_rows
from .session_lock import recommendations_of


@transaction.atomic
def stop_keeping(help_session, *, by, at):
    """Remove the visit from the account of `by`, and return the visit. `by` is the child or the adult.

    The other person keeps the visit, including what `by` wrote in it. Nothing happens if the visit is not in
    the account of `by`.
    """
    help_session = _locked(help_session)
    if help_session.patron_id == by.pk:
        _end_childs_part(help_session, at=at)
        audit.record("left", help_session, by=by, patron=by, at=at)
    elif help_session.shared_with_id == by.pk:
        _end_adults_part(help_session, at=at)
        audit.record("ended_sharing", help_session, by=by, patron=by, at=at)
    return help_session


@transaction.atomic
def keep_alone(help_session, *, by, at):
    """Let the child `by` remove the visit from the adult's account. Return the visit.

    After that, no adult can share the visit again, and no code opens the visit. Nothing happens if `by` is
    not the child.
    """
    help_session = _locked(help_session)
    if help_session.patron_id == by.pk:
        if help_session.shared_with_id:
            _end_adults_part(help_session, at=at)
            # The event names only the child. If it named both people, each could read the other's name.
            audit.record("ended_sharing", help_session, by=by, patron=by, at=at)
        _leave_to_the_child(help_session)
    return help_session


@staff_action
def take_out(help_session, person, *, by, at):
    """Let staff remove the visit from this person's account. Return whether it was in the account.

    Staff remove the adult if the child asks for this. Staff can also remove an impostor, because anyone with
    the slip can claim to be the child. The impostor's account keeps only what the impostor wrote. If the
    impostor chose that no adult may share the visit, this choice is undone.

    After any removal, no code opens the visit. Phone numbers that were entered without signing in are
    deleted, because the impostor may have entered them.
    """
    help_session = _locked(help_session)
    if person.pk not in (help_session.patron_id, help_session.shared_with_id):
        return False
    if help_session.shared_with_id == person.pk:
        _end_adults_part(help_session, at=at)
        _leave_to_the_child(help_session)
        audit.record("ended_sharing", help_session, by=by, patron=person, at=at)
    else:
        recommendations = _end_childs_part(help_session, at=at)
        help_session.is_the_childs_alone = False
        help_session.save(update_fields=["is_the_childs_alone"])
        help_session.claim_codes.revoke()
        push.end_for_visits(help_session)
        exports.forget_all_of(person)
        if not holds.held(person):
            SavedItem.objects.filter(saved_list__patron=person, recommendation__in=recommendations).delete()
        audit.record("took_out", help_session, by=by, patron=person, at=at)
    # The phone numbers need no further lock, because _detach has locked the conversations.
    call_numbers.remove(CallBack.objects.filter(by=None, conversation__help_session=help_session), at=at)
    return True


@transaction.atomic
def end_sharing(help_session, *, at):
    """Remove the visit from the adult's account.

    The worker calls this when the adult's retention period is over. `unmerge` calls it if undoing a merge has
    restored sharing that the child had ended. The caller must lock the visit first.
    """
    _end_adults_part(help_session, at=at)
    audit.record("ended_sharing", help_session, by=None, at=at)


def _locked(help_session):
    return HelpSession.objects.select_for_update(no_key=True).get(pk=help_session.pk)


def _end_adults_part(help_session, *, at):
    _detach(help_session, help_session.shared_with, at=at)
    help_session.shared_with = help_session.shared_at = None
    help_session.save(update_fields=["shared_with", "shared_at"])


def _end_childs_part(help_session, *, at):
    """Remove the visit from the child's account, and return the recommendations of the visit."""
    conversations = Conversation.objects.filter(help_session=help_session)
    in_visit = Q(sessionrecommendation__help_session=help_session) | Q(
        messagerecommendation__message__conversation__in=conversations
    )
    keys = list(Recommendation.objects.filter(in_visit).values_list("pk", flat=True))
    recommendations = Recommendation.objects.filter(pk__in=keys)
    lock_recommendations(recommendations)
    _detach(help_session, help_session.patron, at=at)
    planning.let_go(help_session, at=at)
    help_session.patron = None
    help_session.save(update_fields=["patron"])
    recommendations.update(patron=None)
    conversations.update(patron=None)
    for conversation in conversations.filter(merged_into=None):
        search.index_conversation(conversation)
    return recommendations


def _detach(help_session, person, *, at):
    """Copy the person's legal holds to the visit, and delete the phone number that the person gave.

    Also withdraw unsent emails to the person about the visit.
    """
    conversations = Conversation.objects.filter(help_session=help_session)
    # If another transaction is sending an answer, wait until that transaction ends. Then its emails can be
    # withdrawn too.
    lock_rows(conversations)
    holds.copy_holds(person, help_session, at=at)
    withdraw_announcements_to(person, conversations)
    step_notices.delete(person, recommendations_of(help_session))
    call_numbers.remove(CallBack.objects.filter(by=person, conversation__in=conversations), at=at)


def _leave_to_the_child(help_session):
    if help_session.patron_id:
        help_session.is_the_childs_alone = True
        help_session.save(update_fields=["is_the_childs_alone"])
    help_session.claim_codes.revoke()
    push.end_for_visits(help_session)
