from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe


class LongSelect(forms.Select):
    """A select with many options, drawn at once: Django renders two templates for each, which made half the cost of a page."""

    def render(self, name, value, attrs=None, renderer=None):
        chosen = self.format_value(value)
        options = ((key, mark_safe(" selected") if str(key) in chosen else "", label) for key, label in self.choices)
        attrs = flatatt(self.build_attrs(self.attrs, {"name": name, **(attrs or {})}))
        return format_html("<select{}>{}</select>", attrs, format_html_join("", '<option value="{}"{}>{}</option>', options))
