"""The form that corrects a recorded help session."""

import json

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.helpsessions.models import HelpSession, OwnValue
from portal.privacy.corrected_fields import COLUMNS
from recommendations.models import Topic, topic_names

from .lists import own_values_as_posted, own_values_as_text, posted_own_values
from .sessions import RecordForm

# The fields of the record form that a correction can change.
FIELDS = (*COLUMNS, "note")


class CorrectionForm(RecordForm):
    """The record form, filled in with a recorded help session.

    `version` is the number of corrections that the staff member has seen. `was` has the values that the page
    showed. `combine` needs these values if a colleague has saved a correction since the page was opened.
    """

    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=100_000)
    was = forms.CharField(widget=forms.HiddenInput, required=False, strip=False)
    email = forms.BooleanField(
        label=_("Email the patron about this correction"),
        required=False,
        help_text=_(
            "The email doesn't say what the visit is about. It is sent only if the patron can read what "
            "changed."
        ),
    )

    def __init__(self, *args, help_session: HelpSession, can_email, **kwargs):
        self.help_session = help_session
        super().__init__(*args, **kwargs)
        self.initial |= own_values_as_posted(self.initial.get("own_values", ""))
        for name in set(self.fields) - {*FIELDS, *self.own_names, "version", "was", "email"}:
            del self.fields[name]
        if not can_email:
            del self.fields["email"]
        # A session keeps these values, even if staff can't choose them for a new session.
        offered = Topic.objects.filter(retired_at=None) | Topic.objects.filter(pk=help_session.topic_id)
        self.fields["topic"].queryset = offered.prefetch_related(*topic_names())
        branches = self.fields["branch"].queryset | Branch.objects.filter(pk=help_session.branch_id)
        self.fields["branch"].queryset = branches
        if branches.count() > 1:
            self.fields["branch"].widget = forms.Select(choices=self.fields["branch"].choices)

    def hide_questions(self):
        """Hide the number of questions. The page still posts this number, so that the session keeps it."""
        self.fields["questions"].widget = forms.HiddenInput()

    def branches_of_points(self, user):
        return sorted({*user.desk_branch_ids, self.help_session.branch_id})

    def offer_lists(self, groups, points):
        """Offer these patron groups and service points, and those that the session already has."""
        session = self.help_session
        super().offer_lists(_with(groups, session.patron_group), _with(points, session.service_point))

    def offer_own_fields(self, values):
        super().offer_own_fields(_with_values(values, self.help_session.own_values))

    def clean_with_child(self):
        """Return how the library hands over a child's visit, or "" if no child was helped.

        If the visit was already recorded as a child's visit, return the recorded value.
        """
        if self.cleaned_data["with_child"] and self.help_session.with_child:
            return self.help_session.with_child
        return super().clean_with_child()

    def values(self):
        """Return the arguments for `correct`, except the items."""
        data = dict(self.cleaned_data)
        data.pop("was")
        return data


def _with_values(values, own_values):
    """Return the offered values and those that the session already has, sorted by field."""
    missing = set(own_values.values()) - {value.pk for value in values}
    if not missing:
        return values
    own = OwnValue.objects.filter(pk__in=missing).select_related("field")
    return sorted([*values, *own], key=lambda value: (value.field.name, value.field_id, value.pk))


def _with(rows, row):
    return rows if row is None or row in rows else [*rows, row]


def initial_of(help_session, version, was):
    """Return the initial values of the form that corrects this help session."""
    values = {name: getattr(help_session, name) for name in COLUMNS}
    return {
        **values,
        "topic": help_session.topic_id,
        "branch": help_session.branch_id,
        "patron_group": help_session.patron_group_id,
        "service_point": help_session.service_point_id,
        "own_values": own_values_as_text(help_session.own_values),
        "with_child": bool(help_session.with_child),
        "note": help_session.note.body if hasattr(help_session, "note") else "",
        "version": version,
        "was": json.dumps(was),
    }


def as_posted(help_session, rows):
    """Return the values of the help session as the browser would post them: {name: text}.

    `rows` are the rows of an ItemPicker. In the result, these rows are the value of "items".
    """
    posted = {}
    for name, value in initial_of(help_session, 0, None).items():
        if name in FIELDS:
            posted[name] = "on" if value is True else "" if value is False else _text(value)
    return {**posted, "items": plain_rows(rows)}


def posted_values(data, rows):
    """Return the posted values in the format that `as_posted` returns."""
    return {**typed_values(data), "items": plain_rows(rows)}


def typed_values(data):
    """Return {name in FIELDS: the posted text}."""
    return {name: _text(data.get(name, "")) for name in FIELDS} | {"own_values": posted_own_values(data)}


def plain_rows(rows):
    """Return the rows of an ItemPicker with all values as text, and without empty values."""
    return [{name: str(value) for name, value in row.items() if value not in (None, "")} for row in rows]


def _text(value):
    """Return the value as text with normalized line endings, because browsers change them."""
    return "" if value is None else str(value).replace("\r\n", "\n").strip()
