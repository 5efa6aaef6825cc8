"""Template tags for conversations and their messages.

The tags build the markup of a message, because on a long page a template would take most of the time.
"""

from django import template
from django.utils import timezone
from django.utils.html import format_html

from portal.conversations import status_texts
from portal.templatetags.portal import plain, when

register = template.Library()


@register.simple_tag
def whose_turn(conversation):
    """Return the status of a conversation for a row of a list."""
    return status_texts.status_text(conversation, timezone.now())


@register.simple_tag
def closing(closes_at, closed):
    """Return how the conversation ends, for an email about an answer. It says nothing of the content."""
    if closed:
        return status_texts.closed_text()
    return status_texts.closing_text(closes_at) if closes_at else ""


@register.simple_tag
def message_opens(message):
    """Return the beginning of a message: its heading and text. Attachments follow before message_closes."""
    return format_html(
        '<li class="message {}" id="message-{}"><h2 class="visually-hidden">{}</h2>'
        '<div class="bubble prose" lang="{}">{}</div>',
        "mine" if message.side == "patron" and message.is_mine else "theirs",
        message.public_id,
        message.heading,
        message.language,
        plain(message.body),
    )


@register.simple_tag
def message_closes(message, address):
    """Return the end of a message: its writer and time. The time links to the message."""
    return format_html(
        '<p class="meta">{} · <a href="{}?message={}#message-{}">{}</a></p></li>',
        message.by,
        address,
        message.public_id,
        message.public_id,
        when(message.shown_from),
    )
