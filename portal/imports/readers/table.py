"""Read CSV files. The names of the columns, the encoding and the delimiter are detected."""

import codecs
import csv
import hashlib
import inspect
import io
import re
from dataclasses import replace
from itertools import chain

from portal.folding import fold
from portal.imports import fiction, isbns
from portal.imports.loans import is_not_for_loan
from portal.imports.readers.columns import GUESSES, NOT_SET, form_of, kind_of
from portal.imports.records import TEXTS, Draft, Fault, Held, Record, Unreadable, merged
from portal.imports.years import find_year
from portal.text import clean

# The possible delimiters. If two are equally frequent in a line, the one that comes first here is used. The
# comma is last, because texts contain commas.
DELIMITERS = "\t;|,"
# The maximum length of a line, in characters. Reading a longer line could take all the memory.
LINE_MAX = 1024 * 1024
# What the CSV reader gets in place of a line that is too long. The reader refuses a cell of this length, so
# the row becomes a Fault.
TOO_LONG = "x" * (csv.field_size_limit() + 1) + "\n"
# Databases, spreadsheets and programs write these texts into a cell without a value.
EMPTY = {"NULL", "null", "(null)", "\\N", "nan", "NaN", "N/A", "#N/A", "#REF!", "#NAME?", "#VALUE!"}
TOTAL = re.compile(r"(?:grand total|total|totals|summe|gesamt)\b[\s:=]*[\d.,]*$", re.IGNORECASE)
NO_PARTNER = "a quotation mark has no partner, so rows after it may be missing"
# The dates into which spreadsheets turn titles such as "9/11" and "March 5".
DATE = re.compile(r"\d{1,2}-[^\W\d_]{3}(?:-\d{2,4})?|[^\W\d_]{3}-\d{2}|\d{4}-\d\d-\d\d 00:00:00")


def read_table(file, *, mapping):
    """Yield the Records and Faults of a CSV file, in order. `mapping` is {our field: [columns]}.

    Raises Unreadable if `mapping` has an unknown field or column, or if no column has the title.
    """
    text = io.TextIOWrapper(file, encoding=_encoding(file), errors="windows letters", newline="")
    lines = lines_of(text, skips_long=True)
    try:
        first, delimiter = _first_line(lines)
        rows = csv.reader(chain([first], lines), delimiter=delimiter)
        yield from _joined(_read_rows(rows, lines, mapping))
    finally:
        # Don't let the wrapper close the file, because the caller closes it.
        if not file.closed:
            text.detach()


def lines_of(text, *, advice="Save the table as CSV, with one record in each line.", skips_long=False):
    """Yield the lines of the file. If a line is too long, raise Unreadable with the text `advice`.

    If `skips_long` is true, yield TOO_LONG in place of such a line, unless it is the first line. A file whose
    first line is too long is no table.
    """
    number = 0
    while line := text.readline(LINE_MAX):
        number += 1
        if _is_cut(line):
            if number == 1 or not skips_long:
                raise Unreadable(f"Line {number} has more than {LINE_MAX} characters. {advice}")
            while _is_cut(line):
                line = text.readline(LINE_MAX)
            line = TOO_LONG
        yield line


def _is_cut(line):
    return len(line) == LINE_MAX and not line.endswith(("\r", "\n"))


def _first_line(lines):
    """Return (the line with the names of the columns, the delimiter).

    The names are in the first line that isn't empty. Only a line such as "sep=;" from Excel can come before
    it.
    """
    delimiter = ""
    for line in lines:
        if named := re.fullmatch(r"sep=(.)\s*", line):
            delimiter = named.group(1)
        elif line.strip(DELIMITERS + " \t\r\n"):
            return line, delimiter or max(DELIMITERS, key=line.count)
    return "", ","


def _read_rows(rows, lines, mapping):
    """Yield the Records and Faults of the rows. `lines` is the generator from which `rows` reads."""
    header = [clean(name, max_length=80) for name in _next(rows, 0) or []]
    columns = _columns(header, mapping)
    number = 0
    is_tabbed = rows.dialect.delimiter == "\t"
    while (row := _next(rows, number + 1)) is not None:
        if isinstance(row, list) and not any(cell.strip() for cell in row):
            continue
        number += 1
        # If the last cell has no closing quotation mark, the CSV reader asks for one more line at the end of
        # the file. This closes the generator `lines`.
        is_open = inspect.getgeneratorstate(lines) == inspect.GEN_CLOSED
        if isinstance(row, list) and (
            is_open or (is_tabbed and any("\t" in cell and "\n" in cell for cell in row))
        ):
            row = Fault(number, NO_PARTNER)
        yield row if isinstance(row, Fault) else _read_row(row, number, header, columns)


def _joined(records):
    """Join records that follow each other, have the same key, and say at which branch the item is.

    In a list of copies, an item has a row for each of its copies.
    """
    last = None
    for record in records:
        if isinstance(last, Record) and isinstance(record, Record) and _are_copies(last, record):
            last = replace(last, holdings=merged([*last.holdings, *record.holdings]))
            continue
        if last is not None:
            yield last
        last = record
    if last is not None:
        yield last


def _are_copies(one, other):
    return one.key == other.key and one.says_where and other.says_where


def _next(rows, number):
    """Return the next row, a Fault if the row can't be read, or None at the end of the file.

    Raises Unreadable if the row with the names of the columns (`number` is 0) can't be read.
    """
    try:
        return next(rows, None)
    except csv.Error as error:
        if not number:
            raise Unreadable(f"The first line is not a line of column names: {error}.") from error
        if "field limit" in str(error):
            most = csv.field_size_limit()
            return Fault(
                number, f"a cell has more than {most} characters. A closing quotation mark may be missing"
            )
        return Fault(number, str(error))


def _encoding(file):
    """Return the name of the file's encoding. UTF-16 is detected by its byte order mark."""
    start = file.read(2)
    file.seek(0)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _read_windows_letters(error):
    """Decode the bytes that are not valid UTF-8 as Windows-1252.

    A file may be in one of the two encodings, or have lines in both. Letters of Windows-1252 are not valid
    UTF-8.
    """
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("windows letters", _read_windows_letters)


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
        if field == "title":
            # A record without a title can't be imported. So if the cell in the chosen column is empty, read
            # the title from the column with a usual name for titles.
            positions[field] += [position for position in matches[:1] if position not in positions[field]]
    if not positions["title"]:
        raise Unreadable(f"No column is the title. Name one with --map title=COLUMN. {known}")
    return positions


def _read_row(row, number, header, columns):
    while len(row) > len(header) and not row[-1].strip():
        row.pop()
    if len(row) > len(header):
        return Fault(number, f"it has {len(row)} cells, but the first line has {len(header)}")
    cells = {
        field: [_unwrapped(row[position]) for position in positions if position < len(row)]
        for field, positions in columns.items()
    }
    first = {field: next((cell for cell in texts if cell), "") for field, texts in cells.items()}
    values = {field: first.get(field, "") for field in TEXTS}
    if TOTAL.match(values["title"]) and not any(
        re.search(r"[^\W\d_]", cell) for cell in row if _unwrapped(cell) != values["title"]
    ):
        return Fault(number, "it is a row of totals, not a title")
    if first["subtitle"] and fold(first["subtitle"]) not in fold(values["title"]):
        values["title"] = f"{values['title']} : {first['subtitle']}"
    values["isbn"], repair = isbns.best_of(cells["isbn"])
    values["year"], remark = _year(values["year"])
    if DATE.fullmatch(values["title"]):
        remark = f"its title, {values['title']}, is a date. A spreadsheet may have changed it"
    kind, form = values["kind"], values["form"]
    values["kind"], values["form"] = kind_of(kind), form_of(form, kind)
    values["audience"], values["audience_note"] = "", first["audience"]
    if values["extent"].isdecimal():
        values["extent"] += " p."
    values["subjects"] = "\n".join(text for text in (values["subjects"], first["genre"]) if text)
    values["is_fiction"] = (
        fiction.says_yes(first["fiction"])
        or fiction.names_fiction([first["genre"]])
        or fiction.has_fiction_shelf([first["call_number"]])
    )
    return Draft(
        number=number,
        key=_key(first["id"], values),
        values=values,
        holdings=[_copy(first)],
        says_where=bool(first["branch"]),
        isbn_repair=repair,
        languages=re.split(r"\W+", first["language"]),
        remark=remark,
    ).finished()


def _copy(first):
    not_for_loan = first["not_for_loan"].lower() not in NOT_SET or is_not_for_loan(first["location"])
    return Held(first["branch"], first["call_number"], first["location"], not_for_loan)


def _unwrapped(cell):
    """Return the text of the cell.

    Some systems write ="0306406152", so that a spreadsheet doesn't drop the zero at the beginning.
    """
    cell = cell.strip()
    if cell in EMPTY:
        return ""
    formula = re.fullmatch(r'[=＝]\(?"(.*)"\)?', cell)
    return formula.group(1).replace('""', '"').strip() if formula else cell


def _year(text):
    """Return (year, fault).

    Keep a year before 1000, such as "800" or "-1750", as it is written. A 0 means that there is no year. Some
    systems write the day together with the year, as in "19640501".
    """
    text = re.sub(r"\.0$", "", text)
    text = re.sub(r"^([12]\d{3})(?:0\d|1[0-2])[0-3]\d$", r"\1", text)
    if not text.strip("0"):
        return "", ""
    year, fault = ("", "") if text.startswith("-") else find_year([text])
    return year or ("" if fault else text), fault


def _key(identifier, values):
    """Return a key for the record: its identifier, else its ISBN, else a hash of its title and creators."""
    if identifier:
        return f"id:{identifier}"
    if values["isbn"]:
        return f"isbn:{values['isbn']}"
    text = f"{fold(values['title'])}\n{fold(values['creators'])}"
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
