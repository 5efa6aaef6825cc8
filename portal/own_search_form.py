"""The form with which people search their own lists and visits."""

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from portal.own_search import MAX_FOUND, are_enough, typed_words
from portal.paging import PAGE
from portal.text import TextField


class SearchForm(forms.Form):
    """The words that a person searches for, and how many rows the page shows.

    The browser doesn't remember the words, and doesn't send them to a service that checks spelling.
    """

    words = TextField(
        label=_("Words to search for"),
        max_length=120,
        error_messages={"required": _("Type what you are looking for.")},
        widget=forms.SearchInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
                "enterkeyhint": "search",
            }
        ),
    )
    show = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_words(self):
        """Return the folded words as a list."""
        words = typed_words(self.cleaned_data["words"])
        if not are_enough(words):
            raise forms.ValidationError(_now("Type at least two letters or digits."))
        return words

    def clean_show(self):
        """Return how many rows the page shows. The button "Show more" sends this number."""
        number = self.cleaned_data["show"]
        is_number = number.isascii() and number.isdecimal() and len(number) < 5
        return max(PAGE, min(int(number), MAX_FOUND)) if is_number else PAGE

    @property
    def is_first_time(self):
        """Return whether the page shows only the first rows, because nobody has pressed "Show more" yet."""
        return self.cleaned_data["show"] == PAGE

    @property
    def next_show(self):
        """Return how many rows the page shows after "Show more", or 0 if it can't show more."""
        shown = self.cleaned_data["show"]
        return min(shown + PAGE, MAX_FOUND) if shown < MAX_FOUND else 0
