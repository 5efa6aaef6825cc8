"""The fields that say what an item is: its kind, its form, its length and its audience."""

from functools import lru_cache

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class ItemDetails(models.Model):
    """The fields of an item that say what it is. `Item` inherits them."""

    class Kind(models.TextChoices):
        BOOK = "book", _("book")
        AUDIOBOOK = "audiobook", _("audiobook")
        SOUND = "sound", _("sound recording")
        SCORE = "score", _("music score")
        VIDEO = "video", _("video")
        MAP = "map", _("map")
        SERIAL = "serial", _("journal or newspaper")
        ARTICLE = "article", _("article")
        DATABASE = "database", _("database")
        WEB_PAGE = "web_page", _("web page")
        PERSON = "person", _("person")
        COURSE = "course", _("course or group")
        EVENT = "event", _("event")
        OTHER = "other", _("other")

    class Form(models.TextChoices):
        """How people read, hear or watch the item. Blank if the record doesn't say how."""

        LARGE_PRINT = "large_print", _("large print")
        BRAILLE = "braille", _("braille")
        EBOOK = "ebook", _("e-book")
        DISC = "disc", _("disc")
        CASSETTE = "cassette", _("cassette")
        STREAM = "stream", _("stream or download")
        ONLINE = "online", _("online")
        MICROFORM = "microform", _("microform")
        PRINT = "print", _("print")

    class Audience(models.TextChoices):
        """For whom an item was made. The values are those of MARC 008/22."""

        PRESCHOOL = "preschool", _("children up to 5 years")
        PRIMARY = "primary", _("children from 6 to 8 years")
        PRETEEN = "preteen", _("children from 9 to 13 years")
        TEEN = "teen", _("teens")
        JUVENILE = "juvenile", _("children and teens")
        ADULT = "adult", _("adults")
        SPECIALIZED = "specialized", _("specialists")
        GENERAL = "general", _("everyone")

    kind = models.CharField(_("kind"), max_length=12, choices=Kind, default=Kind.BOOK)
    form = models.CharField(_("form"), max_length=12, choices=Form, blank=True, default="", db_default="")
    extent = models.CharField(
        max_length=120, blank=True, default="", db_default="", help_text="such as 324 pages; MARC 300"
    )
    audience = models.CharField(
        max_length=12, choices=Audience, blank=True, default="", db_default="", help_text="MARC 008/22"
    )
    audience_note = models.CharField(
        max_length=120,
        blank=True,
        default="",
        db_default="",
        help_text="for whom it was made, in the words of the record; MARC 521",
    )

    class Meta:
        abstract = True

    @property
    def kind_name(self):
        """Return the label of the kind, with a capital letter, followed by the label of the form.

        Print is left out, because people expect it of a book, a score or a map.
        """
        return _kind_name(self.kind, self.form, get_language())

    @property
    def is_printed_book(self):
        """Return whether this is a printed book. Large print and braille don't count."""
        return self.kind == self.Kind.BOOK and self.form in ("", self.Form.PRINT)

    @property
    def for_whom(self):
        """Return the audience of the item and the record's note about the audience, or ""."""
        label = str(self.Audience(self.audience).label) if self.audience in self.Audience.values else ""
        return " · ".join(filter(None, [label, self.audience_note]))

    @property
    def for_young_people(self):
        """Return the age group of an item for children or teens. Return "" for other items."""
        return str(self.Audience(self.audience).label) if self.audience in YOUNG else ""


YOUNG = {"preschool", "primary", "preteen", "teen", "juvenile"}


# Cached, because Django's get_kind_display takes 50 µs, and a page shows many items of a few kinds.
@lru_cache(maxsize=400)
def _kind_name(kind, form, _language):
    kinds, forms = ItemDetails.Kind, ItemDetails.Form
    if (kind, form) == (kinds.BOOK, forms.EBOOK):
        return capfirst(str(forms.EBOOK.label))
    # An item from a form with errors can have an unknown kind or form.
    name = capfirst(str(kinds(kind).label if kind in kinds.values else kind))
    return f"{name}, {forms(form).label}" if form in forms.values and form != forms.PRINT else name
