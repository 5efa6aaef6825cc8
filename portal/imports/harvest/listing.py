"""Read the lists of a harvest page by page, and notice when the server doesn't follow OAI-PMH."""

import hashlib
from datetime import timedelta

from .answers import OaiError, Page

# A harvest asks for all changes since this long before the last complete harvest began. It needs this overlap
# because some servers confuse time zones, and because a harvest can miss a record that changes while it runs.
OVERLAP = timedelta(hours=24)
# If the token of the next page has expired, the list is read again from its start. This is the maximum number
# of such restarts in one run.
MAX_RESTARTS = 3
# How many pages of a list may repeat an earlier page. If there are more, the list counts as endless.
MAX_REPEATS = 3


class Stopped(Exception):
    """The list can't be read to its end. The text of the exception says why, in plain words."""


def since(server_time, started_at, identity):
    """Return the argument "from" of a request: the date since which the server should list all changes.

    The date is in the server's format. Return "" if the server should list all records.

    Both times say when the last complete harvest began: `server_time` by the server's clock, `started_at` by
    ours. The earlier one is used, so that no change is lost if one of the clocks is fast.
    """
    begin = min(server_time or started_at, started_at) - OVERLAP
    text = begin.strftime("%Y-%m-%dT%H:%M:%SZ" if identity.has_seconds else "%Y-%m-%d")
    return text if text > identity.earliest[: len(text)] else ""


class Lists:
    """The lists that a harvest reads: one list for each of its sets, or a single list of all records.

    `harvest` says where to begin. After each page, the caller saves in `harvest` where the list continues.
    """

    def __init__(self, harvest, client):
        self.harvest, self.client = harvest, client
        self.restarts = 0
        self._begin()

    def pages(self):
        """Yield each Page until the end of the last list. Raises Stopped and Unreachable."""
        harvest = self.harvest
        while harvest.set_number < max(len(harvest.sets), 1):
            if not harvest.token:
                self._begin()
            try:
                page = self.client.records(**self._arguments())
            except OaiError as error:
                page = self._after(error)
                if page is None:
                    continue
            self._check_for_loop(page)
            yield page

    def _arguments(self):
        harvest = self.harvest
        if harvest.token:
            return {"resumptionToken": harvest.token}
        arguments = {"from": harvest.since} if harvest.since else {}
        return arguments | ({"set": harvest.sets[harvest.set_number]} if harvest.sets else {})

    def _begin(self):
        self.digests: set[bytes] = set()
        self.tokens: set[str] = set()
        self.repeats = 0

    def _after(self, error):
        """Handle an OAI-PMH error in the server's answer.

        Return an empty Page if the error says that the list is empty. Return None if the caller should send
        another request.

        Raises Stopped if the list can't be continued.
        """
        harvest = self.harvest
        if error.code == "noRecordsMatch":
            return Page([])
        if error.code == "badResumptionToken" and harvest.token:
            self.restarts += 1
            # The token has expired. So begin at the start of the list again, in this run or in the next one.
            harvest.token, harvest.listed = "", 0
            if self.restarts > MAX_RESTARTS:
                raise Stopped(
                    f"its list ended early {self.restarts} times, because the token for the next page had "
                    "expired. Let its tokens live longer, or let it send more records at once"
                )
            return None
        if error.code == "badArgument" and harvest.since and not harvest.token:
            # Some servers refuse times, although they claim to accept them. Others refuse dates that are too
            # early.
            harvest.since = harvest.since[:10] if len(harvest.since) > 10 else ""
            return None
        raise Stopped(f"it answers with the error {error}")

    def _check_for_loop(self, page):
        """Raise Stopped if the server sends the same pages again and again, so that its list never ends."""
        names = "\n".join(f"{each.identifier} {each.datestamp}" for each in page.records)
        digest = hashlib.sha256(names.encode()).digest()
        if digest in self.digests or (not page.records and page.token):
            self.repeats += 1
            if page.token in self.tokens or self.repeats > MAX_REPEATS:
                self.harvest.token, self.harvest.listed = "", 0
                raise Stopped("its list has no end: it sends the same records again and again")
        self.digests.add(digest)
        if page.token:
            self.tokens.add(page.token)
