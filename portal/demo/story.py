"""The words in which a visit and what came of it are told: portal/demo/scenarios tells them, portal/demo/build.py makes them happen."""

from dataclasses import dataclass
from dataclasses import field as _field


@dataclass(frozen=True)
class Gave:
    """One item recommended, why, and the patron's word on it some days later. A title instead of a key is made by hand."""

    item: str
    reason: str = ""
    verdict: str = ""
    why: str = ""
    comment: str = ""
    days: float = 3
    saved: bool = False
    starred: bool = True


@dataclass(frozen=True)
class Said:
    """A message: `days` after the visit, or after the first. `by` is a member of staff, or None for the patron. `files` are names
    of portal/demo/pictures.py; `then` is what the conversation does after an answer."""

    days: float
    body: str
    by: str | None = None
    gave: tuple[Gave, ...] = ()
    files: tuple[str, ...] = ()
    then: str = "turn"


@dataclass(frozen=True)
class Did:
    """What else somebody did with the conversation, `days` after the visit, or after its first message. `by` "" is the patron.

    `what`: take, assign (to a colleague), hand_over (to a branch), snooze (`until` so many days from today), join (into the
    conversation of the name `to`), erase, note and draft (`words`), read (they have seen it so far).
    """

    days: float
    what: str
    by: str = ""
    to: str = ""
    words: str = ""
    until: int = 0


@dataclass(frozen=True)
class Exchange:
    """A conversation about the visit, or about the item with that key. `closed_by` is "patron" or "staff"."""

    said: tuple[Said, ...]
    about: str = ""
    language: str = "en"
    closed_by: str = ""
    closed_days: float | None = None  # at the end, or before a message that opens it again
    read: bool = True
    did: tuple[Did, ...] = ()
    name: str = ""  # by which another is joined into it


@dataclass(frozen=True)
class Asked:
    """A conversation that a patron began without a visit, so many hours ago. `form`: the answers of *Find me something to read*, as
    portal/conversations/readers_form.py takes them; they are its first message."""

    hours_ago: float
    patron: str
    branch: str
    topic: str
    conversation: Exchange
    form: dict | None = None


@dataclass(frozen=True)
class Visit:
    """A help session, `days_ago` at `hour`, and what came of it.

    `code` is what became of the hand-over: kept (by `patron`), live (opened by code alone if anything came of it), card,
    mailed, forgotten, revoked, or "" for none.
    """

    days_ago: int
    hour: int
    staff: str
    branch: str
    type: str
    topic: str
    read: int | None
    minutes: int
    question: str
    summary: str = ""
    gave: tuple[Gave, ...] = ()
    mode: str = "in_person"
    patron: str = ""
    code: str = "kept"
    language: str = "en"
    people: int = 1
    adult: str = ""  # it was with a child, who shares it with this adult
    quiet: bool = False
    note: str = ""
    found: str = ""
    satisfaction: str = ""
    conversations: tuple[Exchange, ...] = _field(default=())
