"""Template tags that render messages and items in Python.

Rendering a conversation's page with Django templates would take much longer. Each function escapes all
values.
"""

import re
from html import escape

from django import template
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from portal.conversations import email_messages
from portal.desk.kit_rows import offered_kits
from portal.desk.timeline_entries import by_link_words
from portal.happening import happening
from portal.page_addresses import address_of
from portal.templatetags.portal import (
    day_in_a_sentence,
    icon,
    in_original_script,
    own_address,
    plain,
    when,
)
from portal.text import shortened
from recommendations.models import NextStep, QuestionType, Recommendation
from recommendations.templatetags.items import no_longer_there
from recommendations.verdicts import NEEDS_FOLLOW_UP

register = template.Library()
# A line may end before one of these characters in a web address.
BETWEEN_PARTS = re.compile(r"(?<=\w)(?=[./?=_-])")

Why = Recommendation.Why


@register.simple_tag
def item_line(item, call_number="", *, links=False):
    """Render an item: title, creators, kind, age, year, call number at each branch, and web address.

    If `links` is true, the title links to the item's page.

    `call_number` is the call number of an item that a staff member typed by hand and has not saved yet.
    """
    parts = []
    if item.creators:
        parts.append(f'<span dir="auto">{escape(shortened(item.creators, 80))}</span>')
    if item.original_creators:
        parts.append(in_original_script(item, shortened(item.original_creators, 80)))
    parts.append(escape(item.kind_name))
    if item.for_young_people:
        parts.append(escape(item.for_young_people))
    if item.year:
        parts.append(escape(item.year))
    if item.starts_on:
        parts.append(escape(happening(item)))
    if item.phone:
        parts.append(f"<bdi>{escape(item.phone)}</bdi>")
    for place in item.places if item.pk else ():
        parts.append(f'<span class="call">{escape(place.call_number)}</span> {escape(place.where)}')
    if call_number:
        parts.append(f'<span class="call">{escape(call_number)}</span>')
    if address := own_address(item):
        parts.append(f'<span class="address">{web_address(shortened(address, 60))}</span>')
    gone = f' <span class="tag">{escape(no_longer_there())}</span>' if item.retired_at else ""
    return mark_safe(f'{_titles(item, links)} <span class="meta">{" · ".join(parts)}</span>{gone}')


@register.filter
def web_address(text):
    """Return a web address as HTML. If it doesn't fit on one line, it breaks between its parts."""
    return mark_safe(BETWEEN_PARTS.sub("<wbr>", escape(text)))


def _titles(item, links):
    titles = f'<strong dir="auto">{escape(item.title)}</strong>'
    if links:
        titles = f'<a href="{address_of("desk_item", item.public_id)}">{titles}</a>'
    if not item.original_title:
        return titles
    lang, original = escape(item.original_lang), escape(item.original_title)
    return f'{titles} <span class="original" lang="{lang}" dir="auto">{original}</span>'


@register.simple_tag(takes_context=True)
def kits_to_add(context):
    """Return the kits that the staff member may add to a form, as a list of Offered."""
    return offered_kits(context["request"].user)


@register.simple_tag
def helped_words(helped, visits, question_type=""):
    """Say in how many visits an item or kit helped. For something to read, say in how many it was liked."""
    numbers = {"helped": helped, "visits": visits}
    if question_type == QuestionType.READERS_ADVISORY:
        return _("liked in %(helped)s of %(visits)s visits") % numbers
    return _("helped in %(helped)s of %(visits)s visits") % numbers


@register.simple_tag
def recorded_words(step):
    """Say what staff have recorded about an item, but not for which patron (recommendations/recorded.py)."""
    day = {"day": day_in_a_sentence(step.promised_on)}
    if step.kind == NextStep.Kind.ON_LOAN:
        return _("on loan until %(day)s") % day
    return _("ordered, expected by %(day)s") % day


@register.simple_tag
def given(recommendation):
    """Render an item with its reason and verdict.

    The recommendation must have the `verdict_label` that `with_verdict_labels` sets.
    """
    line = item_line(recommendation.item, links=True)
    html = [f"<li><p>{line}</p>{_reason(recommendation)}<p>{_verdict(recommendation)}"]
    if recommendation.why:
        html.append(f' <span class="meta">{escape(Why(recommendation.why).label)}</span>')
    if recommendation.decided_at:
        html.append(f' <span class="meta">· {when(recommendation.decided_at)}</span>')
    html.append("</p>")
    if recommendation.comment:
        html.append(f'<blockquote class="meta prose">{plain(recommendation.comment)}</blockquote>')
    html.append("</li>")
    return mark_safe("".join(html))


@register.simple_tag
def given_before(recommendation):
    """Render an item that was recommended on another occasion. Show fewer details than `given` shows."""
    branch = escape(recommendation.branch.name)
    html = [
        f"<li><p>{_titles(recommendation.item, links=True)} ",
        f'<span class="meta">{when(recommendation.recommended_at)} · {branch}</span></p>',
        f"<p>{_verdict(recommendation)}",
    ]
    if recommendation.why:
        html.append(f' <span class="meta">{escape(Why(recommendation.why).label)}</span>')
    html.append("</p>")
    if recommendation.comment:
        comment = escape(shortened(recommendation.comment, 160))
        html.append(f'<blockquote class="meta" dir="auto">{comment}</blockquote>')
    html.append("</li>")
    return mark_safe("".join(html))


def _reason(recommendation):
    if not recommendation.reason:
        return ""
    return f'<p class="reason" dir="auto">{escape(recommendation.reason)}</p>'


def _verdict(recommendation):
    if not recommendation.verdict:
        words = _("No feedback yet") if recommendation.starred else _("No feedback requested")
        return f'<span class="meta">{escape(words)}</span>'
    label = escape(capfirst(str(recommendation.verdict_label)))
    by_link = f' <span class="meta">{escape(by_link_words())}</span>' if recommendation.by_link else ""
    if recommendation.verdict in NEEDS_FOLLOW_UP:
        return f'<span class="tag warn">{icon("alert")}{label}</span>{by_link}'
    return f'<span class="tag">{label}</span>{by_link}'


@register.simple_tag(takes_context=True)
def time_line(context):
    """Render the entries of the `timeline` in the context, day by day.

    Use templates only for files and pending answers. Templates are slow, but these entries are rare.
    """
    timeline, html = context["timeline"], []
    for day, entries in timeline.days:
        html.append(f'<li class="day" id="day-{day.isoformat()}">{when(day)}</li>\n')
        for entry in entries:
            if entry.shape == "message":
                if entry.pk == timeline.unanswered:
                    words = escape(_("Needs an answer"))
                    html.append(f'<li class="event unread" id="needs-answer">{words}</li>')
                if entry.pk == timeline.unread:
                    words = escape(_("New since you last opened this page"))
                    html.append(f'<li class="event unread" id="first-unread">{words}</li>')
                html += _message(context, entry)
            elif entry.shape == "note":
                html += _note(entry)
            else:
                answer = f' data-answer="{entry.answer}"' if entry.answer else ""
                words = f"{escape(entry.news)} · {when(entry.at)}"
                html.append(f'<li class="event" id="{entry.anchor}"{answer}>{words}</li>\n')
    return mark_safe("".join(html))


def _message(context, message):
    side = "mine" if message.side == "staff" else "theirs"
    pending = " data-pending" if message.seconds_left else ""
    yield f'<li class="message {side}" id="{message.anchor}"{pending}>'
    yield f'<h2 class="visually-hidden">{escape(message.news)}</h2>'
    body = email_messages.text(message.body) if message.by_email else plain(message.body)
    yield f'<div class="bubble prose" lang="{escape(message.language)}" dir="auto">{body}'
    if message.given:
        yield f'<ul class="given">{"".join(map(_given_in_message, message.given))}</ul>'
    yield "</div>"
    if message.given and context["may_share_items"] and not message.seconds_left:
        yield _share_link(context["conversation"], message)
    if message.files:
        yield _included(context, "components/attachments.html", attachments=message.files)
    url = f"?from={message.public_id}#{message.anchor}"
    link = f'<a class="moment" href="{url}">{when(message.at)}</a>'
    if message.left_out:
        yield email_messages.left_out_for_staff(message.left_out)
    by = f" · {escape(by_link_words())}" if message.by_link else ""
    if message.by_email:
        by += _by_email(context["conversation"], message)
    yield f'<p class="meta">{escape(message.author)}{by} · {link}</p>'
    if message.seconds_left:
        yield _included(context, "desk/conversation_undo.html", entry=message)
    yield "</li>\n"


def _share_link(conversation, message):
    url, words = (
        reverse("share_answer", args=[conversation.public_id, message.public_id]),
        _("Share these items"),
    )
    key = f"share-{message.public_id}"
    return f'<p><a class="link-button" id="{key}" href="{url}">{icon("share")}{escape(words)}</a></p>'


def _by_email(conversation, message):
    original = reverse("desk_original_email", args=[conversation.public_id, message.public_id])
    mark, words = escape(email_messages.mark(message.by_email)), escape(_("original email"))
    return f' · {mark} (<a href="{original}" download>{words}</a>)'


def _given_in_message(recommendation):
    label = escape(capfirst(str(recommendation.verdict_label)))
    verdict = f'<p class="meta">{label}</p>' if label else ""
    return f"<li><p>{item_line(recommendation.item)}</p>{_reason(recommendation)}{verdict}</li>"


def _note(note):
    heading, by = _("Note, only for staff"), ""
    if note.author:
        heading = _("Note by %(name)s, only for staff") % {"name": note.author}
        by = f" · {escape(note.author)}"
    yield f'<li class="note-entry" id="{note.anchor}"><h2 class="visually-hidden">{escape(heading)}</h2>'
    yield f'<div class="prose">{plain(note.body)}</div>'
    only_staff = escape(_("Only staff read this"))
    yield f'<p class="meta">{icon("lock")}{only_staff}{by} · {when(note.at)}</p></li>\n'


def _included(context, name, **extra):
    with context.push(**extra):
        return context.template.engine.get_template(name).render(context)
