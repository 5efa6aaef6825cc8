"""The forms that assign a conversation, snooze it, or add a note to it."""

import datetime

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal.text import TextField


class AssignForm(forms.Form):
    """The form that assigns a conversation to a colleague or to nobody, or transfers it to another branch.

    `was` is the public id of the person who was assigned when the page was shown.
    """

    to = forms.ChoiceField(
        label=_("Assign to"),
        error_messages={
            "invalid_choice": _("This choice is no longer available. Choose again."),
            "required": _("Choose who to assign the conversation to."),
        },
    )
    was = forms.UUIDField(widget=forms.HiddenInput, required=False)
    # The branch for which staff confirmed the transfer, in the same format as `to`. They must confirm if a
    # colleague has an unsent text in the conversation and can't open the conversation after the transfer.
    anyway = forms.CharField(required=False)

    def __init__(self, *args, colleagues, coordinators, branches, **kwargs):
        super().__init__(*args, **kwargs)
        self.people = {f"person:{person.public_id}": person for person in [*colleagues, *coordinators]}
        self.branches = {f"branch:{branch.slug}": branch for branch in branches}
        groups = [
            (gettext("At this branch"), [("nobody", gettext("Nobody")), *self._named(colleagues)]),
            (gettext("Coordinators at other branches"), self._named(coordinators)),
            (gettext("Another branch"), [(f"branch:{branch.slug}", branch.name) for branch in branches]),
        ]
        self.fields["to"].choices = [
            ("", gettext("choose a person or branch")),
            *[(name, choices) for name, choices in groups if choices],
        ]

    @staticmethod
    def _named(people):
        return [
            (
                f"person:{person.public_id}",
                gettext("%(name)s, away today") % {"name": person.display_name}
                if person.is_away
                else person.display_name,
            )
            for person in people
        ]


class SnoozeForm(forms.Form):
    """The form that snoozes a conversation until a day.

    `until` is one of the days that the page offers, or OTHER. If it is OTHER, `day` is the day that staff
    typed.
    """

    OTHER = "other"
    MAX = datetime.timedelta(days=366)

    until = forms.CharField(max_length=10)
    day = forms.DateField(
        label=_("Another day"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def __init__(self, *args, today, **kwargs):
        super().__init__(*args, **kwargs)
        self.today = today

    def clean(self):
        data = super().clean()
        until = data.get("day") if data.get("until") == self.OTHER else _day_or_none(data.get("until", ""))
        if until is None:
            raise forms.ValidationError(gettext("Choose a day to snooze until."))
        if until <= self.today:
            raise forms.ValidationError(gettext("Choose a day in the future."))
        if until > self.today + self.MAX:
            raise forms.ValidationError(gettext("This is more than a year away. Choose an earlier day."))
        return {"until": until}


def _day_or_none(text):
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


class NoteForm(forms.Form):
    """A note on a conversation.

    If the note mentions an unknown name, the page warns the staff member before the note is saved. `warned`
    is not empty if the page has shown this warning.
    """

    client_token = forms.UUIDField(widget=forms.HiddenInput)
    body = TextField(
        label=_("Note for colleagues"),
        max_length=8000,
        multiline=True,
        error_messages={"required": _("Write your note first.")},
    )
    warned = forms.CharField(required=False, widget=forms.HiddenInput)
