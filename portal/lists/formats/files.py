"""Make files of a list in the formats that patrons can download."""

import re
from dataclasses import dataclass
from types import ModuleType

from . import bibtex, csl_json, ris, spreadsheet
from .entries import entries_of

# The maximum number of characters in a file name, without the extension.
FILE_NAME_MAX = 80
# Characters that some systems don't accept in a file name, and invisible characters.
NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+')
# Names of devices on Windows. No file can have such a name, with or without an extension.
DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Format:
    """A file format. `module` has the function write(entries, library=...), which returns bytes."""

    extension: str
    content_type: str
    module: ModuleType


FORMATS = {
    "csv": Format("csv", "text/csv; charset=utf-8", spreadsheet),
    "ris": Format("ris", "application/x-research-info-systems; charset=utf-8", ris),
    "bibtex": Format("bib", "application/x-bibtex; charset=utf-8", bibtex),
    "csl": Format("json", "application/vnd.citationstyles.csl+json", csl_json),
}


def make_file(saved_list, file_format, *, viewer, library):
    """Return (content, name) of a file with the viewer's list. `file_format` is a Format."""
    content = file_format.module.write(entries_of(saved_list, viewer), library=library)
    return content, f"{file_name(saved_list.title)}.{file_format.extension}"


def file_name(title):
    """Return the title of a list as the name of a file, without the extension."""
    name = NOT_IN_NAMES.sub(" ", title)
    name = " ".join(name.split())[:FILE_NAME_MAX].strip(" .")
    return f"_{name}" if not name or DEVICES.fullmatch(name) else name
