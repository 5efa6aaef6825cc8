"""Read pages of a server that is broken or hostile."""

import re
import time
from contextlib import suppress

import pytest

from portal.imports.harvest.answers import Broken, OaiError, Page, read_identity, read_page
from portal.imports.harvest.requests import _seconds
from portal.imports.models import Harvest
from portal.imports.records import Fault

from .conftest import LONG_AGO, NOW, in_catalog, numbered, on_server, xml


def page(content, *, date="2026-01-01T00:00:00Z"):
    return f"<OAI-PMH ><responseDate>{date}</responseDate>{content}</OAI-PMH>".encode()


HEADER = "<header><identifier>oai:town:1</identifier></header>"


@pytest.mark.parametrize("content", ["<ListRecords/>", "<ListRecords><resumptionToken/></ListRecords>", ""])
def test_harvested_page_with_neither_records_nor_an_error_is_read_as_empty(content):
    assert read_page(page(content)).records == []
    assert read_page(page(content)).token == ""


@pytest.mark.parametrize(
    "content",
    [
        "<error " * 20_000,
        '<error code="a" ' * 20_000,
        "<error " + 'code="a" ' * 20_000,
        "<header " * 20_000,
        HEADER + "<resumptionToken " * 20_000,
        HEADER + "<resumptionToken>" * 20_000,
        "<header>" + "<identifier>" * 20_000,
        "<header>" + "<identifier><![CDATA[" * 20_000,
    ],
)
def test_harvested_page_full_of_unclosed_elements_is_read_within_seconds(content):
    """A regular expression that searches from each element to the end of the page would take hours."""
    before = time.process_time()
    with suppress(OaiError):
        assert len(read_page(page(content)).records) < 2
    assert time.process_time() - before < 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{HEADER}<resumptionToken>{'x' * 5000}</resumptionToken>", "token"),
        (f"{HEADER}<resumptionToken>a\0b</resumptionToken>", "token"),
        (HEADER * 20_001, "more than 20000 records"),
    ],
)
def test_harvested_page_with_values_that_the_database_cannot_store_is_refused(content, words):
    with pytest.raises(Broken, match=words):
        read_page(page(content))


def test_harvested_record_with_a_text_of_4_mb_does_not_affect_other_records():
    texts = [xml("First", "1"), xml("x" * 4_000_000, "2"), xml("Third", "3")]
    records = [f"<record>{HEADER}<metadata>{text}</metadata></record>" for text in texts]
    found = [each.record for each in read_page(page("".join(records))).records]
    assert [found[0].values["title"], found[2].values["title"]] == ["First", "Third"]
    assert found[1] == Fault(2, "it has more than 1 MB. Shorten it in your system, and export it again")


def test_resumption_token_may_be_cdata_and_only_the_last_token_on_a_page_counts():
    tokens = "<resumptionToken>no</resumptionToken><resumptionToken><![CDATA[a&b]]></resumptionToken>"
    assert read_page(page(HEADER + tokens)).token == "a&b"


@pytest.mark.parametrize("size", ["2147483648", "999999999999"])
def test_list_size_that_is_too_large_for_the_database_is_ignored(size):
    token = f'<resumptionToken completeListSize="{size}">next</resumptionToken>'
    assert read_page(page(HEADER + token)).list_size is None


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0" encoding="no-such-encoding"?><OAI-PMH ></OAI-PMH>',
        b'<?xml version="1.0" encoding="shift_jis"?><OAI-PMH ></OAI-PMH>',
        b"<!-- <OAI-PMH > " + b" " * 5000 + b'--><!DOCTYPE x [<!ENTITY a "many">]><OAI-PMH >&a;</OAI-PMH>',
        b"<OAI-PMH >" + b"<a/>" * 600_000 + b"</OAI-PMH>",
    ],
)
def test_response_that_is_unsafe_to_parse_is_refused_as_broken(content):
    with pytest.raises(Broken):
        read_identity(content)


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "1970-01-01"])
def test_impossible_time_in_a_response_is_ignored(date):
    assert read_page(page(HEADER, date=date)).server_time is None


@pytest.mark.parametrize("text", ["Mon, 20 Nov 1995 19:12:08 +99999999999999", "-", ""])
def test_unreadable_retry_after_header_is_ignored(text):
    assert _seconds(text) is None


@pytest.mark.slow
def test_server_whose_clock_says_year_1_is_harvested_each_night(harvest, server, proxy):
    server.put(numbered(2), at=LONG_AGO)
    shown = b"<responseDate>0001-01-01T00:00:00Z"
    proxy.fault = lambda arguments, ask: re.sub(rb"<responseDate>[^<]*", shown, ask())
    harvest()
    server.put({"oai:town:2": xml("Changed", "2")}, at=NOW)
    assert harvest().changed == 1
    assert in_catalog() == on_server(server)


@pytest.mark.slow
def test_harvest_is_complete_if_the_server_sends_an_empty_list_instead_of_an_error(harvest, server, proxy):
    server.put(numbered(2), at=LONG_AGO)
    harvest()
    proxy.fault = lambda arguments, ask: page("") if arguments["verb"] == "ListRecords" else ask()
    assert harvest().state == Harvest.State.COMPLETE
    assert len(in_catalog()) == 2


def test_harvested_page_with_an_empty_list_has_no_records():
    assert read_page(page("", date="")) == Page([])
