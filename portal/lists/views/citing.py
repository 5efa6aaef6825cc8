"""Show citations of a title, and of all titles of a list."""

from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.shortcuts import get_object_or_404, render
from django.utils.translation import get_language
from django.views.decorators.http import require_safe

from accounts.sign_in.access import sign_in_to_open
from portal.folding import fold
from recommendations.bibliography.citing import LOCALES, STYLES, cite
from recommendations.bibliography.names import names_of

from ..models import SavedItem, SavedList

# A page has only this many citations, because formatting each one takes 2 ms.
PAGE = 25


@sign_in_to_open(SavedItem)
@require_safe
def cite_title(request, public_id):
    """Show the citations of one title in each style. The parameter `in` is the language of the citations."""
    rows = SavedItem.objects.belonging_to(request.viewer).select_related("item", "saved_list")
    saved = get_object_or_404(rows, public_id=public_id)
    language = _language(request)
    cited = [
        (style, name, cite([saved.shown], style=style, language=language)[0])
        for style, name in STYLES.items()
    ]
    context = {"saved": saved, "cited": cited, "language": language, "languages": list(LOCALES)}
    return render(request, "lists/cite_title.html", context)


@sign_in_to_open(SavedList)
@require_safe
def cite_list(request, public_id):
    """Show the citations of a list in the style of the parameter `style`, sorted by author and title."""
    saved_list = get_object_or_404(SavedList.objects.belonging_to(request.viewer), public_id=public_id)
    style = request.GET.get("style")
    style = style if style in STYLES else next(iter(STYLES))
    language = _language(request)
    rows = SavedItem.objects.belonging_to(request.viewer).filter(saved_list=saved_list)
    items = sorted((saved.shown for saved in rows.select_related("item").in_order()), key=_sort_key)
    page = Paginator(items, PAGE).get_page(request.GET.get("page"))
    cited = cite(page.object_list, style=style, language=language)
    context = {
        "saved_list": saved_list,
        "cited": cited,
        "all_text": "\n\n".join(each.text for each in cited),
        "style": style,
        "styles": STYLES,
        "language": language,
        "languages": list(LOCALES),
        "number": page.number,
        "pages": page.paginator.page_range,
        "before": _query(style, language, page.number - 1) if page.has_previous() else "",
        "after": _query(style, language, page.number + 1) if page.has_next() else "",
    }
    return render(request, "lists/cite_list.html", context)


def _language(request):
    """Return the language of the citations.

    This is the language that the parameter `in` names. Without this parameter, use the language of the page.
    """
    wanted = request.GET.get("in") or (get_language() or "")[:2]
    return wanted if wanted in LOCALES else next(iter(LOCALES))


def _query(style, language, number):
    return "?" + urlencode({"style": style, "in": language, "page": number})


def _sort_key(item):
    first = next((name.inverted for name in names_of(item)), "")
    return fold(f"{first} {item.title}" if first else item.title)
