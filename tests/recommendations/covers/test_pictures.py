"""Check that a downloaded picture becomes a small and harmless cover."""

import io
import struct
import zlib

import pytest
from PIL import Image, PngImagePlugin

from portal.files import COVER_SIZE, MAX_COVER_BYTES, NotAPicture, cover_picture
from tests.cover_source import photo, picture


def opened(content):
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(300, 450), (500, 500), (1200, 400), (40, 60)])
def test_downloaded_cover_becomes_a_webp_of_the_standard_size(kind, size):
    made = opened(cover_picture(picture(size, kind)))
    assert (made.format, made.size, made.mode) == ("WEBP", COVER_SIZE, "RGB")


def test_file_of_a_detailed_cover_is_not_larger_than_the_limit():
    assert len(cover_picture(photo())) <= MAX_COVER_BYTES


def test_square_cover_is_not_cropped_and_its_margins_have_its_average_color():
    square = Image.new("RGB", (400, 400), (200, 30, 30))
    square.paste((30, 30, 200), (0, 0, 60, 400))
    out = io.BytesIO()
    square.save(out, "PNG")
    made = opened(cover_picture(out.getvalue()))
    red, _green, blue = made.getpixel((4, COVER_SIZE[1] // 2))
    assert blue > red
    red, _green, blue = made.getpixel((COVER_SIZE[0] // 2, 4))
    assert red > blue


def test_transparent_cover_gets_a_white_background():
    out = io.BytesIO()
    Image.new("RGBA", (200, 300), (0, 0, 0, 0)).save(out, "PNG")
    assert opened(cover_picture(out.getvalue())).getpixel((80, 100)) == (255, 255, 255)


def test_hidden_data_in_a_downloaded_cover_is_removed():
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "tracked-by-somebody")
    out = io.BytesIO()
    Image.new("RGB", (200, 300)).save(out, "PNG", pnginfo=info, exif=b"Exif\0\0tracked-by-somebody")
    assert b"tracked-by-somebody" in out.getvalue()
    assert b"tracked-by-somebody" not in cover_picture(out.getvalue() + b"tracked-by-somebody")


def png_that_says(width, height):
    """Return a PNG of a few bytes whose header claims this width and height in pixels."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"<!doctype html><title>Not found</title>", id="html"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', id="svg"),
        pytest.param(b"%PDF-1.4", id="pdf"),
        pytest.param(b"", id="nothing"),
        pytest.param(GIF, id="one transparent pixel"),
        pytest.param(picture((39, 60)), id="too small"),
        pytest.param(picture()[:200], id="damaged"),
        pytest.param(png_that_says(60_000, 60_000), id="bomb"),
        pytest.param(png_that_says(4_100, 4_100), id="too many pixels"),
    ],
)
def test_content_that_is_not_a_picture_of_a_cover_is_refused(content):
    with pytest.raises(NotAPicture):
        cover_picture(content)
