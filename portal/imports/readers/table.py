"""Read CSV files. The names of the columns, the encoding and the delimiter are detected."""

import codecs
import csv
import hashlib
import io
import re

from portal.folding import fold
from portal.imports import fiction, isbns
from portal.imports.records import TEXTS, Draft, Fault, Unreadable
from portal.imports.years import find_year
from portal.text import clean
from recommendations.models import Item

# {field: the names that its column may have, as `fold` returns them}. If a file has several columns for a
# field, the column whose name comes first in this list is used. For ISBNs, all of the columns are used.
GUESSES = {
    "title": ["title", "main title", "book title", "name", "titulo", "titre", "titel"],
    "creators": [
        "creators",
        "authors",
        "creator",
        "author",
        "by",
        "contributors",
        "autor",
        "autores",
        "auteur",
    ],
    "original_title": ["original title", "title in original script", "vernacular title", "titulo original"],
    "original_creators": [
        "original creators",
        "original author",
        "original authors",
        "author in original script",
        "vernacular author",
    ],
    "publisher": ["publisher", "editorial", "verlag"],
    "year": [
        "year",
        "publication year",
        "original publication year",
        "year of publication",
        "published",
        "date",
        "ano",
    ],
    "isbn": ["isbn13", "isbn 13", "isbn", "isbn10", "isbn 10", "isbns"],
    "doi": ["doi"],
    "url": ["url", "link", "web address"],
    "series": ["series", "serie"],
    "summary": ["summary", "description", "abstract", "resumen"],
    "language": ["language code", "language", "lang", "idioma"],
    "kind": ["kind", "item type", "material type", "format", "type"],
    "fiction": ["fiction", "is fiction", "ficcion"],
    "genre": ["genre", "genres", "literary form", "genero", "generos"],
    "call_number": ["call number", "callnumber", "shelfmark", "signatura"],
    "id": [
        "id",
        "item id",
        "record id",
        "bib id",
        "bibnumber",
        "biblionumber",
        "record number",
        "book id",
        "control number",
    ],
}
KINDS = {fold(word): kind for kind, label in Item.Kind.choices for word in (kind, str(label))} | {
    "dvd": Item.Kind.VIDEO,
    "cd": Item.Kind.SOUND,
}
DELIMITERS = ",;\t|"


def read_table(file, *, mapping):
    """Yield the Records and Faults of a CSV file, in order. `mapping` is {our field: [columns]}.

    Raises Unreadable if `mapping` has an unknown field or column, or if no column is the title.
    """
    text = io.TextIOWrapper(file, encoding=_encoding(file), errors="replace", newline="")
    try:
        delimiter = max(DELIMITERS, key=text.readline().count)
        text.seek(0)
        yield from _read_rows(csv.reader(text, delimiter=delimiter), mapping)
    finally:
        # Don't let the wrapper close the file, because the caller closes it.
        text.detach()


def _read_rows(rows, mapping):
    header = [clean(name, max_length=80) for name in _next(rows, 0) or []]
    columns = _columns(header, mapping)
    number = 0
    while (row := _next(rows, number + 1)) is not None:
        if isinstance(row, list) and not any(cell.strip() for cell in row):
            continue
        number += 1
        yield row if isinstance(row, Fault) else _read_row(row, number, header, columns)


def _next(rows, number):
    """Return the next row. Return a Fault if the row can't be read, and None at the end of the file."""
    try:
        return next(rows, None)
    except csv.Error as error:
        if not number:
            raise Unreadable(f"The first line is not a line of column names: {error}.") from error
        return Fault(number, str(error))


def _encoding(file):
    """Return the name of the file's encoding.

    UTF-16 is detected by its byte order mark. A file that is not valid UTF-8 is read as cp1252, the encoding
    of Windows.
    """
    start = file.read(4)
    file.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := file.read(1024 * 1024):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    finally:
        file.seek(0)
    return "utf-8-sig"


def _columns(header, mapping):
    """Return {our field: [positions of its columns]}."""
    known = (
        f"The columns are: {', '.join(header)}." if any(header) else "The file has no line of column names."
    )
    positions = {}
    by_name = {fold(name): position for position, name in reversed(list(enumerate(header)))}
    for field, names in mapping.items():
        if field not in GUESSES:
            raise Unreadable(f"There is no field {field!r}. Fields: {', '.join(GUESSES)}.")
        unknown = [name for name in names if fold(name) not in by_name]
        if unknown:
            raise Unreadable(f"There is no column {unknown[0]!r}. {known}")
        positions[field] = [by_name[fold(name)] for name in names]
    for field, guesses in GUESSES.items():
        matches = [by_name[guess] for guess in guesses if guess in by_name]
        positions.setdefault(field, matches if field == "isbn" else matches[:1])
    if not positions["title"]:
        raise Unreadable(f"No column is the title. Name one with --map title=COLUMN. {known}")
    return positions


def _read_row(row, number, header, columns):
    if len(row) > len(header):
        return Fault(number, f"it has {len(row)} cells, but the first line has {len(header)}")
    cells = {
        field: [_unwrapped(row[position]) for position in positions if position < len(row)]
        for field, positions in columns.items()
    }
    first = {field: next((cell for cell in texts if cell), "") for field, texts in cells.items()}
    values = {field: first.get(field, "") for field in TEXTS}
    values["isbn"], repair = isbns.best_of(cells["isbn"])
    values["year"], remark = _year(values["year"])
    values["kind"] = KINDS.get(fold(values["kind"]), Item.Kind.BOOK)
    values["is_fiction"] = (
        fiction.says_yes(first["fiction"])
        or fiction.names_fiction([first["genre"]])
        or fiction.stands_with_fiction([first["call_number"]])
    )
    return Draft(
        number=number,
        key=_key(first["id"], values),
        values=values,
        call_numbers=[first["call_number"]],
        isbn=repair,
        languages=re.split(r"\W+", first["language"]),
        remark=remark,
    ).finished()


def _unwrapped(cell):
    """Return the text of the cell.

    Some systems write ="0306406152", so that a spreadsheet keeps the zeros.
    """
    cell = cell.strip()
    formula = re.fullmatch(r'[=＝]\(?"(.*)"\)?', cell)
    return formula.group(1).replace('""', '"').strip() if formula else cell


def _year(text):
    """Return (year, fault). Keep a year before 1000, such as "800" or "-1750", as it is written."""
    text = re.sub(r"\.0$", "", text)
    year, fault = ("", "") if text.startswith("-") else find_year([text])
    return year or ("" if fault else text), fault


def _key(identifier, values):
    """Return a key for the record: its identifier, or its ISBN, or else a hash of its title and creators."""
    if identifier:
        return f"id:{identifier}"
    if values["isbn"]:
        return f"isbn:{values['isbn']}"
    text = f"{fold(values['title'])}\n{fold(values['creators'])}"
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
