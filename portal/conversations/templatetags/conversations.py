"""What the pages say of a conversation. A message is put together here: of a page with many of them a template would take most of the time."""

from django import template
from django.utils import timezone
from django.utils.html import format_html

from portal.conversations import conversation_page
from portal.templatetags.portal import plain, when

register = template.Library()


@register.simple_tag
def whose_turn(conversation):
    return conversation_page.turn_in_words(conversation, timezone.now())


@register.simple_tag
def closing(closes_at, closed):
    """What an answer's mail says beforehand of how the conversation ends; nothing of its matter."""
    if closed:
        return conversation_page.closed_in_words()
    return conversation_page.closes_in_words(closes_at) if closes_at else ""


@register.simple_tag
def message_opens(message):
    """The words. What hangs on the message stands between this and message_closes."""
    return format_html(
        '<li class="message {}" id="message-{}"><h2 class="visually-hidden">{}</h2><div class="bubble prose" lang="{}">{}</div>',
        "mine" if message.side == "patron" and message.is_mine else "theirs",
        message.public_id,
        message.heading,
        message.language,
        plain(message.body),
    )


@register.simple_tag
def message_closes(message, address):
    """Who and when; the time is the link to the message."""
    return format_html(
        '<p class="meta">{} · <a href="{}?message={}#message-{}">{}</a></p></li>',
        message.by,
        address,
        message.public_id,
        message.public_id,
        when(message.shown_from),
    )
