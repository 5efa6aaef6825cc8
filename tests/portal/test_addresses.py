import pytest
from django.core.exceptions import ValidationError

from portal.addresses import AddressField, clean_address


@pytest.mark.parametrize(
    ("typed", "clean"),
    [
        (" Ana@Example.ORG ", "ana@example.org"),
        ("\u212aofi@example.org", "kofi@example.org"),
        ("ana@example.org\u200b", "ana@example.org"),
        ("ana@exa\u00admple.org", "ana@example.org"),
        ("ana@ＥＸＡＭＰＬＥ.org", "ana@example.org"),
        ("ana@müncheN.de", "ana@münchen.de"),
        ("ana@xn--mnchen-3ya.de", "ana@münchen.de"),
        ("ana+1@example.org", "ana+1@example.org"),
        ("o'neill_=x@example.org", "o'neill_=x@example.org"),
    ],
)
def test_each_spelling_of_a_mailbox_becomes_the_same_address(typed, clean):
    assert clean_address(typed) == clean
    assert AddressField().clean(typed) == clean


@pytest.mark.parametrize(
    "typed",
    [
        '"ana"@example.org',
        "=?utf-8?q?ana?=@example.org",
        "=?UTF-8?B?YW5h?=@example.org",
        "kof\u0131@example.org",
        "añana@example.org",
        "ana@xn--example.org",
        "ana@example.org.",
        "ana@example.org\nBcc: eve@example.org",
        "ana",
        "@example.org",
    ],
)
def test_ambiguous_address_that_could_reach_another_mailbox_is_refused(typed):
    with pytest.raises(ValidationError):
        clean_address(typed)
    with pytest.raises(ValidationError, match="such as ana@example.org"):
        AddressField().clean(typed)


def test_empty_address_is_accepted():
    assert AddressField(required=False).clean("  ") == ""
