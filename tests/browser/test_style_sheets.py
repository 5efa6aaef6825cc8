"""Compare the collected style sheets with those in the repository."""

import pytest
from django.conf import settings

from portal.static_files import as_collected

pytestmark = pytest.mark.browser

# In values with var(), the browser keeps all spaces. Ignore spaces after commas, because they mean nothing.
RULES = """css => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    return [...sheet.cssRules].map(rule => rule.cssText.replaceAll(", ", ","));
}"""


def test_collected_style_sheets_have_the_same_rules_as_their_sources(page):
    for path in sorted((settings.BASE_DIR / "static" / "css").glob("*.css")):
        collected = as_collected(f"css/{path.name}", path.read_bytes()).decode()
        assert page.evaluate(RULES, collected) == page.evaluate(RULES, path.read_text())
