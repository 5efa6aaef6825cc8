"""Forms for questions, messages, drafts, files and verdicts."""

import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.text import TextField
from recommendations.models import Recommendation, Topic, topic_names

MESSAGE_MAX_LENGTH = 5000
COMMENT_MAX_LENGTH = 1000
SEQUENCE_MAX = 1_000_000_000


class MessageForm(forms.Form):
    """A message and the token of its composer. The token prevents saving the same message twice."""

    body = TextField(
        label=_("Your message"),
        max_length=MESSAGE_MAX_LENGTH,
        multiline=True,
        error_messages={
            "required": _("Write your message first."),
            "max_length": _(
                "This message is too long: %(show_value)s characters. Send it as two messages of up "
                "to %(limit_value)s characters each."
            ),
        },
    )
    client_token = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["body"].widget.attrs["rows"] = 3

    def clean_client_token(self):
        return self.cleaned_data["client_token"] or uuid.uuid4()


class ComposerForm(MessageForm):
    """A message in a conversation.

    `sequence` is the number of the last draft that the page loaded or saved.
    """

    sequence = forms.IntegerField(
        widget=forms.HiddenInput, required=False, min_value=0, max_value=SEQUENCE_MAX
    )


class DraftForm(forms.Form):
    """Text that a person is typing.

    The text may be longer than a message can be, because that limit is only checked on sending.
    """

    body = TextField(max_length=4 * MESSAGE_MAX_LENGTH, multiline=True, required=False)
    client_token = forms.UUIDField()
    sequence = forms.IntegerField(min_value=1, max_value=SEQUENCE_MAX)


class AboutForm(forms.Form):
    """A form in which a person chooses what the question is about: one of `visits`, or something new.

    `visits` are the visits that were opened by code in this browser. If `visits` is empty, the form has no
    fields.
    """

    NEW = "new"

    about = forms.ChoiceField(
        label=_("What is your message about?"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose what your message is about.")},
    )

    def __init__(self, *args, visits=(), person=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.visits = {str(visit.public_id): visit for visit in visits}
        if not self.visits:
            del self.fields["about"]
            return
        something_new = (
            _("Something else") if person else _("Something else. Send the answer to my email address")
        )
        self.fields["about"].choices = [
            *((key, visit.title) for key, visit in self.visits.items()),
            (self.NEW, something_new),
        ]
        self.fields["about"].initial = self.NEW if person else next(iter(self.visits))

    @property
    def visit(self):
        """Return the chosen visit, or None."""
        return self.visits.get(self.cleaned_data.get("about"))


class AskForm(AboutForm, ComposerForm):
    """A question to the library. Only the text is required."""

    topic = forms.ModelChoiceField(
        label=_("Topic"),
        queryset=Topic.objects.none(),
        required=False,
        empty_label=_("I'm not sure"),
    )
    branch = forms.ModelChoiceField(
        label=_("Which branch should answer?"),
        queryset=Branch.objects.filter(closed_at=None),
        required=False,
        empty_label=None,
    )

    field_order = ("about", "body", "topic", "branch")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        offered = Topic.objects.filter(retired_at=None)
        self.fields["topic"].queryset = offered.prefetch_related(*topic_names())
        self.fields["body"].label = _("Your question")
        self.fields["body"].widget.attrs["rows"] = 5


class AttachForm(forms.Form):
    """An upload to a composer, or the removal of one of its files."""

    client_token = forms.UUIDField()
    # In JavaScript, a field with the name "remove" would hide the form's method remove(), which htmx calls.
    take_out = forms.UUIDField(required=False)
    body = TextField(max_length=8 * MESSAGE_MAX_LENGTH, multiline=True, required=False)
    sequence = forms.IntegerField(required=False, min_value=0, max_value=SEQUENCE_MAX)

    def as_draft(self):
        """Return what was typed, as arguments for drafts.save_draft with the next `sequence`."""
        typed = self.cleaned_data
        return {
            "client_token": typed["client_token"],
            "body": typed["body"],
            "sequence": (typed["sequence"] or 0) + 1,
        }


class VerdictForm(forms.Form):
    """A form for a verdict.

    If `why` or `comment` was not sent, its cleaned value is None, so that the saved value isn't deleted.
    """

    verdict = forms.ChoiceField(choices=[("", ""), *Recommendation.Verdict.choices], required=False)
    why = forms.ChoiceField(choices=[("", ""), *Recommendation.Why.choices], required=False)
    comment = TextField(
        label=_("Anything else you want to say about this item?"),
        max_length=COMMENT_MAX_LENGTH,
        multiline=True,
        required=False,
        error_messages={
            "max_length": _("Use %(limit_value)s characters or fewer. You entered %(show_value)s.")
        },
    )

    def clean(self):
        if "verdict" not in self.data:
            self.add_error(None, _("Choose one of the answers."))
        for name in ("why", "comment"):
            if name not in self.data:
                self.cleaned_data[name] = None
        return self.cleaned_data
