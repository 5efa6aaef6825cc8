"""Recognize the format of a catalog file by its first bytes. If the file is not a catalog, say what it is."""

import re

from portal.imports.records import Unreadable

# The number of bytes to read from the beginning of a file. These bytes contain the first file names of a zip
# archive.
SEEN = 64 * 1024

UNPACK = "Unpack it, and import the file that it contains."
EXPORT = "Export the catalog as MARC 21, MARCXML or CSV."
SAVE_AS_CSV = "Open it in a spreadsheet program, save it as CSV (UTF-8), and import that file."
SPREADSHEET = "a spreadsheet", SAVE_AS_CSV
PICTURE = "a picture", EXPORT
VIDEO = "a video", EXPORT
DOCUMENT = "a document of Word or another office program", EXPORT
# {first bytes: (what the file is, what to do)}
WRONG = {
    b"\x1f\x8b": ("a gzip file", UNPACK),
    b"BZh91AY&SY": ("a bzip2 file", UNPACK),
    b"\xfd7zXZ\x00": ("an xz file", UNPACK),
    b"\x28\xb5\x2f\xfd": ("a Zstandard file", UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", UNPACK),
    b"Rar!\x1a\x07": ("a RAR archive", UNPACK),
    b"PK\x03\x04": ("a zip archive", UNPACK),
    b"PK\x05\x06": ("an empty zip archive", EXPORT),
    # Old Excel files begin with these bytes, and so do other old Office files.
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": SPREADSHEET,
    b"\x89PNG\r\n\x1a\n": PICTURE,
    b"\xff\xd8\xff": PICTURE,
    b"GIF8": PICTURE,
    b"II*\x00": PICTURE,
    b"MM\x00*": PICTURE,
    b"%PDF-": ("a PDF document", EXPORT),
}
# {pattern for the beginning of a text file that can't be imported: (what the file is, what to do)}. The
# patterns are compared with the text in lowercase.
OTHER_TEXTS = {
    r"\{\\rtf": DOCUMENT,
    r"=ldr ": ("MarcEdit's text format", "Compile it to MARC (.mrc) with MarcEdit, and import that file."),
    r"\d{9} (?:ldr|fmt|\d{3})": ("Aleph's sequential format", EXPORT),
    r"\[?\s*\{|\[\s*\]": ("a JSON file", EXPORT),
    r"ty  - ": ("a RIS file", EXPORT),
    r"@\w+\s*\{": ("a BibTeX file", EXPORT),
    r"%0 ": ("an EndNote file", EXPORT),
}
BINARY = "a binary file, or UTF-16 text without a byte order mark", EXPORT
# Matches file names at the beginning of a zip archive that is a spreadsheet of Excel or LibreOffice.
IN_SPREADSHEETS = re.compile(
    rb"PK\x03\x04.{26}\[Content_Types\]\.xml|xl/|opendocument\.spreadsheet", re.DOTALL
)
IN_OTHER_DOCUMENTS = re.compile(rb"word/|ppt/|opendocument\.(?:text|presentation)|epub\+zip")
# A HEIF or AVIF picture begins like a video. The first three letters of its type are one of these.
PICTURES_LIKE_VIDEOS = (b"hei", b"hev", b"avi", b"mif", b"msf")
# The control characters that no catalog file contains. Binary MARC contains 1B and 1D to 1F.
CONTROL_CHARACTERS = re.compile(rb"[\x00-\x08\x0e-\x19\x1c]")


def kind_of(file, *, chosen=None):
    """Return "marc", "marcxml" or "csv", and go back to the start of the file. Raises Unreadable.

    `chosen` is the kind from the option --format of the import, or None.
    """
    start = file.read(SEEN)
    file.seek(0)
    if not start.strip():
        raise Unreadable("The file is empty. Export the catalog again.")
    if found := _wrong(start):
        raise Unreadable("The file is {}. {}".format(*found))
    if chosen in {None, "csv"} and _is_binary(start):
        raise Unreadable("The file is {}. {}".format(*BINARY))
    return chosen or _guess(start)


def _guess(start):
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"<", b"\xff\xfe<", b"\xfe\xff\x00<")):
        return "marcxml"
    # A binary MARC record contains the bytes 1D, 1E and 1F, even if its leader is damaged.
    is_marc = re.match(rb"\d{5}[a-z ]{3}", text) or all(byte in start for byte in (b"\x1d", b"\x1e", b"\x1f"))
    return "marc" if is_marc else "csv"


def _wrong(start):
    """Return (what the file is, what to do) if the file is certainly not a catalog, or else None."""
    text = start[:2000].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    is_markup = text.startswith(b"<")
    if is_markup and (b"<!doctype html" in text or b"<html" in text):
        return "an HTML page", f"The system may have asked for a sign-in instead of exporting. {EXPORT}"
    if is_markup and b'progid="excel.sheet"' in text:
        return SPREADSHEET
    is_riff_or_bmp = (start[:4], start[8:12]) == (b"RIFF", b"WEBP") or (start[:2], start[6:10]) == (
        b"BM",
        bytes(4),
    )
    if (start[:3], start[4:8]) == (bytes(3), b"ftyp"):
        return PICTURE if start[8:11] in PICTURES_LIKE_VIDEOS else VIDEO
    if is_riff_or_bmp:
        return PICTURE
    if start[257:262] == b"ustar":
        return "a tar archive", UNPACK
    if start[:4] == b"PK\x03\x04":
        if IN_OTHER_DOCUMENTS.search(start):
            return DOCUMENT
        if IN_SPREADSHEETS.search(start):
            return SPREADSHEET
    text = text.decode("ascii", "replace")
    return next((found for first, found in WRONG.items() if start.startswith(first)), None) or next(
        (found for first, found in OTHER_TEXTS.items() if re.match(first, text)), None
    )


def _is_binary(start):
    is_utf_16 = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    return not is_utf_16 and len(CONTROL_CHARACTERS.findall(start)) * 20 > len(start)
