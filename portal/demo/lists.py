"""Make more lists for the demo's patrons, with notes, reading progress, and titles added by hand."""

import datetime
from typing import NamedTuple

from portal.lists import actions, own_lists, own_words


class DemoTitle(NamedTuple):
    """A title in a list. `item` is a key in portal/demo/items, or the title of a book that isn't there."""

    item: str
    note: str = ""
    reading: str = ""
    creators: str = ""


class DemoList(NamedTuple):
    """A list that a patron made `days_ago` days ago. The titles are in the order of the list."""

    patron: str
    name: str
    days_ago: int
    titles: tuple[DemoTitle, ...]


LISTS = [
    DemoList(
        "fern",
        "For Tante Grete (only birds)",
        3,
        (
            DemoTitle("hawk", "She has it now. Ask for it back before Easter.", "done"),
            DemoTitle("sibley", "for her car, the small edition"),
            DemoTitle(
                "The Peregrine",
                "Saw it in the shop in Galway. The library doesn't have it (yet, I asked).",
                creators="J. A. Baker",
            ),
        ),
    ),
    DemoList(
        "fern",
        "Next, when the leg is out of plaster",
        2,
        (
            DemoTitle("silk-roads", "Page 211 and still not in Samarkand.", "reading"),
            DemoTitle("wolf-hall", "", "want"),
            DemoTitle("middlemarch", "Stopped at the will. I am coming back.", "stopped"),
            DemoTitle("warmth-suns", "Read this first, then Evicted. In that order!", "done"),
        ),
    ),
    DemoList(
        "ingrid",
        "Reading circle: weather",
        4,
        (
            DemoTitle("left-hand", "Ice. Eighty days of it. Bring a scarf."),
            DemoTitle("dune"),
            DemoTitle("hundred-years", "FOUR years of rain."),
            DemoTitle("braiding", "Rosa found us this one. The rain is on everybody's side."),
            DemoTitle("middlemarch"),
            DemoTitle("beloved"),
            DemoTitle("kindred"),
            DemoTitle("martian"),
            DemoTitle("hobbit", "Thunder battle in chapter 4 (counts, we voted)."),
            DemoTitle("circe"),
            DemoTitle("name-of-rose"),
            DemoTitle("things-fall-apart"),
            DemoTitle("half-yellow-sun"),
            DemoTitle("pride"),
            DemoTitle("true-grit", "Snow, and a snake pit, which is not weather."),
            DemoTitle("sisters-brothers"),
            DemoTitle("hawk"),
            DemoTitle("wolf-hall"),
            DemoTitle("number-the-stars"),
            DemoTitle("harold-fry"),
            DemoTitle("cien-anos"),
            DemoTitle("silk-roads"),
            DemoTitle("Wuthering Heights", "Wind. Only wind.", creators="Emily Brontë"),
        ),
    ),
    DemoList(
        "aisha",
        "Español, despacio",
        2,
        (
            DemoTitle("principito", "One chapter on each bus ride.", "reading"),
            DemoTitle("cien-anos", "Not before summer.", "want"),
            DemoTitle("Manolito Gafotas", "from my teacher, her own copy", creators="Elvira Lindo"),
        ),
    ),
]


def make(builder):
    """Make the lists.

    Call this after the visits, because patrons save items in the list that they used last.
    """
    for demo_list in LISTS:
        _make(builder, demo_list, at=builder.now - datetime.timedelta(days=demo_list.days_ago))


def _make(builder, demo_list, *, at):
    patron = builder.people[demo_list.patron]
    made = own_lists.make_list(patron, name=demo_list.name, at=at)
    # New titles go to the top, so the last one is added first.
    for title in reversed(demo_list.titles):
        item = builder.items.get(title.item)
        if item is None:
            saved = own_words.add_title(made, title=title.item, creators=title.creators, at=at)
        else:
            saved = actions.save(item, patron=patron, at=at, saved_list=made)
        if title.note:
            own_words.write_note(saved, note=title.note)
        if title.reading:
            own_words.choose_reading(saved, reading=title.reading)
