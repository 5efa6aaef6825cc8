"""The labels of the buttons that send desk forms.

The page of refused forms says which button sent each form.
"""

from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from django.utils.translation import gettext_lazy as _

# {URL name of the form's view: label of the button}. Forms without fields, such as “Take”, are left out,
# because they are never saved.
BUTTONS = {
    "desk_assign": _("Assign or transfer"),
    "desk_close": _("Close without answering"),
    "desk_merge": _("Merge the conversations"),
    "desk_note": _("Save the note"),
    "desk_reply": _("Send the answer"),
    "desk_snooze": _("Snooze"),
    "desk_take_back": _("Take the answer back"),
    "take_back_tally": _("Take back the last tally"),
    "hand_over": _("Send the link"),
    "tally": _("Tally"),
    "undo_tally": _("Undo"),
}
# {value of the field `do`: label of the button}, for the buttons below the queue.
BULK = {"assign": _("Assign"), "close": _("Close"), "snooze": _("Snooze"), "take": _("Take")}


def button_of(post):
    """Return the label of the button that sent this RefusedPost, or "" if the button is unknown."""
    try:
        name = resolve(urlsplit(post.path).path).url_name
    except Resolver404:
        return ""
    if name == "desk_bulk":
        return BULK.get(post.typed.get("do", "").partition(":")[0], "")
    if name == "desk_reply" and not post.typed.get("action", "send").startswith("send"):
        return ""
    return BUTTONS.get(name or "", "")
