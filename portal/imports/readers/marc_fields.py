"""Map the fields of a MARC record to the fields of an item."""

import hashlib
import re

from portal.imports import fiction, isbns
from portal.imports.records import Draft, Refused
from portal.imports.years import find_year
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

# The types of record that don't describe a title.
OTHER_RECORDS = {
    "q": "a community information",
    "u": "a holdings",
    "v": "a holdings",
    "w": "a classification",
    "x": "a holdings",
    "y": "a holdings",
    "z": "an authority",
}

# {tag: subfields}. A record without a field 245 has its title in one of the others.
TITLES = {"245": "abnp", "240": "amnpr", "130": "amnpr", "730": "amnpr", "740": "anp"}
NAMES = {"100": "abc", "110": "ab", "111": "ae", "700": "abc", "710": "ab", "711": "ae"}
# mypy thinks that the length can be None.
CREATORS_MAX: int = Item._meta.get_field("creators").max_length  # type: ignore[assignment]
# A number such as "(Sirsi) AAY-1602" belongs into field 035. As a title or name, it shows that the entries of
# the record's directory have moved to other fields.
CONTROL_NUMBER = re.compile(r"\([A-Za-z][\w-]+\)\s*[\w./:-]*\d{3}[\w./:-]*")

# The codes of fiction, plays, stories and poems: in 008/33 for text, in 008/30 and 31 for spoken recordings.
FICTION_IN_TEXT = set("1dfhjmp")
FICTION_IN_RECORDING = set("dfkop")


def draft(record, number, raw):
    """Return the Draft for a pymarc record. `raw` has the bytes of the record. Raises Refused."""
    if other := OTHER_RECORDS.get(record.leader[6]):
        raise Refused(f"it is {other} record, not a title. Export bibliographic records")
    isbn, repair = isbns.best_of(_each(record, "020", "a"))
    fixed = record.get_fields("008")
    fixed = fixed[0].data if fixed else ""
    imprint = sorted(record.get_fields("264"), key=lambda field: field.indicator2 != "1") + record.get_fields(
        "260"
    )
    call_numbers = _call_numbers(record)
    title, original_title, other_titles = _titles(record)
    names, original_names = _names(record)
    for text in (title, *names):
        if CONTROL_NUMBER.fullmatch(text):
            raise Refused(f"it has the control number {text!r} as a title or name. Export it again")
    creators, unshown = _fitting(names)
    original_creators, original_unshown = _fitting(original_names)
    year, remark = find_year([" ".join(field.get_subfields("c")) for field in imprint], fixed[7:11])
    return Draft(
        number=number,
        key=_key(record, raw),
        isbn=repair,
        call_numbers=call_numbers,
        languages=_languages(record, fixed),
        remark=remark,
        values={
            "kind": Item.Kind.SERIAL
            if record.leader[6] in "at" and record.leader[7] == "s"
            else KINDS.get(record.leader[6], Item.Kind.OTHER),
            "title": title,
            "original_title": original_title,
            "creators": creators,
            "original_creators": original_creators,
            "search_words": "\n".join([*other_titles, *unshown, *original_unshown]),
            "publisher": next((name for field in imprint if (name := _text(field, "b"))), ""),
            "year": year,
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
    text = " ".join(value.strip() for value in field.get_subfields(*codes) if value)
    return re.sub(r"[\s/:;,=／：；，、＝،؛]+$", "", text)


def _without_period(text):
    """Remove the period at the end of a field, but not the period of an initial."""
    return re.sub(r"(?<=[^\s.,'-]{3})\.$", "", text)


def _titles(record):
    """Return (title, the same title in its original script, other titles).

    The title comes from the first kind of field that the record has.
    """
    titles, originals = [], []
    for tag, codes in TITLES.items():
        titles, originals = _with_originals(record, tag, codes)
        if titles or originals:
            break
    if not titles:
        titles, originals = originals[:1], originals[1:]
    return (titles or [""])[0], (originals or [""])[0], titles[1:] + originals[1:]


def _with_originals(record, tag, codes):
    """Return (texts of the fields with this tag, texts of the fields 880 that repeat them in another script).

    The original of the first text comes first. Both fields have the same number in subfield 6.
    """
    fields = [field for field in record.get_fields(tag) if _text(field, codes)]
    originals = [field for field in record.get_fields("880") if _repeated(field) == tag]
    if fields:
        originals.sort(key=lambda field: _link_number(field) != _link_number(fields[0]))
    texts = [[_text(field, codes) for field in group] for group in (fields, originals)]
    return [[text if tag == "245" else _without_period(text) for text in group if text] for group in texts]


def _repeated(field):
    """Return the tag of the field that this field 880 repeats in its original script."""
    return (field.get("6") or "").strip()[:3]


def _link_number(field):
    return (field.get("6") or "").strip()[4:6]


def _names(record):
    """Return (names, names in their original script)."""
    names: list[str] = []
    originals: list[str] = []
    for field in record.get_fields(*NAMES, "880"):
        tag = _repeated(field) if field.tag == "880" else field.tag
        name = _without_period(_text(field, NAMES.get(tag, "")))
        found = originals if field.tag == "880" else names
        if name and name not in found:
            found.append(name)
    return names, [name for name in originals if name not in names]


def _fitting(names):
    """Return (as many names as fit into a field for creators, the other names)."""
    fitting: list[str] = []
    others: list[str] = []
    for name in names:
        fits = len("; ".join([*fitting, name])) <= CREATORS_MAX
        (fitting if fits else others).append(name)
    return "; ".join(fitting), others


def _languages(record, fixed):
    """Return the codes of the record's languages. Old records write them together, as in "engheb"."""
    coded = "".join(_each(record, "041", "a") + _each(record, "041", "h"))
    return [fixed[35:38], *(coded[start : start + 3] for start in range(0, len(coded), 3))]


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
