"""Questions that people wrote before they signed in. The browser session stores them for a day.

A session stores at most one question and one readers' form. Both are short, because the forms limit the
length of their texts. A session that was begun for a question expires together with the question. The worker
removes old questions from any other session.
"""

import datetime
import uuid

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone

from portal import limits

# The Django session stores {kind: {"client_token", "kept_at", …}} under this key.
KEY = "unsent"
QUESTION, READING = "question", "reading"
# The session stores the one that was deleted last, with its kind, so that the deletion can be undone.
DISCARDED = "discarded"
KEPT_FOR = datetime.timedelta(days=1)
# If the worker runs at least once in this time, it removes every question that is older than KEPT_FOR.
LOOKED_BACK = datetime.timedelta(days=7)


def get(request, kind):
    """Return the stored question or readers' form, or None.

    Each time the text is stored, `client_token` changes. So a page that shows an older text can't send a
    newer text that the person doesn't see.
    """
    kept = request.session.get(KEY, {}).get(kind)
    if kept is None or timezone.now() - datetime.datetime.fromisoformat(kept["kept_at"]) < KEPT_FOR:
        return kept
    forget(request, kind)
    return None


def keep(request, kind, **words):
    """Store the fields of an unsent question in the browser session.

    Raises limits.TooOften if too many browser sessions were begun from this network address.
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


def discard(request, kind):
    """Remove the stored question so that `restore` can undo this. Return whether there was one."""
    kept = get(request, kind)
    forget(request, kind)
    if kept is not None:
        request.session[DISCARDED] = {"kind": kind, "kept": kept}
    return kept is not None


def restore(request):
    """Undo the last `discard`, and return the kind of the question. Return None if it is too late.

    It is too late if the person has begun another question of this kind.
    """
    discarded = request.session.pop(DISCARDED, None)
    if discarded is None or get(request, discarded["kind"]) is not None:
        return None
    request.session[KEY] = {**request.session.get(KEY, {}), discarded["kind"]: discarded["kept"]}
    return discarded["kind"] if get(request, discarded["kind"]) is not None else None


def forget_pending_questions(*, at):
    """Remove the questions in each browser session that was last saved more than KEPT_FOR ago.

    Skip each session that was last saved more than KEPT_FOR + LOOKED_BACK ago, because an earlier run has
    checked it.
    """
    a_day_ago = at + datetime.timedelta(seconds=settings.SESSION_COOKIE_AGE) - KEPT_FOR
    for row in Session.objects.filter(expire_date__range=(a_day_ago - LOOKED_BACK, a_day_ago)).iterator():
        if {KEY, DISCARDED} & row.get_decoded().keys():
            session = Session.get_session_store_class()(row.session_key)
            session.pop(KEY, None)
            session.pop(DISCARDED, None)
            session.save()
