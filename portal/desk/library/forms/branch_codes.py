"""The form that says which branch a code of the library's own system belongs to."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.text import TextField


class BranchCodeForm(forms.Form):
    code = TextField(
        label=_("Code"),
        max_length=40,
        help_text=_(
            "Write the code as your library system does, such as CPL. Capital and small letters make no "
            "difference."
        ),
        error_messages={"required": _("Enter the code.")},
    )
    branch = forms.ModelChoiceField(
        label=_("Branch"),
        queryset=Branch.objects.filter(closed_at=None),
        empty_label=_("Choose a branch"),
        error_messages={"required": _("Choose a branch")},
    )
