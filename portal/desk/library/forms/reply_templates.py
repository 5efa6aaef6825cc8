"""The form that adds or changes a reply template."""

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Branch
from portal.conversations.reply_templates import PLACES_MAX, count_places, unknown_places
from portal.desk.forms.fields import language_field
from portal.text import TextField


class ReplyTemplateForm(forms.Form):
    """A reply template. Its text may contain only known placeholders in curly brackets."""

    name = TextField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("Staff find the template by this name. Patrons don't see the name."),
    )
    branch = forms.ModelChoiceField(
        label=gettext_lazy("Branch"),
        queryset=Branch.objects.filter(closed_at=None),
        required=False,
        empty_label=gettext_lazy("All branches"),
    )
    language = language_field(gettext_lazy("Language of the text"))
    body = TextField(
        label=gettext_lazy("Text"),
        max_length=5000,
        multiline=True,
        help_text=gettext_lazy(
            "We replace {patron} with the patron's name, {item} with the item's title and {me} with "
            "your name. If the patron has no name, we leave {patron} out, and {patron|neighbor} "
            "becomes “neighbor”."
        ),
        widget=forms.Textarea(attrs={"rows": 8}),
    )

    def preview_at(self, url):
        """Make the page show a preview while the coordinator types. The page posts the form to this URL."""
        self.fields["body"].widget.attrs |= {
            "hx-post": url,
            "hx-trigger": "input changed delay:400ms",
            "hx-vals": '{"preview": "1"}',
            "hx-sync": "this:replace",
            "hx-target": "#preview",
            "hx-swap": "outerHTML",
        }

    def clean_body(self):
        body = self.cleaned_data["body"]
        unknown = unknown_places(body)
        if unknown:
            words = _(
                "We don't know what to put in place of %(unknown)s. Use only {patron}, {item} and "
                "{me} in curly brackets."
            )
            raise forms.ValidationError(words % {"unknown": ", ".join(unknown)})
        count = count_places(body)
        if count > PLACES_MAX:
            words = _(
                "The text uses {patron}, {item} and {me} %(count)s times in all. Use them at most %(most)s "
                "times."
            )
            raise forms.ValidationError(words % {"count": count, "most": PLACES_MAX})
        return body
