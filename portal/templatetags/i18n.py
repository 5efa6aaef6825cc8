"""Django's template tags for translations. portal/templatetags/fixed.py replaces two of them."""

from django import template
from django.templatetags import i18n

from . import fixed

register = template.Library()
register.tags |= i18n.register.tags | {
    "translate": fixed.translate,
    "trans": fixed.translate,
    "blocktranslate": fixed.blocktranslate,
    "blocktrans": fixed.blocktranslate,
}
register.filters |= i18n.register.filters
