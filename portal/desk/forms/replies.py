"""The forms of the composer. One sends an answer, and the other saves a draft."""

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.conversations.forms import SEQUENCE_MAX
from portal.conversations.models import Draft, Message
from portal.desk.languages import language_choices
from portal.imports.pasting.reading import MAX_PASTED
from portal.text import TextField

from .fields import language_field


class ReplyForm(forms.Form):
    """A form for writing an answer.

    The template renders the fields itself, because Django's form rendering accounted for most of the time to
    render the page. `sequence` is the number of the last draft that the page saved. `seen` is the primary key
    of the last message on the page.
    """

    client_token = forms.UUIDField()
    sequence = forms.IntegerField(required=False, min_value=0, max_value=SEQUENCE_MAX)
    seen = forms.IntegerField(required=False, min_value=0, max_value=SEQUENCE_MAX)
    body = TextField(
        label=_("Your answer"),
        max_length=20_000,
        multiline=True,
        error_messages={"required": _("Write your answer first.")},
    )
    language = language_field(_("Language of the answer"))
    then = forms.ChoiceField(
        label=_("What happens after you send the answer"), choices=Message.Then.choices, required=False
    )

    def clean_then(self):
        return self.cleaned_data["then"] or Message.Then.TURN


class DraftForm(forms.Form):
    """A draft of an answer or note.

    The text of a draft can be longer than that of an answer, because the length is only checked on sending.
    """

    kind = forms.ChoiceField(choices=[(Draft.Kind.REPLY, ""), (Draft.Kind.NOTE, "")], required=False)
    client_token = forms.UUIDField()
    sequence = forms.IntegerField(min_value=1, max_value=SEQUENCE_MAX)
    body = TextField(max_length=40_000, multiline=True, required=False)
    language = forms.ChoiceField(choices=language_choices, required=False)

    def clean_kind(self):
        return self.cleaned_data["kind"] or Draft.Kind.REPLY


def composer_extras(data):
    """Return the posted fields that a draft saves besides its text: the items and the field `then`."""
    return {
        name[:60]: data[name][:MAX_PASTED]
        for name in list(data)[:500]
        if name == "then" or name.startswith(("items-", "new-"))
    }
