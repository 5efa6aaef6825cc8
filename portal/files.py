"""Make uploaded files safe to store and to serve.

A picture is decoded and encoded again. A PDF is always served as a download. The first bytes of a file decide
its type, because the file name and the browser's Content-Type can be wrong.
"""

import io
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from portal.uploads import MAX_FILE_BYTES

MAX_LOGO_BYTES = 5 * 1024 * 1024
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP")
PDF_MAGIC = b"%PDF-"
START_OF_SCAN = b"\xff\xda"

# The largest pictures that are decoded, in pixels. The size is checked before decoding, because a small file
# can contain a very large picture. The limit for a JPEG is higher, because a JPEG can be decoded at half its
# size or less. The cameras of phones have up to 50 million pixels.
MAX_PIXELS = 25_000_000
MAX_JPEG_PIXELS = 64_000_000
# The limit for a picture's pixels times its scans. A progressive JPEG can have many scans. Even a scan of
# only a hundred bytes takes as long to decode as the whole picture.
MAX_JPEG_SCAN_PIXELS = 25 * MAX_JPEG_PIXELS

# A larger picture is made smaller before it is stored. With seven million pixels, small print stays readable.
MAX_KEPT_PIXELS = 7_000_000
MAX_KEPT_SIDE = 16_000  # The longest side that WebP allows, in pixels.
MAX_PNG_BYTES = 2 * 1024 * 1024

# The longer side of a preview, in pixels. Pages show a preview at half this size, so that it is sharp on a
# phone.
PREVIEW_SIDE = 480
# The longer side of a preview is at most three times its shorter side. The preview of a taller picture shows
# only the top of the picture. The preview of a wider picture shows only the left part.
PREVIEW_RATIO = 3
MAX_PREVIEW_BYTES = 40_000

# A page first shows a soft copy of a preview, until the person touches the page. Two soft copies and the page
# itself are smaller than 35 KiB together. SOFT_SIDE is in pixels.
SOFT_SIDE = 96
MAX_SOFT_BYTES = 800

# The size of a stored cover in pixels: twice its size on a page, so that it is sharp on a phone.
COVER_SIZE = (160, 224)
# A page with two covers of this size is smaller than 35 KiB.
MAX_COVER_BYTES = 2_400
# Some cover sources send a tiny picture, such as a single transparent pixel, if they have no cover. A picture
# counts as "no cover" if its shorter side has fewer pixels than this.
MIN_COVER_SIDE = 40
MAX_COVER_PIXELS = 16_000_000
# A picture is cut to the shape of a cover if its width divided by its height is between these two numbers.
# Any other picture is shown whole, such as the square cover of a compact disc.
COVER_RATIOS = (0.6, 0.82)

# With this lock, each process decodes only one picture at a time, because decoding briefly needs a hundred
# megabytes of memory.
DECODE_LOCK = threading.Lock()


class NotAPicture(Exception):
    """The file is not a JPEG, PNG or WebP picture, or it is damaged or too large."""


class Unusable(Exception):
    """The file can't be stored. `reason` is "empty", "too_large", "too_many_dots", "damaged" or "unknown"."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Usable:
    """An uploaded file that is now safe to store. A PDF has no preview and no size in pixels."""

    content: bytes
    extension: str
    preview: bytes = b""
    width: int | None = None
    height: int | None = None

    @property
    def is_picture(self):
        return self.width is not None


def picture(file, *, side):
    """Return the uploaded picture as a PNG of at most `side` × `side` pixels. Raises NotAPicture.

    Encoding the picture again removes the location and all other hidden data.
    """
    if file.size > MAX_LOGO_BYTES:
        raise NotAPicture
    try:
        with DECODE_LOCK, _open_picture(file) as image:
            drawn = ImageOps.exif_transpose(image).convert("RGBA")
            drawn.thumbnail((side, side))
    except Unusable as error:
        raise NotAPicture from error
    return _encoded(drawn, "PNG", optimize=True)


def usable(file):
    """Make the uploaded Django File safe, and return it as a Usable.

    Raises Unusable if the file is not a picture or PDF that can be stored.
    """
    if not file.size:
        raise Unusable("empty")
    if file.size > MAX_FILE_BYTES:
        raise Unusable("too_large")
    file.seek(0)
    first_bytes = file.read(len(PDF_MAGIC))
    file.seek(0)
    if first_bytes == PDF_MAGIC:
        return Usable(file.read(), "pdf")
    with DECODE_LOCK, _open_picture(file) as image:
        kind = image.format
        drawn = _upright(image)
    try:
        content = _encoded(drawn, kind, **ENCODER_OPTIONS[kind])
    except LargePng:
        # A large PNG is usually a pasted photograph, which is much smaller as a WebP.
        kind = "WEBP"
        content = _encoded(drawn, kind, **ENCODER_OPTIONS[kind])
    return Usable(content, kind.lower(), _preview(drawn), drawn.width, drawn.height)


def cover_picture(content):
    """Return the bytes of a downloaded picture as a small WebP cover. Raises NotAPicture."""
    try:
        with DECODE_LOCK, _open_picture(io.BytesIO(content)) as image:
            if min(image.size) < MIN_COVER_SIDE or image.width * image.height > MAX_COVER_PIXELS:
                raise NotAPicture
            drawn = _on_white(_upright(image))
    except Unusable as error:
        # _open_picture also raises Unusable for an error inside the `with` block.
        raise NotAPicture from error
    if COVER_RATIOS[0] <= drawn.width / drawn.height <= COVER_RATIOS[1]:
        fitted = ImageOps.fit(drawn, COVER_SIZE, Image.Resampling.LANCZOS)
    else:
        average = drawn.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        fitted = ImageOps.pad(drawn, COVER_SIZE, Image.Resampling.LANCZOS, color=average)
    return _encoded_within(MAX_COVER_BYTES, fitted, qualities=(72, 60, 48, 36, 24, 12))


def _on_white(drawn):
    if drawn.mode != "RGBA":
        return drawn
    white = Image.new("RGB", drawn.size, "white")
    white.paste(drawn, mask=drawn.getchannel("A"))
    return white


# The options for Pillow's encoders. WebP methods above 2 take twice as long, but the files are hardly
# smaller.
ENCODER_OPTIONS = {"JPEG": {"quality": 85}, "PNG": {}, "WEBP": {"quality": 85, "method": 2}}


def preview_size(width, height):
    """Return (width, height), the size in pixels of the preview for a picture of the given size."""
    width, height = min(width, height * PREVIEW_RATIO), min(height, width * PREVIEW_RATIO)
    shrink = min(1, PREVIEW_SIDE / max(width, height))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


@contextmanager
def _open_picture(file):
    """Open the file as a Pillow image of an allowed format and size.

    Raises Unusable if opening the file fails, or if decoding the image inside the `with` block fails.
    """
    file.seek(0)
    scans = file.read().count(START_OF_SCAN)
    file.seek(0)
    try:
        image = Image.open(file, formats=PICTURE_FORMATS)
    except UnidentifiedImageError as error:
        raise Unusable("unknown") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unusable("too_many_dots") from error
    except Exception as error:
        raise Unusable("damaged") from error
    with closing(image):
        # Many phones write MPO files. An MPO file is a JPEG followed by another picture.
        if image.format == "MPO":
            image.format = "JPEG"
        if _has_too_many_pixels(image, scans):
            raise Unusable("too_many_dots")
        try:
            yield image
        except Exception as error:
            raise Unusable("damaged") from error


def _has_too_many_pixels(image, scans):
    pixels = image.width * image.height
    if image.format == "JPEG":
        return pixels > MAX_JPEG_PIXELS or pixels * scans > MAX_JPEG_SCAN_PIXELS
    return pixels > MAX_PIXELS


def _upright(image):
    """Return the image's first frame, upright, small enough to store, in 8 bits and without metadata."""
    width, height = image.size
    shrink = min(1, (MAX_KEPT_PIXELS / (width * height)) ** 0.5, MAX_KEPT_SIDE / max(width, height))
    size = max(1, int(width * shrink)), max(1, int(height * shrink))
    # After this call, Pillow decodes a JPEG at a smaller size, which needs less memory.
    image.draft("RGB", size)
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    transpose = _transpose(image)
    drawn = image.convert("RGBA" if image.has_transparency_data and image.format != "JPEG" else "RGB")
    drawn.thumbnail(size)
    if transpose is not None:
        drawn = drawn.transpose(transpose)
    drawn.info.clear()
    return drawn


EXIF_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _transpose(image):
    """Return the rotation that the EXIF data ask for, or None."""
    try:
        return EXIF_TRANSPOSE.get(image.getexif().get(0x0112))
    except Exception:
        # Some cameras write invalid EXIF data. The picture itself is still fine.
        return None


def _preview(drawn):
    """Return the preview as a WebP of about MAX_PREVIEW_BYTES."""
    width, height = drawn.size
    shown = drawn.crop((0, 0, min(width, height * PREVIEW_RATIO), min(height, width * PREVIEW_RATIO)))
    shown = shown.resize(preview_size(width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return _encoded_within(MAX_PREVIEW_BYTES, shown, qualities=(76, 60, 44, 28))


def soft_copy(preview):
    """Return a small copy of a preview as a WebP of about MAX_SOFT_BYTES. `preview` is an open file."""
    with Image.open(preview, formats=["WEBP"]) as drawn:
        drawn.thumbnail((SOFT_SIDE, SOFT_SIDE))
        return _encoded_within(MAX_SOFT_BYTES, drawn, qualities=(40, 30, 20, 10, 1))


def _encoded_within(most, drawn, *, qualities):
    """Return the picture as a WebP of at most `most` bytes, in the best quality that is small enough.

    If no quality is small enough, return the picture in the lowest quality. `qualities` begins with the best.
    """
    for quality in qualities:
        encoded = _encoded(drawn, "WEBP", quality=quality)
        if len(encoded) <= most:
            break
    return encoded


class LargePng(Exception):
    """The PNG would have more than MAX_PNG_BYTES."""


class _PngBuffer(io.BytesIO):
    """A buffer that stops the encoder of a large PNG. Encoding the whole PNG would take seconds."""

    def write(self, data):
        if self.tell() + len(data) > MAX_PNG_BYTES:
            raise LargePng
        return super().write(data)


def _encoded(image, kind, **options):
    out = _PngBuffer() if kind == "PNG" else io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
