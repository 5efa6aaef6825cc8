"""Every URL is sent fields that no form of ours would send. None is a fault of ours."""

import random
import re
import uuid

import pytest
from django.conf import settings

from .routes import routes
from .world import address

pytestmark = pytest.mark.django_db

FIELD = re.compile(
    r'name="([a-z][\w-]*)"|^    (\w+) = (?:forms\.\w+Field|TextField|WebAddress|language_field)\(|POST\.get\("(\w+)"|"(\w+)" in request\.POST', re.MULTILINE
)
VALUES = [
    *("\0", "9" * 400, "-1", "1e9", "NaN", "99999999999999999999", "١٢٣", "\u202e" * 50, "a" + "\u0301" * 500, "{}", "[]", "null", "on"),
    *("0000-00-00", "9999-12-31", "10000-01-01", str(uuid.UUID(int=7)), "javascript:alert(1)", "<script>alert(1)</script>"),
]


def names_of_fields():
    """Every name that a template, a form or a view of ours gives to a field, and those of the items part."""
    files = [*(settings.BASE_DIR / "templates").rglob("*.html"), *(settings.BASE_DIR / "portal").rglob("*.py"), *(settings.BASE_DIR / "accounts").rglob("*.py")]
    found = {name for file in files for match in FIELD.findall(file.read_text("utf-8")) for name in match if name}
    return sorted(found | {"items-TOTAL_FORMS", "items-0-title", "items-0-item", "items-0-url", "items-0-kind", "new-title", "new-url", "new-kind", "day0"})


NAMES = names_of_fields()


@pytest.mark.parametrize("route", routes(), ids=str)
def test_nonsense_in_the_fields_is_no_fault(route, world, as_owner):
    browser, chance = as_owner(route), random.Random(str(route))
    for turn in range(10):
        fields = {name: chance.choice(VALUES) for name in NAMES if chance.random() < 0.7}
        assert browser.post(address(route, world), fields, headers={"HX-Request": "true"} if turn % 2 else {}).status_code < 500
        assert browser.get(address(route, world), fields).status_code < 500


def test_the_names_of_the_fields_are_found():
    assert {"question", "code", "next", "without_address", "client_token", "accent_colour", "remove"} <= set(NAMES)
