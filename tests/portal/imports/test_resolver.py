"""Test how the details of a DOI are looked up at the resolver that is named in the settings."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.cache import cache

from accounts.models import User
from portal.desk.pasted import Pasted
from portal.imports.pasting import resolver
from portal.limit_table import LIMITS, Limit
from tests.factories import ItemFactory, StaffFactory

pytestmark = pytest.mark.django_db
PRISMA = {
    "type": "journal-article",
    "title": ["The <i>PRISMA</i> 2020 statement &amp; more"],
    "author": [{"family": "Page", "given": "Matthew J."}, {"literal": "The group"}, "nonsense"],
    "container-title": ["BMJ"],
    "publisher": "BMJ",
    "issued": {"date-parts": [[2021, 3, 29]]},
}


@pytest.fixture
def server(settings):
    """Return a resolver.

    Its responses are `answers`: {path: (status, headers, body or seconds to wait)}. It adds the path of each
    request to the list `asked`.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            server.asked.append(self.path)
            status, headers, body = server.answers.get(self.path, (404, {}, b""))
            if isinstance(body, int):
                server.ended.wait(body)
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked, server.ended = {}, [], threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.DOI_RESOLVER = f"http://127.0.0.1:{server.server_port}/works/{{doi}}"
    cache.clear()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()


def answer(server, doi, body, status=200, **headers):
    body = json.dumps(body).encode() if isinstance(body, dict) else body
    server.answers[f"/works/{doi.replace('/', '%2F')}"] = (status, headers, body)


@pytest.fixture(autouse=True)
def colleague():
    return StaffFactory(email="colleague@example.org")


def pasted(text):
    colleague = User.objects.get(email="colleague@example.org")
    return Pasted(text, chosen=[], room=20, by=colleague)


def preview(text):
    return [(each.item.title, each.item.creators, each.words) for each in pasted(text).preview]


def test_details_of_a_doi_are_looked_up(server):
    answer(server, "10.1136/bmj.n71", PRISMA)
    [row] = pasted("https://doi.org/10.1136/bmj.n71").rows
    assert row == {
        "item": "",
        "starred": "on",
        "kind": "article",
        "title": "The PRISMA 2020 statement & more",
        "creators": "Page, Matthew J.; The group",
        "series": "BMJ",
        "publisher": "BMJ",
        "year": "2021",
        "doi": "10.1136/bmj.n71",
    }


def test_no_doi_is_looked_up_if_no_resolver_is_set(server, settings):
    settings.DOI_RESOLVER = ""
    pasted("10.1136/bmj.n71")
    assert server.asked == []


def test_resolver_is_asked_only_once_about_each_unknown_doi(server):
    ItemFactory(title="In the catalog", doi="10.1000/catalog")
    answer(server, "10.1000/new", PRISMA)
    for _number in range(2):
        preview("10.1000/catalog\nMy title | 10.1000/titled\n10.1000/new\nEmma")
    assert server.asked == ["/works/10.1000%2Fnew"]


def test_unknown_doi_can_be_added_without_details(server):
    words = "The resolver doesn't know this DOI. Check it, or write a title."
    assert preview("10.1000/unknown") == [("10.1000/unknown", "", words)]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, b""),
        (500, {}, b"{}"),
        (200, {}, b"no json"),
        (200, {}, b"[]"),
        (200, {}, b"[" * 100_000),
        (200, {}, b'"' + b"x" * (resolver.MAX_ANSWER_BYTES + 1) + b'"'),
        (200, {}, 30),
    ],
    ids=["redirect", "error", "no json", "list", "deep", "too long", "slow"],
)
def test_bad_response_of_the_doi_resolver_ends_the_lookups_and_is_explained(
    server, monkeypatch, status, headers, body
):
    monkeypatch.setattr(resolver, "MAX_SECONDS", 1)
    answer(server, "10.1000/a", body, status=status, **headers)
    answer(server, "10.1000/b", PRISMA)
    begun = time.monotonic()
    words = "The details could not be looked up just now. You can write a title."
    assert preview("10.1000/a\n10.1000/b") == [("10.1000/a", "", words), ("10.1000/b", "", words)]
    assert time.monotonic() - begun < 20
    assert server.asked == ["/works/10.1000%2Fa"]


@pytest.mark.few_cases
@pytest.mark.parametrize("wrong", [None, 5, {}, [], [5], [None], "", {"a": 1}])
def test_doi_resolver_response_with_values_of_a_wrong_type_gives_no_details(server, wrong):
    answer(server, "10.1000/a", dict.fromkeys((*PRISMA, "ISBN"), wrong))
    [(title, _creators, _words)] = preview("10.1000/a")
    assert title == "10.1000/a"


def test_doi_cannot_change_the_path_of_the_request_to_the_resolver(server):
    preview("10.1000/../../admin?x=1")
    assert server.asked == ["/works/10.1000%2F..%2F..%2Fadmin%3Fx%3D1"]


def test_doi_is_used_as_the_title_if_the_resolver_cannot_be_reached(settings):
    settings.DOI_RESOLVER = "http://127.0.0.1:1/{doi}"
    cache.clear()
    assert preview("10.1000/a")[0][0] == "10.1000/a"


def test_time_limit_of_a_doi_lookup_includes_the_dns_lookup(server, monkeypatch):
    def never_found(*_args, **_options):
        server.ended.wait(10)
        raise OSError

    monkeypatch.setattr(resolver, "MAX_SECONDS", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", never_found)
    begun = time.monotonic()
    words = "The details could not be looked up just now. You can write a title."
    assert preview("10.1000/a") == [("10.1000/a", "", words)]
    assert time.monotonic() - begun < 8


def test_previews_look_up_only_a_limited_number_of_dois_per_staff_member(server, monkeypatch):
    monkeypatch.setitem(LIMITS, "doi_look_up", Limit("look-ups", "2/m"))
    for doi in ("10.1000/a", "10.1000/b", "10.1000/c"):
        answer(server, doi, PRISMA)
    preview("10.1000/a\n10.1000/b")
    preview("10.1000/a")
    [(title, _creators, _words)] = preview("10.1000/c")
    assert title.startswith("The PRISMA")
    [(title, _creators, words)] = preview("10.1000/d")
    assert title == "10.1000/d"
    assert words.startswith("You've looked up many DOIs. Write a title, or look this one up ")
    assert len(server.asked) == 3
    monkeypatch.setitem(LIMITS, "doi_look_up", Limit("look-ups", "3/m"))
    preview("10.1000/d")
    assert len(server.asked) == 4


def test_no_doi_is_looked_up_if_it_is_unknown_which_staff_member_asks(server):
    answer(server, "10.1000/a", PRISMA)
    Pasted("10.1000/a", chosen=[], room=20)
    assert server.asked == []
