"""What is typed at the desk."""

import datetime
import uuid
from functools import cache

from django import forms
from django.conf import settings
from django.conf.locale import LANG_INFO
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import format_lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Branch, Library
from portal.conversations.forms import SEQUENCE_MAX
from portal.conversations.models import Draft, Message
from portal.helpsessions import codes
from portal.helpsessions.models import HelpSession
from portal.text import TextField, looks_like_secret_number, uuid_or_none
from recommendations.models import QuestionType, Topic, topic_names

from .widgets import LongSelect

OLDEST = datetime.timedelta(days=3660)


class WholeNumber(forms.IntegerField):
    """Whatever is wrong with the number, the same words say what would be right."""

    def __init__(self, *, min_value, max_value, **kwargs):
        wanted = format_lazy(
            _("Write a whole number from {least} to {most}."), least=min_value, most=max_value
        )
        messages = dict.fromkeys(("required", "invalid", "min_value", "max_value"), wanted)
        super().__init__(min_value=min_value, max_value=max_value, error_messages=messages, **kwargs)


# Our own wording of the Reference Effort Assessment Data scale (Bella Karr Gerlich, readscale.org).
READ_LEVELS = [
    ("", _("none")),
    ("1", _("1 – no resource needed, under five minutes")),
    ("2", _("2 – little effort: a call number, where something is, small machine help")),
    ("3", _("3 – some effort: ready reference, one or two resources")),
    ("4", _("4 – several resources consulted, showing how")),
    ("5", _("5 – considerable effort: research, consultation")),
    ("6", _("6 – most effort, over several contacts")),
]


@cache
def language_choices():
    """The languages the portal speaks first, then those that patrons speak, each under its own name."""
    spoken = [code for code, _name in settings.LANGUAGES]
    others = sorted(
        (_in_title_case(info["name_local"]), code)
        for code, info in LANG_INFO.items()
        if "name_local" in info and "-" not in code
    )
    return [(code, _in_title_case(LANG_INFO[code]["name_local"])) for code in spoken] + [
        (code, name) for name, code in others if code not in spoken
    ]


def _in_title_case(name):
    return name[:1].title() + name[1:]  # not upper(): Georgian has capitals, but no word begins with one


def language_name(code):
    return LANG_INFO.get(code, {}).get("name_local", code)


def language_field(label):
    return forms.ChoiceField(label=label, choices=language_choices, widget=LongSelect)


# What the switch does, by what the library chose (Library.Children).
WITH_A_CHILD = {
    Library.Children.PAPER: _("They get a printed slip with everything on it: no code, no mail, no account."),
    Library.Children.SHARED: _(
        "The code may be kept by the child and by one adult. It is remembered 90 days at most."
    ),
    Library.Children.OWN: _("The child may keep it alone. It is remembered 90 days at most."),
}


class RecordForm(forms.Form):
    """One help session. `has_items` says whether items were chosen beside it."""

    token = forms.UUIDField(widget=forms.HiddenInput)
    conversation = forms.UUIDField(
        widget=forms.HiddenInput, required=False
    )  # the conversation whose answer is counted
    quiet = forms.BooleanField(
        label=_("Quiet session"),
        required=False,
        help_text=_(
            "No name, no mail, a plain title, nothing kept in a list. For what could hurt someone if another person read it."
        ),
    )
    with_child = forms.BooleanField(label=_("With a child"), required=False)
    question = TextField(label=_("Question"), max_length=4000, multiline=True, required=False)
    summary = TextField(
        label=_("Summary for the patron"),
        max_length=8000,
        multiline=True,
        required=False,
        help_text=_("The patron reads this. No numbers of cards or papers."),
    )
    mode = forms.ChoiceField(label=_("Mode"), choices=HelpSession.Mode.choices)
    question_type = forms.ChoiceField(label=_("Question type"), choices=QuestionType.choices)
    topic = forms.ModelChoiceField(
        label=_("Topic"),
        queryset=Topic.objects.none(),
        required=False,
        empty_label=_("no topic"),
        widget=LongSelect,
    )
    read_level = forms.TypedChoiceField(
        label=_("READ level"), choices=READ_LEVELS, coerce=int, empty_value=None, required=False
    )
    minutes = WholeNumber(label=_("Minutes"), min_value=0, max_value=600, required=False)
    people = WholeNumber(label=_("People"), min_value=1, max_value=500)
    language = language_field(_("Language of the patron"))
    happened_on = forms.DateField(
        label=_("Day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    hour = forms.TypedChoiceField(
        label=_("Hour"),
        choices=[(hour, f"{hour:02}:00") for hour in range(24)],
        coerce=int,
        widget=LongSelect,
    )
    branch = forms.ModelChoiceField(label=_("Branch"), queryset=Branch.objects.none(), empty_label=None)
    note = TextField(
        label=_("Private note"),
        max_length=4000,
        multiline=True,
        required=False,
        help_text=_("Never leaves the desk: no patron page, mail or export shows it."),
    )
    card = forms.CharField(
        label=_("Card code"),
        max_length=60,
        required=False,
        help_text=_("If the patron walked away with a card, type its code. No other code is made then."),
    )

    def __init__(self, *args, user, library, at, has_items=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.now, self.has_items, self.library = at.astimezone(library.zone), has_items, library
        self.fields["with_child"].help_text = WITH_A_CHILD[library.children]
        offered = Topic.objects.filter(retired_at=None)
        self.fields["topic"].queryset = offered.prefetch_related(*topic_names())
        self.fields["branch"].queryset = Branch.objects.filter(pk__in=user.desk_branch_ids)
        self.fields["happened_on"].widget.attrs["max"] = self.now.date().isoformat()
        self.fields["question"].widget.attrs.update(autofocus=True, rows=3)
        self.fields["summary"].widget.attrs["rows"] = 3
        self.fields["note"].widget.attrs["rows"] = 2
        self.fields["card"].widget.attrs.update(inputmode="numeric", autocomplete="off")
        for name in ("minutes", "people"):
            self.fields[name].widget.attrs["inputmode"] = "numeric"
        if len(user.desk_branch_ids) == 1:
            self.fields["branch"].widget = forms.HiddenInput()

    @property
    def details(self):
        """How it is counted: what stands in the second column."""
        names = [
            "topic",
            "read_level",
            "minutes",
            "people",
            "mode",
            "question_type",
            "language",
            "happened_on",
            "hour",
            "branch",
        ]
        return [self[name] for name in names if not self[name].is_hidden]

    def clean_happened_on(self):
        day = self.cleaned_data["happened_on"]
        if day > self.now.date():
            raise forms.ValidationError(
                gettext("This day is still to come. Write the day on which the help was given.")
            )
        if day < self.now.date() - OLDEST:
            raise forms.ValidationError(gettext("This is more than ten years ago. Is the year right?"))
        return day

    def clean_with_child(self):
        """The library's choice for children, or an empty string."""
        return self.library.children if self.cleaned_data["with_child"] else ""

    def clean_card(self):
        card = self.cleaned_data["card"]
        if card and not codes.normalise(card):
            raise forms.ValidationError(gettext("A card's code has 13 digits."))
        return codes.normalise(card)

    def clean(self):
        data = super().clean()
        if data.get("happened_on") == self.now.date() and data.get("hour", 0) > self.now.hour:
            self.add_error("hour", gettext("This hour is still to come."))
        if data.get("card") and data.get("with_child") == Library.Children.PAPER and not data.get("quiet"):
            self.add_error(
                "card",
                gettext(
                    "A child gets paper only here: leave the card's code empty, and ask for the card back."
                ),
            )
        if (
            not (data.get("quiet") or data.get("question") or data.get("summary") or self.has_items)
            and "question" not in self.errors
        ):
            self.add_error(
                "question",
                gettext(
                    "Write what was asked, or choose an item. To count a contact without words, use Tally."
                ),
            )
        return data

    @property
    def secret_number(self):
        """Whether the patron's part seems to hold a number that should not be written down."""
        return any(looks_like_secret_number(self[name].value() or "") for name in ("question", "summary"))


class ReplyForm(forms.Form):
    """An answer. Its template draws the fields itself: Django's way of drawing them was most of what the page cost."""

    client_token = forms.UUIDField()
    sequence = forms.IntegerField(
        required=False, min_value=0, max_value=SEQUENCE_MAX
    )  # of the draft's last state that was kept
    seen = forms.IntegerField(
        required=False, min_value=0, max_value=SEQUENCE_MAX
    )  # primary key of the last message on the page
    body = TextField(
        label=_("Your answer"),
        max_length=20_000,
        multiline=True,
        error_messages={"required": _("Write an answer first.")},
    )
    language = language_field(_("Language of the answer"))
    then = forms.ChoiceField(label=_("Afterwards"), choices=Message.Then.choices, required=False)

    def clean_then(self):
        return self.cleaned_data["then"] or Message.Then.TURN


class DraftForm(forms.Form):
    """What is being typed: an answer or a note, longer than it may be if need be, for that is said when it is sent."""

    kind = forms.ChoiceField(choices=[(Draft.Kind.REPLY, ""), (Draft.Kind.NOTE, "")], required=False)
    client_token = forms.UUIDField()
    sequence = forms.IntegerField(min_value=1, max_value=SEQUENCE_MAX)
    body = TextField(max_length=40_000, multiline=True, required=False)
    language = forms.ChoiceField(choices=language_choices, required=False)

    def clean_kind(self):
        return self.cleaned_data["kind"] or Draft.Kind.REPLY


@cache
def language_options(chosen):
    """The options of a select of languages, drawn once: each is named in its own language, for whoever reads."""
    marks = (
        (code, mark_safe(" selected") if code == chosen else "", name) for code, name in language_choices()
    )
    return format_html_join("", '<option value="{}"{}>{}</option>', marks)


class CodeCardsForm(forms.Form):
    branch = forms.ModelChoiceField(label=_("Branch"), queryset=Branch.objects.none(), empty_label=None)
    count = WholeNumber(
        label=_("Cards"),
        min_value=1,
        max_value=40,
        initial=10,
        help_text=_("Ten fill a page; forty at most at a time."),
    )

    def __init__(self, *args, user, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = Branch.objects.filter(pk__in=user.desk_branch_ids)


class CodeForm(forms.Form):
    code = forms.CharField(
        label=_("Code"),
        max_length=100,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": _("Type the code first.")},
    )

    def clean_code(self):
        code = codes.normalise(self.cleaned_data["code"])
        if not code:
            count = sum(char.isdecimal() for char in self.cleaned_data["code"])
            raise forms.ValidationError(
                ngettext(
                    "A code has 13 digits; this has %(count)s.",
                    "A code has 13 digits; this has %(count)s.",
                    count,
                )
                % {"count": count}
            )
        return code


class AddressForm(forms.Form):
    address = forms.EmailField(
        label=_("E-mail of the patron"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )


def typed_fields(data):
    """What of a posted record form is kept for later, as typed."""
    kept = {}
    for name in list(data)[:500]:
        if name in RecordForm.base_fields or name.startswith(("items-", "new-")):
            kept[name[:60]] = data[name]
    return kept


def typed_beside(data):
    """What of a posted composer is kept beside the words themselves, as typed: the items and what comes afterwards."""
    return {
        name[:60]: data[name][:20_000]
        for name in list(data)[:500]
        if name == "then" or name.startswith(("items-", "new-"))
    }


def says_something(data):
    """Whether a posted record form holds words or items, not only what it began with."""
    typed = typed_fields(data)
    return any(
        typed.get(name, "").strip()
        for name in (
            "question",
            "summary",
            "note",
            "card",
            "new-title",
            "new-url",
            "items-0-item",
            "items-0-title",
        )
    )


def token_in(data):
    """The form's token: the public id that its session has or will have."""
    return uuid_or_none(data.get("token")) or uuid.uuid4()


def defaults_after(last, *, user, library, at):
    """How the form begins: as the member's last session, here and now."""
    now = at.astimezone(library.zone)
    first = {
        "token": uuid.uuid4(),
        "people": 1,
        "happened_on": now.date(),
        "hour": now.hour,
        "language": library.language,
        "branch": _first_branch(user),
    }
    first["question_type"] = QuestionType.REFERENCE
    if last is not None:
        first |= {"mode": last.mode, "question_type": last.question_type, "language": last.language}
        if last.branch_id in user.desk_branch_ids:
            first["branch"] = last.branch_id
    return first


def _first_branch(user):
    return user.desk_branch_ids[0] if user.desk_branch_ids else None


class AssignForm(forms.Form):
    """To whom a conversation goes: a colleague, nobody in particular, or another branch. `was` is whose it was on the page."""

    to = forms.ChoiceField(
        label=_("Give it to"),
        error_messages={
            "invalid_choice": _("The conversation can no longer go there. Please choose again."),
            "required": _("Choose who is to have it."),
        },
    )
    was = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args, colleagues, coordinators, branches, **kwargs):
        super().__init__(*args, **kwargs)
        self.people = {f"person:{person.public_id}": person for person in [*colleagues, *coordinators]}
        self.branches = {f"branch:{branch.slug}": branch for branch in branches}
        groups = [
            (gettext("Here"), [("nobody", gettext("Nobody in particular")), *self._named(colleagues)]),
            (gettext("Coordinators elsewhere"), self._named(coordinators)),
            (gettext("Another branch"), [(f"branch:{branch.slug}", branch.name) for branch in branches]),
        ]
        self.fields["to"].choices = [
            ("", gettext("choose")),
            *[(name, choices) for name, choices in groups if choices],
        ]

    @staticmethod
    def _named(people):
        return [
            (
                f"person:{person.public_id}",
                gettext("%(name)s, away today") % {"name": person.display_name}
                if person.is_away
                else person.display_name,
            )
            for person in people
        ]


class SnoozeForm(forms.Form):
    """Until which day a conversation is put off: one of the days offered, or the day that was written beside them."""

    OTHER = "other"
    LONGEST = datetime.timedelta(days=366)

    until = forms.CharField(max_length=10)
    day = forms.DateField(
        label=_("Another day"),
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )

    def __init__(self, *args, today, **kwargs):
        super().__init__(*args, **kwargs)
        self.today = today

    def clean(self):
        data = super().clean()
        until = data.get("day") if data.get("until") == self.OTHER else _day_or_none(data.get("until", ""))
        if until is None:
            raise forms.ValidationError(gettext("Choose the day on which it is to come back."))
        if until <= self.today:
            raise forms.ValidationError(gettext("This day isn't still to come. Choose a later one."))
        if until > self.today + self.LONGEST:
            raise forms.ValidationError(gettext("This is more than a year away. Choose an earlier day."))
        return {"until": until}


def _day_or_none(text):
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


class NoteForm(forms.Form):
    """A note beside a conversation. `warned`: its writer has read that a name in it is nobody's who could be told."""

    client_token = forms.UUIDField(widget=forms.HiddenInput)
    body = TextField(
        label=_("Note for colleagues"),
        max_length=8000,
        multiline=True,
        error_messages={"required": _("Write the note first.")},
    )
    warned = forms.CharField(required=False, widget=forms.HiddenInput)


class UnlockDeskForm(forms.Form):
    """A shared desk computer of one of `branches` (primary keys)."""

    branch = forms.ModelChoiceField(
        label=_("Branch"), queryset=Branch.objects.filter(closed_at=None), empty_label=None
    )
    name = TextField(
        label=_("Name of this computer"),
        max_length=60,
        help_text=_("Such as its service point: staff read it when it is locked."),
        error_messages={"required": _("Write a name by which colleagues know it.")},
    )

    def __init__(self, *args, branches, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["branch"].queryset = self.fields["branch"].queryset.filter(pk__in=branches)
