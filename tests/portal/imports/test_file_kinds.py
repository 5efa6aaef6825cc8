import gzip
import io
import zipfile

import pytest
from django.core.management import CommandError, call_command

from portal.imports.file_kinds import kind_of
from portal.imports.records import Unreadable
from recommendations.models import Item
from tests.portal.imports.test_readers import as_xml, marc, titled

GOOD = titled("First").as_marc()


def archive(**contents):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, content in contents.items():
            zipped.writestr(name, content)
    return file.getvalue()


WRONG = {
    "gzip": (gzip.compress(GOOD), "a gzip file. Unpack it"),
    "bzip2": (b"BZh91AY&SY", "a bzip2 file. Unpack it"),
    "xz": (b"\xfd7zXZ\x00", "an xz file. Unpack it"),
    "tar": (b"a.mrc".ljust(257, b"\0") + b"ustar", "a tar archive. Unpack it"),
    "zip": (archive(**{"a.mrc": GOOD}), "a zip archive. Unpack it"),
    "xlsx": (archive(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}), "a spreadsheet. Open it"),
    "docx": (archive(**{"[Content_Types].xml": "", "word/document.xml": ""}), "a document of Word"),
    "odt": (archive(mimetype="application/vnd.oasis.opendocument.text"), "a document of Word"),
    "epub": (archive(mimetype="application/epub+zip"), "a document of Word"),
    "rtf": (b"{\\rtf1\\ansi title;author}", "a document of Word"),
    "ods": (archive(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "a spreadsheet. Open it"),
    "xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(300), "a spreadsheet. Open it"),
    "xml of Excel": (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>', "a spreadsheet"),
    "png": (b"\x89PNG\r\n\x1a\n", "a picture"),
    "jpeg": (b"\xff\xd8\xff\xe0", "a picture"),
    "gif": (b"GIF89a", "a picture"),
    "bmp": (b"BM\x01\x02\x03\x04\0\0\0\0", "a picture"),
    "heic": (b"\0\0\0\x18ftypheic", "a picture"),
    "avif": (b"\0\0\0\x1cftypavif", "a picture"),
    "mp4": (b"\0\0\0\x18ftypisom", "a video. Export the catalog"),
    "webp": (b"RIFF\1\2\3\4WEBP", "a picture"),
    "pdf": (b"%PDF-1.7\n", "a PDF document. Export the catalog"),
    "html": (b"\n<!DOCTYPE html><html>", "an HTML page. The system may have asked for a sign-in"),
    "xhtml": (b'<?xml version="1.0"?>\n<html xmlns="">', "an HTML page"),
    "mnemonic MARC": (b"=LDR  00000nam", "MarcEdit's text format. Compile it"),
    "mnemonic MARC with a mark": (b"\xef\xbb\xbf=ldr  00000nam", "MarcEdit's text format. Compile it"),
    "Aleph": (b"000000001 LDR   L 00000nam", "Aleph's sequential format. Export"),
    "JSON": (b'[\n  {"title": "T"}]', "a JSON file. Export"),
    "JSON lines": (b'{"title": "T"}\n', "a JSON file. Export"),
    "RIS": (b"\r\nTY  - BOOK\r\n", "a RIS file. Export"),
    "BibTeX": (b"@book{a,\n", "a BibTeX file. Export"),
    "EndNote": (b"%0 Book\n", "an EndNote file. Export"),
    "binary": (bytes(range(256)) * 8, "a binary file"),
    "UTF-16 without a mark": ("title,author\n".encode("utf-16-le"), "a binary file, or UTF-16 text"),
    "empty": (b" \n", "empty"),
}


@pytest.mark.parametrize("name", WRONG)
def test_error_about_a_wrong_kind_of_file_says_what_to_do(name):
    content, words = WRONG[name]
    with pytest.raises(Unreadable) as refused:
        kind_of(io.BytesIO(content))
    assert f"The file is {words}" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (GOOD, "marc"),
        (b"\r\n" + GOOD, "marc"),
        (b"x" + GOOD[1:], "marc"),
        (as_xml(titled("First")), "marcxml"),
        (b"\xef\xbb\xbf<collection>", "marcxml"),
        (b"title,isbn\n", "csv"),
        (b"BM_ID,title\nftyp,PK\n", "csv"),
        (b"title,summary\nT,<html> and a stray \x00 in a longer text\n", "csv"),
        ("title,isbn\n".encode("utf-16"), "csv"),
        ("<collection>".encode("utf-16"), "marcxml"),
        ("\ufeff<collection>".encode("utf-16-be"), "marcxml"),
    ],
)
def test_format_of_a_catalog_file_is_recognized_by_its_first_bytes(content, kind):
    file = io.BytesIO(content)
    assert kind_of(file) == kind
    assert file.read() == content


def test_wrong_kind_of_file_is_refused_even_if_an_option_names_the_format():
    with pytest.raises(Unreadable, match="gzip"):
        kind_of(io.BytesIO(gzip.compress(GOOD)), chosen="marc")


@pytest.fixture
def complaint_about(tmp_path, capsys, db):
    """Return complaint_about(content, *options, name), which returns the text and exit status of an import."""

    def complaint_about(content, *options, name="file"):
        file = tmp_path / name
        file.write_bytes(content)
        try:
            call_command("import_items", str(file), *options)
        except CommandError as error:
            return str(error), error.returncode
        except SystemExit as ended:
            return capsys.readouterr().err, ended.code
        return "", 0

    return complaint_about


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("leader", "words"),
    [
        ("z", "an authority record"),
        ("x", "a holdings record"),
        ("u", "a holdings record"),
        ("w", "a classification record"),
    ],
)
@pytest.mark.parametrize(
    "write", [lambda record: record.as_marc() * 2, lambda record: as_xml(record, record)]
)
def test_error_about_a_record_without_a_title_says_which_kind_of_record_it_is(
    complaint_about, leader, words, write
):
    record = marc(("150", "0", ("a", "Jazz")), leader=f"00000n{leader}  a2200000 a 4500")
    reason = f"it is {words}, not a title. Export bibliographic records"
    assert complaint_about(write(record)) == (f"2 could not be read:\n  records 1 to 2: {reason}\n", 2)
    assert not Item.objects.exists()


HIDDEN = b"\x1b[2J\x07"


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("content", "options", "name"),
    [
        (HIDDEN + b"a,b\n1,2\n", [], "file"),
        ("a\x9bz,b\n1,2\n".encode(), [], "file"),
        (b"title\nx\n", ["--map", "title=\x1b[2J"], "file"),
        (b"title\nx\n", ["--map", "\x1b[2J=title"], "file"),
        (b"", [], "\x1b[2J"),
        (b"title\n", [], "\x1b[2J"),
        (b"00100nam" + HIDDEN + GOOD, [], "file"),
        (GOOD[:10] + HIDDEN + GOOD, [], "file"),
        (titled("(Sirsi) \x1b[2J123").as_marc(), [], "file"),
        (b"<collection><record>\x1b[2J</record></collection>", [], "file"),
        (bytes(range(256)) * 9, ["--format", "marc"], "file"),
        (bytes(range(256)) * 9, ["--format", "csv"], "file"),
    ],
)
def test_messages_of_an_import_contain_no_control_characters(complaint_about, content, options, name):
    text, status = complaint_about(content, *options, name=name)
    assert status in {1, 2} or "123" in str(content)
    assert [character for character in text if not character.isprintable() and character != "\n"] == []
