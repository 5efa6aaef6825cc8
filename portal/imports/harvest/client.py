"""Send requests to the library's OAI-PMH server.

If the server is busy or its answer is broken, repeat the request.
"""

import time

from django.conf import settings

from .answers import Broken, OaiError, read_identity, read_names, read_page
from .requests import Unreachable, get

# The seconds to wait after the first failure, the second failure and so on.
PAUSES = (2, 10, 30)
# If a busy server asks the harvest to wait for more seconds than this, the harvest stops. A later run
# continues it.
MAX_WAIT = 600
# How many times in a row the portal waits for a busy server.
MAX_BUSY = 10
MAX_SET_PAGES = 200
# The OAI-PMH error codes for a record that doesn't exist, and for a record that the server can't send as
# MARC.
GONE = ("idDoesNotExist", "cannotDisseminateFormat")


class Client:
    """A connection to the server in the settings.

    `wait` is a function that waits for a number of seconds. `before` is called before each request.
    """

    def __init__(self, *, wait=time.sleep, before=lambda: None):
        self.wait, self.before = wait, before

    def identify(self):
        """Ask the server for its Identity, and return it.

        All methods of this class raise Unreachable and OaiError.
        """
        return self._ask(read_identity, verb="Identify")

    def prefixes(self):
        """Return the metadata prefixes that the server offers."""
        return self._names("metadataPrefix", verb="ListMetadataFormats")[0]

    def sets(self):
        """Return the names of the server's sets."""
        names, token = self._names("setSpec", verb="ListSets")
        for _page in range(MAX_SET_PAGES):
            if not token:
                break
            more, token = self._names("setSpec", verb="ListSets", resumptionToken=token)
            names += more
        return names

    def records(self, **arguments):
        """Return a Page of records. The arguments are those of the OAI-PMH request ListRecords."""
        if "resumptionToken" not in arguments:
            arguments["metadataPrefix"] = settings.OAI_PREFIX
        return self._ask(read_page, verb="ListRecords", **arguments)

    def record(self, identifier):
        """Return the Listed record with this identifier, or None if the server has no such record."""
        try:
            page = self._ask(
                read_page, verb="GetRecord", identifier=identifier, metadataPrefix=settings.OAI_PREFIX
            )
        except OaiError as error:
            if error.code in GONE:
                return None
            raise
        return next(iter(page.records), None)

    def _names(self, element, **arguments):
        return self._ask(lambda content: read_names(content, element), **arguments)

    def _ask(self, read, **arguments):
        failures = busy = 0
        while True:
            self.before()
            try:
                return read(get(arguments))
            except (Unreachable, Broken) as error:
                failure = error if isinstance(error, Unreachable) else Unreachable(str(error))
            if failure.seconds is None and failures < len(PAUSES) and failure.is_passing:
                self.wait(PAUSES[failures])
                failures += 1
            elif failure.seconds is not None and failure.seconds <= MAX_WAIT and busy < MAX_BUSY:
                self.wait(max(failure.seconds, 1))
                busy += 1
            else:
                raise _with_wait(failure)


def _with_wait(failure):
    if failure.seconds is None or failure.seconds <= MAX_WAIT:
        return failure
    minutes = round(failure.seconds / 60)
    return Unreachable(f"{failure}, and asks to wait {minutes} minutes", is_passing=False)
