"""Check the links from an item to the library's catalog and to the web."""

from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError

from portal.catalog_links import (
    check_prefix,
    check_template,
    in_catalog,
    link_for_anyone,
    own_link,
    through_catalog,
)
from recommendations.models import Item

BOTH = "https://cat.example.org/search?title={title}&isbn={isbn}"
SEARCH = "https://cat.example.org/title?q={title}"


def item(**facts):
    return Item(**{"title": "A & B", "kind": "book"} | facts)


def library(link="", title_link="", proxy=""):
    return SimpleNamespace(catalog_link=link, catalog_title_link=title_link, proxy_prefix=proxy)


@pytest.mark.parametrize(
    ("link", "facts", "address"),
    [
        ("https://cat.example.org/?q={title}", {}, "https://cat.example.org/?q=A%20%26%20B"),
        (
            "https://cat.example.org/isbn/{isbn}",
            {"isbn": "9780000000002"},
            "https://cat.example.org/isbn/9780000000002",
        ),
        (
            "https://cat.example.org/{number}",
            {"source_key": "../b/1?x"},
            "https://cat.example.org/..%2Fb%2F1%3Fx",
        ),
        (
            "https://cat.example.org/{title}",
            {"title": "{isbn}{number}"},
            "https://cat.example.org/%7Bisbn%7D%7Bnumber%7D",
        ),
        ("https://cat.example.org/#/find?q={title}", {}, "https://cat.example.org/#/find?q=A%20%26%20B"),
        ("https://cat.example.org/?v=1#q={title}", {}, "https://cat.example.org/?v=1#q=A%20%26%20B"),
        ("http://cat.example.org/?q={title}", {}, ""),
        ("javascript:alert('{title}')", {}, ""),
        ("", {}, ""),
    ],
)
def test_catalog_link_contains_the_encoded_values_of_the_item(link, facts, address):
    assert through_catalog(item(**facts), library(link)) == address


@pytest.mark.parametrize(
    ("link", "address"),
    [
        # A parameter without a value is left out. If a search has two placeholders, the one without a value
        # is left out.
        (BOTH, "https://cat.example.org/search?title=A%20%26%20B"),
        (
            "https://cat.example.org/?isbn={isbn}&title={title}#top",
            "https://cat.example.org/?title=A%20%26%20B#top",
        ),
        ("https://cat.example.org/?v=1&q={isbn}+{title}", "https://cat.example.org/?v=1&q=A%20%26%20B"),
        ("https://cat.example.org/?v=1&q={title}%20{number}", "https://cat.example.org/?v=1&q=A%20%26%20B"),
        # Without the ISBN, "OR" would be part of the search, so the whole parameter is left out.
        ("https://cat.example.org/?q=isbn:{isbn}+OR+{title}", ""),
        # Without the ISBN, nothing in the address says which item is meant.
        ("https://cat.example.org/?q={isbn}", ""),
        ("https://cat.example.org/?v=1&q={isbn}", ""),
        # Only parameters can be left out. A part of a path or of a fragment can't be left out.
        ("https://cat.example.org/isbn/{isbn}?title={title}", ""),
        ("https://cat.example.org/?title={title}#{number}", ""),
    ],
)
def test_catalog_link_uses_only_placeholders_that_have_values(link, address):
    assert through_catalog(item(isbn="", source_key=""), library(link)) == address


@pytest.mark.parametrize(
    ("link", "isbn", "address"),
    [
        (
            "https://cat.example.org/isbn/{isbn}",
            "9780000000002",
            "https://cat.example.org/isbn/9780000000002",
        ),
        ("https://cat.example.org/isbn/{isbn}", "", "https://cat.example.org/title?q=A%20%26%20B"),
        ("", "", "https://cat.example.org/title?q=A%20%26%20B"),
        ("javascript:alert(1)//{isbn}", "9780000000002", "https://cat.example.org/title?q=A%20%26%20B"),
    ],
)
def test_title_search_is_used_if_the_catalog_link_cannot_be_filled(link, isbn, address):
    assert through_catalog(item(isbn=isbn), library(link, SEARCH)) == address


@pytest.mark.parametrize("template", ["http://cat.example.org/?q={title}", "javascript:alert('{title}')"])
def test_title_search_that_is_not_a_safe_address_is_not_used(template):
    assert through_catalog(item(), library("", template)) == ""


@pytest.mark.parametrize(
    ("facts", "is_there"),
    [
        *(
            ({"kind": kind}, True)
            for kind in ("book", "audiobook", "sound", "score", "video", "map", "serial", "other")
        ),
        *(
            ({"kind": kind}, False)
            for kind in ("article", "database", "web_page", "person", "course", "event")
        ),
        ({"kind": "database", "source": "catalog"}, True),
        ({"kind": "book", "retired_at": "2026-01-01"}, False),
    ],
)
def test_item_links_to_the_catalog_only_if_the_catalog_can_have_the_item(facts, is_there):
    assert in_catalog(item(**facts)) == is_there
    assert bool(through_catalog(item(**facts), library(SEARCH))) == is_there


def test_item_has_no_catalog_link_if_no_library_is_set_up():
    assert through_catalog(item(), None) == ""


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://example.org/", "https://example.org/"),
        ("http://example.org/", "http://example.org/"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//example.org/", ""),
        ("", ""),
    ],
)
def test_own_link_of_an_item_must_be_a_web_address(url, address):
    assert own_link(item(url=url), library()) == address
    assert own_link(item(url=url), None) == address


def test_shared_text_has_the_catalog_link_of_an_item_without_its_own_link():
    assert link_for_anyone(item(url="https://example.org/a"), library(SEARCH)) == "https://example.org/a"
    assert link_for_anyone(item(), library(SEARCH)) == "https://cat.example.org/title?q=A%20%26%20B"


@pytest.mark.parametrize(
    "link",
    [
        "https://c.example.org/?q={isbn}",
        "https://c.example.org:8443/a/{number}/#{title}",
        "https://c.example.org?q=any,contains,{isbn}&vid=01:A",
    ],
)
def test_catalog_link_template_with_a_placeholder_after_the_server_is_accepted(link):
    check_template(link, ["isbn", "title", "number"])


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("http://c.example.org/{isbn}", "beginning with https://"),
        ("c.example.org/{isbn}", "beginning with https://"),
        ("javascript:alert('{isbn}')", "beginning with https://"),
        ("https://c/{isbn}", "beginning with https://"),
        ("https://c.example.org:port/{isbn}", "beginning with https://"),
        ("https://c.example.org]/{isbn}", "beginning with https://"),
        ("https://[::1/{isbn}", "beginning with https://"),
        ("https://me:secret@c.example.org/{isbn}", "without a user name or password"),
        ("https://c.example.org/a b/{isbn}", "has a space, a quote"),
        ("https://c.example.org/\\{isbn}", "has a space, a quote"),
        ('https://c.example.org/"{isbn}', "has a space, a quote"),
        ("https://c.example.org/", "You can use {isbn}, {title} or {number}"),
        ("https://c.example.org/{password}", "You can use {isbn}, {title} or {number}"),
        ("https://c.example.org/{isbn}{", "You can use {isbn}, {title} or {number}"),
        ("https://c.example.org/{isbn.__class__}", "You can use {isbn}, {title} or {number}"),
        ("https://c.example.org/{{isbn}}", "You can use {isbn}, {title} or {number}"),
        ("https://{isbn}.example.org/", "after the server's name"),
        ("https://c.example.org:{isbn}/?q={title}", "after the server's name"),
    ],
)
def test_error_about_a_catalog_link_template_says_what_to_change(link, words):
    with pytest.raises(ValidationError) as error:
        check_template(link, ["isbn", "title", "number"])
    assert words in error.value.messages[0]


def test_error_about_a_title_search_template_mentions_only_the_placeholder_for_titles():
    with pytest.raises(ValidationError) as error:
        check_template("https://c.example.org/?q={isbn}", ["title"])
    assert error.value.messages == ["You can use {title} in the address. Don't use other curly brackets."]


EZPROXY = "https://proxy.example.org/login?url="


@pytest.mark.parametrize("kind", ["database", "article", "serial"])
def test_licensed_source_is_opened_through_the_proxy(kind):
    source = item(kind=kind, url="https://db.example.com/a?b=1&c=2#d")
    assert own_link(source, library(proxy=EZPROXY)) == f"{EZPROXY}https://db.example.com/a?b=1&c=2#d"
    assert own_link(source, library()) == "https://db.example.com/a?b=1&c=2#d"


@pytest.mark.parametrize("kind", ["web_page", "book", "course", "event", "person"])
def test_free_source_is_opened_without_the_proxy(kind):
    assert (
        own_link(item(kind=kind, url="https://example.com/"), library(proxy=EZPROXY))
        == "https://example.com/"
    )


@pytest.mark.parametrize(
    ("prefix", "url", "address"),
    [
        (EZPROXY, 'https://db.example.com/a b"<%20', "https://db.example.com/a%20b%22%3C%20"),
        (
            "https://proxy.example.org/login?qurl=",
            "https://db.example.com/?a=1&b=2",
            "https%3A%2F%2Fdb.example.com%2F%3Fa%3D1%26b%3D2",
        ),
        (
            "https://go.openathens.net/redirector/example.edu?url=",
            "https://db.example.com/?a=1",
            "https%3A%2F%2Fdb.example.com%2F%3Fa%3D1",
        ),
    ],
)
def test_address_after_the_proxy_prefix_is_encoded_as_the_proxy_needs_it(prefix, url, address):
    assert own_link(item(kind="database", url=url), library(proxy=prefix)) == prefix + address


def test_address_that_already_has_the_proxy_prefix_gets_no_second_prefix():
    url = f"{EZPROXY}https://db.example.com/"
    assert own_link(item(kind="database", url=url), library(proxy=EZPROXY)) == url


@pytest.mark.parametrize("prefix", ["javascript:alert(1)//?url=", "http://proxy.example.org/login?url="])
def test_proxy_prefix_that_is_not_a_safe_address_is_not_used(prefix):
    url = "https://db.example.com/"
    assert own_link(item(kind="database", url=url), library(proxy=prefix)) == url


def test_article_with_only_a_doi_links_to_the_doi():
    article = item(kind="article", doi="10.1000/a<b>1")
    assert own_link(article, library()) == "https://doi.org/10.1000/a%3Cb%3E1"
    assert own_link(article, library(proxy=EZPROXY)) == f"{EZPROXY}https://doi.org/10.1000/a%3Cb%3E1"


@pytest.mark.parametrize("prefix", [EZPROXY, "https://proxy.example.org:2048/login?auth=shib&qurl="])
def test_valid_proxy_prefix_is_accepted(prefix):
    check_prefix(prefix)


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("https://proxy.example.org/", "must end with ?url= or ?qurl="),
        ("https://proxy.example.org/login?url=https://db.example.com", "must end with ?url= or ?qurl="),
        ("https://proxy.example.org/login?url={url}", "must end with ?url= or ?qurl="),
        ("https://proxy.example.org/#?url=", "must end with ?url= or ?qurl="),
        ("https://{host}.example.org/?url=", "must end with ?url= or ?qurl="),
        ("http://proxy.example.org/login?url=", "beginning with https://"),
        ("proxy.example.org/login?url=", "beginning with https://"),
        ("javascript:alert(1)?url=", "beginning with https://"),
        ("https://me@proxy.example.org/login?url=", "without a user name or password"),
        ("https://proxy.example.org/lo gin?url=", "has a space, a quote"),
    ],
)
def test_error_about_a_proxy_prefix_says_what_to_change(prefix, words):
    with pytest.raises(ValidationError) as error:
        check_prefix(prefix)
    assert words in error.value.messages[0]


@pytest.mark.parametrize(
    ("prefix", "url"),
    [
        (EZPROXY, "https://db.example.com/a?b=1"),
        (EZPROXY, f"{EZPROXY}https://db.example.com/a?b=1"),
        (
            "https://go.openathens.net/redirector/example.org?url=",
            "https://go.openathens.net/redirector/example.org?url=https%3A%2F%2Fdb.example.com%2Fa%3Fb%3D1",
        ),
        ("", "https://db.example.com/a?b=1"),
    ],
)
def test_link_that_anyone_can_open_does_not_lead_through_the_proxy(prefix, url):
    source = item(kind="database", url=url)
    assert link_for_anyone(source, library(proxy=prefix)) == "https://db.example.com/a?b=1"


def test_link_that_anyone_can_open_is_never_an_unsafe_address():
    source = item(kind="database", url=f"{EZPROXY}javascript:alert(1)")
    assert link_for_anyone(source, library(proxy=EZPROXY)) == ""
