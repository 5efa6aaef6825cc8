"""Classes that describe a visit in the demo and what happens after the visit.

The folder scenarios/ contains the instances, from which build.py creates the demo's rows.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoStep:
    """What the staff member `by` recorded about an item that the patron couldn't get.

    It was recorded `days` after the patron's verdict. `until` is the promised day, as a number of days from
    today. `other` is the key of the item that staff offer instead.

    `end` says how the step ended, `end_days` after it was recorded: "arrived", "given", "taken_back", or
    "helped" if the patron gave this verdict. It is "" if the step has not ended.
    """

    kind: str
    by: str
    until: int
    days: float = 0.5
    other: str = ""
    end: str = ""
    end_days: float = 1


@dataclass(frozen=True)
class DemoRecommendation:
    """A recommended item with the reason and the patron's verdict. The verdict comes `days` after the visit.

    `item` is a key in portal/demo/items, or the title of a web page that staff entered by hand. `step` is
    what staff did if the patron couldn't get the item.
    """

    item: str
    reason: str = ""
    verdict: str = ""
    why: str = ""
    comment: str = ""
    days: float = 3
    saved: bool = False
    starred: bool = True
    step: DemoStep | None = None


@dataclass(frozen=True)
class DemoMessage:
    """A message that is sent `days` after the visit, or after the first message if there is no visit.

    `by` is the key of a staff member, or None for the patron. `files` are names in portal/demo/pictures.py.
    `then` is one of Message.Then. It says what happens to the conversation after an answer.
    """

    days: float
    body: str
    by: str | None = None
    recommendations: tuple[DemoRecommendation, ...] = ()
    files: tuple[str, ...] = ()
    then: str = "turn"


@dataclass(frozen=True)
class DemoAction:
    """An action on a conversation other than sending a message.

    It happens `days` after the visit, or after the first message if there is no visit. `by` is the key of a
    staff member, or "" for the patron. `action` is one of these:
    - "take" or "erase"
    - "read": the person reads all messages so far
    - "assign": `to` is a staff member
    - "transfer": `to` is a branch
    - "merge": `to` is the name of the conversation that stays
    - "snooze": `until` is a number of days from today
    - "note" or "draft": `text` is what the staff member writes
    - "call": the patron asks for a call. `text` is the phone number, and `to` is whom to ask for
    - "cancel_call": the patron cancels the call
    - "called": a staff member has called. `text` is one of call_backs.OUTCOMES
    """

    days: float
    action: str
    by: str = ""
    to: str = ""
    text: str = ""
    until: int = 0


@dataclass(frozen=True)
class DemoConversation:
    """A conversation about a visit, or about one of its recommended items.

    `about` is the key of the item, or "" for the whole visit. `closed_by` is "patron", "staff" or "". The
    conversation is closed `closed_days` after the visit, or after the first message if there is no visit. A
    later message may open it again.

    A conversation needs a `name` if another conversation is merged into it. The DemoAction "merge" of the
    other conversation then has this name in `to`.
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
    """A conversation that is not about a visit. The patron began it `hours_ago` hours ago.

    `form` has the fields of the form *Find me something to read*, as portal/conversations/readers_form.py
    expects them. The first message is made from these fields.
    """

    hours_ago: float
    patron: str
    branch: str
    topic: str
    conversation: DemoConversation
    form: dict | None = None


@dataclass(frozen=True)
class DemoVisit:
    """A help session that happened `days_ago` days ago at the hour `hour`, and what followed.

    `code` says what happened to the code of the visit: "live", "card" (it is on a code card), "mailed",
    "forgotten" or "revoked". "kept" means that `patron` used the code to add the visit to their account.
    `code` is "" if the visit was not handed over. `adult` is the key of the adult who shares the visit with a
    child.
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
