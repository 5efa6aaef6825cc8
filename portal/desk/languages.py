"""The languages that forms at the desk offer."""

from functools import cache

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe


@cache
def language_choices():
    """Return [(code, name)], with each name in its own language. The portal's languages come first."""
    spoken = [code for code, _name in settings.LANGUAGES]
    others = sorted(
        (_in_title_case(info["name_local"]), code)
        for code, info in LANG_INFO.items()
        if "name_local" in info and "-" not in code
    )
    return [(code, _in_title_case(LANG_INFO[code]["name_local"])) for code in spoken] + [
        (code, name) for name, code in others if code not in spoken
    ]


def _in_title_case(name):
    # Georgian words never begin with a capital letter. upper() would add one, but title() doesn't.
    return name[:1].title() + name[1:]


def language_name(code):
    """Return the language's name in the language itself, or the code if the language is unknown."""
    return LANG_INFO.get(code, {}).get("name_local", code)


@cache
def language_options(chosen):
    """Return the HTML of the options of a select of languages. `chosen` is the code of the selected language.

    The HTML is cached. The language of the page doesn't change it, because each name is in its own language.
    """
    marks = (
        (code, mark_safe(" selected") if code == chosen else "", name) for code, name in language_choices()
    )
    return format_html_join("", '<option value="{}"{}>{}</option>', marks)
