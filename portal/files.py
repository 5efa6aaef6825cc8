"""What is uploaded is never served as it came."""

import io

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_BYTES = 5 * 1024 * 1024
MOST_PIXELS = 25_000_000  # looked at before anything is decoded: a small file can unfold into a very large picture
PICTURES = ("JPEG", "PNG", "WEBP")


class NotAPicture(Exception):
    """Not a JPEG, PNG or WebP picture, damaged, or too large."""


def picture(file, *, side):
    """The uploaded picture drawn anew as a PNG of at most `side` pixels either way: no location, no hidden tail. Raises NotAPicture."""
    if file.size > MOST_BYTES:
        raise NotAPicture
    try:
        with Image.open(file, formats=PICTURES) as image:
            if image.width * image.height > MOST_PIXELS:
                raise NotAPicture
            drawn = ImageOps.exif_transpose(image).convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAPicture from error
    drawn.thumbnail((side, side))
    out = io.BytesIO()
    drawn.save(out, "PNG", optimize=True)
    return out.getvalue()
