"""Questions that people wrote before they signed in. The browser session stores them for a day.

A browser session stores at most one question and one readers' form. Both are short, because the forms limit
the length of their texts. If a browser session was started only to store a question, it ends when the
question expires. The worker removes expired questions from all other browser sessions.
"""

import datetime
import uuid

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from portal import limits

# Under this key, the browser session stores {kind: {"client_token": …, "kept_at": …, …}}.
KEY = "unsent"
QUESTION, READING = "question", "reading"
# Under this key, the browser session stores the most recently deleted question. `restore` can undo the
# deletion.
DISCARDED = "discarded"
KEPT_FOR = datetime.timedelta(days=1)
# How far back the worker looks for browser sessions with expired questions. If the worker is stopped for
# longer than this, it misses some of them.
LOOKED_BACK = datetime.timedelta(days=7)


def get(request, kind):
    """Return the stored question or readers' form, or None.

    Each time a text is stored, it gets a new `client_token`. So the button on an old page can't send a text
    that was stored later and that the page doesn't show.
    """
    kept = request.session.get(KEY, {}).get(kind)
    if kept is None or timezone.now() - datetime.datetime.fromisoformat(kept["kept_at"]) < KEPT_FOR:
        return kept
    forget(request, kind)
    return None


def keep(request, kind, **words):
    """Store the fields of an unsent question in the browser session.

    Raises limits.TooOften if too many browser sessions were started from this network address.
    """
    is_new_browser = not request.session.session_key
    if is_new_browser:
        limits.count(request, "unsent_question")
    kept = {**words, "client_token": str(uuid.uuid4()), "kept_at": timezone.now().isoformat()}
    request.session[KEY] = {**request.session.get(KEY, {}), kind: kept}
    if not request.viewer:
        # A browser session that was started only for the question ends when the question expires. Signing in,
        # or opening a visit by code, sets a new expiry.
        request.session.set_expiry(KEPT_FOR)


def forget(request, *kinds):
    """Remove questions of these kinds from the browser session."""
    if KEY in request.session:
        others = {kind: kept for kind, kept in request.session[KEY].items() if kind not in kinds}
        request.session[KEY] = others
        if not others:
            del request.session[KEY]


def discard(request, kind):
    """Remove the stored question in a way that `restore` can undo. Return whether a question was stored."""
    kept = get(request, kind)
    forget(request, kind)
    if kept is not None:
        request.session[DISCARDED] = {"kind": kind, "kept": kept}
    return kept is not None


def restore(request):
    """Undo the last `discard`, and return the kind of the question.

    Return None if it is too late: the question has expired, or a new question of this kind is stored.
    """
    discarded = request.session.pop(DISCARDED, None)
    if discarded is None or get(request, discarded["kind"]) is not None:
        return None
    request.session[KEY] = {**request.session.get(KEY, {}), discarded["kind"]: discarded["kept"]}
    return discarded["kind"] if get(request, discarded["kind"]) is not None else None


def forget_pending_questions(*, at):
    """Remove the expired questions from browser sessions. The worker runs this job.

    Check the browser sessions that were last saved more than KEPT_FOR ago. Skip sessions that were last saved
    more than KEPT_FOR + LOOKED_BACK ago, because an earlier run has checked them.
    """
    a_day_ago = at + datetime.timedelta(seconds=settings.SESSION_COOKIE_AGE) - KEPT_FOR
    for row in Session.objects.filter(expire_date__range=(a_day_ago - LOOKED_BACK, a_day_ago)).iterator():
        if {KEY, DISCARDED} & row.get_decoded().keys():
            session = Session.get_session_store_class()(row.session_key)
            session.pop(KEY, None)
            session.pop(DISCARDED, None)
            session.save()
