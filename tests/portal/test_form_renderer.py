import datetime

import pytest
from django import forms
from django.forms.renderers import Jinja2
from django.utils.safestring import mark_safe

from portal.form_renderer import INPUTS, TEXTAREA, FormRenderer

WIDGETS = {
    "checkbox": forms.CheckboxInput(),
    "date": forms.DateInput(attrs={"type": "date"}),
    "email": forms.EmailInput(attrs={"autocomplete": "email"}),
    "hidden": forms.HiddenInput(),
    "number": forms.NumberInput(attrs={"min": 1, "max": 500}),
    "password": forms.PasswordInput(render_value=True),
    "search": forms.TextInput(attrs={"type": "search"}),
    "select": forms.Select(choices=[("a", "A"), ("b", "B")]),
    "text": forms.TextInput(attrs={"required": True, "disabled": False, "data-x": '"quoted" & <tagged>'}),
    "textarea": forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
    "url": forms.URLInput(),
}
VALUES = [
    None,
    "",
    "a",
    0,
    7,
    True,
    'it\'s <b>"here"</b> & there',
    mark_safe("&amp;"),
    "\nline",
    datetime.date(2026, 5, 3),
]


@pytest.mark.parametrize("name", WIDGETS)
def test_form_renderer_gives_the_same_html_as_the_templates_of_django(name):
    templates, ours = Jinja2(), FormRenderer()
    for value in VALUES:
        expected, shown = [
            WIDGETS[name].render("a&b", value, {"id": "id_it's"}, renderer=renderer)
            for renderer in (templates, ours)
        ]
        assert shown == expected


def test_every_field_template_named_in_the_form_renderer_exists_in_django():
    """If Django renamed a template, fields with this template would be rendered slowly."""
    for template in {*INPUTS, TEXTAREA}:
        assert Jinja2().get_template(template)
