"""Correct a recorded help session: its fields, its items and its private note.

This module belongs to `privacy`, because it reads legal holds. If the session becomes quiet, this module also
deletes everything else that links a patron with the session. docs/decisions/0015-records-can-be-corrected.md
has the reasons.
"""

from accounts import audit
from accounts.models import Library
from accounts.staff_actions import staff_action
from portal.checkins import planning
from portal.conversations import next_steps
from portal.conversations.models import Conversation
from portal.helpsessions import push, search
from portal.helpsessions.models import HelpSession, SessionNote, SessionRecommendation
from recommendations.chosen_items import recommend_chosen
from recommendations.models import Recommendation
from recommendations.visit_numbers import number_of

from . import correction_emails, unlinking
from .corrected_fields import PATRON_READS, changed_fields, in_words, links_of, values_of
from .holds import held
from .models import Correction, UnfinishedCorrection
from .session_lock import lock_session, recommendations_of


class CorrectedMeanwhile(Exception):
    """Another correction was saved after the staff member opened the form, so nothing was saved."""


class InAnAccount(Exception):
    """The new value of `with_child` doesn't fit the account that has the visit, so nothing was saved."""


@staff_action
def correct(help_session, *, by, at, version, items, note, email=False, **columns):
    """Change the help session, and return (names of the changed fields, whether emails were written).

    `columns` has a value for each name in corrected_fields.COLUMNS. `items` are ChosenItems in order.
    `version` is the number of corrections that the session had when the form was shown. If `email` is true
    and patrons can see the change, the people who have the visit in their account get an email. Raises Gone,
    CorrectedMeanwhile and InAnAccount.
    """
    help_session, conversations = lock_session(help_session)
    if Correction.objects.filter(help_session=help_session).count() != version:
        raise CorrectedMeanwhile
    UnfinishedCorrection.objects.filter(help_session=help_session, by=by).delete()
    before, is_held = values_of(help_session), held(help_session)
    becomes_quiet = columns["quiet"] and not help_session.quiet
    _check_child(help_session, columns)
    if "patron_group" in columns and columns["patron_group"] != help_session.patron_group:
        help_session.is_group_from_card = False
    for name, value in columns.items():
        setattr(help_session, name, value)
    if help_session.service_point and help_session.service_point.branch_id != help_session.branch_id:
        help_session.service_point = None
    if becomes_quiet:
        unlinking.make_quiet(help_session, conversations, is_held=is_held, at=at)
    help_session.save()
    recommendations_of(help_session).update(never_counted=help_session.quiet)
    if help_session.is_on_paper_only:
        help_session.claim_codes.revoke()
        push.end_for_visits(help_session)
    _save_items(help_session, items, is_held=is_held, by=by, at=at)
    _save_note(help_session, note, by=by, at=at)
    help_session = HelpSession.objects.get(pk=help_session.pk)
    changed = changed_fields(before, values_of(help_session))
    if not changed:
        return [], False
    search.index(help_session)
    planning.replan(help_session, at=at, changed=changed)
    Correction.objects.create(
        help_session=help_session,
        by=by,
        at=at,
        fields=changed,
        old_words=in_words(before, changed) if is_held else {},
    )
    for person in help_session.keepers or [None]:
        audit.record("corrected", help_session, by=by, patron=person, at=at)
    if not PATRON_READS & set(changed):
        return changed, False
    if help_session.handed_over_at or help_session.kept_at:
        help_session.corrected_on = Library.current().today(at)
        help_session.save(update_fields=["corrected_on"])
    return changed, email and correction_emails.send(help_session, version=version + 1, at=at)


def _check_child(help_session, columns):
    """Raise InAnAccount if the new value of `with_child` doesn't fit the account that has the visit.

    A visit in an account can't become paper-only. It can become shared only if the patron is a child. While
    an adult shares the visit, it must stay shared.
    """
    with_child = columns["with_child"]
    if columns["quiet"] or with_child == help_session.with_child:
        return
    patron, is_shared = help_session.patron, with_child == Library.Children.SHARED
    if (
        (patron and with_child == Library.Children.PAPER)
        or (patron and is_shared and not patron.is_child)
        or (help_session.shared_with_id and not is_shared)
    ):
        raise InAnAccount


def _save_items(help_session, items, *, is_held, by, at):
    """Save the items in this order. If the session already has an item, keep the item's recommendation."""
    links = {}
    for link in help_session.recommendation_links.select_related("recommendation").order_by("-removed_at"):
        links[link.recommendation.item_id] = link
    new = []
    for position, row in enumerate(items):
        link = links.pop(row.item.pk, None) if row.item else None
        if link is None:
            new.append((position, row))
            continue
        link.position, link.removed_at, link.is_dismissed = position, None, False
        link.save(update_fields=["position", "removed_at", "is_dismissed"])
        link.recommendation.reason, link.recommendation.starred = row.reason, row.starred
        link.recommendation.save(update_fields=["reason", "starred"])
    for link in links.values():
        if link.removed_at is None:
            _remove_item(link, is_held=is_held, by=by, at=at)
    about = {
        "branch": help_session.branch,
        "topic": help_session.topic,
        "question_type": help_session.question_type,
        "never_counted": help_session.quiet,
    }
    given = {"patron": help_session.patron, "visit_number": number_of(help_session=help_session.pk)}
    added = recommend_chosen([row for _, row in new], by=by, at=at, **given, **about)
    SessionRecommendation.objects.bulk_create(
        SessionRecommendation(help_session=help_session, recommendation=recommendation, position=position)
        for (position, _), recommendation in zip(new, added, strict=True)
    )
    Recommendation.objects.filter(pk__in=[link.recommendation_id for link in links_of(help_session)]).update(
        **about
    )


def _remove_item(link, *, is_held, by, at):
    """Remove an item from the session.

    Keep the recommendation if it has a verdict or a conversation, or if the session is under a legal hold.
    The patron then sees only their verdict. A next step for the item ends, and the conversation about the
    item returns to the queue. In all other cases, delete the recommendation.
    """
    recommendation = link.recommendation
    is_discussed = Conversation.objects.filter(recommendation=recommendation).exists()
    if not (recommendation.verdict or is_discussed or is_held):
        recommendation.delete()
        return
    link.removed_at, link.is_dismissed = at, not recommendation.verdict
    link.save(update_fields=["removed_at", "is_dismissed"])
    next_steps.end_by_correction(recommendation, by=by, at=at)
    # Remove the star, because patrons aren't asked about an item without one.
    recommendation.reason, recommendation.starred = "", False
    recommendation.save(update_fields=["reason", "starred"])


def _save_note(help_session, body, *, by, at):
    notes = SessionNote.objects.filter(help_session=help_session)
    if not body:
        notes.delete()
    elif not notes.filter(body=body).exists():
        SessionNote.objects.update_or_create(
            help_session=help_session, defaults={"body": body, "author": by, "written_at": at}
        )
