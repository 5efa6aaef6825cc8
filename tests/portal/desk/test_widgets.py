import pytest
from django import forms
from django.test.html import parse_html

from portal.desk.widgets import LongSelect


@pytest.mark.parametrize("value", ["", "b", 3, None, "not offered"])
def test_select_widget_for_long_lists_renders_the_same_html_as_the_widget_of_django(value):
    choices = [("", "none"), ("b", 'A "quoted" <name>'), (3, "three")]
    drawn = [
        widget(choices=choices).render("field", value, {"id": "id_field", "required": True})
        for widget in (LongSelect, forms.Select)
    ]
    assert parse_html(drawn[0]) == parse_html(drawn[1])
