"""The form that records a help session."""

import datetime

from django import forms
from django.urls import reverse_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, Library, User
from accounts.sign_in.library_cards import cards_exist
from portal.addresses import clean_address
from portal.checkins.models import CheckIn
from portal.checkins.planning import Wish
from portal.desk.widgets import LongSelect
from portal.helpsessions import choices, codes
from portal.helpsessions.models import TITLE_LENGTH, HelpSession
from portal.surveys.counting import asks_for_questions
from portal.text import TextField, looks_like_secret_number
from portal.times import time_of_day
from recommendations.models import QuestionType, Topic, topic_names

from .fields import AskOnField, WholeNumber, language_field
from .lists import ListFields

MAX_AGE = datetime.timedelta(days=3660)
# Attributes of the field “For”, where staff enter the patron. desk.js triggers "look-up" when staff leave the
# field or press Enter.
LOOK_UP_ATTRS = {
    "autocomplete": "off",
    "autocapitalize": "none",
    "spellcheck": "false",
    "data-look-up": True,
    "hx-post": reverse_lazy("record_recipient"),
    "hx-trigger": "look-up",
    "hx-params": "for_whom,quiet,with_child,language,default_language,csrfmiddlewaretoken",
    "hx-target": "#recipient",
    "hx-sync": "this:replace",
}


# Our own wording of the Reference Effort Assessment Data scale (Bella Karr Gerlich, readscale.org).
READ_LEVELS = [
    ("", _("No READ level")),
    ("1", _("1 – no resource needed, under five minutes")),
    ("2", _("2 – little effort: a call number, a location, simple help with a machine")),
    ("3", _("3 – some effort: ready reference, one or two resources")),
    ("4", _("4 – several resources, with instruction")),
    ("5", _("5 – considerable effort: research, consultation")),
    ("6", _("6 – most effort, over several contacts")),
]


# {the library's setting for children: a text that says what happens to a visit with a child}
WITH_A_CHILD = {
    Library.Children.PAPER: _(
        "The child gets a printed slip with everything on it. There is no code, no email and no account."
    ),
    Library.Children.SHARED: _(
        "The child and one adult can add the visit to their accounts with the code. The visit is deleted "
        "after at most 90 days."
    ),
    Library.Children.OWN: _(
        "Only the child can add the visit to an account. The visit is deleted after at most 90 days."
    ),
}

CHECK_IN_FIELDS = ("no_check_in", "ask_on", "ask_reason")


class RecordForm(ListFields, forms.Form):
    """The form that records a help session.

    `has_items` says whether items were chosen in the form. If the session logs a conversation as a contact,
    `conversation` is the public id of that conversation.
    """

    title_length = TITLE_LENGTH
    token = forms.UUIDField(widget=forms.HiddenInput)
    conversation = forms.UUIDField(widget=forms.HiddenInput, required=False)
    quiet = forms.BooleanField(
        label=_("Quiet session"),
        required=False,
        help_text=_(
            "No name, no email, no saved lists, and a neutral title. Use a quiet session for "
            "anything that could harm the patron if someone else read it."
        ),
    )
    with_child = forms.BooleanField(label=_("With a child"), required=False)
    question = TextField(
        label=_("Question"),
        max_length=4000,
        multiline=True,
        required=False,
        help_text=_("The patron sees this as the title. Shorthand belongs in the private note."),
    )
    summary = TextField(
        label=_("Summary for the patron"),
        max_length=8000,
        multiline=True,
        required=False,
        help_text=_("The patron reads this. Don't write card or ID numbers."),
    )
    mode = forms.ChoiceField(label=_("Mode"), choices=HelpSession.Mode.choices, widget=LongSelect)
    question_type = forms.ChoiceField(
        label=_("Question type"),
        choices=QuestionType.choices,
        widget=LongSelect,
        help_text=_(
            "Directional: where something is, opening hours, how to print. Reference: you searched or "
            "explained."
        ),
    )
    topic = forms.ModelChoiceField(
        label=_("Topic"),
        queryset=Topic.objects.none(),
        required=False,
        empty_label=_("no topic"),
        widget=LongSelect,
    )
    read_level = forms.TypedChoiceField(
        label=_("READ level"),
        help_text=_("How much effort the question took, on the Reference Effort Assessment Data scale."),
        choices=READ_LEVELS,
        widget=LongSelect,
        coerce=int,
        empty_value=None,
        required=False,
    )
    minutes = WholeNumber(label=_("Minutes"), min_value=0, max_value=600, required=False)
    people = WholeNumber(label=_("People"), min_value=1, max_value=500)
    questions = WholeNumber(
        label=_("Questions"),
        min_value=1,
        max_value=500,
        required=False,
        help_text=_(
            "A survey that this library fills in counts each question. If you leave this empty, we count "
            "one question."
        ),
    )
    language = language_field(_("Language of the patron"))
    # The language that the page chose by itself. It is empty once staff chose another language.
    default_language = forms.CharField(required=False, max_length=12, widget=forms.HiddenInput)
    happened_on = forms.DateField(
        label=_("Day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    hour = forms.TypedChoiceField(
        label=_("Hour"),
        choices=lambda: [(hour, time_of_day(hour)) for hour in range(24)],
        coerce=int,
        widget=LongSelect,
    )
    branch = forms.ModelChoiceField(label=_("Branch"), queryset=Branch.objects.none(), empty_label=None)
    note = TextField(
        label=_("Private note"),
        max_length=4000,
        multiline=True,
        required=False,
        help_text=_(
            "Only staff see this note. It never appears on patron pages, in emails or in exports. Write "
            "shorthand here."
        ),
    )
    for_whom = TextField(
        label=_("For: the patron's card number or email"),
        max_length=254,
        required=False,
        help_text=_(
            "The visit goes into the patron's account. Leave this field empty to give the patron a code. For "
            "a visit with a child, enter a library card only."
        ),
    )
    agreed = forms.BooleanField(label=_("The patron agrees"), required=False)
    check_ins = forms.ChoiceField(
        label=_("The patron's answer"),
        choices=User.CheckIns.choices,
        required=False,
        widget=forms.RadioSelect,
    )
    # The Recipient.fingerprint of the patron that the page showed.
    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    card = forms.CharField(
        label=_("Code on the code card"),
        max_length=60,
        required=False,
        help_text=_("If the patron has a code card, type its code here. We won't make another code."),
    )

    # In these fields, staff choose whether and when a check-in asks the patron how the visit turned out.
    no_check_in = forms.BooleanField(label=_("Don't ask the patron"), required=False)
    ask_on = AskOnField(label=_("Day when we ask the patron"), required=False)
    ask_reason = TextField(
        label=_("Reason for this day"),
        max_length=CheckIn._meta.get_field("reason").max_length,
        required=False,
        help_text=_("For example, “when the essay is due”. Only staff see this."),
    )

    def __init__(self, *args, user, library, at, has_items=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.now, self.has_items, self.library = at.astimezone(library.zone), has_items, library
        self.fields["with_child"].help_text = WITH_A_CHILD[library.children]
        offered = Topic.objects.filter(retired_at=None)
        self.fields["topic"].queryset = offered.prefetch_related(*topic_names())
        self.fields["branch"].queryset = Branch.objects.filter(pk__in=user.desk_branch_ids)
        points = choices.offered_points(branches=self.branches_of_points(user))
        self.offer_lists(choices.offered_groups(), points)
        self.offer_own_fields(choices.offered_values())
        self.fields["happened_on"].widget.attrs["max"] = self.now.date().isoformat()
        self.fields["question"].widget.attrs |= {"autofocus": True, "rows": 3}
        self.fields["summary"].widget.attrs["rows"] = 3
        self.fields["note"].widget.attrs["rows"] = 2
        self.fields["card"].widget.attrs |= {"inputmode": "numeric", "autocomplete": "off"}
        self.fields["for_whom"].widget.attrs |= LOOK_UP_ATTRS
        if not cards_exist():
            self.fields["for_whom"].label = gettext("For: the patron's email")
            self.fields["for_whom"].help_text = gettext(
                "The visit goes into the patron's account. Leave this field empty to give the patron a code."
            )
        if library.check_ins:
            # Don't call limit() here. It would write today's date into the HTML of the field. The HTML of an
            # empty form is cached, so it must not contain a date.
            self.fields["ask_on"].today = self.now.date()
            # The shortcut needs Alt, because staff press it while they type in a field.
            self.fields["no_check_in"].widget.attrs["aria-keyshortcuts"] = "Alt+0"
        else:
            for name in CHECK_IN_FIELDS:
                del self.fields[name]
        if not asks_for_questions(self.now.date()):
            self.hide_questions()
        for name in ("minutes", "people", "questions"):
            if name not in self.fields:
                continue
            self.fields[name].widget.attrs["inputmode"] = "numeric"
        if len(user.desk_branch_ids) == 1:
            self.fields["branch"].widget = forms.HiddenInput()

    @property
    def details(self):
        """Return the fields in the second column of the page."""
        names = ["topic", "read_level", "minutes", "people", "questions", "mode", "question_type", "language"]
        names += ["patron_group", *self.own_names, "happened_on", "hour", "branch", "service_point"]
        return [self[name] for name in names if name in self.fields and not self[name].is_hidden]

    def hide_questions(self):
        """Don't ask for the number of questions, because no survey counts them."""
        del self.fields["questions"]

    def leave_focus_to_errors(self):
        """Remove the autofocus from the field `question`, so that the page can focus the list of errors."""
        del self.fields["question"].widget.attrs["autofocus"]

    def hide_patron_hints(self):
        """Remove the hints that tell staff that the patron will read the question and the summary.

        Call this if the form logs a contact, because no patron reads a logged contact.
        """
        self.fields["question"].help_text = ""
        self.fields["summary"].label, self.fields["summary"].help_text = gettext("Summary"), ""

    def follow_language_of(self, patron):
        """Choose the patron's language, or the library's language if `patron` is None or has no language.

        If staff chose a language, keep that language.
        """
        self.data = self.data.copy()
        default = ""
        if self.data.get("default_language") and self.data.get("language") == self.data["default_language"]:
            default = (patron and patron.language) or self.library.language
            self.data["language"] = default
        self.data["default_language"] = default

    def keep_errors_of(self, name):
        """Keep the errors of the field with this name, and remove all other errors."""
        for other in set(self.errors) - {name}:
            del self.errors[other]

    def clean_happened_on(self):
        day = self.cleaned_data["happened_on"]
        if day > self.now.date():
            raise forms.ValidationError(
                gettext("This day is in the future. Enter the day when the patron got help.")
            )
        if day < self.now.date() - MAX_AGE:
            raise forms.ValidationError(gettext("This is more than ten years ago. Check the year."))
        return day

    def clean_questions(self):
        return self.cleaned_data["questions"] or 1

    def clean_with_child(self):
        """Return how the library hands over a child's visit, or "" if no child was helped."""
        return self.library.children if self.cleaned_data["with_child"] else ""

    def clean_card(self):
        card = self.cleaned_data["card"]
        if card and not codes.normalize(card):
            raise forms.ValidationError(
                gettext("The code on a code card has 13 digits. Check what you typed.")
            )
        return codes.normalize(card)

    def clean_for_whom(self):
        typed = self.cleaned_data["for_whom"]
        return clean_address(typed) if "@" in typed else typed

    def clean(self):
        data = super().clean()
        self._take_recipient(data)
        self.check_service_point(data)
        self.take_own_values(data)
        if "ask_on" in self.fields:
            dismissed, day, reason = (data.pop(name, None) for name in CHECK_IN_FIELDS)
            data["wish"] = Wish(day=day, reason=reason or "", dismissed=bool(dismissed))
        if data.get("happened_on") == self.now.date() and data.get("hour", 0) > self.now.hour:
            self.add_error("hour", gettext("This hour is in the future. Choose an earlier one."))
        if data.get("card") and data.get("with_child") == Library.Children.PAPER and not data.get("quiet"):
            self.add_error(
                "card",
                gettext("Children get paper only. Leave this field empty, and ask for the code card back."),
            )
        if (
            not (data.get("quiet") or data.get("question") or data.get("summary") or self.has_items)
            and "question" not in self.errors
        ):
            self.add_error(
                "question",
                gettext(
                    "Write the question or choose an item. To count a contact without details, use Tally."
                ),
            )
        return data

    def _take_recipient(self, data):
        """Check the values about the patron, and move them from the cleaned data into attributes.

        Leave only the arguments for actions.record in the cleaned data.
        """
        self.for_whom = data.pop("for_whom", "")
        self.has_agreed = data.pop("agreed", False)
        self.was_shown = data.pop("shown", "")
        self.check_ins = data.pop("check_ins", "")
        data.pop("default_language", None)
        if not self.for_whom:
            return
        error = ""
        if data.get("quiet"):
            error = gettext("A quiet session has no name. Leave this field empty.")
        elif data.get("with_child") == Library.Children.PAPER:
            error = gettext("Children get paper only. Leave this field empty.")
        elif data.get("with_child") and "@" in self.for_whom:
            error = gettext("For a visit with a child, enter the number of a library card.")
        if error:
            self.add_error("for_whom", error)
            self.for_whom = ""

    @property
    def secret_number(self):
        """Return whether the question or summary seems to contain a secret number.

        A secret number is a social security number or the number of a payment card.
        """
        return any(looks_like_secret_number(self[name].value() or "") for name in ("question", "summary"))
