"""The form that unlocks a shared desk computer."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.text import TextField


class UnlockDeskForm(forms.Form):
    """The branch and the name of a shared desk computer.

    `branches` are the primary keys of the branches to choose from.
    """

    branch = forms.ModelChoiceField(
        label=_("Branch"), queryset=Branch.objects.filter(closed_at=None), empty_label=None
    )
    name = TextField(
        label=_("Name of this computer"),
        max_length=60,
        help_text=_(
            "For example, the service point where the computer is. Staff see this name when the "
            "computer is locked. If a service point of the branch has the same name, the record form chooses "
            "it."
        ),
        error_messages={"required": _("Enter a name that your colleagues will recognize.")},
    )

    def __init__(self, *args, branches, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = self.fields["branch"].queryset.filter(pk__in=branches)
