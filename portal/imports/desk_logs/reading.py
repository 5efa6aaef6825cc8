"""Read the rows of a desk log: a CSV file or an XLSX workbook. Every cell becomes a text."""

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# Importing this module also registers "windows letters", which decodes single lines in Windows-1252.
from portal.imports.readers.table import EMPTY, lines_of
from portal.imports.records import Unreadable
from portal.text import clean

from .workbooks import check_workbook, workbook_rows

# The possible delimiters. If two fit equally well, the first one is used.
DELIMITERS = "\t;,|"
# The number of lines from which the delimiter is detected.
SEEN_LINES = 60
FORMULAS = ("=", "+", "-", "@")
MAX_COLUMNS = 300
ZIP = b"PK\x03\x04"
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
SAVE = gettext_lazy("Save the desk log as CSV (UTF-8) or as an Excel workbook (.xlsx), and import that file.")

# [(pattern for the first bytes, what the file is)] for files that are certainly not a desk log
OTHER_FILES = [
    (re.compile(pattern, re.DOTALL | re.IGNORECASE), problem)
    for pattern, problem in (
        (rb"%PDF-", gettext_lazy("The file is a PDF document.")),
        (rb"\x89PNG|\xff\xd8\xff|GIF8|BM.{4}\0{4}", gettext_lazy("The file is a picture.")),
        (
            rb"\x1f\x8b|BZh91AY|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd",
            gettext_lazy("The file is packed. Unpack it first."),
        ),
        (
            rb"(?:\xef\xbb\xbf)?\s*(?:<!doctype html|<html)",
            gettext_lazy(
                "The file is a web page. The system may have asked for a sign-in instead of exporting."
            ),
        ),
        (rb"(?:\xef\xbb\xbf)?\s*<\?xml", gettext_lazy("The file is XML, not a table.")),
        (rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{", gettext_lazy("The file is JSON, not a table.")),
        (rb"\d{5}[acdnp][a-z]{2}[ a][ a]\d\d", gettext_lazy("The file has catalog records, not a desk log.")),
    )
]


@dataclass(frozen=True)
class Row:
    """A row of the file. `number` is its position in the file, from 1. Empty rows have numbers too.

    If the row could not be read, `problem` says why.
    """

    number: int
    cells: list
    problem: str = ""


@dataclass(frozen=True)
class Log:
    """A desk log that can be read.

    `kind` is "csv" or "xlsx". `epoch` is the year from which its serial dates count, 1900 or 1904.
    """

    file: BinaryIO
    kind: str
    epoch: int = 1900

    def rows(self):
        """Yield the Rows that are not empty, from the beginning of the file."""
        self.file.seek(0)
        rows = workbook_rows(self.file) if self.kind == "xlsx" else _csv_rows(self.file)
        for number, cells, problem in rows:
            if len(cells) > MAX_COLUMNS and any(map(str.strip, cells[MAX_COLUMNS:])):
                raise _unreadable(
                    _("Row %(row)d has more than %(count)d columns.") % {"row": number, "count": MAX_COLUMNS}
                )
            cells = [as_text(cell) for cell in cells[:MAX_COLUMNS]]
            if problem or any(cells):
                yield Row(number, cells, problem)


def open_log(file):
    """Return the Log in this binary file. Raises Unreadable.

    The unpacked size of a workbook is checked before anything in it is read.
    """
    start = file.read(2048)
    file.seek(0)
    if not start.strip():
        raise Unreadable(_("The file is empty. Export the desk log again."))
    if start.startswith(ZIP):
        return Log(file, "xlsx", check_workbook(file))
    if start.startswith(OLD_OFFICE):
        raise _unreadable(_("The file is an old Excel file (.xls) or has a password."))
    if problem := next((problem for pattern, problem in OTHER_FILES if pattern.match(start)), ""):
        raise _unreadable(problem)
    if _encoding(start) == "utf-8-sig" and start.count(0) * 20 > len(start):
        raise _unreadable(_("The file is a binary file."))
    return Log(file, "csv")


def as_text(cell):
    """Return the cell as one line of clean text. Cells that mean "no value" become ""."""
    # Call `clean` only if it is needed. An import has millions of cells, and most of them need no cleaning.
    text = " ".join(cell.split()) if cell.isascii() and cell.isprintable() else clean(cell)
    if text[:1] == "'" and text[1:2] in FORMULAS:
        # In our files of failed rows, an apostrophe before a cell tells spreadsheets that the cell is a text
        # and not a formula.
        text = text[1:]
    return "" if text in EMPTY else text


def _unreadable(problem):
    return Unreadable(f"{problem} {SAVE}")


def _encoding(start):
    """Return the name of the encoding. UTF-16 is detected by its byte order mark, or by its zero bytes."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = start[0:400:2], start[1:400:2]
    if odd and odd.count(0) > len(odd) * 0.6 and not even.count(0):
        return "utf-16-le"
    if even and even.count(0) > len(even) * 0.6 and not odd.count(0):
        return "utf-16-be"
    return "utf-8-sig"


def _csv_rows(file):
    """Yield (number, cells, problem) for each row of a CSV file."""
    encoding = _encoding(file.read(2048))
    file.seek(0)
    errors = "windows letters" if encoding == "utf-8-sig" else "replace"
    text = io.TextIOWrapper(file, encoding=encoding, errors=errors, newline="")
    try:
        lines = lines_of(text, advice=SAVE)
        first = list(islice(lines, SEEN_LINES))
        named = first[0].strip() if first else ""
        if named.startswith("sep=") and len(named) == 5:
            delimiter, skipped = named[4], 1
        else:
            delimiter, skipped = _delimiter(first), 0
        rows = csv.reader(chain(first[skipped:], lines), delimiter=delimiter)
        number = skipped
        while True:
            number += 1
            try:
                cells = next(rows, None)
            except csv.Error:
                yield number, [], _("a cell is too long. A closing quotation mark may be missing")
                continue
            if cells is None:
                return
            yield number, cells, ""
    finally:
        if not file.closed:
            text.detach()


def _delimiter(lines):
    """Return the delimiter with which most of these lines have the same number of cells."""

    def fit(delimiter):
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter) if any(row))
        except csv.Error:
            return 0, 0
        several = {width: count for width, count in widths.items() if width > 1}
        return max(((count, width) for width, count in several.items()), default=(0, 0))

    return max(DELIMITERS, key=fit)
