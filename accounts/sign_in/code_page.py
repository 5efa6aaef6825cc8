"""Choose the page on which a person enters the emailed code.

Some pages have a code page of their own, which does the next step with the same tap. For example, the code
page of *Keep this visit* shows what the patron agrees to, and keeps the visit.
"""

from urllib.parse import urlencode, urlsplit

from django.urls import Resolver404, resolve, reverse

CODE_PAGE = "account_confirm_login_code"


def has_code_page(name):
    """Mark a view whose page has a code page of its own.

    `name` is the name of the code page's URL. It has the same arguments as the view's own URL.
    """

    def decorate(view):
        view.code_page = name
        return view

    return decorate


def code_page_for(path):
    """Return the address of the code page for somebody who wants to open `path` next."""
    parts = urlsplit(path)
    try:
        match = resolve(parts.path)
    except Resolver404:
        match = None
    name = getattr(match.func, "code_page", "") if match else ""
    if match and name:
        address = reverse(name, kwargs=match.kwargs)
        return f"{address}?{parts.query}" if parts.query else address
    return f"{reverse(CODE_PAGE)}?{urlencode({'next': path})}" if path else reverse(CODE_PAGE)
