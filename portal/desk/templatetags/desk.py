"""What the desk's pages say of messages and items. They are drawn here: Django's way of drawing them was most of what a conversation cost.

Everything that somebody wrote is escaped where it is put in.
"""

from functools import lru_cache
from html import escape
from uuid import UUID

from django import template
from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils.safestring import mark_safe
from django.utils.text import Truncator, capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from portal.templatetags.portal import icon, plain, when
from recommendations.models import Item, Recommendation
from recommendations.verdicts import NEEDS_FOLLOW_UP

register = template.Library()

Why = Recommendation.Why


@register.simple_tag
def item_line(item, call_number=""):
    """An item in one line: its title, then by whom, of what kind, from when and where it stands. `call_number` is one that isn't saved yet."""
    parts = [f'<span dir="auto">{escape(Truncator(item.creators).chars(80))}</span>'] if item.creators else []
    parts.append(_kind(item.kind, get_language()))
    if item.year:
        parts.append(escape(item.year))
    holdings = item.holdings.all() if item.pk else ()
    parts += [
        f'<span class="call">{escape(holding.call_number)}</span> {escape(holding.branch.name)}'
        for holding in holdings
    ]
    if call_number:
        parts.append(f'<span class="call">{escape(call_number)}</span>')
    if item.url:
        parts.append(f'<span class="address">{escape(Truncator(item.url).chars(60))}</span>')
    return mark_safe(
        f'<strong dir="auto">{escape(item.title)}</strong> <span class="meta">{" · ".join(parts)}</span>'
    )


@lru_cache(maxsize=100)
def _kind(kind, _language):
    return escape(capfirst(Item(kind=kind).get_kind_display()))


@register.simple_tag
def given(recommendation):
    """An item with the reason why it was given, and what became of it. `recommendation.said` is the verdict in the patron's words."""
    drawn = [
        f"<li><p>{item_line(recommendation.item)}</p>{_reason(recommendation)}<p>{_verdict(recommendation)}"
    ]
    if recommendation.why:
        drawn.append(f' <span class="meta">{escape(Why(recommendation.why).label)}</span>')
    if recommendation.decided_at:
        drawn.append(f' <span class="meta">· {when(recommendation.decided_at)}</span>')
    drawn.append("</p>")
    if recommendation.comment:
        drawn.append(f'<blockquote class="meta prose">{plain(recommendation.comment)}</blockquote>')
    drawn.append("</li>")
    return mark_safe("".join(drawn))


@register.simple_tag
def given_before(recommendation):
    """What was given on another occasion, more shortly."""
    why = f' <span class="meta">{escape(Why(recommendation.why).label)}</span>' if recommendation.why else ""
    comment = (
        f'<blockquote class="meta" dir="auto">{escape(Truncator(recommendation.comment).chars(160))}</blockquote>'
        if recommendation.comment
        else ""
    )
    return mark_safe(
        f'<li><p><strong dir="auto">{escape(recommendation.item.title)}</strong> <span class="meta">{when(recommendation.recommended_at)} · '
        f"{escape(recommendation.branch.name)}</span></p><p>{_verdict(recommendation)}{why}</p>{comment}</li>"
    )


def _reason(recommendation):
    return (
        f'<p class="reason" dir="auto">{escape(recommendation.reason)}</p>' if recommendation.reason else ""
    )


def _verdict(recommendation):
    if recommendation.verdict:
        said = escape(capfirst(str(recommendation.said)))
        failed = recommendation.verdict in NEEDS_FOLLOW_UP
        return (
            f'<span class="tag warn">{icon("alert")}{said}</span>'
            if failed
            else f'<span class="tag">{said}</span>'
        )
    return f'<span class="meta">{escape(_("No word yet") if recommendation.starred else _("Not asked about"))}</span>'


@register.simple_tag
def of_conversation(name, conversation):
    """The address of one of the many pages and actions of a conversation: as {% url %} has it, which takes ten times as long to find it."""
    return _of_nil(name, get_urlconf(), get_script_prefix()).replace(NIL, str(conversation.public_id))


NIL = str(UUID(int=0))


@lru_cache(maxsize=100)
def _of_nil(name, _urlconf, _prefix):
    return reverse(name, args=[NIL])


@register.simple_tag(takes_context=True)
def time_line(context):
    """What `timeline` tells, day by day. Files, and what is still held, are seldom: they have templates."""
    timeline, drawn = context["timeline"], []
    for day, entries in timeline.days:
        drawn.append(f'<li class="day" id="day-{day.isoformat()}">{when(day)}</li>\n')
        for entry in entries:
            if entry.shape == "message":
                if entry.pk == timeline.unread:
                    drawn.append(
                        f'<li class="event unread" id="first-unread">{escape(_("New since you were here"))}</li>'
                    )
                drawn += _message(context, entry)
            elif entry.shape == "note":
                drawn += _note(entry)
            else:
                drawn.append(
                    f'<li class="event" id="{entry.anchor}">{escape(entry.words)} · {when(entry.told_at)}</li>\n'
                )
    return mark_safe("".join(drawn))


def _message(context, message):
    """Who and when stand below; the time is the link to the message."""
    side, held = (
        "mine" if message.side == "staff" else "theirs",
        " data-pending" if message.seconds_to_undo else "",
    )
    yield f'<li class="message {side}" id="{message.anchor}"{held}><h2 class="visually-hidden">{escape(message.heading)}</h2>'
    yield f'<div class="bubble prose" lang="{escape(message.language)}" dir="auto">{plain(message.body)}'
    if message.given:
        yield f'<ul class="given">{"".join(_made(recommendation) for recommendation in message.given)}</ul>'
    yield "</div>"
    if message.files:
        yield _included(context, "components/attachments.html", attachments=message.files)
    moment = (
        f'<a class="moment" href="?from={message.public_id}#{message.anchor}">{when(message.sent_at)}</a>'
    )
    yield f'<p class="meta">{escape(message.by)} · {moment}</p>'
    if message.seconds_to_undo:
        yield _included(context, "desk/conversation_undo.html", entry=message)
    yield "</li>\n"


def _made(recommendation):
    said = f'<p class="meta">{escape(capfirst(str(recommendation.said)))}</p>' if recommendation.said else ""
    return f"<li><p>{item_line(recommendation.item)}</p>{_reason(recommendation)}{said}</li>"


def _note(note):
    """What staff write to each other."""
    heading = (
        _("%(name)s noted, for staff only") % {"name": note.author.display_name}
        if note.author
        else _("A note, for staff only")
    )
    by = f" · {escape(note.author.display_name)}" if note.author else ""
    yield f'<li class="note-entry" id="{note.anchor}"><h2 class="visually-hidden">{escape(heading)}</h2><div class="prose">{plain(note.body)}</div>'
    yield f'<p class="meta">{icon("lock")}{escape(_("Only staff read this"))}{by} · {when(note.written_at)}</p></li>\n'


def _included(context, name, **more):
    with context.push(**more):
        return context.template.engine.get_template(name).render(context)
