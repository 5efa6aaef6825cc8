"""Write desk logs as files: CSV in any encoding, and XLSX workbooks without a package for workbooks."""

import csv
import datetime
import io
import zipfile
from xml.sax.saxutils import escape

NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LIBANSWERS = [
    "Date",
    "Time",
    "Entered By",
    "Location",
    "Patron Affiliation",
    "Patron Status",
    "Communication",
    "Question Type",
    "Duration",
    "READ",
    "Ticket #",
    "Chat #",
    "Question",
    "Answer",
    "Internal Note",
]
GIMLET = [
    "Date/time",
    "Duration",
    "Question type",
    "Patron type",
    "Format",
    "Location",
    "Difficulty (READ)",
    "Tags",
    "Question",
    "Answer",
    "Initials",
]
ARCHIVE = [
    *("Timestamp", "interaction source", "interaction type", "research need", "successful interaction?"),
    *("outcome", "Number of people (if more than 1)", "affiliation", "Institutional affiliation"),
    *("Number of items provided", "interaction staff time", "Date if not today"),
]


def as_csv(rows, *, delimiter=",", encoding="utf-8"):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


def letters(column):
    """Return the name of a column, such as "AB". Column 0 is "A"."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


def as_xlsx(rows, *, merged=(), date1904=False, more=()):
    """Return a workbook with one sheet.

    Cells with a datetime have a date format. `more` is [(name, content)] of further parts of the archive.
    """
    epoch = datetime.datetime(1904, 1, 1) if date1904 else datetime.datetime(1899, 12, 30)
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = []
        for column, value in enumerate(row):
            where = f'r="{letters(column)}{number}"'
            if isinstance(value, datetime.datetime):
                serial = (value - epoch) / datetime.timedelta(days=1)
                cells.append(f'<c {where} s="1"><v>{serial!r}</v></c>')
            elif isinstance(value, (int, float)):
                cells.append(f"<c {where}><v>{value!r}</v></c>")
            elif value:
                cells.append(f'<c {where} t="inlineStr"><is><t>{escape(str(value))}</t></is></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    merges = "".join(f'<mergeCell ref="{ref}"/>' for ref in merged)
    merges = f"<mergeCells>{merges}</mergeCells>" if merges else ""
    relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{types}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{types}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{types}.styles+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {NAMESPACE} xmlns:r="{relations}">'
        f"<workbookPr{' date1904=' + chr(34) + '1' + chr(34) if date1904 else ''}/>"
        '<sheets><sheet name="Log" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        f'relationships"><Relationship Id="r1" Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{relations}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f"<styleSheet {NAMESPACE}><fonts><font/></fonts><fills><fill/></fills><borders><border/>"
        '</borders><cellXfs><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f"<worksheet {NAMESPACE}><sheetData>{''.join(lines)}</sheetData>{merges}"
        "</worksheet>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in [*parts.items(), *more]:
            archive.writestr(name, text)
    return out.getvalue()
