import base64
import hashlib
import json
import logging
import re

import pytest
from django.urls import reverse

from portal.headers import plain_content_type
from portal.logs import JsonFormatter, redacted

pytestmark = pytest.mark.django_db


def directives(response):
    return dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))


def test_content_security_policy_allows_no_inline_scripts_or_other_hosts(client, library):
    policy = directives(client.get("/nowhere/"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)
    assert "http" not in str(policy)


@pytest.mark.parametrize("color", ["#0b5d4d", "#7a1f5c"])
def test_content_security_policy_allows_the_inline_style_of_the_page(client, library, color):
    library.accent_color = color
    library.save()
    response = client.get("/nowhere/")
    css = re.search(r"<style>(.*?)</style>", response.content.decode(), re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert directives(response)["style-src"] == f"'self' 'sha256-{digest}'"


def test_responses_have_strict_security_headers(client, library):
    for path in ["/nowhere/", reverse("sign_in"), "/healthz"]:
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "no-store" in headers["Cache-Control"]


def test_every_request_has_its_own_id_and_one_log_line(client, library, caplog):
    with caplog.at_level(logging.INFO, logger="portal.requests"):
        first, second = client.get("/nowhere/?q=private"), client.get("/nowhere/?q=private")
    assert len(first["X-Request-ID"]) == 32
    assert first["X-Request-ID"] != second["X-Request-ID"]
    lines = [record for record in caplog.records if record.name == "portal.requests"]
    assert [line.facts["status"] for line in lines] == [404, 404]
    assert "private" not in JsonFormatter().format(lines[0])


CODE = "1234567890123"
TOKEN = "kX9zPq2mWv7Rt4Ls8Ny3Bd6Hf1Jg5Tc0"


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        (f"Not Found: /c/{CODE}/", "Not Found: /c/…"),
        ("/c/1234%20567%20890%20123/", "/c/…"),
        ("/c/1234 567 890 123/", "/c/…"),
        ("/C/1234.567.890.12/", "/C/…"),
        (f"GET /c/{CODE}/?x=1 HTTP/1.1", "GET /c/…?… HTTP/1.1"),
        (
            f"code {CODE} or 1234 567 890 123 or 1234-567-890-123 or 1234 · 567 · 890 · 123",
            "code … or … or … or …",
        ),
        # This token has no digit. About one in forty random tokens has none.
        ("Not Found: /how/abcDEFghiJKLmnoPQRstuv/", "Not Found: /how/…"),
        ("Not Found: /shared/abcDEFghiJKLmnoPQRstuv/copy/", "Not Found: /shared/…"),
        ("/HOW/abcDEFghiJKLmnoPQRstuv", "/HOW/…"),
        ("/invitation/abcDEFghiJKLmnoPQRstuv/", "/invitation/…"),
        ("/not-me/abcDEFghiJKLmnoPQRstuv/", "/not-me/…"),
        ("/unsubscribe/.abcDEFghiJKLmnoPQRstuv:tCdEfg:abcDEFghiJKLmnoPQRstuv/", "/unsubscribe/…"),
        ("POST /how/abcDEF_hiJKLmnoPQRst-/?x=1 HTTP/1.1", "POST /how/…?… HTTP/1.1"),
        (f"/lists/other/{TOKEN}/", "/lists/other/…/"),
        ("GET /desk/?q=jane&page=2 HTTP/1.1", "GET /desk/?… HTTP/1.1"),
        (
            "/sessions/9f1b6d2e-0f0a-4c7e-9d43-0c55d0f7a111/",
            "/sessions/9f1b6d2e-0f0a-4c7e-9d43-0c55d0f7a111/",
        ),
        ("request 784154e1f4774468bc72fdefbc29d96d", "request 784154e1f4774468bc72fdefbc29d96d"),
        ("Is it ready? Yes.", "Is it ready? Yes."),
        ("21 of 1500 rows at 2026-11-25 01:06", "21 of 1500 rows at 2026-11-25 01:06"),
    ],
)
def test_visit_codes_and_tokens_and_query_strings_are_removed_from_log_lines(text, logged):
    assert redacted(text) == logged


def test_traceback_is_logged_without_visit_codes():
    try:
        raise ValueError(f"bad code {CODE}")
    except ValueError as error:
        record = logging.LogRecord(
            "x",
            logging.ERROR,
            "f",
            1,
            "failed for /c/%s/",
            (CODE,),
            (type(error), error, error.__traceback__),
        )
    line = json.loads(JsonFormatter().format(record))
    assert CODE not in json.dumps(line)
    assert "ValueError" in line["trace"]


@pytest.mark.parametrize(
    ("error", "quoted"),
    [
        (
            "DataError: unsupported Unicode escape sequence",
            "LINE 1: ...'her\n\nmatter' ...\n     ^\nDETAIL:  \\u0000\nCONTEXT:  JSON data, line 1: {\"her",
        ),
        (
            "CheckViolation: new row violates check constraint",
            "DETAIL:  Failing row contains (7, her\n\nmatter, en).",
        ),
    ],
)
def test_traceback_is_logged_without_data_quoted_by_the_database(error, quoted):
    trace = f"Trace\n{error}\n{quoted}\n\nThe above exception was the direct cause of the following exception:\n\nTrace\n  in save\n{error}\n{quoted}"
    logged = redacted(trace)
    assert "matter" not in logged
    assert (logged.count(error), logged.count("in save")) == (2, 1)


def test_page_of_a_visit_code_link_is_not_indexed_or_cached(client, library):
    response = client.get(f"/c/{CODE}/")
    assert response["X-Robots-Tag"] == "noindex"
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize(
    ("sent", "plain"),
    [
        ("", ""),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("text/plain; charset=base64", "text/plain"),
        ("text/plain; charset=unicode_escape", "text/plain"),
        ("text/plain; charset*=foo''x", "text/plain"),
        ("application/json; c*" + "9" * 5000 + "*=x", "application/json"),
        ("multipart/form-data; charset=utf-7; boundary=XX", "multipart/form-data; boundary=XX"),
        ('multipart/form-data;boundary="--X Y"', "multipart/form-data"),
        ('multipart/form-data; Boundary="--XY"; x=y', 'multipart/form-data; boundary="--XY"'),
        ("multipart/form-data; boundary*=foo''x", "multipart/form-data"),
        ("; ; ;", ""),
        ("\xff\xfe/\xfd; charset=\xfc", ""),
    ],
)
def test_only_the_media_type_and_the_boundary_of_a_content_type_reach_django(sent, plain):
    assert plain_content_type(sent) == plain
