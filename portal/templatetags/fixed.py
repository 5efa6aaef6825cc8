"""Template tags that render a part of a page only once, because the part is the same for everyone.

Some of these tags replace Django's tags of the same names. Django's tags look up the same translations and
URLs again and again, which accounted for a seventh of the home page's function calls.
"""

from uuid import UUID

from django.template import Library, Node, NodeList, defaulttags
from django.template.base import TextNode, TokenType
from django.templatetags import i18n
from django.utils.translation import get_language

from portal.page_addresses import address_of

from .portal import icon

register = Library()


class FixedNode(Node):
    """Content that is rendered once for each language and each combination of `values`, and then reused.

    If `asvar` is set, the content is stored in the variable of that name, and not written to the page.
    """

    def __init__(self, nodelist, values=(), asvar=None):
        self.nodelist, self.values, self.asvar, self.rendered = nodelist, values, asvar, {}

    def render(self, context):
        text = self.text(context)
        if not self.asvar:
            return text
        context[self.asvar] = text
        return ""

    def text(self, context):
        key = (get_language(), *[value.resolve(context) for value in self.values])
        if key not in self.rendered:
            self.rendered[key] = self.nodelist.render(context)
        return self.rendered[key]


@register.tag
def fixed(parser, token):
    """Render content once and reuse it for everyone: {% fixed tab is_coordinator %}…{% endfixed %}.

    The content may depend only on the language and on the variables that are named in the tag. It must never
    depend on the person. Each variable may have only a few different values, because each result stays in
    memory.
    """
    _, *values = token.split_contents()
    nodelist = parser.parse(("endfixed",))
    parser.delete_first_token()
    return FixedNode(nodelist, [parser.compile_filter(value) for value in values])


@register.tag("icon")
def icon_tag(parser, token):
    """Render an icon: {% icon "check" %}."""
    _, name = token.split_contents()
    return TextNode(icon(name[1:-1])) if _is_literal(name) else IconNode(parser.compile_filter(name))


class IconNode(Node):
    """An icon whose name is in a variable."""

    def __init__(self, name):
        self.name = name

    def render(self, context):
        return icon(self.name.resolve(context))


@register.tag
def url(parser, token):
    """Do what Django's tag {% url %} does, but look up most URLs only once.

    These are the URLs without arguments, and the URLs whose only argument is a UUID.
    """
    node = defaulttags.url(parser, token)
    _, name, *_rest = token.split_contents()
    if not _is_literal(name) or node.kwargs or len(node.args) > 1:
        return node
    return AddressNode(node, name[1:-1]) if node.args else _fixed_text(node)


class AddressNode(Node):
    """A URL with one argument. `address_of` looks it up if the argument is a UUID."""

    def __init__(self, node, name):
        self.node, self.name = node, name

    def render(self, context):
        public_id = self.node.args[0].resolve(context)
        if not isinstance(public_id, UUID):
            return self.node.render(context)
        address = address_of(self.name, public_id)
        if not self.node.asvar:
            return address
        context[self.node.asvar] = address
        return ""


def translate(parser, token):
    """Do what Django's tag does, but look up a text from the template only once per language."""
    node = i18n.do_translate(parser, token)
    _, text, *rest = token.split_contents()
    if "as" in rest[:-1]:
        rest = rest[: rest.index("as")]
    is_constant = all(_is_literal(part) or part in {"context", "noop"} for part in [text, *rest])
    return _fixed_text(node) if is_constant else node


def blocktranslate(parser, token):
    """Do what Django's tag does, but look up a text without variables only once per language."""
    node = i18n.do_block_translate(parser, token)
    is_constant = not (node.extra_context or node.countervar or node.message_context) and all(
        part.token_type == TokenType.TEXT for part in node.singular
    )
    return _fixed_text(node) if is_constant else node


def _fixed_text(node):
    asvar, node.asvar = node.asvar, None
    return FixedNode(NodeList([node]), asvar=asvar)


def _is_literal(part):
    return part[0] in "\"'" and part[-1] == part[0] and part[0] not in part[1:-1]
