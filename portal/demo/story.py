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
    """A message: `days` after the visit. `by` is a member of staff, or None for the patron."""

    days: float
    body: str
    by: str | None = None
    gave: tuple[Gave, ...] = ()


@dataclass(frozen=True)
class Thread:
    """A conversation about the visit, or about the item with that key. `closed_by` is "patron" or "staff"."""

    said: tuple[Said, ...]
    about: str = ""
    language: str = "en"
    closed_by: str = ""
    closed_days: float | None = None  # at the end, or before a message that opens it again
    read: bool = True


@dataclass(frozen=True)
class Visit:
    """A help session, `days_ago` at `hour`, and what came of it.

    `code` is what became of the hand-over: kept (by `patron`), live (opened by code alone if anything came of it), card,
    mailed, expired, revoked, or "" for none.
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
    quiet: bool = False
    note: str = ""
    found: str = ""
    satisfaction: str = ""
    threads: tuple[Thread, ...] = _field(default=())
