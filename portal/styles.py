"""Make the style of a page from the style sheet and the library's accent color.

Patron pages have the whole style sheet inline, so that the first page needs no second request. Desk pages
have only the accent color inline. They load the style sheet as a file, which the browser caches.
"""

import base64
import colorsys
import hashlib
import re
from functools import lru_cache

from django.conf import settings

STYLE_SHEET = settings.BASE_DIR / "static" / "css" / "portal.css"
# This part of the style sheet is only for pages with messages, files or the form "Find something to read".
MESSAGES = re.compile(r"/\* Messages: .*?/\* End of messages \*/", re.DOTALL)
# This part of the style sheet is only for Home, and for pages with a list of facts (`.facts`).
EXTRAS = re.compile(r"/\* Extras: .*?/\* End of extras \*/", re.DOTALL)
# This part of the style sheet is for all pages except the privacy page.
COVERS = re.compile(r"/\* Covers: .*?/\* End of covers \*/", re.DOTALL)
DEFAULT_ACCENT = "#0b5d4d"

# `ground` is the color of the page, and `surface` is the color of boxes (see portal.css). The accent color
# must be readable on both. If it isn't, its lightness is moved toward black (`toward` is 0) or white (1).
# `saturation` is the maximum saturation of the accent color, because strong colors glare on a dark page.
# `tint` is the share of the accent color in `soft`, the background of marked boxes.
LIGHT = {"ground": "#f7f4ee", "surface": "#fffefb", "toward": 0, "saturation": 1, "tint": 0.10}
DARK = {"ground": "#161513", "surface": "#211f1c", "toward": 1, "saturation": 0.6, "tint": 0.16}
# This rule makes the browser animate the change to the next page. The rule is inline, because the browser may
# skip the animation if it has to fetch the rule first.
PAGE_TRANSITION = "@media (prefers-reduced-motion: no-preference) { @view-transition { navigation: auto; } }"
MIN_CONTRAST = 4.6  # WCAG AA requires a contrast ratio of 4.5.


def page_style(accent_color=DEFAULT_ACCENT, *, whole=True, messages=False, extras=False, covers=True):
    """Return (css, source): the style of a page, and the "'sha256-…'" that allows this style in the CSP.

    If `whole` is False, the CSS has only the accent color. Use this for a page that loads the style sheet as
    a file. `messages`, `extras` and `covers` say whether the CSS includes these parts of the style sheet.
    """
    # The cache key contains the time of the last edit, so that developers see an edit after a reload.
    edited = STYLE_SHEET.stat().st_mtime_ns if settings.DEBUG else 0
    return _page_style(accent_color, whole, messages, extras, covers, edited)


@lru_cache(maxsize=16)
def _page_style(accent_color, whole, messages, extras, covers, _edited):
    css = minified(accent_block(accent_color) + PAGE_TRANSITION)
    if whole:
        sheet = STYLE_SHEET.read_text("utf-8")
        sheet = sheet if messages else MESSAGES.sub("", sheet)
        sheet = sheet if covers else COVERS.sub("", sheet)
        css = minified(sheet if extras else EXTRAS.sub("", sheet)) + css
    return css, source_of(css)


def source_of(css):
    """Return the "'sha256-…'" that allows this inline style in the content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()}'"


def accent_block(accent_color):
    """Return the CSS that sets the custom properties of the accent color for the light and dark themes."""
    light, dark = (
        " ".join(f"--{name}: {value};" for name, value in accent_colors(accent_color, on).items())
        for on in (LIGHT, DARK)
    )
    dark_rule = f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    return f"@layer tokens {{ :root {{ {light} }} {dark_rule} }}"


def accent_colors(accent_color, theme):
    """Return {name: color} for a theme, LIGHT or DARK.

    `accent` is for text, lines and buttons. It is the readable color (WCAG AA) that is closest to the
    library's color. `on-accent` is for text on the color `accent`. `soft` is a light tint for areas behind
    ordinary text.
    """
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in _channels(accent_color)))
    for step in range(51):
        moved = lightness + (theme["toward"] - lightness) * step / 50
        rgb = colorsys.hls_to_rgb(hue, moved, min(saturation, theme["saturation"]))
        accent = _hex(channel * 255 for channel in rgb)
        soft = mixed(theme["surface"], accent, theme["tint"])
        if all(contrast(accent, on) >= MIN_CONTRAST for on in (theme["ground"], theme["surface"], soft)):
            break
    return {
        "accent": accent,
        "on-accent": max(("#ffffff", "#161513"), key=lambda text: contrast(text, accent)),
        "soft": soft,
    }


def mixed(color, other, share):
    """Mix two colors and return the result. `share` (0 to 1) is the share of the color `other`."""
    return _hex(a + (b - a) * share for a, b in zip(_channels(color), _channels(other), strict=True))


def contrast(one, other):
    """Return the contrast ratio of two colors by WCAG 2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color):
    red, green, blue = (
        c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _channels(color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _hex(channels):
    return "#" + "".join(f"{round(channel):02x}" for channel in channels)


def _channels(color):
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def minified(css):
    """Return the CSS without comments and needless spaces.

    Strings must not contain braces or repeated spaces, because the function would change these strings.
    """
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s+", " ", css)
    css = re.sub(r" ?([{};,>]) ?", r"\1", css)
    css = re.sub(r"([\w)-]): ", r"\1:", css)
    return css.replace(";}", "}").strip()
