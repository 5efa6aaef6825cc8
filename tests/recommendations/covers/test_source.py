"""Check how the cover source is asked, and that it can't do harm."""

import time

import pytest

from recommendations.covers import source as asked
from recommendations.covers.source import MAX_BYTES, SourceAway, fetch
from tests.cover_source import CoverSource, picture

ISBN = "9780141439600"
PATH = f"/b/{ISBN}.jpg"


def test_source_gets_the_isbn_and_nothing_about_the_library(source):
    source.answers[PATH] = (200, {}, b"a picture")
    assert fetch(ISBN) == b"a picture"
    [(path, headers)] = source.requests
    assert path == PATH
    assert {name: value for name, value in headers.items() if name != "Host"} == {
        "Accept-Encoding": "identity",
        "User-Agent": "Afterword",
        "Accept": "image/webp,image/jpeg,image/png",
    }


@pytest.mark.parametrize("status", [204, 400, 404, 410])
def test_source_without_a_cover_says_so_with_its_status(source, status):
    source.answers[PATH] = (status, {}, b"" if status == 204 else b"no cover")
    assert fetch(ISBN) is None


@pytest.mark.parametrize("status", [401, 403, 408, 425, 429, 500, 503])
def test_status_that_says_nothing_about_the_isbn_means_later(source, status):
    source.answers[PATH] = (status, {}, b"")
    with pytest.raises(SourceAway, match=str(status)):
        fetch(ISBN)


def test_redirect_on_the_same_host_is_followed(source):
    source.answers[PATH] = (302, {"Location": "/big.jpg?a=1"}, b"")
    source.answers["/big.jpg?a=1"] = (200, {}, b"a picture")
    assert fetch(ISBN) == b"a picture"


def test_redirect_to_another_host_is_not_followed(source):
    with CoverSource() as other:
        for location in (other.address("/x.jpg"), other.address("/x.jpg").removeprefix("http:")):
            source.answers[PATH] = (302, {"Location": location}, b"")
            assert fetch(ISBN) is None
        assert other.requests == []


@pytest.mark.parametrize(
    "location", ["https://127.0.0.1/x", "file:///etc/passwd", "http://[", "http://127.0.0.1:99999/", "ftp:x"]
)
def test_redirect_to_another_scheme_or_port_is_not_followed(source, location):
    source.answers[PATH] = (302, {"Location": location}, b"")
    assert fetch(ISBN) is None
    assert source.paths == [PATH]


def test_endless_redirects_end(source):
    source.answers[PATH] = (302, {"Location": PATH}, b"")
    assert fetch(ISBN) is None
    assert len(source.requests) == 4


@pytest.mark.parametrize("says_its_length", [True, False])
def test_huge_answer_is_not_read_to_its_end(source, says_its_length):
    def endless(handler):
        handler.send_response(200)
        if says_its_length:
            handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        with_errors = (BrokenPipeError, ConnectionResetError)
        try:
            while not source.ended.is_set():
                handler.wfile.write(b"\xff" * 100_000)
        except with_errors:
            pass

    source.answers[PATH] = endless
    assert fetch(ISBN) is None


def test_largest_answer_is_accepted_whole(source):
    source.answers[PATH] = (200, {}, b"x" * MAX_BYTES)
    assert len(fetch(ISBN)) == MAX_BYTES
    source.answers[PATH] = (200, {}, b"x" * (MAX_BYTES + 1))
    assert fetch(ISBN) is None


def test_silent_source_is_left_alone(source, monkeypatch):
    monkeypatch.setattr(asked, "STEP_SECONDS", 0.2)
    source.answers[PATH] = lambda handler: source.ended.wait()
    with pytest.raises(SourceAway):
        fetch(ISBN)


@pytest.mark.parametrize("length", ["100000", None])
def test_source_that_sends_one_byte_after_another_is_cut_off(source, monkeypatch, length):
    monkeypatch.setattr(asked, "MAX_SECONDS", 0.4)

    def trickle(handler):
        handler.send_response(200)
        if length:
            handler.send_header("Content-Length", length)
        handler.end_headers()
        try:
            while not source.ended.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:
            pass

    source.answers[PATH] = trickle
    started = time.monotonic()
    with pytest.raises(SourceAway):
        fetch(ISBN)
    assert time.monotonic() - started < 5


def test_answer_that_ends_early_is_not_taken_for_a_cover(source):
    source.answers[PATH] = (200, {"Content-Length": "5000", "Connection": "close"}, picture()[:300])
    source.server.RequestHandlerClass.protocol_version = "HTTP/1.0"
    with pytest.raises(SourceAway, match="part"):
        fetch(ISBN)


def test_source_that_does_not_run_is_away(settings):
    with CoverSource() as source:
        settings.COVER_URL = source.address("/{isbn}")
    with pytest.raises(SourceAway):
        fetch(ISBN)


def test_certificate_of_the_source_must_be_valid(source, settings):
    settings.COVER_URL = source.address("/{isbn}").replace("http:", "https:")
    with pytest.raises(SourceAway, match="SSL"):
        fetch(ISBN)
