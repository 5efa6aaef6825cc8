"""Read which branches have a title, from the holdings in a MARC record: field 852, 952 or another one."""

import re
from dataclasses import dataclass, fields, replace

from django.conf import settings

from portal.imports.loans import is_not_for_loan, restricts
from portal.imports.readers.marc_titles import text_of
from portal.imports.records import Held, Unreadable

# Matches a branch code of Koha, which has at most 10 characters and no spaces.
KOHA_CODE = re.compile(r"\S{1,10}")
# Koha's 952 has at least one of these subfields: the barcode, the item type or the item number. A local note
# in 952 has none of them.
OF_KOHA_ITEMS = ("p", "y", "9")


@dataclass(frozen=True)
class Layout:
    """The tag of the field that describes a copy, and the codes of its subfields.

    The first subfield of `branch` that isn't empty has the code of the branch. The subfields of `call_number`
    are joined, and so are those of `location`. The copy can't be borrowed if a subfield of `not_for_loan` has
    a value other than 0, or if the location or a subfield of `notes` says so. The copy is ignored if a
    subfield of `withdrawn` has a value other than 0.
    """

    tag: str
    branch: str
    location: str = ""
    call_number: str = ""
    not_for_loan: str = ""
    notes: str = ""
    withdrawn: str = ""


KOHA = Layout("952", branch="ab", location="c", call_number="o", not_for_loan="71", notes="z", withdrawn="0")
STANDARD = Layout("852", branch="ba", location="c", call_number="hijkm", notes="z")
USUAL = {layout.tag: layout for layout in (KOHA, STANDARD)}
PARTS = [part.name for part in fields(Layout) if part.name != "tag"]


def read_layout(text):
    """Return the Layout for a text such as "949 branch=m location=l call_number=a", or None for "".

    Fields 852 and 952 have usual subfields, which are used for each part that the text leaves out. Raises
    ValueError with a sentence for the person who wrote the text.
    """
    tag, *parts = text.split() or [""]
    if not tag:
        return None
    if not re.fullmatch(r"[0-9]{3}", tag) or tag < "010":
        raise ValueError(f"{tag!r} is not the tag of a field with subfields, such as 852.")
    changes = {}
    for part in parts:
        name, _equals, codes = part.partition("=")
        if name not in PARTS:
            raise ValueError(f"There is no part {name!r} of a holding. Parts: {', '.join(PARTS)}.")
        if not re.fullmatch(r"[0-9a-z]*", codes):
            raise ValueError(f"{part!r} should name subfields by their codes, as in branch=b.")
        changes[name] = codes
    layout = replace(USUAL.get(tag) or Layout(tag, branch=""), **changes)
    if not layout.branch:
        raise ValueError(f"Name the subfield with the code of the branch, as in {tag} branch=b.")
    return layout


def configured_layout():
    """Return the Layout of the setting IMPORT_HOLDINGS, or None. Raises Unreadable if it is wrong."""
    try:
        return read_layout(settings.IMPORT_HOLDINGS)
    except ValueError as error:
        raise Unreadable(f"The setting IMPORT_HOLDINGS is wrong. {error}") from error


def holdings_of(record, layout, classification):
    """Return (list of Held for the record's copies, whether the record says which branches have the item).

    If `layout` is None, the copies are in field 952 if Koha wrote it, and otherwise in field 852. If `layout`
    is a Layout and the record doesn't have its field, no branch has the item. `classification` is the call
    number of the record, or "". This number is used if no field 852 has a call number.
    """
    copies = record.get_fields(layout.tag) if layout else []
    says_where = bool(layout) and not copies
    if layout is None:
        copies = [field for field in record.get_fields("952") if _is_of_koha(field)]
        layout = KOHA if copies else STANDARD
        copies = copies or record.get_fields("852")
    items = record.get_fields("876") if copies and layout.tag == "852" else []
    held = []
    for field in copies:
        code = next((value for code in layout.branch for value in _values(field, code)), "")
        says_where = says_where or bool(code)
        copy = _read(field, layout, code)
        if copy and not copy.not_for_loan and _has_only_restricted(items, field, is_alone=len(copies) == 1):
            copy = copy._replace(not_for_loan=True)
        held += [copy] if copy else []
    if classification and not held and not says_where:
        return [Held("", classification)], False
    if layout.tag == "852" and not any(copy.call_number for copy in held):
        held = [copy._replace(call_number=classification) for copy in held]
    return held, says_where


def _is_of_koha(field):
    code = (field.get("a") or field.get("b") or "").strip()
    return bool(KOHA_CODE.fullmatch(code)) and any(code in field for code in OF_KOHA_ITEMS)


def _read(field, layout, code):
    """Return the copy as Held, or None if it was withdrawn or the field says nothing."""
    location = text_of(field, layout.location) if layout.location else ""
    number = text_of(field, layout.call_number) if layout.call_number else ""
    if not (code or number) or any(map(_is_set, _values(field, layout.withdrawn))):
        return None
    is_flagged = any(map(_is_set, _values(field, layout.not_for_loan)))
    not_for_loan = is_flagged or is_not_for_loan(location, _values(field, layout.notes))
    return Held(code, number, location, not_for_loan)


def _has_only_restricted(items, field, *, is_alone):
    """Return whether the fields 876 that belong to this field 852 all restrict the use to the library.

    A field 876 belongs to this field 852 if both have the same link number (subfield 8) or copy number
    (subfield t), or if the record has no other 852.
    """
    own = [item for item in items if is_alone or _link(item) & _link(field)]
    return bool(own) and all(restricts(*_values(item, "hz")) for item in own)


def _link(field):
    numbers = {("8", value.partition(".")[0]) for value in _values(field, "8")}
    return numbers | {("t", value) for value in _values(field, "t")}


def _values(field, codes):
    return [value.strip() for value in field.get_subfields(*codes) if value and value.strip()]


def _is_set(value):
    """Return whether a flag is set. Koha writes 0 for no, and -1 for an ordered copy."""
    return value.strip("0") != ""
