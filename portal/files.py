"""What is uploaded is never served as it came: a picture is drawn anew, a PDF is handed on as a download and never shown by us.

What a file is, is read from its first bytes. Its name and the type that a browser claims are never asked.
"""

import io
import threading
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from portal.uploads import MOST_BYTES

MOST_BYTES_OF_A_LOGO = 5 * 1024 * 1024
PICTURES = ("JPEG", "PNG", "WEBP")
PDF_BEGINS = b"%PDF-"
START_OF_SCAN = b"\xff\xda"

# Looked at before anything is decoded: a small file can unfold into a very large picture. A JPEG may be larger than the others
# because it can be decoded at half its size or less; phones take pictures of up to 50 million dots.
MOST_DOTS = 25_000_000
MOST_DOTS_OF_A_JPEG = 64_000_000
LARGEST_DOTS = 7_000_000  # of what is kept: enough to read the small print of a page
LARGEST_PNG = 2 * 1024 * 1024
MOST_DOTS_IN_ALL_SCANS = (
    25 * MOST_DOTS_OF_A_JPEG
)  # a JPEG may draw itself over and over: a scan of a hundred bytes costs as much as a picture
LONGEST_SIDE = 16_000  # WebP can't be longer
PREVIEW_SIDE = 480  # shown at half of it: phones have two dots or more to a pixel
PREVIEW_SHAPE = 3  # at most so many times as long as wide; of what is longer the preview shows the beginning
PREVIEW_BYTES = 40_000

ONE_AT_A_TIME = threading.Lock()  # in each process: decoding takes a hundred megabytes for a moment


class NotAPicture(Exception):
    """Not a JPEG, PNG or WebP picture, damaged, or too large."""


class Unusable(Exception):
    """A file that isn't taken. `reason`: "empty", "too_large", "too_many_dots", "damaged" or "unknown"."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Usable:
    """What is kept of an uploaded file. A PDF has neither preview nor size in dots."""

    content: bytes
    extension: str
    preview: bytes = b""
    width: int | None = None
    height: int | None = None

    @property
    def is_picture(self):
        return self.width is not None


def picture(file, *, side):
    """The uploaded picture drawn anew as a PNG of at most `side` pixels either way: no location, no hidden tail. Raises NotAPicture."""
    if file.size > MOST_BYTES_OF_A_LOGO:
        raise NotAPicture
    try:
        with ONE_AT_A_TIME, _opened(file) as image:
            drawn = ImageOps.exif_transpose(image).convert("RGBA")
            drawn.thumbnail((side, side))
    except Unusable as error:
        raise NotAPicture from error
    return _written(drawn, "PNG", optimize=True)


def usable(file):
    """What is kept of an uploaded file (a Django File): a picture with its preview, or a PDF. Raises Unusable."""
    if not file.size:
        raise Unusable("empty")
    if file.size > MOST_BYTES:
        raise Unusable("too_large")
    file.seek(0)
    begins = file.read(len(PDF_BEGINS))
    file.seek(0)
    if begins == PDF_BEGINS:
        return Usable(file.read(), "pdf")
    with ONE_AT_A_TIME, _opened(file) as image:
        kind = image.format
        drawn = _upright(image)
    content = _written(drawn, kind, **WRITTEN_AS[kind])
    if (
        len(content) > LARGEST_PNG and kind == "PNG"
    ):  # a photograph: what is pasted comes as PNG whatever it is
        kind = "WEBP"
        content = _written(drawn, kind, **WRITTEN_AS[kind])
    return Usable(content, kind.lower(), _preview(drawn), drawn.width, drawn.height)


WRITTEN_AS = {"JPEG": {"quality": 85}, "PNG": {}, "WEBP": {"quality": 85}}


def preview_size(width, height):
    """(width, height) of the preview of a picture of this size, in the dots of the preview."""
    width, height = min(width, height * PREVIEW_SHAPE), min(height, width * PREVIEW_SHAPE)
    shrink = min(1, PREVIEW_SIDE / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


class _opened:
    """with _opened(file) as image: its kind and its size are known and fine. Whatever a decoder stumbles over inside is Unusable."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        self.file.seek(0)
        scans = self.file.read().count(START_OF_SCAN)
        self.file.seek(0)
        try:
            self.image = Image.open(self.file, formats=PICTURES)
        except UnidentifiedImageError as error:
            raise Unusable("unknown") from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise Unusable("too_many_dots") from error
        except Exception as error:
            raise Unusable("damaged") from error
        if self.image.format == "MPO":  # a JPEG with another picture behind it, as many phones take them
            self.image.format = "JPEG"
        dots, is_jpeg = self.image.width * self.image.height, self.image.format == "JPEG"
        if dots > (MOST_DOTS_OF_A_JPEG if is_jpeg else MOST_DOTS) or (
            is_jpeg and dots * scans > MOST_DOTS_IN_ALL_SCANS
        ):
            self.image.close()
            raise Unusable("too_many_dots")
        return self.image

    def __exit__(self, kind, error, trace):
        self.image.close()
        if isinstance(error, Exception):
            raise Unusable("damaged") from error


def _upright(image):
    """The first frame in eight bits a color, no larger than is kept, the way it was held when it was taken, and nothing of what came along."""
    width, height = image.size
    shrink = min(1, (LARGEST_DOTS / (width * height)) ** 0.5, LONGEST_SIDE / max(width, height))
    size = max(1, int(width * shrink)), max(1, int(height * shrink))
    image.draft("RGB", size)  # of a JPEG only: decodes no more than is needed
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        image = image.convert("I").point(lambda dot: dot / 256).convert("L")
    turned = _orientation(image)
    drawn = image.convert("RGBA" if image.has_transparency_data and image.format != "JPEG" else "RGB")
    drawn.thumbnail(size)
    if turned is not None:
        drawn = drawn.transpose(turned)
    drawn.info.clear()
    return drawn


TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _orientation(image):
    """How the picture has to be turned, as its EXIF says; None where it says nothing that can be read."""
    try:
        return TURNED.get(image.getexif().get(0x0112))
    except Exception:  # what a camera wrote badly doesn't make the picture a bad one
        return None


def _preview(drawn):
    """A WebP of at most PREVIEW_BYTES."""
    width, height = drawn.size
    shown = drawn.crop((0, 0, min(width, height * PREVIEW_SHAPE), min(height, width * PREVIEW_SHAPE)))
    shown = shown.resize(preview_size(width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    for quality in (76, 60, 44, 28):
        written = _written(shown, "WEBP", quality=quality)
        if len(written) <= PREVIEW_BYTES:
            break
    return written


def _written(image, kind, **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()
