"""Template tags for conversations and their messages.

Two tags build the HTML of a message in Python, because a template for each message would be too slow on a
long page.
"""

from django import template
from django.utils import timezone
from django.utils.html import format_html

from portal.conversations import status_texts
from portal.conversations.models import Side
from portal.templatetags.portal import library_text, plain, when

register = template.Library()


@register.simple_tag
def whose_turn(conversation):
    """Return the text about the status of a conversation, for a list of conversations."""
    return status_texts.status_text(conversation, timezone.now())


@register.simple_tag
def closing(closes_at, closed):
    """Return a sentence for an email about an answer: that the conversation is closed, or when it will close.

    Return "" if the conversation is open and won't close automatically.
    """
    if closed:
        return status_texts.closed_text()
    return status_texts.closing_text(closes_at) if closes_at else ""


@register.simple_tag
def message_opens(message):
    """Return the HTML for the heading and the text of a message.

    The template adds the attachments, and then calls message_closes.
    """
    return format_html(
        '<li class="message {}" id="message-{}"><h2 class="visually-hidden">{}</h2>'
        '<div class="bubble prose" lang="{}">{}</div>',
        "mine" if message.side == Side.PATRON and message.is_mine else "theirs",
        message.public_id,
        message.heading,
        message.language,
        plain(message.body) if message.side == Side.PATRON else library_text(message.body),
    )


@register.simple_tag
def message_closes(message, address):
    """Return the HTML that ends a message: its writer, its time and the closing tag.

    The time is a link to the message.
    """
    return format_html(
        '<p class="meta">{} · <a href="{}?message={}#message-{}">{}</a></p></li>',
        message.by,
        address,
        message.public_id,
        message.public_id,
        when(message.shown_from),
    )
