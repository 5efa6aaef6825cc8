"""Form widgets of the desk."""

from functools import lru_cache
from html import escape

from django import forms
from django.forms.utils import flatatt
from django.utils.safestring import mark_safe


class LongSelect(forms.Select):
    """A select whose HTML is made in Python and not by templates.

    Django's select renders two templates for each option. They accounted for a fifth of the time to render
    the record form.
    """

    def render(self, name, value, attrs=None, renderer=None):
        chosen = self.format_value(value)
        attrs = flatatt(self.build_attrs(self.attrs, {"name": name, **(attrs or {})}))
        options = [_option(str(key), str(label), str(key) in chosen) for key, label in self.choices]
        return mark_safe(f"<select{attrs}>{''.join(options)}</select>")


# The record form has about 150 options, such as hours, languages and topics. The HTML of an option is always
# the same, so it is cached.
@lru_cache(maxsize=2000)
def _option(key, label, is_chosen):
    return f'<option value="{escape(key)}"{" selected" if is_chosen else ""}>{escape(label)}</option>'
