"""The fields of the record form whose choices the library edits."""

from itertools import groupby

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .fields import RowField

OWN = "own-"


class ListFields(forms.Form):
    """The patron group, the service point, and the fields that the library has added.

    A field is removed if the library offers no choice for it. The names of added fields begin with "own-".
    """

    patron_group = RowField(
        label=_("Patron group"),
        help_text=_("Choose only what the patron said or the card shows. Never guess."),
    )
    service_point = RowField(label=_("Service point"))
    # The service point that the page preselected, and the day for which it did so, such as "7 2026-03-04".
    default_point = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def branches_of_points(self, user):
        """Return the primary keys of the branches whose service points staff can choose."""
        return user.desk_branch_ids

    def offer_lists(self, groups, points):
        """Offer these patron groups and service points."""
        are_at_several = len({point.branch_id for point in points}) > 1
        self._offer("patron_group", groups, gettext("Not asked"), str)
        self._offer("service_point", points, gettext("not recorded"), _with_branch if are_at_several else str)

    def offer_own_fields(self, values):
        """Add the library's own fields. `values` are the choices of these fields, sorted by field."""
        self.own_names = []
        for field, of_field in groupby(values, key=lambda value: value.field):
            name = f"{OWN}{field.pk}"
            self.own_names.append(name)
            self.fields[name] = RowField(label=field.name)
            self.fields[name].offer(list(of_field), empty=gettext("not recorded"))

    def take_own_values(self, data):
        """Replace the library's own fields in the cleaned data by one key, `own_values`.

        Its value is {primary key of a field, as text: primary key of the chosen value}.
        """
        chosen = {name: data.pop(name, None) for name in self.own_names}
        data["own_values"] = {name.removeprefix(OWN): value.pk for name, value in chosen.items() if value}

    def _offer(self, name, rows, empty, label):
        if rows:
            self.fields[name].offer(rows, empty=empty, label=label)
        else:
            del self.fields[name]

    def check_service_point(self, data):
        """Add an error if the service point is at another branch, or was preselected for another day.

        In a browser with JavaScript, desk.js clears a preselected service point when staff change the day or
        the branch.
        """
        default, _space, day = data.pop("default_point", "").partition(" ")
        point, branch, happened_on = (data.get(name) for name in ("service_point", "branch", "happened_on"))
        if point is None or branch is None:
            return
        if point.branch_id != branch.pk:
            self.add_error(
                "service_point",
                gettext("This service point is at %(branch)s. Choose the branch or the service point again.")
                % {"branch": point.branch},
            )
        elif default == str(point.pk) and happened_on and happened_on.isoformat() != day:
            # On the page with this error, the hidden field `default_point` is empty. So the next save accepts
            # the service point.
            self.data = self.data.copy()
            self.data["default_point"] = ""
            self.add_error(
                "service_point", gettext("You changed the day. Check the service point, then save again.")
            )


def _with_branch(point):
    return f"{point} – {point.branch}"


def own_values_as_text(own_values):
    """Return the value of HelpSession.own_values as a text, such as "3:7 4:9" for {"3": 7, "4": 9}."""
    return " ".join(f"{field}:{value}" for field, value in sorted(own_values.items()))


def own_values_as_posted(text):
    """Return {name of a form field: value} for a text of `own_values_as_text`."""
    pairs = [pair.partition(":") for pair in text.split()]
    return {f"{OWN}{field}": value for field, _colon, value in pairs}


def posted_own_values(data):
    """Return the posted values of the library's own fields in the format of `own_values_as_text`."""
    posted = {name.removeprefix(OWN): data[name] for name in data if name.startswith(OWN)}
    return own_values_as_text({field[:9]: value[:9] for field, value in posted.items() if value})
