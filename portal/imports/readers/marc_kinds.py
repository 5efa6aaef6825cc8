"""Find the kind of item that a MARC record describes."""

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
# {code or term of the content in field 336: kind}
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
    if type_of_record in "at" and level == "s":
        return Item.Kind.SERIAL
    if type_of_record == "a" and level == "b":
        return Item.Kind.ARTICLE
    if type_of_record == "a" and level == "i":
        return CONTINUING.get(fixed[21:22], Item.Kind.BOOK)
    if type_of_record == "a" and (content := _only_content(record)) in CONTENTS:
        # "a" is the default in templates for new records, and catalogers forget to change it.
        return CONTENTS[content]
    return KINDS.get(type_of_record, Item.Kind.OTHER)


def _only_content(record):
    """Return the code or the term of the content, or "" if the record names several or none."""
    found = {(field.get("b") or field.get("a") or "").strip().lower() for field in record.get_fields("336")}
    return found.pop() if len(found) == 1 else ""
