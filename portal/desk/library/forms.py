import datetime
import re
import string

from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.utils.dates import WEEKDAYS
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.languages import languages
from accounts.models import Branch, Library, StaffRole, User
from portal import files
from portal.conversations.reply_templates import unknown_places
from portal.desk.forms import language_field
from portal.text import TextField

LOGO_SIDE = 512
NOT_HERE = "no"
LINK_PLACES = {"isbn", "title", "number"}


class LibraryForm(forms.Form):
    name = TextField(label=gettext_lazy("Name"), max_length=120)
    language = forms.ChoiceField(
        label=gettext_lazy("Language"),
        choices=languages,
        help_text=gettext_lazy("For those whose browser asks for no language that we speak."),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), choices=Library._meta.get_field("time_zone").choices
    )
    default_branch = forms.ModelChoiceField(
        label=gettext_lazy("Default branch"),
        queryset=Branch.objects.filter(closed_at=None),
        empty_label=None,
        help_text=gettext_lazy("Questions that belong to no branch in particular go to its desk."),
    )
    accent_color = forms.CharField(
        label=gettext_lazy("Accent color"),
        help_text=gettext_lazy(
            "For buttons and links. Where its text would be hard to read, pages use a darker or lighter shade of it."
        ),
        validators=[
            RegexValidator(
                r"\A#[0-9a-fA-F]{6}\Z", gettext_lazy("Write the color as # and six digits, such as #0b5d4d.")
            )
        ],
        widget=forms.TextInput(attrs={"type": "color"}),
    )
    catalog_link = forms.CharField(
        label=gettext_lazy("Catalogue link"),
        max_length=300,
        required=False,
        help_text=gettext_lazy(
            "An address in your catalogue, with {isbn}, {title} or {number} where the item's own goes, such as https://catalogue.example.org/search?q={isbn}"
        ),
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
    )
    closes_after_days = forms.IntegerField(
        label=gettext_lazy("A conversation closes by itself after how many days"),
        help_text=gettext_lazy(
            "Counted from your answer, if the patron writes no more. They are told the day beforehand, and writing opens it again. 0: never."
        ),
        validators=[MinValueValidator(0), MaxValueValidator(365)],
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 0, "max": 365}),
    )
    released_after_days = forms.IntegerField(
        label=gettext_lazy("A conversation that was taken is free again after how many days"),
        help_text=gettext_lazy(
            "If whoever took it has not written so long while the patron waits: then any colleague may take it. 0: never."
        ),
        validators=[MinValueValidator(0), MaxValueValidator(90)],
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 0, "max": 90}),
    )
    desk_locks_after_minutes = forms.IntegerField(
        label=gettext_lazy("A shared desk computer locks after how many minutes"),
        help_text=gettext_lazy("If nobody has used it for so long. Staff open it again with their own PIN."),
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1, "max": 60}),
    )

    def clean_catalog_link(self):
        link = self.cleaned_data["catalog_link"]
        if not link:
            return ""
        try:
            places = {
                name for _text, name, _spec, _conversion in string.Formatter().parse(link) if name is not None
            }
        except ValueError:
            places = {""}
        if not re.match(r"https?://[^\s/]+\.[^\s]*\Z", link):
            raise forms.ValidationError(_("Write the whole address, beginning with https://"))
        if not places or places - LINK_PLACES:
            raise forms.ValidationError(
                _("Put {isbn}, {title} or {number} where the item's own goes, and no other curly brackets.")
            )
        return link


class ChildrenForm(forms.Form):
    """How a visit with a child is handed over, and by which patron groups of the ILS children are known."""

    children = forms.ChoiceField(
        label=gettext_lazy("A visit with a child"),
        widget=forms.RadioSelect,
        choices=[
            (
                Library.Children.PAPER,
                gettext_lazy(
                    "Paper only: nothing digital. The child takes a printed slip with everything on it: the summary, each item with its reason and call "
                    "number. No code, no mail, no account, and no new sign-in with a child's card."
                ),
            ),
            (
                Library.Children.SHARED,
                gettext_lazy(
                    "Shared with an adult: the code may be kept by the child and by one adult. Each reads, says what helped and asks. The adult sees that "
                    "visit and nothing else of the child's; the child can end it at any time."
                ),
            ),
            (
                Library.Children.OWN,
                gettext_lazy(
                    "The child's own: a child keeps visits in an account of their own, like anybody. No adult is let in."
                ),
            ),
        ],
        help_text=gettext_lazy(
            "Staff switch it on while they record a visit. Of a child no surname and no birth date is kept, and nothing longer than 90 days. What you "
            "choose counts for the visits recorded from now on; those that were handed over stay as they were. A quiet visit stays quiet, whoever it is with."
        ),
    )
    childrens_groups = TextField(
        label=gettext_lazy("Patron groups that are children's"),
        max_length=1000,
        multiline=True,
        required=False,
        help_text=gettext_lazy(
            "As your own system (ILS) names them, one a line. Who signs in with such a card has a child's record from that sign-in on: of the name that "
            "the ILS gives only the first given name is kept (of “Doe, Jane Ann” and of “Jane Ann Doe” it is Jane), and no e-mail address."
        ),
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )


class LogoForm(forms.Form):
    logo = forms.FileField(
        label=gettext_lazy("Logo"),
        help_text=gettext_lazy(
            "A PNG, JPEG or WebP picture of at most 5 MB. It stands beside the name on every page, quite small."
        ),
        error_messages={
            "required": gettext_lazy("Choose a picture."),
            "empty": gettext_lazy("That file is empty. Choose another."),
        },
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )

    def clean_logo(self):
        """The bytes of the picture drawn anew."""
        try:
            return files.picture(self.cleaned_data["logo"], side=LOGO_SIDE)
        except files.NotAPicture:
            raise forms.ValidationError(
                _("That is not a PNG, JPEG or WebP picture of at most 5 MB. Choose another.")
            ) from None


class BranchForm(forms.Form):
    name = TextField(label=gettext_lazy("Name"), max_length=120)
    address = TextField(label=gettext_lazy("Address"), max_length=200, required=False)
    phone = TextField(
        label=gettext_lazy("Phone"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"type": "tel"}),
    )
    promise_hours = forms.IntegerField(
        label=gettext_lazy("Answers within how many opening hours"),
        help_text=gettext_lazy(
            "The promise to patrons who ask. Only hours in which the branch is open count: open eight hours a day, 8 is one working day."
        ),
        validators=[MinValueValidator(1), MaxValueValidator(400)],
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1, "max": 400}),
    )

    def __init__(self, *args, branch=None, **kwargs):
        self.branch = branch
        super().__init__(*args, **kwargs)

    def clean_name(self):
        name = self.cleaned_data["name"]
        if Branch.objects.filter(name__iexact=name).exclude(pk=self.branch and self.branch.pk).exists():
            raise forms.ValidationError(_("Another branch has this name."))
        return name


class HoursForm(forms.Form):
    """One line for each day of the week: "9:00–12:00, 13:00–17:00", or nothing."""

    def __init__(self, *args, branch, **kwargs):
        week = {}
        for stretch in branch.opening_hours.all():
            week.setdefault(f"day{stretch.weekday}", []).append(
                f"{stretch.opens:%H:%M}–{stretch.closes:%H:%M}"
            )
        kwargs.setdefault("initial", {day: ", ".join(stretches) for day, stretches in week.items()})
        super().__init__(*args, **kwargs)
        for weekday in range(7):
            self.fields[f"day{weekday}"] = HoursField(
                label=capfirst(WEEKDAYS[weekday]),
                required=False,
                max_length=100,
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )

    @property
    def week(self):
        return [
            (weekday, opens, closes)
            for weekday in range(7)
            for opens, closes in self.cleaned_data[f"day{weekday}"]
        ]


class HoursField(forms.CharField):
    """Gives (opens, closes) pairs in order."""

    STRETCH = re.compile(
        r"\s*(\d{1,2})(?:[:.h](\d{2}))?\s*([ap]m)?\s*(?:-|–|—|to|a)\s*(\d{1,2})(?:[:.h](\d{2}))?\s*([ap]m)?\s*\Z",
        re.IGNORECASE,
    )

    def to_python(self, value):
        text = super().to_python(value)
        stretches = sorted(self._stretch(part) for part in text.split(",") if part.strip())
        for (_opens, closes), (opens, _closes) in zip(stretches, stretches[1:], strict=False):
            if opens < closes:
                raise forms.ValidationError(_("These times overlap."))
        return stretches

    def has_changed(self, initial, data):
        return True

    def _stretch(self, text):
        found = self.STRETCH.match(text)
        if not found:
            raise forms.ValidationError(
                _("Write from when to when, such as 9:00–17:00, and a comma between two openings.")
            )
        opens, closes = self._time(*found.group(1, 2, 3)), self._time(*found.group(4, 5, 6))
        if closes <= opens:
            raise forms.ValidationError(_("It has to close later than it opens, and before midnight."))
        return opens, closes

    def _time(self, hour, minute, half):
        hour, minute = int(hour), int(minute or 0)
        if half and 1 <= hour <= 12:
            hour = hour % 12 + (12 if half.lower() == "pm" else 0)
        try:
            return datetime.time(hour, minute)
        except ValueError:
            raise forms.ValidationError(
                _("There is no such time. Write from when to when, such as 9:00–17:00.")
            ) from None


class DayField(forms.DateField):
    def __init__(self, **kwargs):
        wrong = {
            "required": gettext_lazy("Choose the day."),
            "invalid": gettext_lazy("Write the day as year, month and day, such as 2027-01-01."),
        }
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(error_messages=wrong, widget=widget, input_formats=["%Y-%m-%d"], **kwargs)


class ClosedDayForm(forms.Form):
    day = DayField(label=gettext_lazy("Day"))
    reason = TextField(label=gettext_lazy("Reason"), max_length=80, required=False)


class TopicForm(forms.Form):
    """A topic's name, and one field for each other language of the portal."""

    name = TextField(label=gettext_lazy("Name"), max_length=60)

    def __init__(self, *args, topic=None, **kwargs):
        super().__init__(*args, **kwargs)
        known = {row.language: row.name for row in topic.names.all()} if topic else {}
        self.initial = {"name": topic.name} if topic else {}
        self.languages = [each for each in settings.LANGUAGES if each[0] != settings.LANGUAGE_CODE]
        for code, language in self.languages:
            self.fields[f"name_{code}"] = TextField(
                label=_("Name in %(language)s") % {"language": language},
                max_length=60,
                required=False,
                initial=known.get(code),
            )

    @property
    def typed(self):
        """Return what `topics.add_topic` and `topics.rename_topic` take."""
        names = {code: self.cleaned_data[f"name_{code}"] for code, _language in self.languages}
        return {"name": self.cleaned_data["name"], "names": names}


class ReplyTemplateForm(forms.Form):
    name = TextField(
        label=gettext_lazy("Name"),
        max_length=80,
        help_text=gettext_lazy("By which it is found. Patrons don't see it."),
    )
    branch = forms.ModelChoiceField(
        label=gettext_lazy("Branch"),
        queryset=Branch.objects.filter(closed_at=None),
        required=False,
        empty_label=gettext_lazy("All branches"),
    )
    language = language_field(gettext_lazy("Language of the text"))
    body = TextField(
        label=gettext_lazy("Text"),
        max_length=5000,
        multiline=True,
        help_text=gettext_lazy(
            "{patron} becomes the patron's name, {item} the title it is about, {me} the name of whoever answers. "
            "Without a name the sentence goes on without it; {patron|neighbor} puts a word of yours there instead."
        ),
        widget=forms.Textarea(attrs={"rows": 8}),
    )

    def clean_body(self):
        body = self.cleaned_data["body"]
        unknown = unknown_places(body)
        if unknown:
            words = _(
                "There is nothing to put in place of %(unknown)s. You can use {patron}, {item} and {me}, and no other curly brackets."
            )
            raise forms.ValidationError(words % {"unknown": ", ".join(unknown)})
        return body


class RoleForm(forms.Form):
    """A role at one of the branches whose people `coordinator` sees to."""

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
    """Who is invited, and as what at each of the branches whose people `coordinator` sees to. Valid, `at_branches` is {branch: role}."""

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


class ColleagueField(forms.ModelChoiceField):
    """Somebody who works at a desk of the library."""

    def __init__(self, **kwargs):
        staff = (
            User.objects.filter(is_active=True, staff_roles__isnull=False).distinct().order_by("name", "pk")
        )
        super().__init__(queryset=staff, **kwargs)

    def label_from_instance(self, person):
        return person.display_name


class AbsenceForm(forms.Form):
    """Days away of one person: `person`, or whom a coordinator chooses."""

    MOST_DAYS = 366

    person = ColleagueField(label=gettext_lazy("Who is away"), empty_label=None)
    first_day = DayField(label=gettext_lazy("First day away"))
    last_day = DayField(label=gettext_lazy("Last day away"))
    cover = ColleagueField(
        label=gettext_lazy("Who covers"),
        required=False,
        empty_label=gettext_lazy("Nobody in particular"),
        help_text=gettext_lazy(
            "Their open conversations go to this colleague meanwhile. With nobody in particular, anybody at the branch may take them."
        ),
    )

    def __init__(self, *args, person=None, today, **kwargs):
        super().__init__(*args, **kwargs)
        self.person, self.today = person, today
        if person is not None:
            del self.fields["person"]
            self.fields["cover"].queryset = self.fields["cover"].queryset.exclude(pk=person.pk)

    def clean(self):
        first, last, cover = (self.cleaned_data.get(name) for name in ("first_day", "last_day", "cover"))
        if first and last and last < first:
            self.add_error("last_day", _("The last day comes before the first."))
        elif first and last and (last - first).days >= self.MOST_DAYS:
            self.add_error("last_day", _("That is more than a year. Look at the last day again."))
        elif last and last < self.today:
            self.add_error("last_day", _("These days are over."))
        if cover and cover == (self.person or self.cleaned_data.get("person")):
            self.add_error(
                "cover", _("Nobody can cover for themselves. Choose somebody else, or nobody in particular.")
            )
        return self.cleaned_data
