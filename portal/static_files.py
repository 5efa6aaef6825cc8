"""Collect the static files as a phone gets them."""

import re

from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """The static files in production: hashed and compressed. Our own scripts have no comments in them."""

    def _save(self, name, content):
        if name.startswith("js/"):
            content.seek(0)
            content = ContentFile(without_comments(content.read()))
        return super()._save(name, content)


def without_comments(script):
    """Return the script (bytes) without its comment lines, which are a quarter of the script."""
    return re.sub(rb"^[ \t]*//.*\n", b"", script, flags=re.MULTILINE)
