"""What somebody wrote before they proved who they are. It rests in this browser's session for a day, and nowhere else.

The session of a browser that nothing else is known of ends with it, so that the worker takes it away. One question and one
readers' form a browser: each form says how long what it takes may be.
"""

import datetime
import uuid

from django.utils import timezone

KEY = "unsent"  # in the Django session: {kind: {"client_token", "kept_at", …}}
QUESTION, READING = "question", "reading"
KEPT_FOR = datetime.timedelta(days=1)


def found(request, kind):
    """What was kept last, or None. Its `client_token` is another each time it is kept: who sends it has seen these very words."""
    kept = request.session.get(KEY, {}).get(kind)
    if kept is None or timezone.now() - datetime.datetime.fromisoformat(kept["kept_at"]) < KEPT_FOR:
        return kept
    forget(request, kind)
    return None


def keep(request, kind, **words):
    kept = {**words, "client_token": str(uuid.uuid4()), "kept_at": timezone.now().isoformat()}
    request.session[KEY] = {**request.session.get(KEY, {}), kind: kept}
    if not request.reader:
        request.session.set_expiry(KEPT_FOR)  # signing in sets it anew, and so does opening a code


def forget(request, *kinds):
    """Sent, thrown away, or left in a hurry."""
    if KEY in request.session:
        left = {kind: kept for kind, kept in request.session[KEY].items() if kind not in kinds}
        request.session[KEY] = left
        if not left:
            del request.session[KEY]
