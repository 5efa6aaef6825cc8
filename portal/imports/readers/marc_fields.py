"""Map the fields of a MARC record to the fields of an item."""

import hashlib
import re

from portal.imports import fiction, isbns
from portal.imports.records import Draft
from recommendations.models import Item

# The kind of item for each type of record (leader position 6).
KINDS = {
    "a": Item.Kind.BOOK,
    "t": Item.Kind.BOOK,
    "c": Item.Kind.SCORE,
    "d": Item.Kind.SCORE,
    "e": Item.Kind.MAP,
    "f": Item.Kind.MAP,
    "g": Item.Kind.VIDEO,
    "i": Item.Kind.AUDIOBOOK,
    "j": Item.Kind.SOUND,
}

# The codes of fiction, plays, stories and poems: in 008/33 for text, in 008/30 and 31 for spoken recordings.
FICTION_IN_TEXT = set("1dfhjmp")
FICTION_IN_RECORDING = set("dfkop")


def draft(record, number, raw):
    """Return the Draft for a pymarc record. `raw` has the bytes of the record."""
    isbn, repair = isbns.best_of(_each(record, "020", "a"))
    fixed = record.get_fields("008")
    fixed = fixed[0].data if fixed else ""
    imprint = sorted(record.get_fields("264"), key=lambda field: field.indicator2 != "1") + record.get_fields(
        "260"
    )
    call_numbers = _call_numbers(record)
    return Draft(
        number=number,
        key=_key(record, raw),
        isbn=repair,
        call_numbers=call_numbers,
        values={
            "kind": Item.Kind.SERIAL
            if record.leader[6] in "at" and record.leader[7] == "s"
            else KINDS.get(record.leader[6], Item.Kind.OTHER),
            "title": _text(next(iter(record.get_fields("245")), None), "abnp"),
            "original_title": _text(
                next(
                    (field for field in record.get_fields("880") if (field.get("6") or "").startswith("245")),
                    None,
                ),
                "abnp",
            ),
            "creators": _names(record),
            "publisher": next((name for field in imprint if (name := _text(field, "b"))), ""),
            "year": _year([field.get("c") or "" for field in imprint], fixed),
            "isbn": isbn,
            "series": next((name for field in record.get_fields("490") if (name := _text(field, "av"))), ""),
            "summary": "\n".join(_each(record, "520", "a")),
            "language": fixed[35:38].strip(" |#") if fixed[35:38].isalpha() else "",
            "url": _link(record),
            "is_fiction": _is_fiction(record, fixed, call_numbers),
        },
    )


def _key(record, raw):
    """Return a key made of the record's number and the code of the library that gave the number.

    If the record has no number, return a hash of the record.
    """
    control = record.get_fields("001")
    if control and (control[0].data or "").strip():
        whose = record.get_fields("003")
        return f"{(whose[0].data or '').strip() if whose else ''}:{control[0].data.strip()}"
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _each(record, tag, code):
    return [
        value.strip()
        for field in record.get_fields(tag)
        for value in field.get_subfields(code)
        if value and value.strip()
    ]


def _text(field, codes):
    """Return the text of these subfields, in order, without the punctuation at the end.

    Cataloging rules end a subfield with punctuation if another subfield follows.
    """
    if field is None:
        return ""
    return re.sub(
        r"[\s/:;,=]+$", "", " ".join(value.strip() for value in field.get_subfields(*codes) if value)
    )


def _names(record):
    names: list[str] = []
    for field in record.get_fields("100", "110", "111", "700"):
        name = _text(field, "abc" if field.tag != "111" else "a")
        # Remove the period at the end of the field, but not the period of an initial.
        name = re.sub(r"(?<=\w{3})\.$", "", name)
        if name and name not in names and len("; ".join([*names, name])) <= 300:
            names.append(name)
    return "; ".join(names)


def _year(imprints, fixed):
    for text in imprints:
        if found := re.search(r"(?<!\d)\d{4}(?!\d)", text):
            return found.group()
    return fixed[7:11] if fixed[7:11].isdigit() else ""


def _is_fiction(record, fixed, call_numbers):
    """Return whether the record says that the title is fiction: by its codes, its genres or its shelf."""
    is_book = record.leader[6] in "at" and record.leader[7] in "acdm"
    is_recording = record.leader[6] == "i"
    genres = _each(record, "655", "a")
    for tag in ("600", "610", "611", "630", "650", "651"):
        genres += _each(record, tag, "v")
    return (is_book or is_recording) and (
        (is_book and fixed[33:34] in FICTION_IN_TEXT)
        or (is_recording and bool(FICTION_IN_RECORDING & set(fixed[30:32])))
        or fiction.names_fiction(genres)
        or fiction.stands_with_fiction(call_numbers)
    )


def _call_numbers(record):
    """Return the call numbers in field 852.

    If there are none, return the first classification that the record has. The order is Library of Congress,
    local, Dewey, local Dewey.
    """
    call_numbers = [_text(field, "hijkm") for field in record.get_fields("852")]
    if any(call_numbers):
        return call_numbers
    return [
        number
        for tag in ("050", "090", "082", "092")
        for field in record.get_fields(tag)
        if (number := _text(field, "ab"))
    ][:1]


def _link(record):
    # If the second indicator is 2, the link leads to a related resource. Such links are tried last.
    fields = sorted(record.get_fields("856"), key=lambda field: field.indicator2 == "2")
    return next(
        (url.strip() for field in fields for url in field.get_subfields("u") if url and url.strip()), ""
    )
