"""Record or tally help sessions, and save the patron's replies to the questions about a session."""

from accounts import audit
from accounts.staff_actions import staff_action
from recommendations.chosen_items import recommend_chosen
from recommendations.models import QuestionType

from .models import ClaimCode, HelpSession, SessionNote, SessionRecommendation, UnfinishedForm
from .unfinished import begin, day_and_hour


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
    """Record a help session with its recommendations and its private note, and return the session.

    `items` are ChosenItems. If the patron is a child, `with_child` is the library's choice from
    Library.Children. `service_point` is a name, or "" if it isn't known. `unfinished` is the session that
    staff began earlier, or None. `token` is the UUID of the form. If the same token is sent twice, the
    session is recorded once.
    """
    if unfinished:
        help_session = HelpSession.objects.select_for_update().get(pk=unfinished.pk)
    else:
        help_session = begin(token, by=by, at=at, branch=branch)
    if help_session.status == HelpSession.Status.RECORDED:
        return help_session
    help_session.status = HelpSession.Status.RECORDED
    help_session.branch, help_session.happened_on, help_session.hour = branch, happened_on, hour
    help_session.mode, help_session.question_type, help_session.topic = mode, question_type, topic
    help_session.read_level, help_session.minutes, help_session.people = read_level, minutes, people
    help_session.language, help_session.quiet = language, quiet
    help_session.question, help_session.summary = question, summary
    help_session.with_child, help_session.service_point = with_child, service_point
    help_session.save()
    if help_session.is_on_paper_only:
        # Staff may have handed out a code card before they chose paper only. That card's code is revoked.
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
    """Count one directional contact, such as "Where is the printer?", and return its row."""
    return HelpSession.objects.create(
        status=HelpSession.Status.TALLY,
        question_type=QuestionType.DIRECTIONAL,
        staff=by,
        branch=branch,
        service_point=service_point,
        created_at=at,
        **day_and_hour(at),
    )


@staff_action
def undo_tally(help_session, *, by, at):
    """Delete a tally that the same staff member made."""
    HelpSession.objects.filter(pk=help_session.pk, status=HelpSession.Status.TALLY, staff=by).delete()


def answer_outcome(help_session, *, at, found=None, satisfaction=None):
    """Save the patron's replies to the questions about the session. A reply that is None isn't changed."""
    answers = {"found": found, "satisfaction": satisfaction}
    given = {name: value for name, value in answers.items() if value is not None}
    HelpSession.objects.filter(pk=help_session.pk).update(answered_at=at, **given)
