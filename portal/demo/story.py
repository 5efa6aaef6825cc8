"""Classes that describe a demo visit and what follows.

The folder scenarios/ has the stories, build.py plays them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoRecommendation:
    """One recommended item, the reason, and the patron's verdict `days` after the visit.

    `item` is a key of portal/demo/items, or the title of a web page that staff entered by hand.
    """

    item: str
    reason: str = ""
    verdict: str = ""
    why: str = ""
    comment: str = ""
    days: float = 3
    saved: bool = False
    starred: bool = True


@dataclass(frozen=True)
class DemoMessage:
    """A message, `days` after the visit or after the first message.

    `by` is the key of a staff member, or None for the patron. `files` are names in portal/demo/pictures.py.
    `then` is the state of the conversation after an answer, one of Message.Then.
    """

    days: float
    body: str
    by: str | None = None
    recommendations: tuple[DemoRecommendation, ...] = ()
    files: tuple[str, ...] = ()
    then: str = "turn"


@dataclass(frozen=True)
class DemoAction:
    """What a person does with a conversation besides writing, `days` after the visit or first message.

    `by` is the key of a staff member, or "" for the patron. `action` is one of these:
    - "take", "erase", or "read" (read all messages so far)
    - "assign" `to` a staff member, "transfer" `to` a branch, or "merge" into the conversation named `to`
    - "snooze" `until` that many days from today
    - write a "note" or a "draft" with `text`
    """

    days: float
    action: str
    by: str = ""
    to: str = ""
    text: str = ""
    until: int = 0


@dataclass(frozen=True)
class DemoConversation:
    """A conversation about the visit, or about its item with the key `about`.

    `closed_by` is "patron", "staff" or "". It is closed `closed_days` after the visit, at the end or before a
    message that opens it again. `name` lets another conversation be merged into it.
    """

    messages: tuple[DemoMessage, ...]
    about: str = ""
    language: str = "en"
    closed_by: str = ""
    closed_days: float | None = None
    read: bool = True
    actions: tuple[DemoAction, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class DemoQuestion:
    """A conversation that a patron began without a visit, `hours_ago`.

    `form` has the answers of *Find me something to read*, in the shape of
    portal/conversations/readers_form.py. They become the first message.
    """

    hours_ago: float
    patron: str
    branch: str
    topic: str
    conversation: DemoConversation
    form: dict | None = None


@dataclass(frozen=True)
class DemoVisit:
    """A help session, `days_ago` at `hour`, and what followed.

    `code` says what happened to the code of the visit: "kept" (by `patron`), "live", "card" (a code card),
    "mailed", "forgotten", "revoked", or "" if the visit was not handed over. `adult` is the key of the adult
    with whom a child shares the visit.
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
    recommendations: tuple[DemoRecommendation, ...] = ()
    mode: str = "in_person"
    patron: str = ""
    code: str = "kept"
    language: str = "en"
    people: int = 1
    adult: str = ""
    quiet: bool = False
    note: str = ""
    found: str = ""
    satisfaction: str = ""
    conversations: tuple[DemoConversation, ...] = ()
