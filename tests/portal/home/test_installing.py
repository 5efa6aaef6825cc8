import io
import re

import pytest
from django.urls import reverse
from PIL import Image, ImageChops, ImageDraw

from portal.app_icons import ICONS, icon_version, initials
from portal.home.views.installing import short_name

pytestmark = pytest.mark.django_db


def manifest(client, language="en"):
    return client.get(reverse("manifest", args=[language]))


def icon(client, name, version="0"):
    return client.get(reverse("app_icon", args=[version, name]))


def test_manifest_has_the_librarys_name_and_color_and_language_and_shortcuts(client, library):
    library.name, library.accent_color = "Harbour Library", "#7a1f5c"
    library.save()
    response = manifest(client, "es")
    assert response["Content-Type"] == "application/manifest+json"
    found = response.json()
    assert {name: found[name] for name in found if name not in {"icons", "shortcuts"}} == {
        "id": "/",
        "name": "Harbour Library",
        "short_name": "Harbour",
        "lang": "es",
        "dir": "ltr",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "theme_color": "#7a1f5c",
        "background_color": "#f7f4ee",
    }
    shortcuts = [(shortcut["name"], shortcut["url"]) for shortcut in found["shortcuts"]]
    assert shortcuts == [("Inicio", "/"), ("Listas", "/lists/")]


def test_manifest_lists_an_icon_of_each_size_for_each_purpose(client, library):
    icons = manifest(client).json()["icons"]
    assert {(each["sizes"], each["purpose"]) for each in icons} == {
        ("192x192", "any"),
        ("512x512", "any"),
        ("192x192", "maskable"),
        ("512x512", "maskable"),
    }
    for each in icons:
        picture = Image.open(io.BytesIO(client.get(each["src"]).content))
        assert f"{picture.width}x{picture.height}" == each["sizes"]


def test_manifest_in_an_unknown_language_is_404(client, library):
    assert manifest(client, "xx").status_code == 404


def test_icon_is_cached_for_a_year_and_has_a_new_url_after_a_change(client, library):
    [src] = {each["src"] for each in manifest(client).json()["icons"] if "/maskable-512" in each["src"]}
    first = client.get(src)
    assert first["Cache-Control"] == "private, max-age=31536000, immutable"
    for field, value in (("name", "Riverside"), ("accent_color", "#7a1f5c")):
        setattr(library, field, value)
        library.save()
        old = client.get(src)
        assert old.content != first.content
        assert old["Cache-Control"] == "private, max-age=300"
        newer = next(
            each["src"] for each in manifest(client).json()["icons"] if "/maskable-512" in each["src"]
        )
        assert newer != src
        src, first = newer, client.get(newer)
        assert first["Cache-Control"].endswith("immutable")


def test_icon_with_an_unknown_name_is_404(client, library):
    assert icon(client, "193").status_code == 404


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ICONS)
@pytest.mark.parametrize("library_name", ["Harbour Library", "ספרייה", "Ä"])
def test_icon_fills_its_square_and_its_drawing_is_inside_the_safe_zone(client, library, name, library_name):
    library.name, library.accent_color = library_name, "#0b5d4d"
    library.save()
    picture = Image.open(io.BytesIO(icon(client, name).content))
    corner, edge = picture.convert("RGBA").getpixel((0, 0)), picture.width // 2
    # Only the icons for desktops have rounded corners.
    assert corner[3] == (0 if name in {"192", "512"} else 255)
    assert picture.convert("RGB").getpixel((edge, 1)) == (0x0B, 0x5D, 0x4D)
    # Phones may cut off everything outside a circle with 80% of the width.
    light = picture.convert("RGB").convert("L").point(lambda brightness: 255 if brightness > 200 else 0)
    assert light.histogram()[255] > picture.width**2 * 0.02
    if name.startswith("maskable"):
        outside = Image.new("L", picture.size, 255)
        start, end = 0.1 * picture.width, 0.9 * picture.width
        ImageDraw.Draw(outside).ellipse([start, start, end, end], fill=0)
        assert ImageChops.darker(light, outside).getbbox() is None


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Harbour Library", "HL"),
        ("Milwaukee Public Library", "MP"),
        ("University of Iowa", "UI"),
        ("Biblioteca de Ávila", "BA"),
        ("afterword", "A"),
        ("Östersund", "O"),
        ("3rd Street", "S"),
        ("Łódź", ""),
        ("ספרייה", ""),
        ("図書館", ""),
        ("42", ""),
    ],
)
def test_initials_of_a_library_are_latin_letters_or_empty(name, letters):
    assert initials(name) == letters


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Harbour Library", "Harbour"),
        ("Iowa Library", "Iowa Library"),
        ("Landesbibliothek Kiel", "Landesbiblio"),
    ],
)
def test_short_name_has_at_most_12_characters_and_cuts_only_a_long_first_word(name, short):
    assert short_name(name) == short


@pytest.mark.parametrize("path", ["/", "/sign-in/", "/offline/"])
def test_phone_browser_bar_has_the_color_of_the_page_header(client, library, path):
    head = client.get(path).content.decode()
    assert re.findall(
        r'<meta name="theme-color" content="(.*?)" media="\(prefers-color-scheme: (.*?)\)">', head
    ) == [
        ("#fffefb", "light"),
        ("#211f1c", "dark"),
    ]


def test_page_links_to_the_manifest_in_its_language_and_to_the_icon_for_ios(client, library):
    head = client.get("/", headers={"accept-language": "es"}).content.decode()
    assert '<link rel="manifest" href="/manifest.es.webmanifest">' in head
    version = icon_version(library.name, library.accent_color)
    assert f'<link rel="apple-touch-icon" href="/icons/{version}/apple.png">' in head


def test_service_worker_is_served_at_the_root_with_a_strict_content_policy(client, library):
    response = client.get("/sw.js")
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert "connect-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert response["Cache-Control"] == "no-store"


def test_shared_caches_do_not_store_the_manifest_or_an_icon(client, library):
    for response in (manifest(client), icon(client, "192")):
        assert response["Cache-Control"] == "private, max-age=300"
