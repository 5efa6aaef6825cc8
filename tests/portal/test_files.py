"""Check how uploaded files are cleaned, and which are refused."""

import io
import random
import zlib

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from portal import files
from tests.factories import pdf_file, photograph, picture_file

LOCATION = Image.Exif()
# This EXIF orientation says that a viewer must turn the picture to the right by 90 degrees.
LOCATION[0x0112] = 6
LOCATION[0x8825] = {1: "N", 2: (41.0, 52.0, 30.0)}
LOCATION[0x010E] = "SECRET PLACE"
HIDDEN = b"<script>alert(1)</script>"


def uploaded(content, name="a.png"):
    return SimpleUploadedFile(name, content)


def kept(file):
    found = files.usable(file)
    image = Image.open(io.BytesIO(found.content))
    image.load()
    return found, image


def with_header_size(file, width, height):
    """Return a copy of a PNG file, with this width and height in its header."""
    content = bytearray(file.read())
    content[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return uploaded(bytes(content))


def noise(width, height, kind, **how):
    out = io.BytesIO()
    Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3)).save(
        out, kind, **how
    )
    return uploaded(out.getvalue())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_picture_is_stored_without_location_and_hidden_data(kind):
    original = picture_file(size=(300, 200), kind=kind, exif=LOCATION).read()
    assert b"SECRET PLACE" in original
    found, image = kept(uploaded(original + HIDDEN))
    assert (image.format, image.size, found.extension, found.is_picture) == (
        kind,
        (200, 300),
        kind.lower(),
        True,
    )
    for content in (found.content, found.preview):
        assert b"SECRET PLACE" not in content
        assert b"script" not in content
        assert not Image.open(io.BytesIO(content)).getexif()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_is_rotated_by_its_exif_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    _found, image = kept(picture_file(size=(300, 200), exif=exif))
    assert image.size == ((300, 200) if orientation < 5 else (200, 300))


def test_picture_with_invalid_exif_data_is_accepted():
    assert kept(picture_file(size=(30, 20), exif=b"Exif\0\0nonsense"))[1].size == (30, 20)


@pytest.mark.parametrize(("mode", "color", "kind", "seen"), [
    ("CMYK", (0, 255, 255, 0), "JPEG", (254, 0, 0)),
    ("L", 128, "JPEG", (128, 128, 128)),
    ("I;16", 32768, "PNG", (128, 128, 128)),
    ("1", 1, "PNG", (255, 255, 255)),
    ("P", 0, "PNG", (0, 0, 0)),
    ("LA", (90, 0), "PNG", (90, 90, 90, 0)),
    ("RGBA", (1, 2, 3, 0), "PNG", (1, 2, 3, 0)),
])  # fmt: skip
def test_picture_in_any_color_mode_is_converted_for_browsers(mode, color, kind, seen):
    out = io.BytesIO()
    Image.new(mode, (40, 40), color).save(out, kind)
    _found, image = kept(uploaded(out.getvalue()))
    assert image.getpixel((20, 20)) == seen


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animated_picture_is_stored_as_its_first_frame(kind):
    moving = picture_file(
        kind=kind, save_all=True, append_images=[Image.new("RGB", (120, 80), "red")], duration=100
    )
    assert Image.open(moving).n_frames == 2
    moving.seek(0)
    _found, image = kept(moving)
    assert getattr(image, "n_frames", 1) == 1


@pytest.mark.slow
def test_large_photo_is_made_smaller_but_remains_readable():
    found, image = kept(picture_file(size=(8160, 6144)))
    assert image.width * image.height <= files.MAX_KEPT_PIXELS
    assert image.width > 3000
    assert (found.width, found.height) == image.size


@pytest.mark.only_long
@pytest.mark.slow
def test_long_screenshot_keeps_its_width_and_its_preview_shows_the_top():
    out = io.BytesIO()
    long = Image.new("RGB", (1080, 6000), "white")
    long.paste("red", (0, 0, 1080, 500))
    long.save(out, "PNG")
    found, image = kept(uploaded(out.getvalue()))
    preview = Image.open(io.BytesIO(found.preview)).convert("RGB")
    assert image.size == (1080, 6000)
    assert preview.size == files.preview_size(1080, 6000) == (160, 480)
    red, green, _blue = preview.getpixel((80, 5))
    assert red > 200 > 60 > green


@pytest.mark.only_long
@pytest.mark.slow
def test_preview_of_a_noisy_picture_is_smaller_than_the_size_limit():
    assert len(files.usable(noise(1600, 1200, "JPEG", quality=95)).preview) <= files.MAX_PREVIEW_BYTES


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.parametrize("size", [(960, 720), (720, 960)])
def test_low_quality_copy_of_a_preview_does_not_exceed_its_size_limit(size):
    preview = files.usable(photograph(size=size)).preview
    assert 10_000 < len(preview) < 26_000
    soft = files.soft_copy(io.BytesIO(preview))
    assert len(soft) <= files.MAX_SOFT_BYTES
    assert max(Image.open(io.BytesIO(soft)).size) == files.SOFT_SIDE


def test_photo_pasted_as_png_is_stored_as_webp():
    found, image = kept(noise(1500, 1000, "PNG"))
    assert (found.extension, image.format) == ("webp", "WEBP")
    assert len(found.content) < 2_000_000


def test_encoding_of_a_large_png_stops_when_the_size_limit_is_reached(monkeypatch):
    """Encoding the whole picture would take seconds, and nobody needs the result."""
    written, write = [], files._PngBuffer.write

    def count(buffer, data):
        written.append(len(data))
        return write(buffer, data)

    monkeypatch.setattr(files._PngBuffer, "write", count)
    monkeypatch.setattr(files, "MAX_PNG_BYTES", 200_000)
    picture = noise(600, 400, "PNG")
    assert files.usable(picture).extension == "webp"
    assert sum(written) < 400_000 < picture.size


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 5000), (5000, 1), (3, 60_000), (481, 480)])
def test_preview_of_a_tiny_or_narrow_picture_has_the_computed_size(width, height):
    found, image = kept(picture_file(size=(width, height)))
    assert Image.open(io.BytesIO(found.preview)).size == files.preview_size(*image.size)


def test_pdf_is_stored_byte_for_byte():
    content = b"%PDF-1.7\n" + HIDDEN
    found = files.usable(pdf_file(content=content))
    assert (found.content, found.extension, found.is_picture, found.preview) == (content, "pdf", False, b"")


@pytest.mark.few_cases
@pytest.mark.slow
@pytest.mark.parametrize(("file", "reason"), [
    (lambda: uploaded(b""), "empty"),
    (lambda: uploaded(b"%PDF-" + b"x" * files.MAX_FILE_BYTES), "too_large"),
    (lambda: picture_file(size=(16_320, 12_240)), "too_many_dots"),
    (lambda: picture_file(size=(10_000, 10_000)), "too_many_dots"),
    (lambda: picture_file(size=(6000, 5000), kind="PNG"), "too_many_dots"),
    (lambda: with_header_size(picture_file(kind="PNG"), 60_000, 60_000), "too_many_dots"),
    (lambda: with_header_size(picture_file(kind="PNG"), 4000, 4000), "damaged"),
    (lambda: uploaded(picture_file(size=(300, 200)).read()[:900], "cut.jpg"), "damaged"),
    (lambda: uploaded(b"<html><script>alert(1)</script>", "page.png"), "unknown"),
    (lambda: uploaded(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "drawing.svg"), "unknown"),
    (lambda: uploaded(b"\n%PDF-1.4", "late.pdf"), "unknown"),
    (lambda: picture_file(kind="GIF"), "unknown"),
    (lambda: picture_file(kind="TIFF"), "unknown"),
    (lambda: picture_file(kind="BMP"), "unknown"),
    (lambda: uploaded(b"\0\0\0\x18ftypheic" + b"\0" * 300, "phone.heic"), "unknown"),
    (lambda: uploaded(b"PK\x03\x04" + b"\0" * 300, "letter.docx"), "unknown"),
    (lambda: uploaded(b"\xff\xd8\xff\xe0" + b"\0" * 300, "b.jpg"), "unknown"),
])  # fmt: skip
def test_unusable_file_is_refused_with_a_reason(file, reason):
    with pytest.raises(files.Unusable) as refused:
        files.usable(file())
    assert refused.value.reason == reason


@pytest.mark.slow
def test_png_that_decompresses_to_a_huge_picture_is_refused():
    info = PngInfo()
    info.add_text("bomb", "0" * 80_000_000, zip=True)
    bomb = picture_file(kind="PNG", pnginfo=info)
    assert bomb.size < 100_000
    with pytest.raises(files.Unusable, match="damaged|unknown"):
        files.usable(bomb)


def test_randomly_damaged_picture_raises_no_unexpected_error():
    chance = random.Random(7)
    originals = [
        picture_file(size=(80, 60), kind=kind, exif=LOCATION).read() for kind in ("JPEG", "PNG", "WEBP")
    ]
    for turn in range(300):
        content = bytearray(originals[turn % 3])
        for _ in range(chance.randint(1, 12)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            files.usable(uploaded(bytes(content)))
        except files.Unusable as error:
            assert error.reason in {"damaged", "unknown", "too_many_dots"}  # noqa: PT017  Most damaged pictures raise no error.


def test_phone_photo_that_contains_a_second_picture_is_accepted():
    out = io.BytesIO()
    second = Image.new("RGB", (60, 40), "blue")
    Image.new("RGB", (300, 200), "red").save(out, "MPO", save_all=True, append_images=[second])
    found, image = kept(uploaded(out.getvalue(), "a.jpg"))
    assert (image.format, image.size, found.extension) == ("JPEG", (300, 200), "jpeg")


@pytest.mark.slow
def test_jpeg_with_too_many_scans_is_refused():
    """Build a JPEG with many tiny scans. A process would take an hour to decode ten megabytes of them."""
    out = io.BytesIO()
    Image.new("L", (4000, 4000), 128).save(out, "JPEG", progressive=True)
    content = out.getvalue()
    last = content.rindex(b"\xff\xda")
    scan, end = content[last:-2], content[-2:]
    assert len(scan) < 200
    assert files.usable(uploaded(content)).is_picture
    with pytest.raises(files.Unusable) as refused:
        files.usable(uploaded(content[:-2] + 400 * scan + end))
    assert refused.value.reason == "too_many_dots"
