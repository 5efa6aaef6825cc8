"""The form that records the next step for an item that a patron could not get."""

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.conversations.next_steps import LONGEST, Step
from portal.text import TextField
from recommendations.models import Item, NextStep
from recommendations.search.finding import find_items
from recommendations.step_texts import kinds_for

MAX_FOUND = 8


class NextStepForm(forms.Form):
    """The next step, its promised day, and the item that staff recommend instead, if any.

    `found` has the items that match the words in `other`. If staff choose the step "another item" but no
    item, the page shows the items in `found`.
    """

    kind = forms.ChoiceField(
        label=_("What happens next?"),
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Choose what happens next."),
            "invalid_choice": _("Choose what happens next."),
        },
    )
    promised_on = forms.DateField(
        label=_("Promised day"),
        help_text=_("We tell the patron to expect the item by this day."),
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        error_messages={
            "required": _("Choose the day by which the patron can expect the item."),
            "invalid": _("Enter a day such as 2027-01-31."),
        },
    )
    other = TextField(
        label=_("Which other item?"),
        max_length=200,
        required=False,
        help_text=_("If you chose another item, type its title or author and press Save."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "auto"}),
    )
    other_item = forms.UUIDField(required=False, widget=forms.HiddenInput)
    # The search words for which the page offered `other_item`. If staff change the words, search again.
    found_for = TextField(required=False, max_length=200, widget=forms.HiddenInput)
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args, item, today, branch=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.item, self.today, self.branch, self.found = item, today, branch, []
        self.fields["kind"].choices = [(kind.value, capfirst(kind.label)) for kind in kinds_for(item)]
        self.fields["promised_on"].widget.attrs["min"] = today.isoformat()
        self.fields["promised_on"].widget.attrs["max"] = (today + LONGEST).isoformat()

    def clean_promised_on(self):
        day = self.cleaned_data["promised_on"]
        if day < self.today:
            raise forms.ValidationError(gettext("This day has passed. Choose today or a later day."))
        if day > self.today + LONGEST:
            raise forms.ValidationError(gettext("This is more than a year away. Choose an earlier day."))
        return day

    def clean(self):
        typed = super().clean()
        chosen = None
        if typed.get("kind") == NextStep.Kind.OTHER_ITEM:
            offered = Item.objects.filter(retired_at=None).exclude(pk=self.item.pk)
            words = typed.get("other", "")
            if words == typed.get("found_for"):
                chosen = offered.filter(public_id=typed.get("other_item")).first()
            if chosen is None:
                self._find(words)
        self.chosen = chosen
        return typed

    def _find(self, words):
        """Find the items to choose from, and add an error that says what to do."""
        found = find_items(words, limit=MAX_FOUND + 1, branch=self.branch) if words else []
        self.found = [item for item in found if item.pk != self.item.pk][:MAX_FOUND]
        if self.found:
            self.add_error("other", gettext("Choose one of these items, and press Save again."))
        elif words:
            self.add_error("other", gettext("No other item matches. Try other words."))
        else:
            self.add_error("other", gettext("Type words from the title or the author of the other item."))

    @property
    def step(self):
        """Return the Step of the valid form."""
        return Step(self.cleaned_data["kind"], self.cleaned_data["promised_on"], self.chosen)
