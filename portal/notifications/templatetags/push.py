from django import template
from django.utils import timezone
from django.utils.html import format_html

from accounts.models import User
from portal.notifications.choices import is_emailed_instead
from portal.notifications.push.browser import offers_push
from portal.notifications.push.keys import is_set_up
from portal.notifications.push.repairing import fingerprint, is_due, subscriptions_here

register = template.Library()


@register.simple_tag
def is_emailed_instead_of_phone(person):
    """Return whether the person chose push for some notice, but has no device, and so gets emails."""
    return is_set_up() and is_emailed_instead(person, at=timezone.now())


@register.simple_tag(takes_context=True)
def offers_push_here(context):
    """Return whether this browser may get push messages."""
    return offers_push(context["request"])


@register.simple_tag(takes_context=True)
def choices_here(context, choices, has_device=False):
    """Return the choices for check-ins that this browser can offer.

    Leave out the choice "By message on this phone" if the browser may not get messages, for example on a
    borrowed device. But always include it if the person has chosen it before, or already has a device.
    """
    person = context["viewer"].person
    has_chosen = person is not None and person.check_ins == User.CheckIns.PUSH
    if has_device or has_chosen or offers_push(context["request"]):
        return choices
    return [choice for choice in choices if choice[0] != User.CheckIns.PUSH]


@register.simple_tag(takes_context=True)
def this_phone(context):
    """Return the attribute data-push for <body>, or "" if this browser gets no messages.

    js/app.js passes the value to the service worker, which compares it with the browser's subscription. Once
    a month, the value is "due", which never matches. The browser then confirms its subscription.
    """
    request = context.get("request")
    rows = subscriptions_here(request) if hasattr(request, "session") and hasattr(request, "user") else []
    if not rows:
        return ""
    value = "due" if is_due(rows[0], at=timezone.now()) else fingerprint(rows[0])
    return format_html(' data-push="{}"', value)
