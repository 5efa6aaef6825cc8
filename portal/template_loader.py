"""Load templates without the white space that only makes them readable.

A patron's page has a thousand lines with indentation. Without the indentation, the page of a visit is 5%
smaller after compression. The white space is removed once, when a template is compiled, so requests don't
take longer.
"""

import re

from django.conf import settings
from django.template.loaders import filesystem

INDENTATION = re.compile(r"\n[ \t]+")
COMMENT = re.compile(r"\{% comment %\}.*?\{% endcomment %\}\n", re.DOTALL)
# Each of these tags writes nothing, or includes a template. ONLY_TAGS matches a line that contains only such
# tags and comments. The loader drops the line break after such a line. The page already has one there,
# from the line before or from the end of the included template.
TAGS = (
    *("if", "elif", "else", "endif", "for", "empty", "endfor", "with", "endwith"),
    *("block", "endblock", "partialdef", "endpartialdef", "fixed", "endfixed", "load", "include"),
)
# Tags such as {% url … as address %} store their result in a variable.
TAG = rf"\{{% (?:(?:{'|'.join(TAGS)})(?: [^%\n]*)?|\w+ [^%\n]* as \w+ )%\}}"
# Matches a line that begins with an {% if %} without {% else %} and ends with its {% endif %}. If the
# condition is false, the page doesn't get the line break either.
ONE_IF = re.compile(r"^(\{% if (?:(?!\{% (?:if|elif|else)\b)[^\n])*?)\{% endif %\}\n", re.MULTILINE)
ONLY_TAGS = re.compile(rf"^(?:(?:{TAG}|\{{#[^\n]*?#\}}) ?)+\n", re.MULTILINE)


class Loader(filesystem.Loader):
    """Django's loader of templates from folders, with less white space in pages."""

    def get_contents(self, origin):
        contents = super().get_contents(origin)
        # Keep the white space with DEBUG, because the line numbers of Django's debug page must be right. Also
        # keep it in emails and in templates with <pre>, because people see it there.
        is_page = origin.name.endswith(".html") and "/email/" not in origin.name
        if settings.DEBUG or not is_page or "<pre" in contents:
            return contents
        return compact(contents)


def compact(template):
    """Return the template without indentation, comments, and line breaks after lines that only have tags."""
    template = INDENTATION.sub("\n", COMMENT.sub("", template))
    template = ONE_IF.sub(r"\1\n{% endif %}", template)
    return ONLY_TAGS.sub(lambda line: line[0].rstrip("\n"), template)
