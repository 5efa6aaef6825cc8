"""Record help sessions, and mark all items of a session as helpful with one action."""

from django.db import transaction
from django.db.models import ProtectedError

from accounts import audit
from accounts.models import User
from accounts.staff_actions import staff_action
from portal.prepared import insert_all
from recommendations.actions import mark_as_helped
from recommendations.chosen_items import recommend_chosen
from recommendations.visit_numbers import number_of

from . import handover, keeping, push, search
from .answer_signal import patron_answered
from .models import HelpSession, SessionNote, SessionRecommendation, UnfinishedForm
from .unfinished import get_or_create_session


class PatronGone(Exception):
    """The patron's record was erased or merged before the help session was saved. Nothing was recorded."""


@staff_action
def record(*, by, at, **fields):
    """Record a help session with its recommendations and its private note, and return the session.

    `fields` are the other arguments of `_record`.
    """
    return _record(by=by, at=at, **fields)[0]


@transaction.atomic
def record_from_system(*, at, **fields):
    """Record a help session that another system sent, and return the session.

    The session has no helper, no patron and no code. `fields` are the other arguments of `_record`.
    """
    return _record(by=None, at=at, quiet=False, note="", **fields)[0]


@staff_action
def record_and_hand_over(*, by, at, to_address="", base_url="", **fields):
    """Record a help session, make a code for its patron, and return (the session, the code).

    If `to_address` is set, email the code to this address. The code is None in three cases: the visit is on
    paper only, the session was recorded before, or a code card is attached and no email is sent. `fields` are
    the other arguments of `_record`. Raises QuietSession if a quiet session would be emailed.
    """
    if to_address and fields["quiet"]:
        raise keeping.QuietSession
    help_session, is_new = _record(by=by, at=at, handed_over_at=at, **fields)
    if not is_new:
        return help_session, None
    if help_session.is_on_paper_only:
        handover.mark_handed_over_on_paper(help_session, by=by, at=at)
        return help_session, None
    # If staff began this session earlier, the patron may already have a code card for it. The patron then
    # needs no second code.
    if not to_address and fields.get("unfinished") and help_session.claim_codes.live(at).exists():
        return help_session, None
    code = handover.make_code(help_session, by=by, at=at)
    if to_address:
        handover.email_code(help_session, code, to_address=to_address, at=at, base_url=base_url)
    return help_session, code


@staff_action
def record_and_keep(*, by, at, person, wording, wording_language, **fields):
    """Record a help session in the account of `person`, who agreed at the desk. Return (session, code).

    `wording` is the text that the staff member `by` read to the person, in `wording_language`. If a child and
    an adult can share the session, `person` is one of the two, and the code is for the other. Otherwise the
    code is None. `fields` are the other arguments of `_record`. Raises PatronGone, QuietSession and
    OnPaperOnly.
    """
    # Lock the person before the session, as erasing a person does, so that recording and erasing can't
    # deadlock.
    if not User.objects.select_for_update(no_key=True).filter(pk=person.pk, is_active=True):
        raise PatronGone
    help_session, is_new = _record(by=by, at=at, **fields)
    if not is_new:
        return help_session, None
    handover.mark_handed_over(help_session, at)
    help_session = keeping.keep(
        help_session, by=person, at=at, wording=wording, language=wording_language, read_by=by
    )
    if help_session.is_fully_kept or help_session.claim_codes.live(at).exists():
        return help_session, None
    return help_session, handover.make_code(help_session, by=by, at=at)


def _record(
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
    questions=1,
    with_child="",
    service_point=None,
    patron_group=None,
    own_values=None,
    unfinished=None,
    token=None,
    handed_over_at=None,
):
    """Record a help session, and return (the session, whether it was recorded just now).

    `items` are ChosenItems. If the patron is a child, `with_child` is the library's choice from
    Library.Children. `service_point` and `patron_group` are None if staff chose none. `own_values` is a value
    for HelpSession.own_values. `unfinished` is the session that staff began earlier, or None. `token` is the
    UUID of the submitted record form. If the same token is sent twice, the session is recorded once. A new
    session is saved with `handed_over_at`, the time when it was given to its patron.
    """
    fields = {
        "status": HelpSession.Status.RECORDED,
        "branch": branch,
        "happened_on": happened_on,
        "hour": hour,
        "mode": mode,
        "question_type": question_type,
        "topic": topic,
        "read_level": read_level,
        "minutes": minutes,
        "people": people,
        "questions": questions,
        "language": language,
        "question": question,
        "summary": summary,
        "quiet": quiet,
        "with_child": with_child,
        "service_point": service_point,
        "patron_group": patron_group,
        "own_values": own_values or {},
    }
    if unfinished:
        help_session, created = HelpSession.objects.select_for_update().get(pk=unfinished.pk), False
    else:
        help_session, created = get_or_create_session(
            token, by=by, at=at, handed_over_at=handed_over_at, **fields
        )
    if not created:
        if help_session.status != HelpSession.Status.UNFINISHED:
            return help_session, False
        _finish(help_session, fields)
    if note:
        SessionNote.objects.create(help_session=help_session, body=note, author=by, written_at=at)
    recommendations = recommend_chosen(
        items,
        by=by,
        at=at,
        branch=branch,
        topic=topic,
        question_type=question_type,
        visit_number=number_of(help_session=help_session.pk),
        never_counted=quiet,
    )
    insert_all(
        SessionRecommendation(help_session=help_session),
        [
            {"recommendation_id": recommendation.pk, "position": position}
            for position, recommendation in enumerate(recommendations)
        ],
    )
    search.add_words(help_session, items=[recommendation.item for recommendation in recommendations])
    audit.record("recorded", help_session, by=by, at=at)
    return help_session, True


def _finish(help_session, fields):
    """Save the fields of the finished form in a session that was unfinished."""
    for name, value in fields.items():
        setattr(help_session, name, value)
    help_session.save()
    if help_session.is_on_paper_only:
        # Staff may have handed out a code card before they chose paper only. Revoke the code of this card.
        help_session.claim_codes.revoke()
    UnfinishedForm.objects.filter(help_session=help_session).delete()


@staff_action
def undo_record(help_session, *, by, at):
    """Delete a help session that `by` recorded and that is in no patron's account.

    Return whether the session was deleted. A session under a legal hold is not deleted.
    """
    try:
        count, _by_model = HelpSession.objects.filter(pk=help_session.pk, staff=by, patron=None).delete()
    except ProtectedError:
        return False
    if count:
        push.end_for_visits(help_session)
        audit.record("undid_record", help_session, by=by, at=at)
    return bool(count)


def dismiss(recommendation, *, is_dismissed):
    """Hide an item from the patron's page after staff removed it from the visit, or show it again.

    Return whether anything changed.
    """
    links = SessionRecommendation.objects.filter(recommendation=recommendation, removed_at__isnull=False)
    return bool(links.exclude(is_dismissed=is_dismissed).update(is_dismissed=is_dismissed))


@transaction.atomic
def mark_all_helped(help_session, recommendations, *, at, by_link=False, tapped_at=None):
    """Save the verdict "helped" on each of these recommendations that is starred and has no verdict.

    `at`, `by_link` and `tapped_at` are arguments for `mark_as_helped`.
    """
    mark_as_helped(recommendations, at=at, by_link=by_link, tapped_at=tapped_at)
    patron_answered.send(HelpSession, visits=[help_session], at=at)
