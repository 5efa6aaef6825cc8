"""The forms of a branch, its opening hours and its closed days."""

import datetime
import re
from itertools import pairwise

from django import forms
from django.db.models import Q
from django.utils.dates import WEEKDAYS
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from accounts.hours import by_weekday
from accounts.models import Branch, StaffRole
from portal.desk.forms.fields import DayField, WholeNumber
from portal.templatetags.portal import clock
from portal.text import TextField

# Fields that the form for a new branch leaves out. A new branch gets the default values of these fields.
OF_AN_EXISTING_BRANCH = (
    *("send_button", "back_to_writer", "call_tries", "covered_by"),
    *("check_in_tone", "check_ins_unreviewed"),
)


class BranchForm(forms.Form):
    """The name, address, phone and promise of a branch, and how its staff answer.

    `branch` is None if the form adds a new branch. The page also posts the values that it showed at first. So
    `changes` contains only what this person changed, even if a colleague has changed other fields since the
    page was opened.
    """

    name = TextField(label=gettext_lazy("Name"), max_length=120)
    address = TextField(
        label=gettext_lazy("Address"),
        help_text=gettext_lazy("Street and city. Patrons can open this address on a map."),
        max_length=200,
        required=False,
    )
    phone = TextField(
        label=gettext_lazy("Phone"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel"}),
    )
    promise_hours = WholeNumber(
        label=gettext_lazy("Promised time to answer, in opening hours"),
        help_text=gettext_lazy(
            "We promise patrons an answer within this time. Only opening hours count. If the "
            "branch is open eight hours a day, 8 means one working day."
        ),
        min_value=1,
        max_value=400,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )

    send_button = forms.ChoiceField(
        label=gettext_lazy("Main button below an answer"),
        help_text=gettext_lazy("Pressing Ctrl and Enter does the same as this button."),
        choices=Branch.SendButton.choices,
    )
    back_to_writer = forms.TypedChoiceField(
        label=gettext_lazy(
            "When the patron writes again and nobody is assigned, the conversation comes back to"
        ),
        choices=[("branch", gettext_lazy("the branch")), ("writer", gettext_lazy("the person who answered"))],
        coerce=lambda value: value == "writer",
    )
    call_tries = WholeNumber(
        label=gettext_lazy("Stop calling after this many tries"),
        help_text=gettext_lazy("After the last try, the patron reads that we didn't reach them."),
        min_value=1,
        max_value=20,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )
    check_in_tone = forms.ChoiceField(
        label=gettext_lazy("Tone of check-ins"),
        help_text=gettext_lazy(
            "A check-in asks a patron a few days after a visit how it turned out. The portal drafts it in "
            "this tone, and the helper can change it."
        ),
        choices=[(value, capfirst(label)) for value, label in Branch.Tone.choices],
    )
    check_ins_unreviewed = forms.TypedChoiceField(
        label=gettext_lazy("Check-ins that nobody has approved"),
        choices=[
            ("pages", gettext_lazy("appear only on the patron's pages")),
            ("email", gettext_lazy("are sent in the name of the branch")),
        ],
        coerce=lambda value: value == "email",
    )
    covered_by = forms.ModelChoiceField(
        label=gettext_lazy("Branch that covers for this branch"),
        help_text=gettext_lazy(
            "If nobody at this branch opens the desk for one opening day, staff of the branch that you "
            "choose can open the conversations of this branch. This ends when somebody here opens the desk. "
            "We record each conversation that they open."
        ),
        queryset=Branch.objects.none(),
        required=False,
        empty_label=gettext_lazy("no other branch"),
    )

    def __init__(self, *args, branch=None, **kwargs):
        self.branch = branch
        super().__init__(*args, **kwargs)
        if branch is None:
            for name in OF_AN_EXISTING_BRANCH:
                del self.fields[name]
            return
        for field in self.fields.values():
            field.show_hidden_initial = True
        in_use = Q(closed_at=None) | Q(pk=branch.covered_by_id)
        others = Branch.objects.filter(in_use).exclude(pk=branch.pk)
        self.fields["covered_by"].queryset = others
        if not others.exists():
            del self.fields["covered_by"]

    @property
    def changes(self):
        """Return {field: new value} for the changed fields of the valid form."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

    def clean_covered_by(self):
        cover = self.cleaned_data["covered_by"]
        if cover and not StaffRole.objects.filter(branch=cover, user__is_active=True).exists():
            raise forms.ValidationError(
                _("Nobody works at %(branch)s. Choose a branch with staff."), params={"branch": cover}
            )
        return cover

    def clean_name(self):
        name = self.cleaned_data["name"]
        if Branch.objects.filter(name__iexact=name).exclude(pk=self.branch and self.branch.pk).exists():
            raise forms.ValidationError(_("Another branch has this name. Choose a different one."))
        return name


class HoursForm(forms.Form):
    """The opening hours of a branch.

    Each day of the week has a field, with a text such as "9:00–12:00, 13:00–17:00". A colleague may have
    saved other hours since the page was opened, so the page also posts the hours that it showed at first. A
    day that this person didn't change keeps the colleague's hours, which are in `saved`. If both people
    changed the same day, the page shows an error and the colleague's hours. If this person saves again, this
    person's hours replace the colleague's.
    """

    def __init__(self, *args, branch, **kwargs):
        self.saved = by_weekday(
            (each.weekday, each.opens, each.closes) for each in branch.opening_hours.all()
        )
        initial = {f"day{weekday}": hours_in_words(pairs) for weekday, pairs in self.saved.items()}
        kwargs.setdefault("initial", initial)
        super().__init__(*args, **kwargs)
        for weekday in range(7):
            self.fields[f"day{weekday}"] = HoursField(
                label=capfirst(WEEKDAYS[weekday]),
                required=False,
                max_length=100,
                # On a phone, two periods don't fit on one line, so the field has a line for each period.
                widget=forms.Textarea(
                    attrs={"autocomplete": "off", "rows": len(self.saved.get(weekday, [])) or 1}
                ),
                show_hidden_initial=True,
            )

    def clean(self):
        for weekday in range(7):
            name, saved = f"day{weekday}", self.saved.get(weekday, [])
            hidden = self.add_initial_prefix(name)
            if name not in self.cleaned_data or hidden not in self.data or self.cleaned_data[name] == saved:
                continue
            if name in self.changed_data and self.fields[name].has_changed(saved, self.data[hidden]):
                theirs = hours_in_words(saved)
                words = _("A colleague has saved other hours for this day: %(hours)s. Check this day.")
                self.add_error(name, words % {"hours": theirs or pgettext("day", "closed")})
                # The page now shows the colleague's hours. If this person saves again, this person's hours
                # replace the colleague's.
                self.data = self.data.copy()
                self.data[hidden] = theirs

    @property
    def week(self):
        """Return the opening hours of the week as [(weekday, opens, closes)]."""
        return [(weekday, opens, closes) for weekday in range(7) for opens, closes in self._day(weekday)]

    def _day(self, weekday):
        name = f"day{weekday}"
        return self.cleaned_data[name] if name in self.changed_data else self.saved.get(weekday, [])


def hours_in_words(pairs):
    """Return a text such as "9:00–12:00, 13:00–17:00", which HoursField understands."""
    return ", ".join(f"{clock(opens)}–{clock(closes)}" for opens, closes in pairs)


# A time such as "9", "9:00", "9.30", "17h30", "0900", "9am", "9 a.m." or "9 a. m."
TIME = r"(\d{1,2})(?:\s?[:.h]?\s?(\d{2}))?\s?h?\s?(?:([ap])(?:\s?\.?\s?m)?\.?(?![^\W\d_]))?"


# No library opens at these hours of the night, so "1-5" is in the afternoon. "01:00-05:00" is at night,
# because its hours have a leading zero.
AFTERNOON_HOURS = {"1", "2", "3", "4", "5"}
# Words for times of day, in both languages.
WORDS = {
    "12 pm": re.compile(r"\b(?:noon|midday|mediod[ií]a)\b", re.IGNORECASE),
    "12 am": re.compile(r"\b(?:midnight|medianoche)\b", re.IGNORECASE),
}


class HoursField(forms.CharField):
    """A field for a text such as "9:00–12:00, 1pm–5pm" or "9 to noon", or "closed" for a closed day.

    The periods can also be on lines of their own. The value of the field is a sorted list of (opens, closes).
    """

    BETWEEN = re.compile(r"[,;]|\s(?:and|y)\s", re.IGNORECASE)
    PATTERN = re.compile(
        rf"(?:(?:from|del?|desde)\s)?(?:las?\s)?{TIME}"
        rf"\s?(?:-|–|—|to|until|al?|hasta)\s?(?:(?:las?|el)\s)?{TIME}",
        re.IGNORECASE,
    )

    def to_python(self, value):
        lines = super().to_python(value).splitlines()
        text = ",".join(" ".join(line.split()) for line in lines)
        if text.casefold() in {"closed", pgettext("day", "closed").casefold()}:
            return []
        pairs = []
        for part in filter(None, map(str.strip, self.BETWEEN.split(text))):
            pairs.append(self._pair(part, after=pairs[-1][1] if pairs else None))
        pairs.sort()
        for (_opens, closes), (opens, _closes) in pairwise(pairs):
            if opens < closes:
                raise forms.ValidationError(_("These times overlap. Change one of them."))
        return pairs

    def has_changed(self, initial, data):
        try:
            return self.to_python(data) != initial
        except forms.ValidationError:
            return True

    def _pair(self, text, *, after):
        """Return (opens, closes) of the period in `text`.

        `after` is when the previous period of the day closes, or None.
        """
        times = text
        for time, word in WORDS.items():
            times = word.sub(time, times)
        match = self.PATTERN.fullmatch(times)
        if not match:
            raise forms.ValidationError(
                _(
                    "We don't understand “%(text)s”. Enter opening and closing times, such as 9 am to 5 pm "
                    "or 9-17. If the branch closes in between, separate the two periods with a comma."
                ),
                params={"text": text},
            )
        opens, closes = match.group(1, 2, 3), match.group(4, 5, 6)
        # In "9 to 12, 1 to 17", the second period begins in the afternoon.
        is_afternoon = int(closes[0]) <= 12 or (after is not None and self._time(*opens) < after)
        if not opens[2] and not closes[2] and opens[0] in AFTERNOON_HOURS and is_afternoon:
            opens = (*opens[:2], "p")
        closes_at = self._time(*closes)
        opens_at = self._time(*opens)
        if not closes[2] and closes_at <= opens_at and self._may_be_12_hour_times(opens, closes):
            # "9-5" without "am" or "pm" means that the branch closes at 5 in the afternoon.
            closes_at = self._time(*closes[:2], "p")
        if closes[2] and not opens[2] and int(opens[0]) <= 12:
            # "1–5 pm" begins in the afternoon, and "9–5 pm" in the morning.
            same_half, other_half = (self._time(*opens[:2], half) for half in (closes[2], "a"))
            opens_at = same_half if same_half < closes_at else other_half
        if closes_at <= opens_at:
            raise forms.ValidationError(_("Enter a closing time after the opening time and before midnight."))
        return opens_at, closes_at

    def _may_be_12_hour_times(self, opens, closes):
        """Return whether both times can be 12-hour times. A leading zero means a 24-hour time."""
        return int(opens[0]) <= 12 and closes[0] in {str(hour) for hour in range(1, 12)}

    def _time(self, hour, minute, half):
        hour, minute = int(hour), int(minute or 0)
        if half and not 1 <= hour <= 12:
            hour = 24
        elif half:
            hour = hour % 12 + (12 if half.lower() == "p" else 0)
        try:
            return datetime.time(hour, minute)
        except ValueError:
            raise forms.ValidationError(
                _("This time doesn't exist. Enter opening and closing times, such as 9 am to 5 pm.")
            ) from None


class ClosedDayForm(forms.Form):
    """A day when a branch is closed. `today` is the current day in the library's time zone."""

    day = DayField(label=gettext_lazy("Day"))
    reason = TextField(label=gettext_lazy("Reason"), max_length=80, required=False)

    def __init__(self, *args, today, **kwargs):
        self.today = today
        super().__init__(*args, **kwargs)

    def clean_day(self):
        day = self.cleaned_data["day"]
        if day < self.today:
            raise forms.ValidationError(_("This day is in the past. Choose a later one."))
        return day
