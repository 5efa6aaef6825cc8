"""Check that a browser's endpoint belongs to a push service that the portal may use."""

import re
from urllib.parse import urlsplit

from django.conf import settings

LONGEST_ENDPOINT = 2000
HOST_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


class UnknownPushHost(Exception):
    """The endpoint doesn't belong to a push service in the setting PUSH_HOSTS. `host` is its host."""

    def __init__(self, host):
        super().__init__(host)
        self.host = host


def checked_host(endpoint):
    """Return the host of the endpoint. Raises UnknownPushHost."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise UnknownPushHost("") from None
    is_plain = not (parts.username or parts.password or parts.fragment) and endpoint.isascii()
    is_secure = parts.scheme == "https" and port in (None, 443)
    is_local = settings.PUSH_LOCAL and parts.scheme == "http" and host == "127.0.0.1"
    fits = len(endpoint) <= LONGEST_ENDPOINT and endpoint.isprintable() and " " not in endpoint
    if not (is_plain and fits and (is_local or is_secure and is_allowed(host))):
        raise UnknownPushHost(host[:100])
    return host


def is_allowed(host):
    """Return whether the host is in PUSH_HOSTS. "*.example.org" allows each host below it."""
    # A name with a backslash or another invalid character can lead different resolvers to different hosts.
    return HOST_NAME.fullmatch(host) is not None and any(
        host == allowed or (allowed.startswith("*.") and host.endswith(allowed[1:]))
        for allowed in settings.PUSH_HOSTS
    )
