"""Check colors, style sheets, links, icons and the escaping of typed text."""

import base64
import datetime
import gzip
import hashlib
import html.parser
import re
import uuid
from types import SimpleNamespace

import pytest
import time_machine
from django.conf import settings
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from portal import styles
from portal.icons import FLIPPED, ICONS
from portal.templatetags.portal import cover, icon, plain, undo_url, when, with_addresses

COLORS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


@given(COLORS, st.sampled_from([styles.LIGHT, styles.DARK]))
def test_every_accent_color_is_readable_in_light_and_dark_mode(color, theme):
    made = styles.accent_colors(color, theme)
    pairs = [
        (made["accent"], theme["ground"]),
        (made["accent"], theme["surface"]),
        (made["accent"], made["soft"]),
        (made["on-accent"], made["accent"]),
    ]
    assert [pair for pair in pairs if styles.contrast(*pair) < 4.5] == []


def test_readable_accent_color_is_unchanged():
    assert styles.accent_colors("#0b5d4d", styles.LIGHT)["accent"] == "#0b5d4d"


@given(COLORS, st.sampled_from([(styles.LIGHT, "#23211c"), (styles.DARK, "#f0ece4")]))
def test_text_on_a_tinted_background_is_readable(color, theme_and_ink):
    theme, ink = theme_and_ink
    assert styles.contrast(styles.accent_colors(color, theme)["soft"], ink) >= 4.5


def test_contrast_is_calculated_with_the_background_colors_of_the_style_sheet():
    css = styles.STYLE_SHEET.read_text("utf-8")
    for theme in (styles.LIGHT, styles.DARK):
        assert f"--ground: {theme['ground']};\n" in css
        assert f"--surface: {theme['surface']};\n" in css


def test_contrast_of_black_on_white_is_the_maximum():
    assert styles.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert styles.contrast("#777777", "#777777") == 1


def test_hash_in_the_content_security_policy_matches_the_page_style():
    request = RequestFactory().get("/")
    page = Template("{% page_style %}").render(
        Context({"request": request, "library": SimpleNamespace(accent_color="#8a1538")})
    )
    css = page.removeprefix("<style>").removesuffix("</style>")
    assert (
        request.style_source == f"'sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()}'"
    )
    assert "#8a1538" in css
    assert "<" not in css


@pytest.mark.parametrize(("messages", "most"), [(True, 5_600), (False, 4_900)])
def test_compressed_style_sheet_is_small(messages, most):
    css, _ = styles.page_style(messages=messages)
    assert len(gzip.compress(css.encode(), 6)) <= most


def test_only_patron_pages_with_messages_or_files_have_styles_for_messages_and_files():
    [part] = styles.MESSAGES.findall(styles.STYLE_SHEET.read_text("utf-8"))
    # Other parts of the style sheet have styles for these classes too.
    elsewhere = {
        "icon",
        "meta",
        "item-card",
        "field-error",
        "grow",
        "new",
        "add",
        "field",
        "option",
        "over",
        "late",
        "photo",
        "send",
    }
    names = set(re.findall(r"[.]([a-z][a-z-]*)", re.sub(r"/[*].*?[*]/", "", part))) - elsewhere
    uses = re.compile(
        rf'\bclass="[^"]*(?<![\w-])({"|".join(names)})(?![\w-])|data-draft-state|data-draft-newer|type="file"|<progress'
    )
    folder = settings.BASE_DIR / "templates"

    def source_of(name):
        """Return the text of the template, followed by the texts of the templates that it includes."""
        text = (folder / name).read_text("utf-8")
        return text + "".join(map(source_of, re.findall(r'{% include "([^"]+)"', text)))

    pages = [path.relative_to(folder).as_posix() for path in folder.rglob("*.html")]
    pages = [page for page in pages if '{% extends "base.html" %}' in (folder / page).read_text("utf-8")]
    wanted = {page for page in pages if uses.search(source_of(page)) and page != "desk/base.html"}
    assert wanted == {
        "conversations/ask.html",
        "conversations/ask_new.html",
        "conversations/conversation.html",
        "conversations/read_step.html",
        "privacy/export.html",
    }
    assert {page for page in pages if "page_style messages=True" in source_of(page)} == wanted
    without_covers = {page for page in pages if "covers=False" in source_of(page)}
    assert without_covers == {"privacy/privacy.html"}
    assert not re.search(r"{% cover |item_card", source_of("privacy/privacy.html"))
    assert len(styles.COVERS.findall(styles.STYLE_SHEET.read_text("utf-8"))) == 1


def test_minified_style_sheet_keeps_every_value():
    css = "/* why */\na > b,\nc :hover { margin: calc(1rem + 2px)  auto; }\n@media (min-width: 10em) { a { --x: 1; } }"
    assert (
        styles.minified(css) == "a>b,c :hover{margin:calc(1rem + 2px) auto}@media (min-width:10em){a{--x:1}}"
    )


@pytest.mark.parametrize("direction", ["left", "right", "top", "bottom"])
def test_style_sheets_use_logical_css_properties_instead_of_physical_directions(direction):
    for sheet in styles.STYLE_SHEET.parent.glob("*.css"):
        css = sheet.read_text("utf-8")
        for prefix in ("margin-", "padding-", "border-", " ", "text-align: "):
            assert f"{prefix}{direction}:" not in css


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))


@pytest.mark.slow
@given(
    st.one_of(
        st.text(),
        st.text(alphabet="<>\"'&/:;()= \nhtpsa.x"),
        st.from_regex(r"(https?://[\"'<>a-z()&;. ]{0,20}){1,4}"),
    )
)
def test_html_in_typed_text_is_escaped(text):
    parser = Tags()
    parser.feed(plain(text))
    for tag, attributes in parser.seen:
        assert tag in {"p", "br", "a"}
        assert set(attributes) <= {"p": {"dir"}, "br": set(), "a": {"href", "rel"}}[tag]
        assert tag != "a" or attributes["href"].lower().startswith(("http://", "https://"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        (None, ""),
        ("one\ntwo\n\nthree", '<p dir="auto">one<br>two</p><p dir="auto">three</p>'),
        ("<script>alert(1)</script>", '<p dir="auto">&lt;script&gt;alert(1)&lt;/script&gt;</p>'),
        ("javascript:alert(1)", '<p dir="auto">javascript:alert(1)</p>'),
        (
            "See (https://example.org/a?b=1&c=2).",
            '<p dir="auto">See (<a href="https://example.org/a?b=1&amp;c=2" rel="nofollow noopener noreferrer">https://example.org/a?b=1&amp;c=2</a>).</p>',
        ),
    ],
)
def test_typed_text_keeps_its_lines_and_links(text, shown):
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("such as ana@example.org.", "such as <bdi>ana|@example|.org.</bdi>"),
        ("A.B+c@mail.example.org, me@x.org", "<bdi>A|.B+c|@mail|.example|.org,</bdi> <bdi>me|@x|.org</bdi>"),
        ("<b>'&ana@example.org</b>", "&lt;b&gt;&#x27;&amp;<bdi>ana|@example|.org</bdi>&lt;/b&gt;"),
        ("Version 3.5 costs $4.00 @ the desk.", "Version 3.5 costs $4.00 @ the desk."),
    ],
)
def test_email_address_in_a_sentence_can_wrap_before_an_at_sign_or_a_period(text, shown):
    assert with_addresses(text) == shown.replace("|", "<wbr>")


def test_plain_text_templates_do_not_use_filters_that_add_tags():
    using = [
        path for path in (settings.BASE_DIR / "templates").rglob("*.txt") if "address" in path.read_text()
    ]
    assert [path.name for path in using if re.search(r"\|(with_)?address(es)?\b", path.read_text())] == []


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime.datetime(2026, 11, 25, 9, 5), "today 9:05\xa0a.m."),
        (datetime.datetime(2026, 11, 24, 23, 59), "yesterday 11:59\xa0p.m."),
        (datetime.datetime(2026, 11, 3, 14, 2), "Tue, Nov 3, 2:02\xa0p.m."),
        (datetime.datetime(2025, 11, 3, 14, 2), "Nov 3, 2025, 2:02\xa0p.m."),
        (datetime.date(2026, 11, 25), "today"),
        (datetime.date(2026, 11, 24), "yesterday"),
        (datetime.date(2025, 1, 2), "Jan 2, 2025"),
    ],
)
def test_dates_are_shown_as_today_or_yesterday_in_the_librarys_time_zone(moment, shown):
    with (
        timezone.override("America/Chicago"),
        translation.override("en"),
        time_machine.travel(datetime.datetime(2026, 11, 26, 3, 0, tzinfo=datetime.UTC), tick=False),
    ):
        moment = timezone.make_aware(moment) if isinstance(moment, datetime.datetime) else moment
        assert f">{shown}</time>" in when(moment)
        assert when(None) == ""


def item(**facts):
    return SimpleNamespace(
        **{
            "public_id": uuid.UUID(int=9),
            "kind": "book",
            "title": "A & B",
            "creators": "",
            "url": "",
            "isbn": "",
            "source_key": "",
            "has_cover": False,
        }
        | facts
    )


def test_drawn_cover_of_an_item_is_always_the_same_and_escapes_the_title():
    first, again = cover({}, item(title="<b>Bold</b>")), cover({}, item(title="<b>Bold</b>"))
    assert first == again
    assert "&lt;b&gt;Bold&lt;/b&gt;" in first
    assert 'aria-hidden="true"' in first


@pytest.mark.parametrize(
    ("title", "size"),
    [("Compost City", ""), ("Practical Composting", " long"), ("Straßenbahnhaltestelle", " longest")],
)
def test_drawn_cover_of_a_title_with_a_long_word_has_smaller_letters(title, size):
    assert re.search(rf'class="cover h\d p\d{size}"', cover({}, item(title=title)))


def test_real_cover_is_loaded_after_the_page_except_on_printed_pages():
    drawn, real = item(title="Compost City"), item(title="Compost City")
    real.public_id, real.has_cover = drawn.public_id, True
    begin = cover({}, drawn).removesuffix("</span>")
    picture = f'<img src="/covers/{real.public_id}/" alt="">'
    assert cover({}, real) == f"{begin}<noscript>{picture}</noscript></span>"
    assert cover({}, real, paper="a4") == f"{begin}{picture}</span>"
    assert cover({}, drawn, paper="a4") == cover({}, real, paper="receipt") == cover({}, drawn)


def test_shared_page_loads_real_covers_from_urls_that_start_with_its_own_path():
    real = item(has_cover=True)
    page = {"covers_at": "/shared/abc/covers"}
    assert f'src="/shared/abc/covers/{real.public_id}/"' in cover(page, real)


def test_real_cover_adds_only_a_few_bytes_to_the_html_of_an_item():
    """A page with many items must not exceed its size limit, which tests/browser/test_bars.py checks."""
    rows = [item(public_id=uuid.uuid4(), title=f"Title {number}") for number in range(30)]
    drawn = gzip.compress("".join(cover({}, row) for row in rows).encode())
    for row in rows:
        row.has_cover = True
    real = gzip.compress("".join(cover({}, row) for row in rows).encode())
    assert len(drawn) / 30 < 25
    assert (len(real) - len(drawn)) / 30 < 35


def test_icons_are_hidden_from_screen_readers():
    assert [name for name in ICONS if 'aria-hidden="true"' not in icon(name)] == []
    assert {name for name in ICONS if "flips" in icon(name)} == set(FLIPPED)


def test_undo_url_is_read_from_the_tags_of_a_django_message():
    assert undo_url(SimpleNamespace(extra_tags="undo=/lists/save/1/")) == "/lists/save/1/"
    assert undo_url(SimpleNamespace(extra_tags="")) == ""


def test_server_error_template_can_be_rendered_without_a_context():
    page = render_to_string("errors/500.html")
    assert "<h1>Something went wrong</h1>" in page
    assert styles.page_style()[0] in page
