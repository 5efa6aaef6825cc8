"""Test how desk logs are read: encodings, delimiters, workbooks, and files that are not desk logs."""

import datetime
import io
import zipfile

import pytest

from portal.imports.desk_logs import workbooks
from portal.imports.desk_logs.overview import overview_of
from portal.imports.desk_logs.reading import open_log
from portal.imports.records import Unreadable

from .files import as_csv, as_xlsx

ROWS = [["Date", "Location", "Type"], ["2025-03-01", "Café", "Reference"], ["2025-03-02", "", "Directional"]]


def read(contents):
    return [row.cells for row in open_log(io.BytesIO(contents)).rows()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_desk_log_is_read_in_each_encoding_and_with_each_delimiter(encoding, delimiter):
    assert read(as_csv(ROWS, delimiter=delimiter, encoding=encoding)) == ROWS


def test_semicolon_is_detected_as_the_delimiter_even_if_texts_contain_commas():
    rows = [["Date", "Question", "Type"], *[["2025-03-01", "A, b, c, d", "Reference"]] * 5]
    assert read(as_csv(rows, delimiter=";").replace(b'"', b"")) == rows


def test_line_that_tells_excel_the_delimiter_is_not_read_as_a_row():
    assert read(b"sep=;\r\n" + as_csv(ROWS, delimiter=";")) == ROWS


def test_workbook_with_dates_and_numbers_and_merged_cells_is_read():
    rows = [
        ["Date", "Minutes", "Place"],
        [datetime.datetime(2025, 3, 1, 14, 30), 5, "North"],
        [datetime.datetime(2025, 3, 2), 0.5, ""],
        ["", "", ""],
        ["text", 10.0, "South"],
    ]
    assert read(as_xlsx(rows, merged=["C2:C3"])) == [
        ["Date", "Minutes", "Place"],
        ["2025-03-01 14:30:00", "5", "North"],
        ["2025-03-02", "0.5", "North"],
        ["text", "10", "South"],
    ]


def test_workbook_is_read_if_its_table_does_not_begin_in_the_first_cell():
    rows = [["", "", ""], ["", "Date", "Place"], ["", "2025-03-01", "North"], ["", "2025-03-02", ""]]
    found = [(row.number, row.cells) for row in open_log(io.BytesIO(as_xlsx(rows, merged=["C3:C4"]))).rows()]
    assert found == [
        (2, ["", "Date", "Place"]),
        (3, ["", "2025-03-01", "North"]),
        (4, ["", "2025-03-02", "North"]),
    ]


def test_dates_are_read_from_a_workbook_that_counts_days_from_1904():
    contents = as_xlsx([["Date", "A"], [datetime.datetime(2025, 3, 1, 9), "b"]], date1904=True)
    assert read(contents) == [["Date", "A"], ["2025-03-01 09:00:00", "b"]]
    assert open_log(io.BytesIO(contents)).epoch == 1904


def test_invisible_characters_in_cells_are_removed_and_formulas_are_read_as_text():
    assert read(as_csv([["Da\u202ete", "=1+1"], ["#REF!", "N/A"], ["a\x00b", "x"]])) == [
        ["Date", "=1+1"],
        ["ab", "x"],
    ]


def zeros(size):
    """Return a workbook in which the unpacked sheet has `size` bytes, all of them spaces."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _chunk in range(size // 1_000_000):
                sheet.write(b" " * 1_000_000)
    return io.BytesIO(out.getvalue())


def test_zip_bomb_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(workbooks, "UNPACKED_MAX", 20_000_000)
    bomb = zeros(30_000_000)
    with pytest.raises(Unreadable, match="larger than"):
        open_log(bomb)


@pytest.mark.only_long
def test_zip_bomb_of_two_gigabytes_is_refused():
    with pytest.raises(Unreadable, match="larger than 300 MB"):
        open_log(zeros(2_000_000_000))


def test_zip_bomb_that_states_a_wrong_size_is_refused(monkeypatch):
    monkeypatch.setattr(workbooks, "UNPACKED_MAX", 20_000_000)
    contents = zeros(30_000_000).getvalue()
    liar = contents.replace((30_000_000).to_bytes(8, "little"), (1_000).to_bytes(8, "little"))
    liar = liar.replace((30_000_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    with zipfile.ZipFile(io.BytesIO(liar)) as archive:
        assert archive.getinfo("xl/worksheets/sheet1.xml").file_size == 1_000
    with pytest.raises(Unreadable, match="larger than"):
        open_log(io.BytesIO(liar))


def test_workbook_with_a_cell_far_outside_the_table_is_refused():
    sheet = '<worksheet><sheetData><row><c r="A1"/><c r="XFD1048576"/></row></sheetData></worksheet>'
    with pytest.raises(Unreadable, match="Delete the cells far outside"):
        open_log(io.BytesIO(as_xlsx([["a"]], more=[("xl/worksheets/sheet2.xml", sheet)])))


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "empty"),
        (b"   \r\n", "empty"),
        (b"%PDF-1.7 ...", "a PDF document"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"\x89PNG\r\n\x1a\n", "a picture"),
        (b"\x1f\x8b\x08", "packed. Unpack it first"),
        (b'<?xml version="1.0"?><records/>', "XML, not a table"),
        (b'[{"date": "2024-01-02"}]', "JSON, not a table"),
        (b"00714cam a2200205 a 4500", "catalog records, not a desk log"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Excel file"),
        (b"a\x00\x00\x01\x02\x03" * 100, "binary file"),
        (b"PK\x03\x04" + bytes(100), "damaged"),
    ],
)
def test_file_that_is_not_a_desk_log_is_refused_with_a_reason(contents, reason):
    with pytest.raises(Unreadable, match=reason):
        open_log(io.BytesIO(contents))


def test_zip_archive_that_is_not_a_workbook_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("log.csv", "Date\n")
    with pytest.raises(Unreadable, match="not an Excel workbook"):
        open_log(io.BytesIO(out.getvalue()))


def test_row_of_column_names_is_found_below_a_title_line():
    found = overview_of(open_log(io.BytesIO(as_csv([["Desk log of 2025"], [], *ROWS]))))
    assert (found.header_row, [column.name for column in found.columns], found.rows) == (3, ROWS[0], 2)


def test_columns_with_equal_or_missing_names_get_different_names():
    header = ["Date", *["Note"] * 50, *[""] * 49]
    found = overview_of(open_log(io.BytesIO(as_csv([header, ["2025-03-01", *["x"] * 99]]))))
    names = [column.name for column in found.columns]
    assert (len(names), len(set(names)), names[1:3], names[-1]) == (
        100,
        100,
        ["Note", "Note (2)"],
        "Column 100",
    )


def test_log_without_a_row_of_column_names_is_refused():
    with pytest.raises(Unreadable, match="No row has the names"):
        overview_of(open_log(io.BytesIO(b"2025-03-01,5\n2025-03-02,6\n")))


def test_log_with_only_a_row_of_column_names_is_refused():
    with pytest.raises(Unreadable, match="no rows"):
        overview_of(open_log(io.BytesIO(b"Date,Location\n")))
