"""The forms about kits, and the form that asks what helped before."""

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch
from portal.desk.asked_before import topics_offered
from portal.kits.actions import MAX_KITS
from portal.kits.models import DESCRIPTION_MAX, NAME_MAX
from portal.text import TextField
from recommendations.models import QuestionType, Topic

from .fields import language_field


class KitForm(forms.Form):
    """The name and description of a kit in one language, its branch and its topic."""

    name = TextField(
        label=_("Name"),
        max_length=NAME_MAX,
        help_text=_("Staff find the kit by this name. Patrons don't see it."),
    )
    description = TextField(
        label=_("Description"),
        max_length=DESCRIPTION_MAX,
        required=False,
        help_text=_("For example, who the kit is for. Only staff see this."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    branch = forms.ModelChoiceField(label=_("Branch"), queryset=Branch.objects.none(), required=False)
    topic = forms.ModelChoiceField(
        label=_("Topic"), queryset=Topic.objects.none(), required=False, empty_label=_("any topic")
    )
    language = language_field(_("Language of the name and the reasons"))
    version = forms.IntegerField(required=False, min_value=0, widget=forms.HiddenInput)
    client_token = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args, user, kit=None, **kwargs):
        super().__init__(*args, **kwargs)
        # A kit can keep a branch that has closed, so the form offers this branch too.
        open_ones = Branch.objects.filter(pk__in=user.desk_branch_ids)
        self.fields["branch"].queryset = open_ones
        if user.is_coordinator:
            self.fields["branch"].empty_label = gettext("All branches")
        else:
            self.fields["branch"].required = True
            self.fields["branch"].empty_label = None
        self.fields["topic"].queryset = topics_offered()
        if kit is not None and kit.topic_id and kit.topic.retired_at:
            self.fields["topic"].queryset |= Topic.objects.filter(pk=kit.topic_id)
        if kit is not None:
            # The language of the name and description in the form. Buttons below the form show them in
            # another language.
            self.fields["language"].widget = forms.HiddenInput()


class AskedBeforeForm(forms.Form):
    """The topic and question type to look up."""

    topic = forms.ModelChoiceField(
        label=_("Topic"), queryset=Topic.objects.none(), empty_label=_("Choose a topic")
    )
    question_type = forms.ChoiceField(
        label=_("Question type"), choices=QuestionType.choices, required=False, initial=QuestionType.REFERENCE
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["topic"].queryset = topics_offered()

    def clean_question_type(self):
        return self.cleaned_data["question_type"] or QuestionType.REFERENCE


def too_many_kits():
    """Return the error message that says that the library can't have more kits."""
    return gettext("The library has %(most)d kits, and can't have more. Retire one first.") % {
        "most": MAX_KITS
    }
