"""The forms for a patron's lists."""

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from portal.text import TextField, grouped

from .links import DAYS, DEFAULT_DAYS
from .models import LINK_NAME_MAX, MAX_ITEMS, MAX_LINKS, MAX_LISTS, NAME_MAX, NOTE_MAX, SavedItem


class ListForm(forms.Form):
    """The name of a list."""

    name = TextField(
        label=_("Name of the list"),
        max_length=NAME_MAX,
        error_messages={"required": _("Give the list a name.")},
    )

    def add_name_taken(self):
        self.add_error("name", _("You have another list with this name. Choose another name."))

    def add_too_many(self):
        self.add_error(
            None,
            _("You have %(most)d lists, and that is the limit. Remove a list first.") % {"most": MAX_LISTS},
        )


class NoteForm(forms.Form):
    """The patron's note about a title. `is_shared` says whether a link shows the notes of the list."""

    note = TextField(
        label=_("Your note"),
        max_length=NOTE_MAX,
        multiline=True,
        required=False,
    )

    def __init__(self, *args, is_shared, **kwargs):
        super().__init__(*args, **kwargs)
        if is_shared:
            words = _now(
                "Anyone with your link to this list can read this note. The note stays even after your "
                "visit is deleted. At most %(most)s characters."
            )
        else:
            words = _now(
                "Only you can read this note. The note stays even after your visit is deleted. At most "
                "%(most)s characters."
            )
        most = grouped(NOTE_MAX)
        self.fields["note"].help_text = words % {"most": most}


class ReadingForm(forms.Form):
    """How far the patron is with a title."""

    reading = forms.ChoiceField(choices=SavedItem.Reading, required=False)


class TitleForm(forms.Form):
    """A title that the patron adds by hand."""

    title = TextField(label=_("Title"), max_length=400, error_messages={"required": _("Type the title.")})
    creators = TextField(label=_("Author or creator"), max_length=300, required=False)

    def add_full(self):
        self.add_error(
            None,
            _("This list has %(most)d titles, and that is the limit. Choose another list.")
            % {"most": MAX_ITEMS},
        )


class CopyForm(ListForm):
    """The name of the list into which a visitor copies a shared list."""

    def add_no_room(self, saved_list, count):
        """Add the error that the list has no room for `count` more titles."""
        self.add_error(
            "name",
            ngettext_lazy(
                "“%(list)s” has no room for %(count)d more title. A list can have %(most)d titles. "
                "Enter the name of another list.",
                "“%(list)s” has no room for %(count)d more titles. A list can have %(most)d titles. "
                "Enter the name of another list.",
                count,
            )
            % {"list": saved_list.title, "count": count, "most": MAX_ITEMS},
        )


def too_many_links(most):
    """Return the error message for a person who already has `most` working links."""
    return _now("You have %(most)d links, and that is the limit. End a link first.") % {"most": most}


def _days():
    """Return the choices of EndForm.days in the language of the page. Each form calls this function."""
    return [
        (
            days,
            _now("one year")
            if days == 365
            else ngettext("%(count)d day", "%(count)d days", days) % {"count": days},
        )
        for days in DAYS
    ]


class EndForm(forms.Form):
    """The number of days after which a link ends."""

    days = forms.TypedChoiceField(
        label=_("How long the link works"),
        coerce=int,
        choices=_days,
        initial=DEFAULT_DAYS,
    )


class LinkForm(EndForm):
    """What visitors of a link see, and when the link ends. For a child, the form has no field for a name."""

    with_notes = forms.BooleanField(
        label=_("Show my notes too"),
        required=False,
        help_text=_("Visitors will see all your notes in this list, including notes that you write later."),
    )
    name = TextField(
        label=_("Your name"),
        max_length=LINK_NAME_MAX,
        required=False,
        help_text=_("Visitors see what you type here. Leave it empty to share the list without a name."),
    )
    field_order = ["with_notes", "name", "days"]

    def __init__(self, *args, is_child, **kwargs):
        super().__init__(*args, **kwargs)
        if is_child:
            del self.fields["name"]

    def add_too_many(self):
        self.add_error(None, too_many_links(MAX_LINKS))
