"""Choose the page where a person enters the emailed code.

Some pages have their own code page, which also does the next step. For example, the code page of *Keep this
visit* shows what the patron agrees to, and keeps the visit.
"""

from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from django.urls import Resolver404, resolve, reverse

CODE_PAGE = "account_confirm_login_code"


def has_code_page(name):
    """Mark a view whose page has its own code page.

    `name` is the URL name of the code page, whose URL has the same arguments as the view's URL.
    """

    def decorate(view):
        view.code_page = name
        return view

    return decorate


def code_page_for(path):
    """Return the URL of the code page for somebody who wants to open `path` next."""
    parts = urlsplit(path)
    with suppress(Resolver404):
        match = resolve(parts.path)
        if name := getattr(match.func, "code_page", ""):
            address = reverse(name, kwargs=match.kwargs)
            return f"{address}?{parts.query}" if parts.query else address
    return f"{reverse(CODE_PAGE)}?{urlencode({'next': path})}" if path else reverse(CODE_PAGE)
