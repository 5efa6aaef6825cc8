"""List the languages that a page offers."""

from django.conf import settings
from django.utils.translation import get_language_info


def languages():
    """Return (code, name) for each language of the portal, such as ("es", "Español")."""
    return [(code, get_language_info(code)["name_local"].capitalize()) for code, _name in settings.LANGUAGES]
