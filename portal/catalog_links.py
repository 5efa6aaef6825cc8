"""Build the web addresses of an item: its own, and the one in the library's catalog."""

import re
from urllib.parse import quote, unquote

from django.core.exceptions import ValidationError
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from portal.dois import doi_url

# The kinds of items that people borrow. An item of another kind is in the catalog only if it was imported.
BORROWED = {"book", "audiobook", "sound", "score", "video", "map", "serial", "other"}
PLACEHOLDER = re.compile(r"\{(isbn|title|number)\}")
# The kinds of items that a library often pays for. People need its proxy server to open such items.
LICENSED = {"article", "database", "serial"}
# The characters that a web address may have. A percent sign begins a character that is encoded already.
OF_ADDRESSES = "%/:?#[]@!$&'()*+,;=~"
# The characters that separate the words of a search in a web address.
BETWEEN_WORDS = re.compile(r"\+|%20")


def own_link(item, library, *, for_anyone=False):
    """Return the web address of the item itself, or "" if it has none that is safe to open.

    The address of a licensed source leads through the library's proxy server. If `for_anyone` is true, the
    address doesn't lead there, because the proxy server asks people for a library account.
    """
    address = item.url or doi_url(item.doi)
    prefix = library.proxy_prefix if library else ""
    if for_anyone:
        address = _without_proxy(address, prefix)
    if not address.startswith(("https://", "http://")):
        return ""
    if for_anyone or item.kind not in LICENSED or not prefix.startswith("https://"):
        return address
    return _through_proxy(address, prefix)


def _through_proxy(address, prefix):
    """Return the address with the proxy's prefix before it.

    If an imported address already leads through this proxy server, return it unchanged.
    """
    proxy = prefix.partition("?")[0]
    if address.startswith(proxy):
        return address
    # EZproxy takes what follows url= as it is. OpenAthens, and qurl= of EZproxy, need an encoded address.
    is_plain = proxy.endswith("/login") and prefix.endswith("?url=")
    return prefix + quote(address, safe=OF_ADDRESSES if is_plain else "")


def _without_proxy(address, prefix):
    """Return the address without the proxy's prefix, which an imported address can have."""
    if not prefix or not address.startswith(prefix):
        return address
    rest = address.removeprefix(prefix)
    return rest if "://" in rest else unquote(rest)


def link_for_anyone(item, library):
    """Return the item's own web address, which everybody can open, or its address in the catalog, or ""."""
    return own_link(item, library, for_anyone=True) or through_catalog(item, library)


def in_catalog(item):
    """Return whether an item of this kind can be in the library's catalog."""
    return not item.retired_at and (item.kind in BORROWED or bool(item.source))


def through_catalog(item, library):
    """Return the item's address in the catalog, where people see if it is available and can reserve it.

    Return "" if there is no such address. If the item lacks a value that the library's template needs, use
    the template of the title search.
    """
    if not library or not in_catalog(item):
        return ""
    values = {"isbn": item.isbn, "title": item.title, "number": item.source_key}
    return fill(library.catalog_link, values) or fill(library.catalog_title_link, values)


def fill(template, values):
    """Return the template with the values of its placeholders, or "" if it can't be filled.

    A parameter of the address is left out if its placeholder has no value. If no placeholder remains, the
    template can't be filled.
    """
    if not template.startswith("https://"):
        return ""
    values = {name: quote(value, safe="") for name, value in values.items() if value}
    head, _question, rest = template.partition("?")
    query, number_sign, fragment = rest.partition("#")
    if _lacks_values(head + fragment, values):
        return ""
    parameters = list(filter(None, (_without_empty(part, values) for part in query.split("&"))))
    filled = head + "?" * bool(parameters) + "&".join(parameters) + number_sign + fragment
    if not PLACEHOLDER.search(filled):
        return ""
    return PLACEHOLDER.sub(lambda found: values[found[1]], filled)


def _lacks_values(text, values):
    return any(name not in values for name in PLACEHOLDER.findall(text))


def _without_empty(parameter, values):
    """Return the parameter without the search words whose placeholders have no value.

    Return "" if no search word is left. Also return "" if the parameter has fixed words, such as OR,
    because fixed words make no sense if a search word is missing.
    """
    if not _lacks_values(parameter, values):
        return parameter
    name, equals, search = parameter.partition("=")
    words = BETWEEN_WORDS.split(search)
    filled = [word for word in words if not _lacks_values(word, values)]
    is_plain = all(PLACEHOLDER.search(word) for word in words) and not PLACEHOLDER.search(name)
    return name + equals + "+".join(filled) if filled and is_plain else ""


def check_template(template, placeholders):
    """Raise ValidationError if this is not a web address with at least one of these placeholders."""
    server = check_address(template)
    rest = re.sub(rf"\{{(?:{'|'.join(placeholders)})\}}", "", template)
    if rest == template or "{" in rest or "}" in rest:
        names = get_text_list([f"{{{name}}}" for name in placeholders], _("or"))
        raise ValidationError(
            _("You can use %(names)s in the address. Don't use other curly brackets.") % {"names": names}
        )
    if "{" in server:
        name = f"{{{placeholders[0]}}}"
        example = f"https://catalog.example.org/search?q={name}"
        raise ValidationError(
            _("Write %(name)s after the server's name. Example: %(example)s")
            % {"name": name, "example": example}
        )


def check_prefix(prefix):
    """Raise ValidationError if no address can follow this prefix of a proxy server."""
    check_address(prefix)
    if not re.search(r"[?&]q?url=\Z", prefix) or "{" in prefix or "#" in prefix:
        raise ValidationError(
            _("The prefix must end with ?url= or ?qurl=, such as %(example)s")
            % {"example": "https://proxy.example.org/login?url="}
        )


def check_address(address):
    """Return the host and port of an https address. Raise ValidationError if the text is no such address."""
    found = re.match(r"https://([^/?#\s]+)", address)
    server = found[1] if found else ""
    if "@" in server:
        raise ValidationError(_("Enter the address without a user name or password."))
    if not re.fullmatch(r"[\w.{}-]+\.[\w{}-]+(:(\d+|\{\w+\}))?", server):
        raise ValidationError(_("Enter the full address, beginning with https://"))
    if re.search(r"[\s\\\"'<>^`|\x00-\x1f]", address):
        raise ValidationError(
            _("The address has a space, a quote or another character that addresses don't have. Remove it.")
        )
    return server
