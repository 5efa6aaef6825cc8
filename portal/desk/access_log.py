"""The access log: its patron can see which of the staff read a conversation or a visit of theirs, on which days, and from where in the desk."""

import datetime
from urllib.parse import parse_qs, urlsplit

from django.urls import Resolver404, resolve

from accounts import audit
from accounts.models import AuditEvent
from portal.desk import shown_today

LOGGED_FOR = datetime.timedelta(
    hours=12
)  # a page may be open so long before what arrives in it is logged again

Where = AuditEvent.Where
# The page whose link or button led here, by the name of its address. What stands in no line isn't known.
FROM = {
    **dict.fromkeys(["desk", "desk_bulk"], Where.QUEUE),
    **dict.fromkeys(["desk_sessions", "open_by_patrons_code"], Where.SESSIONS),
    **dict.fromkeys(["desk_session", "slip"], Where.SESSION),
    "desk_conversation": Where.CONVERSATION,
    **dict.fromkeys(["patrons", "patrons_by_name", "patron_record"], Where.PEOPLE),
}


def log_opened(request, conversation, *, at, where=None):
    """This member of staff opens the conversation. `where`: if the page itself knows better than its address does."""
    if patrons := _patrons_of(conversation, conversation.help_session):
        where = came_from(request, conversation.help_session_id) if where is None else where
        for person in patrons:
            audit.record("opened", conversation, by=request.user, patron=person, at=at, where=where)


def log_reading(request, conversation, *, at):
    """They are shown words of it in a page that was opened before: it says so itself, and is not believed."""
    if _patrons_of(conversation, conversation.help_session):
        opened = AuditEvent.objects.filter(
            action="opened", by=request.user, patron__isnull=False, subject=str(conversation.public_id)
        )
        if not opened.filter(at__gt=at - LOGGED_FOR).exists():
            log_opened(request, conversation, at=at)


def log_session_opened(request, help_session, *, at):
    """This member of staff opens the help session."""
    for person in _patrons_of(help_session, help_session):
        audit.record(
            "opened",
            help_session,
            by=request.user,
            patron=person,
            at=at,
            where=came_from(request, help_session.pk),
        )


def log_opened_by_code(request, help_session, *, at):
    """They are shown the code of a visit, which opens it to them for the day. The trail says so also where nobody holds it."""
    for person in _patrons_of(help_session, help_session) or [None]:
        audit.record("opened_by_code", help_session, by=request.user, patron=person, at=at, where=Where.CODE)


def _patrons_of(kept, help_session):
    """Whose it is: of a visit that is shared, and of its conversations, the child and the adult."""
    return [person for person in (kept.patron, help_session and help_session.shared_with) if person]


def log_record_opened(request, person, *, at, reason=""):
    """This member of staff opens the record of a person. `reason`: where their desk has nothing to do with this person."""
    audit.record(
        "opened",
        person,
        by=request.user,
        patron=person,
        at=at,
        where=came_from(request) or Where.PEOPLE,
        reason=reason,
    )


def log_looked_up(request, people, *, at, reason=""):
    """These were found at the people desk, and shown. Returns {person: the event}."""
    return {
        person: audit.record(
            "looked_up", person, by=request.user, patron=person, at=at, where=Where.PEOPLE, reason=reason
        )
        for person in people
    }


def log_reason(request, person, *, at, reason):
    """Why they look at this person, said before they do. Returns {person: the event}, which holds the words."""
    return {
        person: audit.record(
            "said_why", person, by=request.user, patron=person, at=at, where=Where.PEOPLE, reason=reason
        )
    }


def came_from(request, help_session_id=None):
    """From where in the desk this page is opened, as a Where; blank where neither its address nor the browser says."""
    if help_session_id is not None and help_session_id in shown_today.ids(request):
        return Where.CODE
    if "queue" in request.GET:
        return Where.SEARCH if "q" in parse_qs(request.GET["queue"]) else Where.QUEUE
    page = urlsplit(request.headers.get("Referer", ""))
    if page.netloc != request.get_host() or page.path == request.path:
        return ""
    try:
        name = resolve(page.path).url_name
    except Resolver404:
        return ""
    return Where.SEARCH if name == "desk" and "q" in parse_qs(page.query) else FROM.get(name, "")
