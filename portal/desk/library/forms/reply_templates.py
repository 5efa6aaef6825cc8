"""The form of a reply template."""

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Branch
from portal.conversations.reply_templates import unknown_places
from portal.desk.forms.fields import language_field
from portal.text import TextField


class ReplyTemplateForm(forms.Form):
    """A reply template. Its places in curly brackets must be known."""

    name = TextField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("By which it is found. Patrons don't see it."),
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
            "{patron} becomes the patron's name, {item} the title it is about, {me} the name of whoever answers. "
            "Without a name the sentence goes on without it; {patron|neighbor} puts a word of yours there instead."
        ),
        widget=forms.Textarea(attrs={"rows": 8}),
    )

    def preview_at(self, url):
        """Let the page preview the text while it is typed, by posting the form to this URL."""
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
                "There is nothing to put in place of %(unknown)s. You can use {patron}, {item} and {me}, and no other curly brackets."
            )
            raise forms.ValidationError(words % {"unknown": ", ".join(unknown)})
        return body
