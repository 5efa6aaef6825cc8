"""How often a code may be tried. Wrong tries count by address and by person; the counters live in the shared cache."""

from allauth.core.internal import ratelimit

from portal.security_log import note

WRONG_TRIES = {
    # All who use the library's own wireless network share one address. Thirty tries of 43 bits are still nothing.
    "address": "30/10m/ip",
    "person": "10/10m/user",
    # Once the whole library sees many wrong tries, somebody is guessing from many addresses: one that nobody knows yet gets
    # fewer, but never none, or the guesser would shut out every patron.
    "library": "300/10m/key",
    "stranger": "3/10m/ip",
}
WAIT_MINUTES = 10


class Tries:
    """One try of a code: counted before it is looked up, so that many at once are no way round, and given back if it was right."""

    def __init__(self, request):
        self.request = request
        kinds = ["address"]
        if request.user.is_authenticated:
            kinds.append("person")
        if not request.reader and not self._consume("library", dry_run=True):
            kinds.append("stranger")
        used = [self._consume(kind) for kind in kinds]
        self.allowed = all(used)
        if not self.allowed:
            note(request, "too_often", what="code_of_a_visit")
        self._used = [usage for usage in used if usage]

    def was_right(self):
        for usage in self._used:
            usage.rollback()

    def was_wrong(self):
        note(self.request, "refused", what="code_of_a_visit")
        self._consume("library")

    def _consume(self, kind, **how):
        return ratelimit.consume(
            self.request, app="portal", action=f"open_code_{kind}", config={f"open_code_{kind}": WRONG_TRIES[kind]}, key="library", limit_get=True, **how
        )
