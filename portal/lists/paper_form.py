"""The form where a patron chooses how a list is printed."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from accounts.sign_in.library_cards import home_branch_of

# Prefixes of time zones. Most countries in these zones use US Letter; a few in South America don't.
ZONES_WITH_LETTER = ("America/", "US/", "Canada/", "Pacific/Honolulu")


class PaperForm(forms.Form):
    """How a list is printed. The choices are in the URL, which browsers store, so no field is for text."""

    paper = forms.ChoiceField(
        label=_("Paper"),
        choices=[("a4", "A4"), ("letter", _("US Letter")), ("receipt", _("Receipt printer (80 mm)"))],
    )
    branch = forms.ChoiceField(label=_("Sort in the order of the shelves at this branch"))
    covers = forms.BooleanField(label=_("Covers"), required=False)
    with_notes = forms.BooleanField(label=_("Your notes"), required=False)
    large = forms.BooleanField(label=_("Large print"), required=False)
    code = forms.BooleanField(label=_("QR code of your link to this list"), required=False)

    def __init__(self, *args, branches, has_code, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["branch"] = forms.ChoiceField(
            label=self.fields["branch"].label,
            choices=[(str(branch.pk), branch.name) for branch in branches],
        )
        if not has_code:
            del self.fields["code"]


def read_choices(data, *, branches, library, has_code):
    """Return (the form, the choices as {name of the field: value}).

    `data` is request.GET. A value that is missing or unknown gets its default, so the form has no errors.
    `branches` has the open branches. The first one is preselected.
    """
    choices = {
        "paper": "letter" if library.time_zone.startswith(ZONES_WITH_LETTER) else "a4",
        "branch": str(branches[0].pk) if branches else "",
        "covers": True,
        "with_notes": True,
        "large": False,
        "code": has_code,
    }
    # Browsers leave out boxes that aren't checked, but they always send `paper`. So if `paper` is missing, no
    # form was sent.
    if "paper" in data:
        sent = PaperForm(data, branches=branches, has_code=has_code)
        sent.is_valid()
        choices |= sent.cleaned_data
    return PaperForm(initial=choices, branches=branches, has_code=has_code), choices


def branches_for(person, library):
    """Return the open branches, sorted by name.

    But the person's own branch comes first. If the person has none, the default branch comes first.
    """
    first = home_branch_of(person) or library.default_branch_id
    branches = Branch.objects.filter(closed_at=None).order_by("name")
    return sorted(branches, key=lambda branch: branch.pk != first)
