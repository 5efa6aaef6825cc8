"""Functions that write the access log.

A line of the log says that a staff member opened a patron's visit, conversation or record. The line also says
when, and which page of the desk they came from. Patrons can read the lines about themselves.
"""

import datetime
from urllib.parse import parse_qs

from django.db.models import BigAutoField, CharField, DateTimeField
from django.urls import Resolver404, resolve

from accounts import audit
from accounts.models import AuditEvent
from portal.desk import shown_today
from portal.headers import split_address
from portal.prepared import prepared

# The polls of an open page add at most one line to the log in each period of this length.
LOGGED_FOR = datetime.timedelta(hours=12)

Where = AuditEvent.Where
# {URL name of the page that the staff member came from: the value to log}
PLACES = {
    **dict.fromkeys(["desk", "desk_bulk"], Where.QUEUE),
    **dict.fromkeys(["desk_sessions", "open_by_patrons_code"], Where.SESSIONS),
    **dict.fromkeys(["desk_check_ins", "check_ins_of_tomorrow"], Where.SESSIONS),
    **dict.fromkeys(["desk_session", "slip"], Where.SESSION),
    "desk_conversation": Where.CONVERSATION,
    **dict.fromkeys(["patrons", "patrons_by_name", "patron_record"], Where.PEOPLE),
}


def log_opened(request, conversation, *, at, where=None):
    """Record that the staff member opened the conversation.

    `where` is the page of the desk that the staff member came from. If `where` is None, `came_from` finds the
    page. If the conversation is in nobody's account, record the opening only if the staff member covers for
    the branch.
    """
    patrons = patrons_of(conversation, conversation.help_session)
    if _is_covering(request, conversation):
        where, patrons = Where.COVER, patrons or [None]
    elif patrons and where is None:
        where = came_from(request, conversation.help_session_id)
    for person in patrons:
        audit.record("opened", conversation, by=request.user, patron=person, at=at, where=where)


def log_reading(request, conversation, *, at):
    """Log that the staff member opened the conversation.

    If this was logged less than LOGGED_FOR ago, do nothing.

    The view for polls must call this function, because a poll can return messages. A browser can send a poll
    without having opened the page.
    """
    since = at - LOGGED_FOR
    has_patron = patrons_of(conversation, conversation.help_session)
    opened = {"by": request.user.pk, "subject": str(conversation.public_id), "since": since}
    if has_patron:
        is_logged = bool(_opened(**opened))
    else:
        is_logged = not _is_covering(request, conversation) or _opened_for_nobody(**opened)
    if not is_logged:
        log_opened(request, conversation, at=at)


def log_number_seen(request, conversation, *, at):
    """Record that the staff member saw the phone number of the open call.

    If this was recorded already, do nothing.
    """
    since = max(at - LOGGED_FOR, conversation.call_since)
    seen = AuditEvent.objects.filter(
        action="saw_number", by=request.user, subject=str(conversation.public_id), at__gte=since
    )
    if not seen.exists():
        for person in patrons_of(conversation, conversation.help_session) or [None]:
            audit.record("saw_number", conversation, by=request.user, patron=person, at=at)


def _is_covering(request, conversation):
    """Return whether the staff member can open the conversation only because they cover for its branch.

    The assignee can always open the conversation, so this is false for the assignee.
    """
    is_own = conversation.assignee_id == request.user.pk
    return conversation.branch_id in request.user.covered_branch_ids and not is_own


def _opened_for_nobody(by, subject, since):
    return AuditEvent.objects.filter(
        action="opened", by=by, patron=None, subject=subject, at__gt=since
    ).exists()


@prepared(by=BigAutoField(), subject=CharField(), since=DateTimeField())
def _opened(by, subject, since):
    events = AuditEvent.objects.filter(
        action="opened", by=by, patron__isnull=False, subject=subject, at__gt=since
    )
    return events.values_list("pk")[:1]


def log_session_opened(request, help_session, *, at):
    """Record that the staff member opened the help session.

    If a conversation is about the help session, staff of a covering branch can open the session too. Record
    such an opening even if the help session is in nobody's account.
    """
    patrons, where = patrons_of(help_session, help_session), came_from(request, help_session.pk)
    is_own = (
        help_session.staff_id == request.user.pk or help_session.branch_id in request.user.desk_branch_ids
    )
    if not is_own and where != Where.CODE:
        patrons, where = patrons or [None], Where.COVER
    for person in patrons:
        audit.record("opened", help_session, by=request.user, patron=person, at=at, where=where)


def log_sessions_read(request, help_sessions, *, at):
    """Record that the staff member opened these sessions.

    Skip each session whose opening was recorded less than LOGGED_FOR ago.
    """
    subjects = {str(each.public_id): each for each in help_sessions}
    opened = AuditEvent.objects.filter(action="opened", by=request.user, at__gt=at - LOGGED_FOR)
    known = set(opened.filter(subject__in=subjects).values_list("subject", flat=True)) if subjects else set()
    for subject in subjects.keys() - known:
        log_session_opened(request, subjects[subject], at=at)


def log_opened_by_code(request, help_session, *, at):
    """Record that a patron showed the code of a visit at the desk.

    If the visit is in nobody's account, the patron of the audit event is None.
    """
    for person in patrons_of(help_session, help_session) or [None]:
        audit.record("opened_by_code", help_session, by=request.user, patron=person, at=at, where=Where.CODE)


def patrons_of(record, help_session):
    """Return the patrons who have the visit or conversation `record` in their account.

    If a child and an adult share the visit, both are returned.
    """
    return [person for person in (record.patron, help_session and help_session.shared_with) if person]


def log_session_search(request, *, results, at):
    """Record that the staff member searched the help sessions. The search text is not stored."""
    audit.record("searched_sessions", request.library, by=request.user, at=at, results=results)


def log_record_opened(request, person, *, at, reason=""):
    """Record that the staff member opened a person's record. `reason` is the staff member's reason, or ""."""
    audit.record(
        "opened",
        person,
        by=request.user,
        patron=person,
        at=at,
        where=came_from(request) or Where.PEOPLE,
        reason=reason,
    )


def log_looked_up(request, people, *, at, reason="", where=Where.PEOPLE):
    """Record an audit event for each person that the staff member looked up. Return {person: event}."""
    return {
        person: audit.record(
            "looked_up", person, by=request.user, patron=person, at=at, where=where, reason=reason
        )
        for person in people
    }


def log_reason(request, person, *, at, reason):
    """Record an audit event with the reason for opening the person's record. Return {person: event}."""
    return {
        person: audit.record(
            "said_why", person, by=request.user, patron=person, at=at, where=Where.PEOPLE, reason=reason
        )
    }


def came_from(request, help_session_id=None):
    """Return which page of the desk the staff member came from, as a Where, or "" if that is unknown."""
    if help_session_id is not None and help_session_id in shown_today.ids(request):
        return Where.CODE
    if "queue" in request.GET:
        return Where.SEARCH if "q" in parse_qs(request.GET["queue"]) else Where.QUEUE
    page = split_address(request.headers.get("Referer", ""))
    if page.netloc != request.get_host() or page.path == request.path_info:
        return ""
    try:
        name = resolve(page.path).url_name
    except Resolver404:
        return ""
    return Where.SEARCH if name == "desk" and "q" in parse_qs(page.query) else PLACES.get(name, "")
