"""Arrange the titles of a list for printing, in the order of the shelves of a branch."""

import math
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from portal.folding import fold
from portal.printing import LINE_HEIGHT, LINE_LENGTH, PARAGRAPH_GAP, paragraph_height
from recommendations.shelf_order import shelf_key

# The share of a receipt's line that is left for text beside a cover.
SHARE_BESIDE_COVER = 0.75
# Large print is this many times as large as normal print.
LARGE = 1.5
# The heights of the list's name, the QR code with its address, and a cover, in millimeters.
HEAD, QR_CODE, COVER = 40, 60, 22


@dataclass
class Arranged:
    """The titles of a list in the order in which they are printed.

    `shelves` is a list of (location, titles) at the branch. `elsewhere` has the titles that the branch
    doesn't have. `by_hand` has the titles that the patron added by hand.
    """

    shelves: list = field(default_factory=list)
    elsewhere: list = field(default_factory=list)
    by_hand: list = field(default_factory=list)


def arrange(saved_items, branch):
    """Return the titles as Arranged for this branch, which may be None. Their holdings must be loaded.

    Set two attributes of each title. `here` has its places at the branch. `away` has its places at other
    branches, but only if `here` is empty. A title that is no longer in the catalog has no places. Each
    location of a branch has its own shelves, so the titles of a location are together.
    """
    arranged = Arranged()
    shelves: dict[str, list] = {}
    for saved in sorted(saved_items, key=_by_author):
        places = saved.shown.places
        saved.here = sorted(
            (place for place in places if branch and place.branch_id == branch.pk), key=_on_shelf
        )
        saved.away = [] if saved.here else places
        if not saved.item_id:
            arranged.by_hand.append(saved)
        elif saved.here:
            shelves.setdefault(saved.here[0].location, []).append(saved)
        else:
            arranged.elsewhere.append(saved)
    for titles in shelves.values():
        titles.sort(key=_first_place)
    arranged.shelves = sorted(shelves.items(), key=lambda shelf: (shelf[0] != "", _first_place(shelf[1][0])))
    return arranged


def _by_author(saved):
    item = saved.shown
    return fold(item.creators or item.title), fold(item.title), saved.position


def _on_shelf(place):
    return shelf_key(place.call_number)


def _first_place(saved):
    return _on_shelf(saved.here[0])


def receipt_height(saved_list, saved_items, *, branch, choices, share_address):
    """Return a height in millimeters that is enough for the list on a receipt, in any font.

    Call `arrange` for the titles first. Only browsers without JavaScript use this height. In other browsers,
    static/js/receipt.js measures the receipt.
    """
    scale = LARGE if choices["large"] else 1
    share = SHARE_BESIDE_COVER if choices["covers"] else 1

    def height(*texts, share=share):
        size = {"line_length": LINE_LENGTH * share / scale, "line_height": LINE_HEIGHT * scale}
        return sum(paragraph_height(text, **size) for text in texts if text)

    total = HEAD * scale + height(saved_list.title, branch.name if branch else "", share=1)
    total += height(_("Not on the shelves at %(branch)s") % {"branch": branch}, _("Added by you"), share=1)
    total += QR_CODE * scale + height(share_address, share=1) if share_address else 0
    for saved in saved_items:
        item = saved.shown
        places = [f"{place.call_number} {place.where}" for place in item.places]
        names = f"{item.creators} · {item.original_creators} · {item.kind_name} · {item.year}"
        words = height(item.title, item.original_title, names, item.url, *places)
        words += height(_("No longer in the catalog")) if item.retired_at else 0
        words += height(saved.note) if choices["with_notes"] else 0
        # A location may also be printed as a heading, so add the height of its line.
        words += height(item.places[0].location, share=1) if item.places else 0
        total += max(words, COVER * scale if choices["covers"] else 0) + PARAGRAPH_GAP
    return math.ceil(total)
