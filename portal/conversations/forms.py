"""Forms for questions, messages, drafts, files, and answers about items and visits."""

import uuid

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.helpsessions.models import HelpSession
from portal.phone_numbers import clean_number
from portal.text import TextField
from recommendations.models import Recommendation, Topic, topic_names

from .call_backs import Caller

MESSAGE_MAX_LENGTH = 5000
COMMENT_MAX_LENGTH = 1000
SEQUENCE_MAX = 1_000_000_000


class MessageForm(forms.Form):
    """A form for a message. The token of the composer prevents saving the same message twice."""

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
    """A form for a message in a conversation.

    `sequence` is the number of the last draft that the page loaded or saved.
    """

    sequence = forms.IntegerField(
        widget=forms.HiddenInput, required=False, min_value=0, max_value=SEQUENCE_MAX
    )


class DraftForm(forms.Form):
    """A form that saves a text while a person is typing.

    The text may be longer than a message can be. The length of a message is checked when the message is sent.
    """

    body = TextField(max_length=4 * MESSAGE_MAX_LENGTH, multiline=True, required=False)
    client_token = forms.UUIDField()
    sequence = forms.IntegerField(min_value=1, max_value=SEQUENCE_MAX)


class AboutForm(forms.Form):
    """A form for choosing what the question is about: one of `visits`, or something new.

    `visits` are the visits that this browser opened by code. If there are none, the form has no fields.
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
        something_new = _("Something else") if person else _("Something else (we'll answer by email)")
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
    """A form for a question to the library. Only the text is required."""

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


class CallForm(forms.Form):
    """A form to ask for a call. Patrons use this form, and staff use it on behalf of a patron.

    The patron chooses what the call is about: one of `visits`, or something new if `may_be_new` is true. If
    `asks_about` is false, the form has no text field "What do you want to talk about?".

    If `is_private` is true, the browser doesn't store the number, so it can't offer the number to the next
    person at the device.
    """

    NEW = AboutForm.NEW

    about = forms.ChoiceField(
        label=_("What is the call about?"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose what the call is about.")},
    )
    call_number = TextField(
        label=_("Phone number"),
        max_length=60,
        help_text=_(
            "Include the area code. For a number in another country, begin with + and the country code."
        ),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
        error_messages={"required": _("Enter the number that we should call.")},
    )
    ask_for = TextField(
        label=_("Who should we ask for?"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    may_leave_message = forms.TypedChoiceField(
        label=_("May we leave a message?"),
        help_text=_("The message is only: “The library called.”"),
        choices=[("no", _("No")), ("yes", _("Yes"))],
        initial="no",
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    body = TextField(
        label=_("What do you want to talk about?"),
        max_length=MESSAGE_MAX_LENGTH,
        multiline=True,
        required=False,
        help_text=_("We read this before we call."),
    )
    client_token = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args, visits=(), may_be_new=False, asks_about=True, is_private=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.visits = {str(visit.public_id): visit for visit in visits}
        choices = [(key, visit.title) for key, visit in self.visits.items()]
        choices += [(self.NEW, _("Something else"))] if may_be_new else []
        self.fields["about"].choices = choices
        self.fields["about"].initial = choices[-1 if may_be_new else 0][0] if choices else None
        if len(choices) < 2:
            del self.fields["about"]
        self.fields["body"].widget.attrs["rows"] = 3
        if not asks_about:
            del self.fields["body"]
        if is_private:
            for name in ("call_number", "ask_for"):
                self.fields[name].widget.attrs["autocomplete"] = "off"

    @property
    def visit(self):
        """Return the visit that the call is about, or None if the call is about something new."""
        if "about" in self.fields:
            return self.visits.get(self.cleaned_data.get("about"))
        return next(iter(self.visits.values()), None)

    @property
    def caller(self):
        """Return a Caller with the values of the valid form."""
        typed = self.cleaned_data
        return Caller(typed["call_number"], typed["ask_for"], typed["may_leave_message"])

    def clean_call_number(self):
        number = clean_number(self.cleaned_data["call_number"])
        if not number:
            raise forms.ValidationError(
                _("This isn't a phone number that we can call. Enter it in digits, such as 414-555-0134.")
            )
        return number

    def clean_client_token(self):
        return self.cleaned_data["client_token"] or uuid.uuid4()


class AttachForm(forms.Form):
    """A form that uploads files to a composer, or removes a file from it."""

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

    If `why` or `comment` was not posted, its cleaned value is None, and the saved value is kept.
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


class OutcomeForm(forms.Form):
    """A form for the patron's answers to the questions about a visit."""

    found = forms.ChoiceField(choices=HelpSession.Found.choices, required=False)
    satisfaction = forms.ChoiceField(choices=HelpSession.Satisfaction.choices, required=False)

    def answers(self):
        """Return {name of the question: answer}. Questions without an answer are left out."""
        return {name: value for name, value in self.cleaned_data.items() if value}
