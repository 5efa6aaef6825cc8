"""Template tags and filters for covers, times, plain text and the style sheet.

All templates can use them without loading this module.
"""

import datetime
import re
from functools import lru_cache, partial

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import mark_safe
from django.utils.text import Truncator, capfirst
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext, ngettext, pgettext

from portal import app_icons, styles
from portal.dois import doi_url
from portal.happening import call_address, happening
from portal.icons import FLIPPED, ICONS
from portal.phone_numbers import with_phone_links
from portal.printing import qr_svg
from portal.times import are_days_absolute, time_of_day

register = template.Library()


@register.simple_tag(takes_context=True)
def page_style(context, whole=True, messages=False, extras=False, covers=True):
    """Return the <style> element of the page, and store its hash on the request.

    The content security policy needs that hash. See portal.styles.page_style() for the arguments.
    """
    library = context.get("library")
    accent = library.accent_color if library else styles.DEFAULT_ACCENT
    css, source = styles.page_style(accent, whole=whole, messages=messages, extras=extras, covers=covers)
    if request := context.get("request"):
        request.style_source = source
    return mark_safe(f"<style>{css}</style>")


@register.simple_tag
def theme_colors():
    """Return the <meta> elements that make the bar of the browser the same color as the page header."""
    return mark_safe(
        "".join(
            f'<meta name="theme-color" content="{theme["surface"]}" media="(prefers-color-scheme: {name})">'
            for name, theme in (("light", styles.LIGHT), ("dark", styles.DARK))
        )
    )


@register.simple_tag
def icon_version(library):
    """Return the version in the URLs of the library's icons."""
    return app_icons.icon_version(library.name, library.accent_color)


@register.simple_tag(takes_context=True)
def receipt_page(context, height):
    """Return a <style> element that sets the size of a receipt's page. `height` is in millimeters.

    Also store the hash of its CSS on the request, so that the content security policy allows this element.
    """
    css = f"@page receipt {{ size: 80mm {height:d}mm; margin: 0; }}"
    context["request"].style_source += f" {styles.source_of(css)}"
    return mark_safe(f'<style id="receipt-page">{css}</style>')


register.simple_tag(qr_svg, name="qr_code")


def icon(name):
    """Return an icon from portal/icons.py. Screen readers skip the icon, because there is text next to it."""
    flips = " flips" if name in FLIPPED else ""
    return mark_safe(f'<svg class="icon{flips}" viewBox="0 0 24 24" aria-hidden="true">{ICONS[name]}</svg>')


KIND_ICONS = {
    "audiobook": "headphones",
    "sound": "music",
    "score": "music",
    "video": "video",
    "map": "map",
    "serial": "article",
    "article": "article",
    "database": "database",
    "web_page": "globe",
    "person": "person",
    "course": "people",
    "event": "calendar",
}


@register.simple_tag(takes_context=True)
def cover(context, item, paper=""):
    """Render a cover with the item's title and author. The same item always gets the same cover.

    If the item has a real cover, js/app.js shows it over the drawn cover as soon as the drawn cover comes
    into view. If the real cover can't be loaded, for example without a connection, the drawn cover stays. On
    pages for visitors and for staff, `covers_at` in the context is the path of the pictures that they may
    see.

    On a page that will be printed, `paper` is the kind of paper. The pictures are then loaded together with
    the page, because people may print before they scroll to the end. A receipt has only drawn covers, because
    receipt printers have one color.

    Screen readers skip the cover, because the title and author are next to it.
    """
    drawn, end = _cover(item.title, item.creators, item.kind, item.public_id.int)
    if not item.has_cover or paper == "receipt":
        return mark_safe(drawn + end)
    where = context.get("covers_at", "/covers")
    picture = f'<img src="{where}/{item.public_id}/" alt="">'
    return mark_safe(f"{drawn}{picture if paper else f'<noscript>{picture}</noscript>'}{end}")


def _size_of_letters(title):
    """Return a class for smaller letters if the longest word of the title is too long for a cover."""
    longest = max(map(len, re.split(r"[\s-]", title)))
    return " longest" if longest > 12 else " long" if longest > 9 else ""


@lru_cache(maxsize=5000)
def _cover(title, creators, kind, number):
    """Return the HTML of a drawn cover in two parts. The picture of a real cover goes between them."""
    title = Truncator(title.partition(" / ")[0].partition(" : ")[0]).chars(60)
    creator = Truncator(re.split(r"[;|]", creators)[0].strip()).chars(36)
    shape = icon(KIND_ICONS[kind]) if kind in KIND_ICONS else ""
    drawn = format_html(
        '<span class="cover h{} p{}{}" aria-hidden="true"><span><b>{}</b>{}<small>{}</small></span>',
        number % 6,
        number // 6 % 2,
        _size_of_letters(title),
        title,
        shape,
        creator,
    )
    return drawn, "</span>"


@register.simple_tag
def in_original_script(item, text):
    """Return a title or name in its original script, as HTML that says its language."""
    return format_html('<span lang="{}" dir="auto">{}</span>', item.original_lang, text)


@register.simple_tag
def when(moment):
    """Return a <time> for a date or a datetime, in the library's time zone.

    Examples of the text are "today 2:02 p.m.", "yesterday" and "Tue, Nov 3". A date in another year
    includes the year. Pages that are kept for reading offline show a date instead of "today" and "yesterday".
    """
    if not moment:
        return ""
    zone = timezone.get_current_timezone()
    has_time = isinstance(moment, datetime.datetime)
    local = moment.astimezone(zone) if has_time and moment.tzinfo else moment
    day = local.date() if has_time else local
    today = timezone.now().astimezone(zone).date()
    words = _day_in_words(day, today, get_language(), has_time, are_days_absolute())
    if has_time:
        words = f"{words} {time_of_day(local.hour, local.minute)}"
    iso = local.isoformat(timespec="minutes") if has_time else local
    # `words` comes from date formats and translations, which contain no HTML.
    return mark_safe(f'<time datetime="{iso}">{words}</time>')


# Django formats dates slowly, and a page often repeats the same few dates. So the results are cached.


@lru_cache(maxsize=2000)
def _day_in_words(day, today, _language, before_time, is_absolute):
    if not is_absolute and day == today:
        return gettext("today")
    if not is_absolute and day == today - datetime.timedelta(days=1):
        return gettext("yesterday")
    if day.year == today.year:
        words = date_format(day, pgettext("format of a day in this year", "D, M j"))
    else:
        words = date_format(day, pgettext("format of a day in another year", "M j, Y"))
    return pgettext("a day before a time of day", "%(day)s,") % {"day": words} if before_time else words


@register.filter
def day_in_a_sentence(day):
    """Return a day as "Tuesday, November 3"."""
    return date_format(day, pgettext("format of a day in a sentence", "l, F j"))


@register.filter(expects_localtime=True)
def whole_day(day):
    """Return a day with its year, as "November 3, 2027". Use this for days that are months away."""
    return date_format(day, pgettext("format of a day with its year", "F j, Y"))


@register.filter(expects_localtime=True)
def clock(moment):
    """Return the time of day, as time_of_day() does."""
    return time_of_day(moment.hour, moment.minute)


@register.filter
def full_hour(hour):
    """Return the time at which an hour of the day, from 0 to 23, begins."""
    return time_of_day(hour)


@register.simple_tag
def choice_buttons(name, choices, chosen, of="", needs_push=""):
    """Return a submit button named `name` for each choice. The button for `chosen` has aria-pressed="true".

    If a page shows the same choices several times, pass a different value of `of` each time. Otherwise,
    several buttons would have the same id. The choice `needs_push` is hidden until js/app.js has found that
    the browser can get push messages.
    """
    buttons = []
    for value, label in choices:
        start, end = _choice(name, value, str(label), value == chosen, value == needs_push)
        buttons += [start, escape(f"{value}-{of}" if of else f"{name}-{value}"), end]
    return mark_safe("".join(buttons))


# The result is cached, because a page with many items has the same few buttons for each item.
@lru_cache(maxsize=1000)
def _choice(name, value, label, is_pressed, needs_push):
    """Return the HTML of a button in two parts. The id of the button goes between them."""
    pressed, words = "true" if is_pressed else "false", escape(capfirst(label))
    late = " hidden data-needs-push" if needs_push and not is_pressed else ""
    return (
        f'<button class="choice"{late} name="{name}" value="{escape(value)}" id="',
        f'" aria-pressed="{pressed}">{icon("check")}{words}</button>',
    )


LINK = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)
# Matches an email address, and the punctuation after it.
EMAIL = re.compile(r"(?<![\w.+-])([\w.+-]+@[\w-]+(?:\.[\w-]+)+)([.,;:!?]*)")


@register.filter
def waited(moment, at=None):
    """Return how long ago `moment` was, such as "5 minutes".

    For less than a minute, Django's timesince would return "0 minutes". So return the seconds, at least 1.
    """
    seconds = max(int(((at or timezone.now()) - moment).total_seconds()), 1)
    if seconds < 60:
        return ngettext("%(count)s second", "%(count)s seconds", seconds) % {"count": seconds}
    return timesince(moment, at)


@register.filter
def plain(text):
    """Turn text that a person typed into HTML paragraphs with line breaks and links. The text is escaped."""
    return _paragraphs(text, partial(_linked, between_links=escape))


@register.filter
def without_links(text):
    """Do what `plain` does, but without links. Use this for a patron's text that strangers read."""
    return _paragraphs(text, escape)


@register.filter
def library_text(text):
    """Do what `plain` does, and also link phone numbers. Use this only for text that the library wrote."""
    return _paragraphs(text, partial(_linked, between_links=with_phone_links))


register.filter("phones", with_phone_links)


def _paragraphs(text, as_html):
    """Return the text as HTML paragraphs. `as_html` converts the text of one paragraph to HTML."""
    paragraphs = re.split(r"\n\s*\n", str(text or "").replace("\r\n", "\n").strip())
    return mark_safe(
        "".join(
            '<p dir="auto">{}</p>'.format(as_html(paragraph).replace("\n", "<br>"))
            for paragraph in paragraphs
            if paragraph
        )
    )


def _linked(text, between_links):
    """Return the text as HTML with links. `between_links` converts the text between two links to HTML."""
    parts, end = [], 0
    for match in LINK.finditer(text):
        address = match[0].rstrip(".,;:!?*")
        # A link doesn't include a closing parenthesis that ends a remark (see https://example.org/page).
        if address.endswith(")") and "(" not in address:
            address = address.rstrip(").,;:!?")
        parts += [
            between_links(text[end : match.start()]),
            format_html('<a href="{0}" rel="nofollow noopener noreferrer">{0}</a>', address),
        ]
        end = match.start() + len(address)
    parts.append(between_links(text[end:]))
    return "".join(parts)


@register.filter(name="happening")
def happening_words(item):
    """Return when an event or course takes place, such as "on May 3, 2027" or "was on May 3, 2027".

    Return "" if the item has no day.
    """
    return happening(item)


@register.filter
def own_address(item):
    """Return the item's own web address, or that of its DOI, or ""."""
    return item.url or doi_url(item.doi)


@register.filter
def phone_link(item):
    """Return the phone number of a person as a link that starts a call, or "" if the item has none."""
    address = call_address(item)
    number = f"<bdi>{escape(item.phone)}</bdi>"
    return mark_safe(f'<a href="{escape(address)}">{number}</a>' if address else number if item.phone else "")


@register.filter
def address(text):
    """Return an email address as HTML. If it doesn't fit on one line, it breaks before an @ or a period."""
    return mark_safe(re.sub("(?=[@.])", "<wbr>", escape(text)))


@register.filter
def with_addresses(text):
    """Return the text as HTML in which email addresses break only if they don't fit on one line.

    The stylesheet makes an element with a <wbr> one block. The block includes the punctuation after the
    address, so that no line begins with it.
    """
    return mark_safe(
        EMAIL.sub(lambda found: f"<bdi>{address(found[1])}{found[2]}</bdi>", conditional_escape(text))
    )


@register.filter
def undo_url(message):
    """Return the URL that undoes the action that a message reports, or "".

    A view sets this URL with `messages.success(request, words, extra_tags=f"undo={url}")`.
    """
    return message.extra_tags.partition("undo=")[2] if message.extra_tags else ""


@register.filter
def first_choice_id(field):
    """Return the id that an error message links to: the id of the input, or of the first input in a group."""
    return field.id_for_label or f"{field.auto_id}_0"


@register.filter
def key(values, name):
    """Return the value of this key in a dict, or None if the key is missing.

    Use this filter for a key that is usually missing, such as a key of a session. Django's dot notation would
    then also look for an attribute and an index of that name, which takes ten times as long.
    """
    return values.get(name) if values else None


class CaptureNode(template.Node):
    def __init__(self, nodelist, name):
        self.nodelist, self.name = nodelist, name

    def render(self, context):
        context[self.name] = self.nodelist.render(context).strip()
        return ""


@register.tag
def capture(parser, token):
    """Save rendered content in a variable: {% capture tab %}{% block tab %}{% endblock %}{% endcapture %}.

    With this tag, a base template can check what a page has written in a block.
    """
    _, name = token.split_contents()
    nodelist = parser.parse(("endcapture",))
    parser.delete_first_token()
    return CaptureNode(nodelist, name)
