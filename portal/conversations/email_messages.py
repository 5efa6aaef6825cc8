"""Texts and HTML about messages that came by email, for patron pages and the desk."""

from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from portal.templatetags.portal import icon, plain

from .attachments import NotAdded
from .models import Message
from .quotes import parts_of


def mark(by_email):
    """Return the text that marks a message as one that came by email. `by_email` is a Message.ByEmail."""
    if by_email == Message.ByEmail.ADDED:
        return _("by email, added by staff")
    return _("by email")


def text(body):
    """Return the text of an email as HTML. Quotes are collapsed until the reader taps them."""
    parts = (_quote(part.text) if part.is_quote else plain(part.text) for part in parts_of(body))
    return mark_safe("".join(parts))


def left_out(files):
    """Return the HTML that tells the sender which files of an email were not stored.

    `files` is Message.left_out. Each line says what the sender can do. Return "" if there are no files.
    """
    return _lines((name, NotAdded(name, why).words) for name, why in files)


def left_out_for_staff(files):
    """Return the HTML that tells staff which files of an email were not stored.

    `files` is Message.left_out. Return "" if there are no files.
    """
    return _lines((name, _why_for_staff(why)) for name, why in files)


def _quote(words):
    html = '<details class="quoted"><summary>{}</summary><blockquote>{}</blockquote></details>'
    return format_html(html, _("Quoted text"), plain(words))


def _lines(files):
    html = (
        format_html(
            '<p class="left-out">{} <span>{} {}</span></p>',
            icon("alert"),
            mark_safe(escape(_("We couldn't save “%(name)s”.")) % {"name": f"<bdi>{escape(name)}</bdi>"}),
            words,
        )
        for name, words in files
    )
    return mark_safe("".join(html))


def _why_for_staff(why):
    reason = {
        "unknown": _("The file is neither a picture (JPEG, PNG, WebP) nor a PDF."),
        "too_large": _("The file is too large."),
        "too_many_dots": _("The file is too large to open."),
        "damaged": _("The file is damaged."),
        "empty": _("The file is empty."),
    }.get(why, _("There is no room for more files."))
    return f"{reason} {_('Open the original email, or ask the patron for a picture or a PDF.')}"
