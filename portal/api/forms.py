"""The form with which coordinators make a token for another system."""

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.text import TextField

from .models import ApiToken


class TokenForm(forms.Form):
    name = TextField(
        label=_("System"),
        max_length=80,
        help_text=_("Which system will use the token, such as “Chat service”."),
        error_messages={"required": _("Enter the name of the system.")},
    )
    scopes = forms.MultipleChoiceField(
        label=_("What the system may do"),
        choices=ApiToken.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose what the system may do.")},
    )
    may_send_words = forms.BooleanField(
        label=_("The system may send the question and the answer"),
        required=False,
        help_text=_(
            "Without this choice, the system sends only the items and what is counted. It can never name a "
            "patron."
        ),
    )
    branches = forms.ModelMultipleChoiceField(
        label=_("Branches"),
        queryset=Branch.objects.none(),
        # A number that is too large for the database would be a server error.
        to_field_name="slug",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one branch.")},
    )

    def __init__(self, *args, user, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["branches"].queryset = Branch.objects.filter(
            pk__in=user.coordinated_branch_ids, closed_at=None
        )
