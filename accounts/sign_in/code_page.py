"""Choose the page on which a person enters the emailed code.

Some pages have a code page of their own, which also does the next step. For example, the code page of *Keep
this visit* shows what the patron agrees to, and keeps the visit.
"""

from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from django.urls import Resolver404, resolve, reverse

CODE_PAGE = "account_confirm_login_code"


def has_code_page(name):
    """Mark a view whose page has a code page of its own.

    `name` is the name of the code page's URL. The code page has the same arguments as the view.
    """

    def decorate(view):
        view.code_page = name
        return view

    return decorate


def code_page_for(path):
    """Return the address of the code page for somebody who wants to open `path` next."""
    parts = urlsplit(path)
    with suppress(Resolver404):
        match = resolve(parts.path)
        if name := getattr(match.func, "code_page", ""):
            address = reverse(name, kwargs=match.kwargs)
            return f"{address}?{parts.query}" if parts.query else address
    return f"{reverse(CODE_PAGE)}?{urlencode({'next': path})}" if path else reverse(CODE_PAGE)
