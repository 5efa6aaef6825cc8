"""Read XLSX workbooks. Their size is checked first, because a small file can unpack to gigabytes."""

import datetime
import re
import zipfile
import zlib

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.imports.records import Unreadable

# The maximum size of an unpacked workbook in bytes, and the maximum number of cells in a sheet. calamine
# keeps a whole sheet in memory, even its empty cells.
UNPACKED_MAX = 300 * 1024 * 1024
CELLS_MAX = 15_000_000
MEMBERS_MAX = 2_000
# At most this many merged cells get the value of the cell above.
MERGED_MAX = 200_000
CHUNK = 256 * 1024
# This many bytes at the end of a chunk are read again with the next chunk, because a cell's address can
# continue there.
OVERLAP = 40
ADDRESS = re.compile(rb"""\br\s*=\s*["']\$?([A-Z]{1,3})(\d{1,7})["']""")
SAVE_AS_CSV = gettext_lazy("Save the desk log as CSV (UTF-8), and import that file.")


def check_workbook(file):
    """Check the size of the workbook. Return the epoch of its dates, 1900 or 1904. Raises Unreadable."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS_MAX:
                raise _unreadable(_("The workbook contains too many files."))
            if "xl/workbook.xml" not in archive.namelist():
                raise _unreadable(_("The file is a zip archive, not an Excel workbook (.xlsx)."))
            if any(member.flag_bits & 1 for member in members):
                raise Unreadable(_("The workbook has a password. Save it without one, and import that file."))
            if sum(member.file_size for member in members) > UNPACKED_MAX:
                raise _too_large()
            left, properties = UNPACKED_MAX, b""
            for member in members:
                sheet = _Sheet() if member.filename.startswith("xl/worksheets/") else None
                for chunk in _unpacked(file, member):
                    left -= len(chunk)
                    if left < 0:
                        raise _too_large()
                    if sheet:
                        sheet.read(chunk)
                    if member.filename == "xl/workbook.xml" and len(properties) < CHUNK:
                        properties += chunk
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError) as error:
        raise _unreadable(_("The workbook is damaged. Save it again.")) from error
    finally:
        file.seek(0)
    return 1904 if re.search(rb"""date1904\s*=\s*["'](?:1|true)["']""", properties) else 1900


def _too_large():
    return _unreadable(
        _("The workbook is larger than %(count)d MB when it is unpacked.")
        % {"count": UNPACKED_MAX // 1024 // 1024}
    )


def _unreadable(problem):
    return Unreadable(f"{problem} {SAVE_AS_CSV}")


def _unpacked(file, member):
    """Yield the unpacked bytes of a member of the archive in chunks.

    The sizes that the archive states can be wrong, and zipfile would trust them. So this function doesn't use
    zipfile to unpack.
    """
    file.seek(member.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("no local header")
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    left = member.compress_size
    if member.compress_type == zipfile.ZIP_STORED:
        while left > 0 and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
        return
    if member.compress_type != zipfile.ZIP_DEFLATED:
        raise zipfile.BadZipFile("unusual compression")
    unpacker = zlib.decompressobj(-15)
    while left > 0 and not unpacker.eof and (packed := file.read(min(CHUNK, left))):
        left -= len(packed)
        while packed:
            yield unpacker.decompress(packed, CHUNK)
            packed = unpacker.unconsumed_tail


class _Sheet:
    """A scanner that finds the last row and column of a sheet without parsing the XML."""

    def __init__(self):
        self.row = self.column = 0
        self.rest = b""

    def read(self, chunk):
        """Read the next bytes of the sheet. Raises Unreadable if the sheet has too many cells."""
        text = self.rest + chunk
        for letters, digits in ADDRESS.findall(text):
            self.row = max(self.row, int(digits))
            column = 0
            for letter in letters:
                column = column * 26 + letter - 64
            self.column = max(self.column, column)
        self.rest = text[-OVERLAP:]
        if self.row * self.column > CELLS_MAX:
            raise _unreadable(
                _(
                    "A sheet has cells as far as row %(row)d and column %(column)d, which is more than "
                    "a desk log needs. Delete the cells far outside the table."
                )
                % {"row": self.row, "column": self.column}
            )


def workbook_rows(file):
    """Yield (number, cells, "") for each row of the first sheet with at least two rows. Raises Unreadable.

    If cells of a column are merged, each of them gets the value. A formula is read as its last stored value.
    """
    # Import the package only here, because few processes read workbooks.
    from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    try:
        workbook = CalamineWorkbook.from_filelike(file)
        found = None
        for sheet in workbook.sheets_metadata:
            if sheet.typ != SheetTypeEnum.WorkSheet or sheet.visible != SheetVisibleEnum.Visible:
                continue
            candidate = workbook.get_sheet_by_name(sheet.name)
            if candidate.height >= 2:
                found = candidate
                break
    except (CalamineError, OSError, ValueError) as error:
        raise _unreadable(_("The workbook can't be read.")) from error
    if found is None:
        raise _unreadable(_("The workbook has no sheet with a table."))
    merged, last = _merged_down(found), {}
    before = [""] * (found.start or (0, 0))[1]
    for number, values in enumerate(found.iter_rows(), start=1):
        cells = before + [excel_text(value) for value in values]
        for column, top in merged.get(number, {}).items():
            if number == top:
                last[column] = cells[column] if column < len(cells) else ""
            elif column < len(cells) and not cells[column]:
                cells[column] = last.get(column, "")
        yield number, cells, ""


def _merged_down(sheet):
    """Return {row number: {column: first row of the merged cells}} for cells that are merged downward."""
    merged: dict[int, dict[int, int]] = {}
    room = MERGED_MAX
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        if left == right and bottom > top and (room := room - (bottom - top)) > 0:
            for row in range(top, bottom + 1):
                merged.setdefault(row + 1, {})[left] = top + 1
    return merged


def excel_text(value):
    """Return the value of a workbook's cell as a text. Dates and times are in ISO 8601 format."""
    match value:
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case datetime.datetime():
            return value.isoformat(" ", "seconds")
        case datetime.date():
            return value.isoformat()
        case datetime.time():
            return value.isoformat("seconds")
        case datetime.timedelta():
            seconds = round(value.total_seconds())
            return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case float() if value.is_integer():
            return str(int(value))
        case None:
            return ""
    return str(value)
