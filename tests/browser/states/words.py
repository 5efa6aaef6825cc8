"""Define Words, the texts on the pages of the browser tests, and State, one state of one page."""

from dataclasses import dataclass, field

HOSTILE = (
    "<img src=x onerror=alert(1)> {{7*7}} <script>alert(2)</script> javascript:alert(3) http://evil.example/?a=\"b'c "
    "\u202egnirts\u202c Z\u0351\u036b\u0343\u0334\u0489a\u0489l\u0352\u0315g\u035e\u0489o " + "w" * 400
)


@dataclass(frozen=True)
class Words:
    """The texts that people typed and that pages show. Words.hostile() replaces each text with an attack."""

    library: str = "Harbour Library"
    branch: str = "Harbour Main"
    address: str = "1 Harbour Square, Harbourtown"
    name: str = "Sam Okafor"
    helper: str = "Rosa Lindqvist"
    question: str = "How do I start a balcony compost bin without it smelling? My neighbour sits next to it."
    summary: str = "We looked at what works in the shade.\n\nThe course on Saturday is free: https://harbour.example/courses"
    title: str = "Compost City: Practical Composting Know-How for Small-Space Living"
    creators: str = "Rebecca Louie"
    original_title: str = "עיר הקומפוסט"
    original_creators: str = "לואי, רבקה"
    reason: str = "because you asked for something a beginner can follow"
    call_number: str = "631.875 LOU"
    location: str = "Gardening, second floor"
    message: str = "The book was spot on, thank you. What do I do about the flies?"
    comment: str = "Chapter three did it."
    topic: str = "Home and garden"
    url: str = "https://catalogue.example/compost"

    @classmethod
    def hostile(cls):
        short = {
            "library": 120,
            "branch": 120,
            "address": 200,
            "name": 80,
            "helper": 80,
            "call_number": 80,
            "location": 80,
            "topic": 60,
            "creators": 300,
            "original_creators": 300,
            "title": 400,
            "original_title": 400,
            "reason": 400,
        }
        words = {name: HOSTILE[: most // 2].ljust(most, "w") for name, most in short.items()}
        return cls(
            **dict.fromkeys(cls.__dataclass_fields__, HOSTILE) | words | {"url": "javascript:alert(4)"}
        )


@dataclass(frozen=True)
class State:
    """One state of one page.

    `do` is a function that brings the page at `path` into this state. `main` is true for the five states of
    which `make screens` takes screenshots in every variant.
    """

    name: str
    path: str
    do: object = field(default=lambda page: None)
    main: bool = False
