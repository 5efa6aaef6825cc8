"""Questions that people wrote before they signed in, kept in their browser session for a day.

A browser keeps one question and one readers' form at most. The forms limit how long they can be. A new
browser's session expires together with its question. From other sessions the worker removes it.
"""

import datetime
import uuid

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from portal import limits

# Key in the Django session, for {kind: {"client_token", "kept_at", …}}.
KEY = "unsent"
QUESTION, READING = "question", "reading"
KEPT_FOR = datetime.timedelta(days=1)
# A worker that was stopped for up to this long misses no question.
LOOKED_BACK = datetime.timedelta(days=7)


def get(request, kind):
    """Return the question that was kept last, or None.

    Its `client_token` changes each time it is kept, so a person can only send the words that their page
    shows.
    """
    kept = request.session.get(KEY, {}).get(kind)
    if kept is None or timezone.now() - datetime.datetime.fromisoformat(kept["kept_at"]) < KEPT_FOR:
        return kept
    forget(request, kind)
    return None


def keep(request, kind, **words):
    """Keep these fields in the browser session.

    Raises limits.TooOften if one network address begins too many sessions.
    """
    is_new_browser = not request.session.session_key
    if is_new_browser:
        limits.count(request, "unsent_question")
    kept = {**words, "client_token": str(uuid.uuid4()), "kept_at": timezone.now().isoformat()}
    request.session[KEY] = {**request.session.get(KEY, {}), kind: kept}
    if not request.viewer:
        # Signing in or opening a visit by code sets a new expiry.
        request.session.set_expiry(KEPT_FOR)


def forget(request, *kinds):
    """Remove questions of these kinds from the browser session."""
    if KEY in request.session:
        others = {kind: kept for kind, kept in request.session[KEY].items() if kind not in kinds}
        request.session[KEY] = others
        if not others:
            del request.session[KEY]


def forget_pending_questions(*, at):
    """Remove questions older than a day from all sessions.

    Only sessions that were last saved in the LOOKED_BACK before that day are read.
    """
    a_day_ago = at + datetime.timedelta(seconds=settings.SESSION_COOKIE_AGE) - KEPT_FOR
    for row in Session.objects.filter(expire_date__range=(a_day_ago - LOOKED_BACK, a_day_ago)).iterator():
        if KEY in row.get_decoded():
            session = Session.get_session_store_class()(row.session_key)
            del session[KEY]
            session.save()
