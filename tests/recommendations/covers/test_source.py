"""Check the requests to the cover source, and that no response from it can do harm."""

import http.client
import time
from contextlib import suppress

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
def test_status_such_as_404_means_that_the_source_has_no_cover(source, status):
    source.answers[PATH] = (status, {}, b"" if status == 204 else b"no cover")
    assert fetch(ISBN) is None


@pytest.mark.parametrize("status", [401, 403, 408, 425, 429, 500, 503])
def test_status_such_as_503_means_that_the_source_must_be_asked_later(source, status):
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


def test_fetching_a_cover_stops_after_three_redirects(source):
    source.answers[PATH] = (302, {"Location": PATH}, b"")
    assert fetch(ISBN) is None
    assert len(source.requests) == 4


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {}), (200, {"Content-Length": "9"}), (302, {}), (404, {}), (503, {})],
    ids=["200", "200 with a part of a picture", "302", "404", "503"],
)
def test_each_response_is_closed_even_if_it_is_not_read_to_its_end(source, monkeypatch, status, headers):
    responses = []

    class Response(http.client.HTTPResponse):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            responses.append(self)

    monkeypatch.setattr(http.client.HTTPConnection, "response_class", Response)
    source.answers[PATH] = (status, headers, b"few")
    with suppress(SourceAway):
        fetch(ISBN)
    assert [response.isclosed() for response in responses] == [True] * len(source.requests)


@pytest.mark.parametrize("says_its_length", [True, False])
def test_fetching_a_cover_stops_before_the_end_of_a_huge_response(source, says_its_length):
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


def test_picture_is_accepted_only_up_to_the_maximum_size(source):
    source.answers[PATH] = (200, {}, b"x" * MAX_BYTES)
    assert len(fetch(ISBN)) == MAX_BYTES
    source.answers[PATH] = (200, {}, b"x" * (MAX_BYTES + 1))
    assert fetch(ISBN) is None


def test_fetching_a_cover_fails_if_the_source_sends_nothing(source, monkeypatch):
    monkeypatch.setattr(asked, "STEP_SECONDS", 0.2)
    source.answers[PATH] = lambda handler: source.ended.wait()
    with pytest.raises(SourceAway):
        fetch(ISBN)


@pytest.mark.parametrize("length", ["100000", None])
def test_fetching_a_cover_stops_at_its_time_limit_if_the_source_sends_very_slowly(
    source, monkeypatch, length
):
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


def test_incomplete_picture_is_not_accepted_as_a_cover(source):
    source.answers[PATH] = (200, {"Content-Length": "5000", "Connection": "close"}, picture()[:300])
    source.server.RequestHandlerClass.protocol_version = "HTTP/1.0"
    with pytest.raises(SourceAway, match="part"):
        fetch(ISBN)


def test_fetching_a_cover_fails_if_the_source_is_not_running(settings):
    with CoverSource() as source:
        settings.COVER_URL = source.address("/{isbn}")
    with pytest.raises(SourceAway):
        fetch(ISBN)


def test_certificate_of_the_source_must_be_valid(source, settings):
    settings.COVER_URL = source.address("/{isbn}").replace("http:", "https:")
    with pytest.raises(SourceAway, match="SSL"):
        fetch(ISBN)
