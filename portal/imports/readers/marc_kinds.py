"""Find the kind of item that a MARC record describes, and for whom the item was made."""

import re

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
# The kinds of continuing resources that aren't journals, by their code in 008/21.
CONTINUING = {"d": Item.Kind.DATABASE, "w": Item.Kind.WEB_PAGE}
# The types of record that have the audience in 008/22: texts, music, computer files and pictures.
HAVE_AUDIENCES = "atcdijmgkor"
AUDIENCES = {
    "a": Item.Audience.PRESCHOOL,
    "b": Item.Audience.PRIMARY,
    "c": Item.Audience.PRETEEN,
    "d": Item.Audience.TEEN,
    "e": Item.Audience.ADULT,
    "f": Item.Audience.SPECIALIZED,
    "g": Item.Audience.GENERAL,
    "j": Item.Audience.JUVENILE,
}
# {first indicator of field 521: the words to put before a note that has only a number}
NOTES = {"0": "Reading grade level ", "1": "Ages ", "2": "Grades "}
# In field 521, ages and grades are written with three digits, as in 008-012.
LEADING_ZEROS = re.compile(r"\b0+(?=[1-9])")
# {code or term for the type of content in field 336: kind}
CONTENTS = {
    code: kind
    for codes, kind in {
        ("spw", "spoken word"): Item.Kind.AUDIOBOOK,
        ("prm", "performed music"): Item.Kind.SOUND,
        ("ntm", "notated music"): Item.Kind.SCORE,
        ("tdi", "two-dimensional moving image"): Item.Kind.VIDEO,
        ("cri", "cartographic image"): Item.Kind.MAP,
    }.items()
    for code in codes
}


def kind_of(record, fixed):
    """Return the Item.Kind of the record. `fixed` is the text of field 008."""
    type_of_record, level = record.leader[6].lower(), record.leader[7]
    if type_of_record == "m" and fixed[26:27] == "d":
        # A computer file that is a single document is an e-book.
        return Item.Kind.BOOK
    if type_of_record == "m" and (additional := _additional_type(record)) in KINDS:
        return KINDS[additional]
    if type_of_record in "at" and level == "s":
        return Item.Kind.SERIAL
    if type_of_record == "a" and level == "b":
        return Item.Kind.ARTICLE
    if type_of_record == "a" and level == "i":
        return CONTINUING.get(fixed[21:22], Item.Kind.BOOK)
    if type_of_record == "a" and (content := _only_content(record)) in CONTENTS:
        # Prefer field 336, because "a" is the default type, and catalogers forget to change it.
        return CONTENTS[content]
    return KINDS.get(type_of_record, Item.Kind.OTHER)


def _additional_type(record):
    """Return the type in the first field 006. For an electronic item, it says what the file contains."""
    fields = record.get_fields("006")
    return (fields[0].data or "")[:1].lower() if fields else ""


def audience_of(record, fixed):
    """Return (Item.Audience or "", what the record says about the audience)."""
    is_continuing = record.leader[6] in "at" and record.leader[7] in "bis"
    has_code = record.leader[6] in HAVE_AUDIENCES and not is_continuing
    notes = [
        _note(field.indicator1, text.strip())
        for field in record.get_fields("521")
        for text in field.get_subfields("a")
        if text and text.strip()
    ]
    return AUDIENCES.get(fixed[22:23], "") if has_code else "", "; ".join(notes)


def _note(indicator, text):
    return NOTES[indicator] + LEADING_ZEROS.sub("", text) if indicator in NOTES else text


def _only_content(record):
    """Return the code or term in field 336, or "" if the record has none or has several different ones."""
    found = {(field.get("b") or field.get("a") or "").strip().lower() for field in record.get_fields("336")}
    return found.pop() if len(found) == 1 else ""
