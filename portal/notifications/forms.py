"""The forms where people choose which notices they get, and when."""

import zoneinfo
from datetime import time

from django import forms
from django.forms import model_to_dict
from django.utils.formats import time_format
from django.utils.translation import gettext_lazy as _

from portal.text import TextField

from .kinds import CHOICES, NONE

CHOICE_LABELS = {
    "at_once": _("Email right away"),
    "hourly": _("At most one email an hour"),
    "daily": _("One email a day"),
    "push": _("Message on my phone, right away"),
    "push_hourly": _("Message on my phone, at most once an hour"),
    "none": _("No email"),
}
WITHOUT_PUSH = {value: label for value, label in CHOICE_LABELS.items() if not value.startswith("push")}
OF_REPORTS = [("at_once", _("Email")), ("none", CHOICE_LABELS["none"])]
WITH_PUSH = CHOICE_LABELS | {"none": _("No email, and no message on my phone")}
LIKE_EVERYWHERE = _("Same as for all branches")


def initial_choices(choices, kinds, branches=()):
    """Return the initial values of a KindsForm for these Choices."""
    general = {field_name(kind): _value(choices.of(kind.key)) for kind in kinds}
    return general | {
        field_name(kind, branch): _value(choices.own(kind.key, branch.pk))
        for kind in kinds
        for branch in branches
    }


def initial_times(times):
    """Return the initial values of a NoticesForm. `times` is the person's NoticeTimes or None."""
    if times is None:
        return {}
    daily_at = times.daily_at and times.daily_at.isoformat("minutes")
    return model_to_dict(times) | {"daily_at": daily_at, "time_zone": times.time_zone.replace("_", " ")}


def field_name(kind, branch=None):
    name = kind.key.replace("/", "_")
    return f"{name}_{branch.pk}" if branch else name


def _value(choice):
    if choice is None:
        return ""
    if choice.channel == NONE.channel:
        return "none"
    return next(value for value, offered in CHOICES.items() if offered == choice)


class KindsForm(forms.Form):
    """A form with a field for each kind of notice, and for each kind at each of the `branches`.

    The field of a branch also offers "Same as for all branches", whose value is None. If `push` is true, the
    fields also offer push messages. A report can only be turned on or off for all branches together.
    """

    def __init__(self, *args, kinds, branches=(), push=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.places = [
            (kind, branch)
            for branch in [None, *branches]
            for kind in kinds
            if branch is None or not kind.is_report
        ]
        offered = list((WITH_PUSH if push else WITHOUT_PUSH).items())
        for kind, branch in self.places:
            of_kind = OF_REPORTS if kind.is_report else offered
            choices = of_kind if branch is None else [("", LIKE_EVERYWHERE), *of_kind]
            self.fields[field_name(kind, branch)] = forms.ChoiceField(
                label=kind.label, choices=choices, required=branch is None
            )

    def at(self, branch=None):
        """Return the fields for this branch. If `branch` is None, return the fields for every branch."""
        return [self[field_name(kind, where)] for kind, where in self.places if where == branch]

    def chosen(self):
        """Return {(key of a kind, primary key of a branch or None): Choice or None}."""
        return {
            (kind.key, branch and branch.pk): CHOICES.get(self.cleaned_data[field_name(kind, branch)])
            for kind, branch in self.places
        }


class NoticesForm(KindsForm):
    """The form for a person's choices: how each kind of notice is sent, and when the person wants emails.

    The form has fields for the hour of the daily email, the quiet hours, and the time zone of these times.
    """

    TIMES = ["daily_at", "quiet_from", "quiet_until", "time_zone", "when_closed"]

    daily_at = forms.TypedChoiceField(
        label=_("Time of the daily email"),
        required=False,
        coerce=time.fromisoformat,
        empty_value=None,
    )
    quiet_from = forms.TimeField(
        label=_("Quiet hours begin at"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        help_text=_("During quiet hours, notices wait. Codes and security notices always come right away."),
    )
    quiet_until = forms.TimeField(
        label=_("Quiet hours end at"),
        required=False,
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
    )
    time_zone = TextField(label=_("Time zone"), max_length=64, required=False)

    def __init__(self, *args, library, for_staff=False, **kwargs):
        super().__init__(*args, **kwargs)
        opening = _("when the branch opens") if for_staff else _("when the library opens")
        hours = [time(hour) for hour in range(24)]
        self.fields["daily_at"].choices = [("", opening)] + [
            (hour.isoformat("minutes"), time_format(hour, "TIME_FORMAT")) for hour in hours
        ]
        self.fields["time_zone"].help_text = _(
            "The library's time zone is {zone}. If yours is different, enter a city such as Chicago or "
            "Madrid."
        ).format(zone=library.time_zone.replace("_", " "))
        if for_staff:
            self.fields["when_closed"] = forms.BooleanField(
                label=_("Also send emails while the branch is closed"), required=False
            )

    def times(self):
        """Return the fields that say when the person wants emails, such as the quiet hours."""
        return [self[name] for name in self.TIMES if name in self.fields]

    def chosen_times(self):
        """Return {field of NoticeTimes: value}."""
        return {name: self.cleaned_data[name] for name in self.TIMES if name in self.cleaned_data}

    def clean_time_zone(self):
        entered = self.cleaned_data["time_zone"]
        zone = time_zone_named(entered)
        if zone is None:
            raise forms.ValidationError(
                _("We don't know the time zone “%(name)s”. Enter a larger city in the same time zone."),
                params={"name": entered},
            )
        return zone

    def clean(self):
        cleaned = super().clean()
        begin, end = cleaned.get("quiet_from"), cleaned.get("quiet_until")
        if begin is None and end is not None and "quiet_from" in cleaned:
            self.add_error("quiet_from", _("Enter when your quiet hours begin, or leave both times blank."))
        if end is None and begin is not None and "quiet_until" in cleaned:
            self.add_error("quiet_until", _("Enter when your quiet hours end, or leave both times blank."))
        if begin is not None and begin == end:
            same = _("Your quiet hours can't begin and end at the same time. Change one of the two times.")
            self.add_error("quiet_until", same)
        return cleaned


def time_zone_named(text):
    """Return the time zone with this name or city, "" for an empty text, or None for an unknown name."""
    wanted = "_".join(text.split()).casefold()
    if not wanted:
        return ""
    zones = sorted(zoneinfo.available_timezones())
    same = [zone for zone in zones if zone.casefold() == wanted]
    city = [zone for zone in zones if "/" in zone and zone.rpartition("/")[2].casefold() == wanted]
    return next(iter(same + city), None)
