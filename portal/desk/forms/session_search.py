"""The form that searches the recorded help sessions."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, StaffRole, User
from portal.helpsessions.models import HelpSession
from portal.helpsessions.search import with_words
from portal.text import TextField
from recommendations.models import Topic, topic_names

from .fields import DayField


class SessionSearchForm(forms.Form):
    """The search text, topic, branch, staff member, mode and days of a search. All are optional."""

    q = TextField(
        label=_("Words"),
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={"type": "search", "autocomplete": "off", "placeholder": _("Words, or a title")}
        ),
    )
    first_day = DayField(label=_("From"), required=False)
    last_day = DayField(label=_("To"), required=False)
    topic = forms.ModelChoiceField(
        label=_("Topic"), queryset=Topic.objects.none(), required=False, empty_label=_("any")
    )
    branch = forms.ModelChoiceField(
        label=_("Branch"),
        queryset=Branch.objects.none(),
        to_field_name="slug",
        required=False,
        empty_label=_("any"),
    )
    staff = forms.ModelChoiceField(
        label=_("Staff member"),
        queryset=User.objects.none(),
        to_field_name="public_id",
        required=False,
        empty_label=_("any"),
    )
    mode = forms.ChoiceField(
        label=_("Mode"), choices=[("", _("any")), *HelpSession.Mode.choices], required=False
    )

    def __init__(self, *args, user, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["topic"].queryset = Topic.objects.prefetch_related(*topic_names())
        self.fields["branch"].queryset = Branch.objects.filter(pk__in=user.desk_branch_ids)
        roles = StaffRole.objects.filter(branch__in=user.desk_branch_ids)
        self.fields["staff"].queryset = User.objects.filter(staff_roles__in=roles).distinct().order_by("name")
        self.fields["staff"].label_from_instance = lambda person: person.display_name

    def clean(self):
        cleaned = super().clean()
        first, last = cleaned.get("first_day"), cleaned.get("last_day")
        if first and last and last < first:
            self.add_error("last_day", _("This day is before the day in “From”."))
        return cleaned

    @property
    def filter_fields(self):
        """Return all fields except the search text. The page shows these fields under "Filters"."""
        return [field for field in self if field.name != "q"]

    @property
    def has_filters(self):
        return self.is_bound and any(field.data for field in self.filter_fields)

    @property
    def is_search(self):
        """Return whether the form is valid and narrows the list."""
        return self.is_valid() and any(self.cleaned_data.values())

    def narrow(self, sessions):
        """Return the `sessions` that match what staff entered.

        Staff can find quiet sessions and sessions with a child only by day. If a search text or a topic found
        them, that could reveal what the patron asked.
        """
        asked = {name: value for name, value in self.cleaned_data.items() if value}
        words, first, last = (asked.pop(name, None) for name in ("q", "first_day", "last_day"))
        if words or asked:
            sessions = sessions.filter(quiet=False, with_child="", **asked)
        if words:
            sessions = with_words(sessions, words)
        if first:
            sessions = sessions.filter(happened_on__gte=first)
        if last:
            sessions = sessions.filter(happened_on__lte=last)
        return sessions
