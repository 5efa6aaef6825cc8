"""Write a list in CSL JSON, which Zotero and citation programs read."""

import json


def write(entries, *, library):
    """Return the file as bytes."""
    return json.dumps([_item(entry, library) for entry in entries], ensure_ascii=False, indent=1).encode()


def _item(entry, library):
    fields = {
        "call-number": entry.call_numbers,
        "source": library.name,
        "note": "\n\n".join(entry.remarks),
    }
    return entry.as_csl() | {name: value for name, value in fields.items() if value}
