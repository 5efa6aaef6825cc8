"""Test combining two corrections that were made at the same time."""

import pytest

from portal.desk.combine import combine


def rows(*items):
    return [{"item": item, "reason": reason} for item, reason in items]


def combined(was, mine, theirs):
    fields, both = combine({"items": was}, {"items": mine}, {"items": theirs})
    return [(row.get("item"), row.get("reason", "")) for row in fields["items"]], bool(both)


@pytest.mark.parametrize(
    ("was", "mine", "theirs", "result", "both"),
    [
        ("a", "a", "a", "a", []),
        ("a", "b", "a", "b", []),
        ("a", "a", "b", "b", []),
        ("a", "b", "b", "b", []),
        ("a", "b", "c", "b", ["question"]),
        ("a", "", "c", "", ["question"]),
    ],
)
def test_combined_correction_has_the_changed_value_of_each_field(was, mine, theirs, result, both):
    assert combine({"question": was}, {"question": mine}, {"question": theirs}) == (
        {"question": result},
        both,
    )


A, B, C, D = ("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")


@pytest.mark.parametrize(
    ("mine", "theirs", "result", "clash"),
    [
        ([A, B], [B, A], [B, A], False),
        ([B, A], [A, B], [B, A], False),
        ([A, B, C], [A, B, D], [A, B, C, D], False),
        ([B], [A, B, D], [B, D], False),
        ([A, B, C], [B], [B, C], False),
        ([("a", "mine"), B], [A, ("b", "theirs")], [("a", "mine"), ("b", "theirs")], False),
        ([("a", "mine"), B], [("a", "theirs"), B], [("a", "mine"), B], True),
        ([("a", "mine"), B], [B], [("a", "mine"), B], True),
        ([("a", "same"), B], [("a", "same"), B], [("a", "same"), B], False),
    ],
    ids=[
        "they moved",
        "I moved",
        "both added",
        "I removed and they added",
        "they removed and I added",
        "different reasons changed",
        "the same reason changed",
        "I changed what they removed",
        "the same change",
    ],
)
def test_combined_correction_contains_the_items_of_both_corrections(mine, theirs, result, clash):
    assert combined(rows(A, B), rows(*mine), rows(*theirs)) == (result, clash)


def test_combined_correction_contains_an_item_typed_by_hand():
    typed = [{"title": "By hand", "kind": "web_page"}]
    fields, both = combine({"items": []}, {"items": typed}, {"items": rows(A)})
    assert (fields["items"], both) == (typed + rows(A), [])
