"""One try of a code of a visit or a record: counted before it is looked up, so that many at once are no way round, and given back if it was right."""

from portal import limits
from portal.security_log import note

ALL = "all"  # the target of what the whole library counts


class Tries:
    """Raises limits.TooOften where there is none left. What it depends on is told in portal/limits.py."""

    def __init__(self, request):
        self.request = request
        self.counted = [limits.count(request, "visit_code")]
        if not request.viewer and limits.is_used_up(request, "visit_code_of_all", target=ALL):
            try:
                self.counted.append(limits.count(request, "visit_code_of_stranger"))
            except limits.TooOften:
                self.was_right()
                raise

    def was_right(self):
        for counted in self.counted:
            counted.undo()

    def was_wrong(self):
        note(self.request, "refused", what="code_of_a_visit")
        if not limits.is_used_up(self.request, "visit_code_of_all", target=ALL):
            limits.count(self.request, "visit_code_of_all", target=ALL)
