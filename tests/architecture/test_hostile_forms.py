"""Send invalid values to every URL. No request may cause a server error."""

import random
import re
import uuid
from importlib import import_module

import pytest
from django.conf import settings
from django.forms import BaseForm
from django.utils.http import urlencode

from tests.extent import times
from tests.name_words import check_name_words

from .guards import sweep
from .routes import both_owners, owned
from .world import address

pytestmark = pytest.mark.django_db

IN_A_TEMPLATE = re.compile(r'name="([a-z][\w-]*)"')
IN_A_VIEW = re.compile(r'(?:POST|GET)(?:\.get(?:list)?\(|\[)"(\w+)"|"(\w+)" in request\.(?:POST|GET)')
VALUES = [
    *(
        "\0",
        "9" * 400,
        "-1",
        "1e9",
        "NaN",
        "99999999999999999999",
        "١٢٣",
        "\u202e" * 50,
        "a" + "\u0301" * 500,
        "{}",
        "[]",
        "null",
        "on",
    ),
    *(
        "0000-00-00",
        "9999-12-31",
        "10000-01-01",
        str(uuid.UUID(int=7)),
        "javascript:alert(1)",
        "<script>alert(1)</script>",
    ),
]


def names_of_fields():
    """Return the names of all form fields in templates, forms and views, and in the formset of items."""
    templates = (settings.BASE_DIR / "templates").rglob("*.html")
    code = [file for app in ("portal", "accounts") for file in (settings.BASE_DIR / app).rglob("*.py")]
    found = {name for file in templates for name in IN_A_TEMPLATE.findall(file.read_text("utf-8"))}
    found |= {
        name
        for file in code
        for match in IN_A_VIEW.findall(file.read_text("utf-8"))
        for name in match
        if name
    }
    # This imports every view and therefore every form.
    import_module(settings.ROOT_URLCONF)
    found |= {name for form in forms_below(BaseForm) for name in form.base_fields}
    return sorted(
        found
        | {
            "items-TOTAL_FORMS",
            "items-0-title",
            "items-0-item",
            "items-0-url",
            "items-0-kind",
            "new-title",
            "new-url",
            "new-kind",
            "day0",
        }
    )


def forms_below(parent):
    for form in parent.__subclasses__():
        if hasattr(form, "base_fields"):
            yield form
        yield from forms_below(form)


NAMES = names_of_fields()


@pytest.mark.only_long
@pytest.mark.long
@both_owners
def test_invalid_field_values_cause_no_server_error(for_staff, world, owner):
    sweep(
        owned(for_staff),
        "post",
        lambda browser, route: send_random_values(browser, route, address(route, world)),
        browser=owner(for_staff),
        fix="No value may cause a server error: clean it in a form, or return 404.",
    )


def send_random_values(browser, route, url):
    chance = random.Random(str(route))
    for _turn in range(times(1, 20)):
        fields = {name: chance.choice(VALUES) for name in NAMES if chance.random() < 0.7}
        if chance.random() < 0.5:
            answer = browser.post(
                url,
                urlencode(fields),
                content_type="application/x-www-form-urlencoded",
                headers={"HX-Request": "true"},
            )
        else:
            answer = browser.post(url, fields)
        assert answer.status_code < 500
        assert browser.get(url, fields).status_code < 500
        # A view may have saved one of these values as a person's name. So check that the rows of NameWord
        # still match the names.
        check_name_words()


def test_form_field_check_finds_names_in_templates_and_forms_and_views():
    assert {"question", "code", "next", "without_address", "client_token", "accent_color", "remove"} <= set(
        NAMES
    )
