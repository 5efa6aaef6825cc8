"""What somebody wrote before they proved who they are. It rests in this browser's session for a day, and nowhere else.

The session of a browser that nothing else is known of ends with it; from others the worker takes it out. One question and one
readers' form a browser: each form says how long what it takes may be.
"""

import datetime
import uuid

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from portal import limits

KEY = "unsent"  # in the Django session: {kind: {"client_token", "kept_at", …}}
QUESTION, READING = "question", "reading"
KEPT_FOR = datetime.timedelta(days=1)
LOOKED_BACK = datetime.timedelta(days=7)  # a worker that stood still for so long misses none


def found(request, kind):
    """What was kept last, or None. Its `client_token` is another each time it is kept: who sends it has seen these very words."""
    kept = request.session.get(KEY, {}).get(kind)
    if kept is None or timezone.now() - datetime.datetime.fromisoformat(kept["kept_at"]) < KEPT_FOR:
        return kept
    forget(request, kind)
    return None


def keep(request, kind, **words):
    """Raises limits.TooOften where one network address begins very many sessions."""
    if not request.session.session_key:  # a browser that is new here
        limits.count(request, "unsent_question")
    kept = {**words, "client_token": str(uuid.uuid4()), "kept_at": timezone.now().isoformat()}
    request.session[KEY] = {**request.session.get(KEY, {}), kind: kept}
    if not request.viewer:
        request.session.set_expiry(KEPT_FOR)  # signing in sets it anew, and so does opening a code


def forget(request, *kinds):
    """Sent, thrown away, or left in a hurry."""
    if KEY in request.session:
        left = {kind: kept for kind, kept in request.session[KEY].items() if kind not in kinds}
        request.session[KEY] = left
        if not left:
            del request.session[KEY]


def forget_pending_questions(*, at):
    """Take it out of the sessions that were saved last when it was kept. For the worker, which looks at those of some days at a time."""
    a_day_ago = at + datetime.timedelta(seconds=settings.SESSION_COOKIE_AGE) - KEPT_FOR
    for row in Session.objects.filter(expire_date__range=(a_day_ago - LOOKED_BACK, a_day_ago)).iterator():
        if KEY in row.get_decoded():
            session = Session.get_session_store_class()(row.session_key)
            del session[KEY]
            session.save()
