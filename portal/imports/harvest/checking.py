"""Test the connection to the library's OAI-PMH server, and say in plain words what is wrong."""

from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from portal.imports.records import Fault

from .answers import OaiError, read_time
from .requests import Unreachable

# A difference between the server's clock and ours is reported if it is larger than this.
CLOCK_TOLERANCE = timedelta(minutes=5)
NAMES_SHOWN = 20


def examine(client):
    """Yield (whether a check succeeded, a sentence about its result) for each check.

    Stop if the server can't be used.
    """
    host = urlsplit(settings.OAI_URL).netloc
    try:
        identity = client.identify()
        yield (
            True,
            f"{host} answers as “{identity.name}”, with OAI-PMH {identity.version or 'of no version'}.",
        )
        yield from _about(identity)
        yield from _prefix(client)
        yield from _sets(client)
        yield from _first_page(client)
    except Unreachable as error:
        yield False, f"The server {host} can't be used: {error}."
    except OaiError as error:
        yield False, f"The server {host} answers with the error {error}."


def _about(identity):
    if identity.version != "2.0":
        yield False, "The portal was written for OAI-PMH 2.0. Look at the titles after the first harvest."
    if read_time(identity.earliest) is None:
        yield (
            False,
            f"Its earliest date is {identity.earliest or 'missing'}. The first harvest lists everything.",
        )
    if identity.deleted_records == "persistent":
        yield True, "It reports every withdrawn record, so a full list is only read every four weeks."
    else:
        yield True, "It does not promise to report every withdrawn record, so a full list is read every week."
    if identity.server_time is None:
        yield False, "It doesn't send its time. The portal's clock is used."
    elif abs(identity.server_time - timezone.now()) > CLOCK_TOLERANCE:
        yield (
            False,
            f"Its clock shows {identity.server_time:%Y-%m-%d %H:%M} UTC, and ours "
            f"{timezone.now():%Y-%m-%d %H:%M}. Harvests go by the earlier of the two.",
        )


def _prefix(client):
    offered = client.prefixes()
    if settings.OAI_PREFIX in offered:
        yield True, f"It offers records with the prefix {settings.OAI_PREFIX}."
        return
    marc = [name for name in offered if "marc" in name.lower()]
    advice = f"Set OAI_PREFIX to {marc[0]}." if marc else "Let it offer MARCXML, which the portal needs."
    yield False, f"It doesn't offer the prefix {settings.OAI_PREFIX}, but {_listed(offered)}. {advice}"


def _sets(client):
    if not settings.OAI_SETS:
        yield True, "OAI_SETS is empty, so all its records are harvested."
        return
    try:
        known = client.sets()
    except OaiError as error:
        if error.code != "noSetHierarchy":
            raise
        yield False, "It has no sets. Remove OAI_SETS to harvest all its records."
        return
    unknown = [name for name in settings.OAI_SETS if name not in known]
    if unknown:
        yield False, f"It doesn't have the set {_listed(unknown)}. Its sets are: {_listed(known)}."
    else:
        yield True, f"It has the set {_listed(settings.OAI_SETS)}."


def _first_page(client):
    """Read the first page of each list, and yield a result for each. Import nothing."""
    for name in settings.OAI_SETS or [""]:
        of_set = f" of the set {name}" if name else ""
        try:
            page = client.records(**({"set": name} if name else {}))
        except OaiError as error:
            if error.code != "noRecordsMatch":
                raise
            yield False, f"The list{of_set} has no records."
            continue
        size = f" of {page.list_size}" if page.list_size else ""
        good = [each.record for each in page.records if each.record and not isinstance(each.record, Fault)]
        faults = [each.record for each in page.records if isinstance(each.record, Fault)]
        deleted = sum(each.is_deleted for each in page.records)
        yield (
            bool(good or deleted),
            f"The first page{of_set} has {len(page.records)}{size} records: {len(good)} can be imported, "
            f"{deleted} are deleted.",
        )
        if faults:
            first = faults[0]
            yield (
                False,
                f"{len(faults)} of them have faults. The first is record {first.number}: {first.reason}.",
            )


def _listed(names):
    shown = ", ".join(names[:NAMES_SHOWN]) or "none"
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown
