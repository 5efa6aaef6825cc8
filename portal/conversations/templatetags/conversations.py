"""Template tags for conversations and their messages.

Two tags build the HTML of a message in Python, because a template for each message would be too slow on a
long page.
"""

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from portal.conversations import email_messages, status_texts
from portal.conversations.models import Side
from portal.templatetags.portal import library_text, plain, when

register = template.Library()


register.filter("email_text", email_messages.text)


@register.simple_tag
def whose_turn(conversation):
    """Return the text about the status of a conversation, for a list of conversations."""
    return status_texts.status_text(conversation, timezone.now())


@register.simple_tag
def closing(closes_at, closed):
    """Return a sentence that says that the conversation is closed, or when it will close automatically.

    Emails about answers contain this sentence. Return "" if the conversation won't close automatically.
    """
    if closed:
        return status_texts.closed_text()
    return status_texts.closing_text(closes_at) if closes_at else ""


@register.simple_tag
def message_opens(message):
    """Return the HTML for the heading and the text of a message.

    The template adds the attachments, and then calls message_closes.
    """
    if message.by_email:
        text = email_messages.text(message.body)
    else:
        text = plain(message.body) if message.side == Side.PATRON else library_text(message.body)
    return format_html(
        '<li class="message {}" id="message-{}"><h2 class="visually-hidden">{}</h2>'
        '<div class="bubble prose" lang="{}">{}</div>',
        "mine" if message.side == Side.PATRON and message.is_mine else "theirs",
        message.public_id,
        message.heading,
        message.language,
        text,
    )


@register.simple_tag
def message_closes(message, address):
    """Return the HTML that ends a message: its writer, its time and the closing tag.

    The time is a link to the message. For a message that came by email, the HTML also names the files that
    were not stored. The sender of this email also gets a link to the original email.
    """
    return format_html(
        '{}<p class="meta">{}{} · <a href="{}?message={}#message-{}">{}</a></p></li>',
        email_messages.left_out(message.left_out) if message.is_mine else "",
        message.by,
        _by_email(message),
        address,
        message.public_id,
        message.public_id,
        when(message.shown_from),
    )


def _by_email(message):
    if not message.by_email:
        return ""
    mark = email_messages.mark(message.by_email)
    if not message.original:
        return format_html(" · {}", mark)
    words = _("original email")
    return format_html(' · {} (<a href="{}" download>{}</a>)', mark, message.original, words)
