"""Read the titles of a MARC record."""

import re

from portal.folding import fold
from portal.imports.records import unescaped

# {tag: subfields} of the fields that can contain the title. The first of these fields that the record has is
# used.
TITLES = {"245": "abknp", "240": "amnpr", "130": "amnpr", "730": "amnpr", "740": "anp"}
# The fields with further titles that people search for, such as the title on the cover.
VARIANTS = {"246": "abnp"}
# The characters that are removed from the end of a text. Cataloging rules end a subfield with punctuation if
# another subfield follows.
END = " \t\r\n\u00a0\u3000/:;,=／：；，、＝،؛"
PUNCTUATION = tuple(":;=,./：；＝，。،؛")
# {subfield: the punctuation before it}. The punctuation is added if the catalog leaves it out.
BEFORE = {"b": " :", "n": ".", "p": "."}
# Some systems mark a leading article, because sorting ignores it, as in "<<The>> end" or "¬The ¬end".
SKIPPED_ARTICLE = re.compile(r"<<([^<>]*)>>|¬([^¬]*)¬")


def read_titles(record):
    """Return (title, the same title in its original script, other titles)."""
    vernacular = record.get_fields("880")
    found = {
        tag: _with_originals(record, tag, codes, vernacular) for tag, codes in (TITLES | VARIANTS).items()
    }
    tag = next((tag for tag in TITLES if any(found[tag])), "245")
    titles, originals = found.pop(tag)
    if not titles:
        titles, originals = originals[:1], originals[1:]
    others = titles[1:] + originals[1:]
    others += [title for groups in found.values() for group in groups for title in group]
    title, original = (titles or [""])[0], (originals or [""])[0]
    different = {fold(title): title, fold(original): original}
    for other in others:
        different.setdefault(fold(other), other)
    return title, original, [other for other in different.values() if other not in (title, original)]


def text_of(field, codes):
    """Return the text of these subfields, in the order of the field, without the punctuation at the end."""
    text = " ".join(value.strip() for value in field.get_subfields(*codes) if value)
    return unescaped(text).rstrip(END)


def without_period(text):
    """Remove the period at the end of a field, but not the period of an initial or an abbreviation."""
    return re.sub(r"(?<=[^\s.,'-]{3})(?<!Inc)(?<!Ltd)(?<!Corp)(?<!Bros)(?<!etc)\.$", "", text)


def repeated(field):
    """Return the tag of the field that this field 880 repeats in the original script."""
    return (field.get("6") or "").strip()[:3]


def _with_originals(record, tag, codes, vernacular):
    """Return (texts of the fields with this tag, texts of their originals in another script).

    `vernacular` has all fields 880, which contain the originals. A field and its original have the same
    number in subfield 6. If the first text has an original, this original comes first in the second list. The
    other originals are in the order of the record.
    """
    fields = [field for field in record.get_fields(tag) if _title(field, codes)]
    originals = [field for field in vernacular if repeated(field) == tag]
    if fields:
        originals.sort(key=lambda field: _link_number(field) != _link_number(fields[0]))
    texts = [[_title(field, codes) for field in group] for group in (fields, originals)]
    return [[text if tag == "245" else without_period(text) for text in group if text] for group in texts]


def _link_number(field):
    return (field.get("6") or "").strip()[4:6]


def _title(field, codes):
    """Return the text of these subfields, with punctuation between the parts of the title."""
    text, last, mark = "", "", ""
    for code, value in field.subfields:
        value = (value or "").strip()
        if code == "h":
            # In some records, the punctuation before the next part is at the end of $h, which names the
            # medium: "$h[sound recording] :$b".
            has_space = value[-2:-1] == " "
            mark = value[-1 - has_space :] if value.endswith(PUNCTUATION) else ""
        elif code in codes and value:
            if text and not text.endswith(PUNCTUATION) and not (text[-1] in "?!" and code in "np"):
                text += mark or ("," if (last, code) == ("n", "p") else BEFORE.get(code, ""))
            text, last, mark = f"{text} {value}".strip(), code, ""
    text = unescaped(SKIPPED_ARTICLE.sub(r"\1\2", text))
    # A period before another mark, as in "Smith and Sons, Dept. /", belongs to an abbreviation.
    return without_period(text) if text.endswith(".") else text.rstrip(END)
