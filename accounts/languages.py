from django.conf import settings
from django.utils.translation import get_language_info


def languages():
    """Each language of the portal by its own name, for those who can't read the present one."""
    return [(code, get_language_info(code)["name_local"].capitalize()) for code, _name in settings.LANGUAGES]
