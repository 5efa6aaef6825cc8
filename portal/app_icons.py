"""Draw the icons of the web app from the library's name and accent color."""

import hashlib
import io
import re
import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from portal.styles import LIGHT, accent_colors

# The version of the drawing. Raise it when you change the drawing, so that browsers fetch the icons again.
DRAWING = 1
# {name: (pixels, shape)}. Phones cut a maskable icon into their own shape, so its letters are smaller. iOS
# rounds the corners of its icon itself.
ICONS = {
    "192": (192, "round"),
    "512": (512, "round"),
    "maskable-192": (192, "maskable"),
    "maskable-512": (512, "maskable"),
    "apple": (180, "square"),
}
# The share of the icon that the letters or the book may fill.
FILLED = {"round": 0.6, "square": 0.6, "maskable": 0.48}
# How much larger the drawing is than the icon. Pillow draws corners without smoothing them, but making the
# drawing smaller smooths them.
SCALE = 2


def icon_version(name, accent_color):
    """Return a short text for the URLs of the icons. It changes when the icons change."""
    return hashlib.sha256(repr((DRAWING, initials(name), accent_color)).encode()).hexdigest()[:8]


def initials(name):
    """Return the first letters of the first two words that begin with a capital letter.

    Return "" if one of the letters isn't Latin, because Pillow's own font has only Latin letters.
    """
    words = re.findall(r"[^\W\d_]+", name)
    letters = [word[0] for word in words if word[0].isupper()][:2] or [word[0].upper() for word in words[:1]]
    plain = "".join(unicodedata.normalize("NFKD", letter)[0] for letter in letters)
    return plain if plain.isascii() else ""


@lru_cache(maxsize=32)
def app_icon(letters, accent_color, name):
    """Return the icon `name` of ICONS as a PNG. If `letters` is empty, the icon shows a book."""
    pixels, shape = ICONS[name]
    side = pixels * SCALE
    colors = accent_colors(accent_color, LIGHT)
    icon = Image.new("RGB", (side, side), colors["accent"])
    pen = ImageDraw.Draw(icon)
    if letters:
        _draw_letters(pen, letters, side, FILLED[shape], colors["on-accent"])
    else:
        _draw_book(pen, side, FILLED[shape], colors)
    if shape == "round":
        corners = Image.new("L", (side, side), 0)
        ImageDraw.Draw(corners).rounded_rectangle((0, 0, side - 1, side - 1), side * 0.22, fill=255)
        icon.putalpha(corners)
    file = io.BytesIO()
    icon.resize((pixels, pixels), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
    return file.getvalue()


def _draw_letters(pen, letters, side, filled, color):
    # Measure the letters at one size, and then draw them at the size that fills the icon.
    font = ImageFont.load_default(side / 2)
    left, top, right, bottom = pen.textbbox((0, 0), letters, font=font)
    size = side / 2 * filled * side / max(right - left, (bottom - top) * 1.35)
    font, stroke = ImageFont.load_default(size), round(size / 40)
    left, top, right, bottom = pen.textbbox((0, 0), letters, font=font, stroke_width=stroke)
    at = ((side - left - right) / 2, (side - top - bottom) / 2)
    pen.text(at, letters, fill=color, font=font, stroke_width=stroke, stroke_fill=color)


def _draw_book(pen, side, filled, colors):
    half, middle, line = filled * side / 2, side / 2, max(round(side / 40), 1)
    cover = (middle - half * 0.8, middle - half, middle + half * 0.8, middle + half)
    pen.rounded_rectangle(cover, half * 0.16, fill=colors["on-accent"])
    spine = middle - half * 0.45
    pen.line((spine, middle - half, spine, middle + half), fill=colors["accent"], width=line)
    for height in (-0.45, -0.15):
        y = middle + half * height
        pen.line((middle - half * 0.15, y, middle + half * 0.5, y), fill=colors["accent"], width=line * 2)
