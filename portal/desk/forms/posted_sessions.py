"""What staff typed into the form that records a help session, as it was posted."""

import uuid

from portal.text import uuid_or_none

from .lists import OWN
from .sessions import RecordForm


def with_current_names(data):
    """Return the posted fields under their current names.

    A page that was opened before an update may post a field `thread`. This field is named `conversation` now.
    """
    if "thread" not in data:
        return data
    data = data.copy()
    data["conversation"] = data.pop("thread")[-1]
    return data


# The fields that a draft saves. A draft never has the patron's card number or email address.
SAVED = set(RecordForm.base_fields) - {"for_whom", "agreed", "check_ins", "shown"}


def typed_fields(data):
    """Return {name: value as it was typed} for the posted fields that a draft saves."""
    typed = {}
    for name in list(data)[:500]:
        if name in SAVED or name.startswith(("items-", "new-", OWN)):
            typed[name[:60]] = data[name]
    return typed


def has_content(data):
    """Return whether staff entered a text or items in the posted form."""
    typed = typed_fields(data)
    names = ["question", "summary", "note", "card", "new-title", "new-url"]
    names += ["new-pasted", "items-0-item", "items-0-title"]
    return any(typed.get(name, "").strip() for name in names)


def posted_token(data):
    """Return the token of a posted form. If the form has no token, return a new one.

    When the form is saved, its token becomes the public id of the session.
    """
    return uuid_or_none(data.get("token")) or uuid.uuid4()
