import pytest

from portal.dois import clean_doi, doi_url, looks_like_a_doi


@pytest.mark.parametrize(
    ("typed", "doi"),
    [
        ("10.1000/182", "10.1000/182"),
        (" doi: 10.1000/182 ", "10.1000/182"),
        ("https://doi.org/10.1136/bmj.n71", "10.1136/bmj.n71"),
        ("http://dx.doi.org/10.1002/(SICI)1097-0142(19960515)77:10<1<3::AID>3.0.CO;2-A", None),
        ("10.1000.10/ABC.", "10.1000.10/ABC"),
        ("10.1000", ""),
        ("10.1000/", ""),
        ("10.12/abc", ""),
        ("10.1000/with space", ""),
        ("11.1000/182", ""),
        ("10.1000/" + "a" * 200, ""),
        ("", ""),
        ("https://example.org/10.1000/182", ""),
    ],
)
def test_only_a_text_in_a_valid_notation_is_accepted_as_a_doi(typed, doi):
    if doi is None:
        doi = "10.1002/(SICI)1097-0142(19960515)77:10<1<3::AID>3.0.CO;2-A"
    assert clean_doi(typed) == doi


def test_link_of_a_doi_is_escaped_and_an_invalid_doi_has_no_link():
    assert doi_url("10.1000/a<b>#c?d") == "https://doi.org/10.1000/a%3Cb%3E%23c%3Fd"
    assert doi_url("javascript:alert(1)") == ""
    assert doi_url("10.12/abc") == ""


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("doi:10.1", True),
        ("10.1234", True),
        ("https://doi.org/x", True),
        ("10 easy pieces", False),
        ("", False),
    ],
)
def test_text_that_looks_like_a_doi_is_recognized(text, looks):
    assert looks_like_a_doi(text) is looks
