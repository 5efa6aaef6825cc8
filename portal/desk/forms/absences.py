"""The form for the days when a staff member is away."""

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User

from .fields import DayField


class ColleagueField(forms.ModelChoiceField):
    """A field for choosing one of the people who work at a desk of the library."""

    def __init__(self, **kwargs):
        staff = (
            User.objects.filter(is_active=True, staff_roles__isnull=False).distinct().order_by("name", "pk")
        )
        super().__init__(queryset=staff, **kwargs)

    def label_from_instance(self, person):
        return person.display_name


class AbsenceForm(forms.Form):
    """The days when `person` is away.

    If `person` is None, the form has a field where a coordinator chooses the person.
    """

    MAX_DAYS = 366

    person = ColleagueField(label=gettext_lazy("Who is away"), empty_label=None)
    first_day = DayField(label=gettext_lazy("First day away"))
    last_day = DayField(label=gettext_lazy("Last day away"))
    cover = ColleagueField(
        label=gettext_lazy("Colleague who takes over"),
        required=False,
        empty_label=gettext_lazy("Nobody"),
        help_text=gettext_lazy(
            "This colleague takes over the open conversations of the person who is away. "
            "If you choose nobody, anyone at the branch can take them."
        ),
    )

    def __init__(self, *args, person=None, today, **kwargs):
        super().__init__(*args, **kwargs)
        self.person, self.today = person, today
        if person is not None:
            del self.fields["person"]
            self.fields["cover"].queryset = self.fields["cover"].queryset.exclude(pk=person.pk)

    def clean(self):
        first, last, cover = (self.cleaned_data.get(name) for name in ("first_day", "last_day", "cover"))
        if first and last and last < first:
            self.add_error("last_day", _("The last day is before the first day. Change one of the two days."))
        elif first and last and (last - first).days >= self.MAX_DAYS:
            self.add_error("last_day", _("Someone can be away for at most a year. Check the last day."))
        elif last and last < self.today:
            self.add_error("last_day", _("These days are in the past. Choose later ones."))
        if cover and cover == (self.person or self.cleaned_data.get("person")):
            self.add_error(
                "cover", _("People can't take over for themselves. Choose someone else, or nobody.")
            )
        return self.cleaned_data
