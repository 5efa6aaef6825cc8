"""The style sheet of every page, with the library's own accent color, inlined in the head; at the desk, where one page follows the
other all day, the sheet is a file that the browser keeps."""

import base64
import colorsys
import hashlib
import re
from functools import lru_cache

from django.conf import settings

STYLE_SHEET = settings.BASE_DIR / "static" / "css" / "portal.css"
DEFAULT_ACCENT = "#0b5d4d"

# The grounds that the accent must be readable on: the page's and the cards', as portal.css names them.
# `away` is the lightness (0 to 1) to move to, `calm` the highest saturation: what is strong on paper glares in the dark.
LIGHT = {"ground": "#f7f4ee", "surface": "#fffefb", "away": 0, "calm": 1, "tint": 0.10}
DARK = {"ground": "#161513", "surface": "#211f1c", "away": 1, "calm": 0.6, "tint": 0.16}
# One page turns into the next. Written into each: a browser that must fetch it first may have to break the turn off.
TURNS = "@media (prefers-reduced-motion: no-preference) { @view-transition { navigation: auto; } }"
READABLE = 4.6  # AA asks for 4.5


def page_style(accent_color=DEFAULT_ACCENT, *, whole=True):
    """The style sheet and the source expression that lets it through the content security policy: (css, "'sha256-…'"). Without `whole`
    no more than the library's color, for a page that fetches the sheet as a file."""
    # While developing, an edited file shows on the next reload.
    return _page_style(accent_color, whole, STYLE_SHEET.stat().st_mtime_ns if settings.DEBUG else 0)


@lru_cache(maxsize=16)
def _page_style(accent_color, whole, _edited):
    css = (minified(STYLE_SHEET.read_text("utf-8")) if whole else "") + minified(
        accent_block(accent_color) + TURNS
    )
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return css, f"'sha256-{digest}'"


def accent_block(accent_color):
    """The custom properties made from the library's color, for light and dark."""
    light, dark = (
        " ".join(f"--{name}: {value};" for name, value in accent_colors(accent_color, on).items())
        for on in (LIGHT, DARK)
    )
    return f"@layer tokens {{ :root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }} }}"


def accent_colors(accent_color, theme):
    """The color, made darker or lighter only as far as its text needs to be readable (WCAG AA), and what goes with it.

    `accent` is for text, lines and buttons; `on-accent` for text on it; `soft` a tint for large areas below ordinary text.
    """
    hue, lightness, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in _channels(accent_color)))
    for step in range(51):
        towards = lightness + (theme["away"] - lightness) * step / 50
        accent = _hex(
            channel * 255 for channel in colorsys.hls_to_rgb(hue, towards, min(saturation, theme["calm"]))
        )
        soft = mixed(theme["surface"], accent, theme["tint"])
        if all(contrast(accent, under) >= READABLE for under in (theme["ground"], theme["surface"], soft)):
            break
    return {
        "accent": accent,
        "on-accent": max(("#ffffff", "#161513"), key=lambda text: contrast(text, accent)),
        "soft": soft,
    }


def mixed(color, other, share):
    """`color` with `share` (0 to 1) of `other` in it."""
    return _hex(a + (b - a) * share for a, b in zip(_channels(color), _channels(other), strict=True))


def contrast(one, other):
    """Contrast ratio as WCAG 2 defines it, 1 to 21."""
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
    """Without comments and the spaces that mean nothing. Strings in our style sheet hold neither braces nor runs of spaces."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    css = re.sub(r"\s+", " ", css)
    css = re.sub(r" ?([{};,]) ?", r"\1", css)
    css = re.sub(r"([\w)-]): ", r"\1:", css)
    return css.replace(";}", "}").strip()
