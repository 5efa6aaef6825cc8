import re

import pytest
from django.conf import settings
from django.template.loader import get_template

from portal.template_loader import compact


@pytest.mark.parametrize(
    ("template", "smaller"),
    [
        ('<p>\n  <a\n     href="/">x</a>\n</p>\n', '<p>\n<a\nhref="/">x</a>\n</p>\n'),
        ("a\n{% if b %}\n  c\n{% endif %}\nd\n", "a\n{% if b %}c\n{% endif %}d\n"),
        ("{% load i18n %}\n{# A comment. #}\n<p>\n", "{% load i18n %}{# A comment. #}<p>\n"),
        ("a\n{% comment %}\n  Why.\n{% endcomment %}\nb\n", "a\nb\n"),
        # This tag renders text, so the line break after it may be a space in a sentence.
        ("{% when day %}\n· {{ branch }}\n", "{% when day %}\n· {{ branch }}\n"),
        # The line break moves into {% if %}, so that it is rendered only together with the line.
        ("{% if a %}one{% endif %}\ntwo\n", "{% if a %}one\n{% endif %}two\n"),
        ("{% if a %}1{% else %}2{% endif %}\nb\n", "{% if a %}1{% else %}2{% endif %}\nb\n"),
        (
            "{% if a %}{% if b %}1{% endif %}{% endif %}\nc\n",
            "{% if a %}{% if b %}1{% endif %}{% endif %}\nc\n",
        ),
    ],
)
def test_template_is_compiled_without_indentation_and_empty_lines(template, smaller):
    assert compact(template) == smaller


def test_compiling_templates_removes_only_comments_and_white_space():
    pages = [path for path in (settings.BASE_DIR / "templates").rglob("*.html") if "email" not in path.parts]
    comments = re.compile(r"\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", re.DOTALL)
    for path in pages:
        source = path.read_text()
        both = {re.sub(r"\s+", "", comments.sub("", text)) for text in (source, compact(source))}
        assert len(both) == 1, path


def test_white_space_in_preformatted_text_and_emails_is_unchanged():
    for name in ("demo/mail.html", "email/base.html"):
        assert "\n  " in get_template(name).template.source
