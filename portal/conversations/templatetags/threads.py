"""What a row of a list says of a thread."""

from django import template
from django.utils import timezone

from portal.conversations import thread_page

register = template.Library()


@register.simple_tag
def whose_turn(conversation):
    return thread_page.turn_in_words(conversation, timezone.now())
