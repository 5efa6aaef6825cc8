"""Find the form of the item that a MARC record describes, such as large print or a disc."""

import re

from recommendations.models import Item

Form, Kind = Item.Form, Item.Kind
# The codes for the form of item in field 008 and 006. "s" (electronic) and "q" (on a disc or another carrier)
# are handled in `_coded`.
CODES = {
    "a": Form.MICROFORM,
    "b": Form.MICROFORM,
    "c": Form.MICROFORM,
    "d": Form.LARGE_PRINT,
    "f": Form.BRAILLE,
    "o": Form.ONLINE,
}
# The types of record (leader/06 and 006/00) whose form of item is in 008/29 and 006/12. Other types have
# it in 008/23 and 006/06.
PICTURES = "efgkor"
# {first two characters of field 007: form}
PHYSICAL = {
    "ta": Form.PRINT,
    "tb": Form.LARGE_PRINT,
    "tc": Form.BRAILLE,
    "td": Form.PRINT,
    "fb": Form.BRAILLE,
    "fc": Form.BRAILLE,
    "co": Form.DISC,
    "cr": Form.ONLINE,
    "sd": Form.DISC,
    "ss": Form.CASSETTE,
    "sr": Form.ONLINE,
    "vc": Form.CASSETTE,
    "vd": Form.DISC,
    "vf": Form.CASSETTE,
}
# {kind: first characters of the 007 fields that describe the item itself}. A book with a CD-ROM also has a
# 007 for the disc.
MAIN = {Kind.AUDIOBOOK: "sc", Kind.SOUND: "sc", Kind.VIDEO: "vc", Kind.OTHER: "cftsv"}
# {code or term for the carrier in field 338: form}
CARRIERS = {
    "nc": Form.PRINT,
    "volume": Form.PRINT,
    "nb": Form.PRINT,
    "sheet": Form.PRINT,
    "cr": Form.ONLINE,
    "online resource": Form.ONLINE,
    "cd": Form.DISC,
    "computer disc": Form.DISC,
    "sd": Form.DISC,
    "audio disc": Form.DISC,
    "vd": Form.DISC,
    "videodisc": Form.DISC,
    "ss": Form.CASSETTE,
    "audiocassette": Form.CASSETTE,
    "vc": Form.CASSETTE,
    "video cartridge": Form.CASSETTE,
    "vf": Form.CASSETTE,
    "videocassette": Form.CASSETTE,
}
# {code or term for the type of medium in field 337: form}. Field 338 is more precise, so it comes first.
MEDIA = {"h": Form.MICROFORM, "microform": Form.MICROFORM}
# The types of content in field 336 that are read with the fingers.
TACTILE = {"tct", "tactile text", "tcm", "tactile notated music"}
LARGE_PRINT = re.compile(r"\blarge (?:print|type)\b|\bletra grande\b", re.IGNORECASE)
IN_EXTENT = {
    Form.DISC: re.compile(r"dis[ck]s?\b|\bCDs?\b|\bDVDs?\b", re.IGNORECASE),
    Form.CASSETTE: re.compile(r"cassettes?\b", re.IGNORECASE),
    Form.ONLINE: re.compile(r"\bonline\b|\bstreaming\b", re.IGNORECASE),
}
# {kind: form of an online item of this kind}. Databases and web pages are always online, so their form is "".
ONLINE = {
    Kind.BOOK: Form.EBOOK,
    Kind.AUDIOBOOK: Form.STREAM,
    Kind.SOUND: Form.STREAM,
    Kind.VIDEO: Form.STREAM,
    Kind.DATABASE: "",
    Kind.WEB_PAGE: "",
}
# The types of record that are in print unless the record says something else. Manuscripts have other types.
PRINTED = "ace"


def form_of(record, fixed, kind, extent, words):
    """Return the Item.Form of the record, or "" if the record states none.

    `fixed` is the text of field 008. `extent` and `words` have texts that may say "large print". If no code
    gives the form of a recording or film, the form is read from an extent such as "1 sound disc".
    """
    type_of_record = record.leader[6].lower()
    found = _stated(record, type_of_record, fixed, kind)
    if not found and type_of_record in PRINTED:
        found = Form.PRINT
    if not found and kind in MAIN:
        found = next((form for form, pattern in IN_EXTENT.items() if pattern.search(extent)), "")
    if found == Form.PRINT and any(map(LARGE_PRINT.search, [extent, *words])):
        return Form.LARGE_PRINT
    return ONLINE.get(kind, found) if found == Form.ONLINE else found


def _stated(record, type_of_record, fixed, kind):
    """Return the form that field 008, 336, 338, 007, 337 or 006 states, or "" if none of them does."""
    carriers = [CARRIERS[term] for term in _terms(record, "338") if term in CARRIERS]
    code = _code(type_of_record, fixed, 29, 23)
    if code in CODES:
        return CODES[code]
    if TACTILE.intersection(_terms(record, "336")):
        return Form.BRAILLE
    texts = [field.data or "" for field in record.get_fields("007")]
    own = MAIN.get(kind, "tfh")
    physical = [
        Form.MICROFORM if text[:1] == "h" else PHYSICAL[text[:2]]
        for text in texts
        if text[:1] == "h" or (text[:2] in PHYSICAL and (text[0] in own or text[:2] == "cr"))
    ]
    if code == "q":
        return next(iter(carriers), Form.DISC)
    if code == "s":
        is_on_disc = Form.DISC in carriers or any(text[:2] == "co" for text in texts)
        return Form.DISC if is_on_disc else Form.ONLINE
    media = [MEDIA[term] for term in _terms(record, "337") if term in MEDIA]
    additional = [field.data for field in record.get_fields("006") if field.data]
    codes = [_code(text[0].lower(), text, 12, 6) for text in additional]
    others = [CODES[code] for code in codes if code in {"d", "f", "o"}]
    return next(iter([*carriers, *physical, *media, *others]), "")


def _code(type_of_record, text, for_pictures, for_others):
    place = for_pictures if type_of_record in PICTURES else for_others
    return text[place : place + 1].strip("|# ")


def _terms(record, tag):
    """Return the codes and terms in the fields with this tag, in lowercase."""
    return [
        value.strip().lower()
        for field in record.get_fields(tag)
        for code, value in field.subfields
        if code in "ab" and value
    ]
