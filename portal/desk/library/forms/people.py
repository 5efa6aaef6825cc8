"""The forms that give a role to a staff member or invite a new one."""

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.languages import languages
from accounts.models import Branch, StaffRole
from portal.text import TextField

# The choice of a branch where the invited person will not work.
NOT_HERE = "no"


class RoleForm(forms.Form):
    """A role at one of the branches that `coordinator` coordinates."""

    branch = forms.ModelChoiceField(
        label=gettext_lazy("Branch"), queryset=Branch.objects.none(), empty_label=None
    )
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=StaffRole.Role.choices,
        help_text=gettext_lazy(
            "Coordinators see to the people of the branch, and change the settings of the whole library."
        ),
        widget=forms.RadioSelect,
    )

    def __init__(self, *args, coordinator, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = Branch.objects.at_desk_of(coordinator).filter(closed_at=None)


class InvitationForm(forms.Form):
    """An invitation, with a role at each of the branches that `coordinator` coordinates.

    The cleaned `at_branches` is {branch: role}.
    """

    name = TextField(
        label=gettext_lazy("Name that patrons see"),
        max_length=80,
        error_messages={"required": gettext_lazy("Write the name that patrons are to see.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        help_text=gettext_lazy(
            "The link is sent there, and so is the code with which they show that it is theirs."
        ),
        error_messages={
            "required": gettext_lazy("Write their e-mail address."),
            "invalid": gettext_lazy("Write the whole e-mail address, such as ana@example.org."),
        },
        widget=forms.EmailInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language of the mail"),
        choices=languages,
        help_text=gettext_lazy("Whoever has chosen a language here gets it in that."),
    )

    def __init__(self, *args, coordinator, **kwargs):
        super().__init__(*args, **kwargs)
        self.branches = {
            f"at_{branch.slug}": branch
            for branch in Branch.objects.at_desk_of(coordinator).filter(closed_at=None)
        }
        choices = (
            list(StaffRole.Role.choices)
            if len(self.branches) == 1
            else [(NOT_HERE, _("not here")), *StaffRole.Role.choices]
        )
        for name, branch in self.branches.items():
            self.fields[name] = forms.ChoiceField(label=branch.name, choices=choices)

    @property
    def roles(self):
        return [self[name] for name in self.branches]

    def clean(self):
        chosen = {self.branches[name]: self.cleaned_data.pop(name, NOT_HERE) for name in self.branches}
        self.cleaned_data["at_branches"] = {
            branch: role for branch, role in chosen.items() if role != NOT_HERE
        }
        if not self.cleaned_data["at_branches"] and not self.errors:
            raise forms.ValidationError(_("Choose at least one branch where they are to work."))
        there = StaffRole.objects.filter(
            user__email=self.cleaned_data.get("email", "").lower(),
            branch__in=self.cleaned_data["at_branches"],
        )
        if role := there.select_related("branch").first():
            words = _("They work at %(branch)s already: change that on their page under “People and roles”.")
            self.add_error(f"at_{role.branch.slug}", words % {"branch": role.branch})
        return self.cleaned_data
