"""What every template may use without loading it: icons, covers, times, plain text, the style sheet."""

import datetime
import re
from functools import lru_cache
from urllib.parse import quote

from django import template
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe
from django.utils.text import Truncator, capfirst
from django.utils.timesince import timesince
from django.utils.translation import get_language, gettext, ngettext, pgettext

from portal import styles
from portal.icons import FLIPPED, ICONS

register = template.Library()


@register.simple_tag(takes_context=True)
def page_style(context, whole=True):
    """The <style> of the page. Its hash is left on the request for the content security policy."""
    library = context.get("library")
    css, source = styles.page_style(library.accent_color if library else styles.DEFAULT_ACCENT, whole=whole)
    if request := context.get("request"):
        request.style_source = source
    return mark_safe(f"<style>{css}</style>")


@register.simple_tag
def icon(name):
    """One of our own shapes (portal/icons.py), for the eye only: the words stand beside it."""
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


@register.simple_tag
def cover(item):
    """A cover drawn from title and author: the same item always has the same one. It repeats what stands beside it, so it is hidden from screen readers."""
    return _cover(item.title, item.creators, item.kind, item.public_id.int)


@lru_cache(maxsize=5000)
def _cover(title, creators, kind, number):
    title = Truncator(title.partition(" / ")[0].partition(" : ")[0]).chars(60)
    creator = Truncator(re.split(r"[;|]", creators)[0].strip()).chars(36)
    shape = icon(KIND_ICONS[kind]) if kind in KIND_ICONS else ""
    return format_html(
        '<span class="cover h{} p{}" aria-hidden="true"><span><b>{}</b>{}<small>{}</small></span></span>',
        number % 8,
        number // 8 % 4,
        title,
        shape,
        creator,
    )


@register.simple_tag
def when(moment):
    """A day, or a moment in the library's own time, in words: today 14:02, yesterday, Tue 3 Nov, and with its year when that isn't this one."""
    if not moment:
        return ""
    timed = isinstance(moment, datetime.datetime)
    local = timezone.localtime(moment) if timed and timezone.is_aware(moment) else moment
    language = get_language()
    words = _day_in_words(local.date() if timed else local, timezone.localdate(), language)
    if timed:
        words = f"{words} {_time_in_words(local.hour, local.minute, language)}"
    return mark_safe(
        f'<time datetime="{local.isoformat(timespec="minutes") if timed else local}">{words}</time>'
    )


# Django formats a date slowly, and a page names the same few days and times over and over. No sign in them is one of HTML's.


@lru_cache(maxsize=2000)
def _day_in_words(day, today, _language):
    if day == today:
        return gettext("today")
    if day == today - datetime.timedelta(days=1):
        return gettext("yesterday")
    if day.year == today.year:
        return date_format(day, pgettext("format of a day in this year", "D j M"))
    return date_format(day, pgettext("format of a day in another year", "j M Y"))


@lru_cache(maxsize=2000)
def _time_in_words(hour, minute, _language):
    return date_format(datetime.time(hour, minute), pgettext("format of a time", "H:i"))


@register.filter
def day_in_a_sentence(day):
    """Tuesday 3 November."""
    return date_format(day, pgettext("format of a day in a sentence", "l j F"))


@register.filter(expects_localtime=True)
def whole_day(day):
    """3 November 2027: for what is months away."""
    return date_format(day, pgettext("format of a day with its year", "j F Y"))


@register.filter(expects_localtime=True)
def clock(moment):
    """14:02."""
    return _time_in_words(moment.hour, moment.minute, get_language())


@register.simple_tag
def choice_buttons(name, choices, chosen, of="", announce=False):
    """The answers to one question as buttons that submit `name`, the chosen one pressed. `of` tells their ids from those of the same question elsewhere."""
    drawn = []
    for value, label in choices:
        pressed, label = value == chosen, str(label)
        said = (
            f' data-announce="{escape(gettext("Your answer is kept: %(label)s") % {"label": label})}"'
            if announce and pressed
            else ""
        )
        which = escape(f"{value}-{of}" if of else f"{name}-{value}")
        start = f'<button class="choice" name="{name}" value="{escape(value)}" id="{which}" aria-pressed="{"true" if pressed else "false"}"{said}>'
        drawn.append(f"{start}{icon('check')}{escape(capfirst(label))}</button>")
    return mark_safe("".join(drawn))


LINK = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)


@register.filter
def waited(moment, at=None):
    """How long ago, in words. Django's own words count minutes and say "0 minutes" of a moment ago; these begin with seconds."""
    seconds = max(int(((at or timezone.now()) - moment).total_seconds()), 0)
    if seconds < 60:
        return ngettext("%(count)s second", "%(count)s seconds", seconds) % {"count": seconds}
    return timesince(moment, at)


@register.filter
def plain(text):
    """What somebody typed, as paragraphs: escaped, lines kept, web addresses linked. Nothing in it is ever markup."""
    paragraphs = re.split(r"\n\s*\n", str(text or "").replace("\r\n", "\n").strip())
    return mark_safe(
        "".join(f'<p dir="auto">{_linked(paragraph)}</p>' for paragraph in paragraphs if paragraph)
    )


def _linked(text):
    parts, end = [], 0
    for found in LINK.finditer(text):
        address = found[0].rstrip(".,;:!?*")
        if address.endswith(")") and "(" not in address:  # (see https://example.org/page)
            address = address.rstrip(").,;:!?")
        parts += [
            escape(text[end : found.start()]),
            format_html('<a href="{0}" rel="nofollow noopener noreferrer">{0}</a>', address),
        ]
        end = found.start() + len(address)
    parts.append(escape(text[end:]))
    return "".join(parts).replace("\n", "<br>")


@register.simple_tag(takes_context=True)
def catalog_url(context, item):
    """Where this item can be found: its own link, or its place in the library's catalogue; empty where there is neither."""
    if item.url:
        return item.url if item.url.startswith(("https://", "http://")) else ""
    library = context.get("library")
    address = library.catalog_link if library else ""
    known = {"{isbn}": item.isbn, "{title}": item.title, "{number}": item.source_key}
    if not address.startswith("https://") or any(
        name in address and not value for name, value in known.items()
    ):
        return ""
    for name, value in known.items():
        address = address.replace(name, quote(value, safe=""))
    return address


@register.filter
def undo_url(message):
    """The address that undoes what a message tells of: `messages.success(request, words, extra_tags=f"undo={address}")`."""
    return message.extra_tags.partition("undo=")[2] if message.extra_tags else ""


@register.filter
def first_choice_id(field):
    """The id that an error's link goes to: of the control, or of the first one of a group."""
    return field.id_for_label or f"{field.auto_id}_0"


class CaptureNode(template.Node):
    def __init__(self, nodelist, name):
        self.nodelist, self.name = nodelist, name

    def render(self, context):
        context[self.name] = self.nodelist.render(context).strip()
        return ""


@register.tag
def capture(parser, token):
    """{% capture tab %}{% block tab %}{% endblock %}{% endcapture %}: what a page says in a block, as a variable to compare with."""
    _, name = token.split_contents()
    nodelist = parser.parse(("endcapture",))
    parser.delete_first_token()
    return CaptureNode(nodelist, name)


class FixedNode(template.Node):
    def __init__(self, nodelist, given):
        self.nodelist, self.given, self.drawn = nodelist, given, {}

    def render(self, context):
        key = (get_language(), *(value.resolve(context) for value in self.given))
        if key not in self.drawn:
            self.drawn[key] = self.nodelist.render(context)
        return self.drawn[key]


@register.tag
def fixed(parser, token):
    """{% fixed %}…{% endfixed %}: what is the same for everybody on every such page, drawn once in each language. Nothing in it may
    depend on who asks, or on anything else but the language; and, after {% fixed tab is_coordinator %}, on these. Each has few values:
    all that was drawn is remembered."""
    _, *given = token.split_contents()
    nodelist = parser.parse(("endfixed",))
    parser.delete_first_token()
    return FixedNode(nodelist, [parser.compile_filter(value) for value in given])
