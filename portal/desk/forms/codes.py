"""The forms for the codes that patrons get on slips, on code cards and by email."""

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import Branch
from portal.addresses import AddressField
from portal.helpsessions import codes

from .fields import WholeNumber


class CodeCardsForm(forms.Form):
    """The form that makes code cards. It asks how many cards to make, and which branch they are for."""

    branch = forms.ModelChoiceField(label=_("Branch"), queryset=Branch.objects.none(), empty_label=None)
    count = WholeNumber(
        label=_("Number of cards"),
        min_value=1,
        max_value=40,
        initial=10,
        help_text=_("Ten cards fit on a page. You can make up to 40 at a time."),
    )

    def __init__(self, *args, user, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = Branch.objects.filter(pk__in=user.desk_branch_ids)


class CodeForm(forms.Form):
    """The form for a code that a patron shows at the desk."""

    code = forms.CharField(
        label=_("Code"),
        max_length=100,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": _("Type the code first.")},
    )

    def clean_code(self):
        code = codes.normalize(self.cleaned_data["code"])
        if not code:
            count = sum(char.isdecimal() for char in self.cleaned_data["code"])
            raise forms.ValidationError(
                ngettext(
                    "A code has 13 digits. This one has %(count)s.",
                    "A code has 13 digits. This one has %(count)s.",
                    count,
                )
                % {"count": count}
            )
        return code


class AddressForm(forms.Form):
    """The form for the email address to which a link with the code is sent."""

    address = AddressField(
        label=_("Patron's email address"),
        error_messages={"required": _("Enter the patron's email address.")},
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
