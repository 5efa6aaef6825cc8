"""Collect the static files as a phone gets them."""

import re

from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

from portal.styles import minified


class StaticFiles(CompressedManifestStaticFilesStorage):
    """The storage of static files in production. It hashes, compresses and shortens them (`as_collected`)."""

    def _save(self, name, content):
        content.seek(0)
        return super()._save(name, ContentFile(as_collected(name, content.read())))


def as_collected(name, body):
    """Return the body (bytes) of a static file as a phone gets it.

    Comments and indentation are almost a quarter of our scripts. Comments and spaces are a quarter of our
    style sheets. A string of several lines would lose its indentation, so our scripts have no such strings.
    """
    if name.startswith("js/"):
        return re.sub(rb"^[ \t]*(//.*\n)?", b"", body, flags=re.MULTILINE)
    if name.startswith("css/"):
        return minified(body.decode()).encode()
    return body
