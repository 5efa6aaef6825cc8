import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.text import TextField
from recommendations.models import Recommendation, Topic, topic_names

LONGEST_MESSAGE = 5000
LONGEST_COMMENT = 1000
MOST_SAVES = 1_000_000_000


class MessageForm(forms.Form):
    """A message, and the token of the composer it was written in: the same composer sent twice is one message."""

    body = TextField(
        label=_("Your message"),
        max_length=LONGEST_MESSAGE,
        multiline=True,
        error_messages={
            "required": _("Write your message first."),
            "max_length": _(
                "This is longer than one message can be (%(show_value)s characters of at most %(limit_value)s). Please send it in two."
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
    """A message in a conversation, and the number of the last state of its draft that the composer knew of."""

    sequence = forms.IntegerField(widget=forms.HiddenInput, required=False, min_value=0, max_value=MOST_SAVES)


class DraftForm(forms.Form):
    """What is being typed, longer than one message can be if need be: too long is said when it is sent."""

    body = TextField(max_length=4 * LONGEST_MESSAGE, multiline=True, required=False)
    client_token = forms.UUIDField()
    sequence = forms.IntegerField(min_value=1, max_value=MOST_SAVES)


class AboutForm(forms.Form):
    """Which of `visits`, those that this browser opened by code, a question is about; without any there is nothing to choose."""

    NEW = "new"

    about = forms.ChoiceField(
        label=_("What is it about?"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose what it is about.")},
    )

    def __init__(self, *args, visits=(), person=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.visits = {str(visit.public_id): visit for visit in visits}
        if not self.visits:
            del self.fields["about"]
            return
        something_new = (
            _("Something new") if person else _("Something new: the answer goes to my e-mail address")
        )
        self.fields["about"].choices = [
            *((key, visit.title) for key, visit in self.visits.items()),
            (self.NEW, something_new),
        ]
        self.fields["about"].initial = self.NEW if person else next(iter(self.visits))

    @property
    def visit(self):
        """The visit that was chosen, or None."""
        return self.visits.get(self.cleaned_data.get("about"))


class AskForm(AboutForm, ComposerForm):
    """A question to the library, with what little it takes to reach the right people; all but the words may be left as it is."""

    topic = forms.ModelChoiceField(
        label=_("Topic"),
        queryset=Topic.objects.none(),
        required=False,
        empty_label=_("I am not sure"),
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
    """To which composer the files that come with it are added, and which one is taken out."""

    client_token = forms.UUIDField()
    take_out = forms.UUIDField(
        required=False
    )  # not "remove": a field of that name hides the form's own remove() from htmx
    body = TextField(max_length=8 * LONGEST_MESSAGE, multiline=True, required=False)
    sequence = forms.IntegerField(required=False, min_value=0, max_value=MOST_SAVES)

    def as_draft(self):
        """What was typed, as the next state of the draft."""
        typed = self.cleaned_data
        return {
            "client_token": typed["client_token"],
            "body": typed["body"],
            "sequence": (typed["sequence"] or 0) + 1,
        }


class VerdictForm(forms.Form):
    """What is not part of the form that was sent is None: a second tap takes back nothing that was written before."""

    verdict = forms.ChoiceField(choices=[("", ""), *Recommendation.Verdict.choices], required=False)
    why = forms.ChoiceField(choices=[("", ""), *Recommendation.Why.choices], required=False)
    comment = TextField(
        label=_("Anything else about it?"),
        max_length=LONGEST_COMMENT,
        multiline=True,
        required=False,
        error_messages={
            "max_length": _("Please say it in %(limit_value)s characters or fewer; you have %(show_value)s.")
        },
    )

    def clean(self):
        if "verdict" not in self.data:
            self.add_error(None, _("Choose one of the answers."))
        for name in ("why", "comment"):
            if name not in self.data:
                self.cleaned_data[name] = None
        return self.cleaned_data
