"""The form that gives a role to a staff member, and the form that invites a new staff member."""

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.languages import languages
from accounts.models import Branch, StaffRole
from portal.addresses import AddressField
from portal.text import TextField

# The value of a role field for a branch where the invited person will not work.
NOT_HERE = "no"


class RoleForm(forms.Form):
    """A role at one of the branches where `coordinator` may manage staff."""

    branch = forms.ModelChoiceField(
        label=gettext_lazy("Branch"), queryset=Branch.objects.none(), empty_label=None
    )
    role = forms.ChoiceField(
        label=gettext_lazy("Role"),
        choices=StaffRole.Role.choices,
        help_text=gettext_lazy(
            "Coordinators manage the staff of the branch and can change the settings of the whole library."
        ),
        widget=forms.RadioSelect,
    )

    def __init__(self, *args, coordinator, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = Branch.objects.at_desk_of(coordinator).filter(closed_at=None)


class InvitationForm(forms.Form):
    """A form that invites a new staff member.

    It has one role field for each branch where `coordinator` may manage staff. After validation,
    `at_branches` is {branch: role}.
    """

    name = TextField(
        label=gettext_lazy("Name that patrons see"),
        max_length=80,
        error_messages={"required": gettext_lazy("Enter the name that patrons will see.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    email = AddressField(
        label=gettext_lazy("Email address"),
        help_text=gettext_lazy("We send the link to this address, and a code that confirms it."),
        error_messages={"required": gettext_lazy("Enter your colleague's email address.")},
        widget=forms.EmailInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language of the email"),
        choices=languages,
        help_text=gettext_lazy(
            "If your colleague has chosen a language on this site, the email uses that language."
        ),
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
            else [(NOT_HERE, _("no role at this branch")), *StaffRole.Role.choices]
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
            words = _("Choose at least one branch where your colleague will work.")
            self.add_error(next(iter(self.branches)), words)
        there = StaffRole.objects.filter(
            user__email=self.cleaned_data.get("email", ""),
            branch__in=self.cleaned_data["at_branches"],
        )
        if role := there.select_related("branch").first():
            words = _(
                "This person already works at %(branch)s. You can change the role under “People and "
                "roles”, on this person's page."
            )
            self.add_error(f"at_{role.branch.slug}", words % {"branch": role.branch})
        return self.cleaned_data
