"""What a phone needs to install the portal: the manifest and the icons."""

from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.translation import get_language_bidi, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.sign_in.access import leaves_session_alone
from portal.app_icons import ICONS, app_icon, icon_version, initials
from portal.styles import LIGHT, accent_colors

# The browser may store the response for five minutes. A shared cache must not store the response, because the
# response can set a cookie that identifies the person.
SHORT = "private, max-age=300"
# The maximum length of the name below an icon. Phones show about this many letters.
SHORT_NAME_LENGTH = 12


@leaves_session_alone
@require_safe
def manifest(request, language):
    """Return the web app manifest in this language.

    The language is in the URL, because browsers fetch a manifest without cookies.
    """
    if language not in dict(settings.LANGUAGES):
        raise Http404
    with override(language):
        content = _manifest(request.library, language)
    response = JsonResponse(content, content_type="application/manifest+json")
    response.headers["Cache-Control"] = SHORT
    return response


@leaves_session_alone
@require_safe
def icon(request, version, name):
    """Return an icon of the installed portal as PNG.

    A browser caches the icon for a year. If the library's name or color changes, the URL changes too.
    """
    if name not in ICONS:
        raise Http404
    library = request.library
    content = app_icon(initials(library.name), library.accent_color, name)
    response = HttpResponse(content, content_type="image/png")
    is_current = version == icon_version(library.name, library.accent_color)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable" if is_current else SHORT
    return response


def _manifest(library, language):
    version = icon_version(library.name, library.accent_color)
    icons = [
        {
            "src": reverse("app_icon", args=[version, name]),
            "sizes": f"{pixels}x{pixels}",
            "type": "image/png",
            "purpose": "maskable" if shape == "maskable" else "any",
        }
        for name, (pixels, shape) in ICONS.items()
        if name != "apple"
    ]
    pages = [(_("Home"), reverse("home")), (_("Lists"), reverse("saved"))]
    return {
        "id": "/",
        "name": library.name,
        "short_name": short_name(library.name),
        "lang": language,
        "dir": "rtl" if get_language_bidi() else "ltr",
        "start_url": reverse("home"),
        "scope": "/",
        "display": "standalone",
        "theme_color": accent_colors(library.accent_color, LIGHT)["accent"],
        "background_color": LIGHT["ground"],
        "icons": icons,
        "shortcuts": [{"name": name, "url": url, "icons": icons[:1]} for name, url in pages],
    }


def short_name(name):
    """Return the first words of the name that fit below an icon."""
    first, *others = name.split()
    short = first[:SHORT_NAME_LENGTH]
    for word in others:
        if len(f"{short} {word}") > SHORT_NAME_LENGTH:
            break
        short = f"{short} {word}"
    return short
