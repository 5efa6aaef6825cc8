"""The branches, staff, topics and absences of the demo's library. Days are counted from today."""

from typing import NamedTuple

NAME = "Alder Bay Public Library"
TIME_ZONE = "America/New_York"
ACCENT_COLOR = "#0b5d4d"
CHILDRENS_GROUPS = "JUVENILE"
CATALOG_LINK = "https://catalog.example.org/search?title={title}&isbn={isbn}"
CATALOG_TITLE_LINK = "https://catalog.example.org/search?title={title}"
PROXY_PREFIX = "https://proxy.example.org/login?url="


class DemoBranch(NamedTuple):
    key: str
    name: str
    address: str
    phone: str
    promise_hours: int
    # {weekdays: (opening hour, closing hour)}. The weekdays "012" are Monday to Wednesday.
    hours: dict[str, tuple[int, int]]
    # {number of days from today: why the branch is closed on that day}
    closed: dict[int, str]


BRANCHES = [
    DemoBranch(
        "central",
        "Central Library",
        "1 Lantern Square, Alder Bay",
        "555-0100",
        16,
        {"0123": (9, 20), "45": (9, 17), "6": (13, 17)},
        {-24: "Staff training", 9: "Staff training", 30: "Winter holiday"},
    ),
    DemoBranch(
        "harbor",
        "Harbor Branch",
        "48 Ropewalk Street, Alder Bay",
        "555-0120",
        12,
        {"12345": (10, 18)},
        {-17: "Burst pipe", 30: "Winter holiday"},
    ),
    DemoBranch(
        "northfield",
        "Northfield Branch",
        "2210 Orchard Road, Northfield",
        "555-0140",
        16,
        {"024": (12, 19), "5": (10, 14)},
        {30: "Winter holiday"},
    ),
]


# {patron group: the groups on library cards of the demo's ILS that are mapped to it}
PATRON_GROUPS = {"Residents": ["ADULT"], "Students": [], "Teachers": [], "Visitors": ["NONRES"]}
# The library's own field of the record form, and its values.
OWN_FIELD = ("Sources used", ["Catalog", "Databases", "Shelves", "The web"])
TALLY_KINDS = {"d": "Directions", "p": "Printing", "h": "Phone", "s": "Shelf"}
SERVICE_POINTS = {
    "central": ["Front desk", "Second floor"],
    "harbor": ["Front desk"],
    "northfield": ["Front desk"],
}


class DemoStaff(NamedTuple):
    key: str
    name: str
    language: str
    roles: dict[str, str]  # {key of a branch: role of the person at this branch}
    about: str


STAFF = [
    DemoStaff(
        "rosa",
        "Rosa Delgado",
        "en",
        {"central": "coordinator", "harbor": "coordinator"},
        "Coordinates Central and Harbor; phoned the furious patron back",
    ),
    DemoStaff(
        "thomas",
        "Thomas Okafor",
        "en",
        {"northfield": "coordinator"},
        "Coordinates Northfield and works at its desk",
    ),
    DemoStaff(
        "anneke",
        "Anneke Vermeulen",
        "en",
        {"central": "staff"},
        "Data and research librarian, who does the long consultations",
    ),
    DemoStaff(
        "jun",
        "Jun Takahashi",
        "en",
        {"central": "staff"},
        "Desk and manga shelves; has two unfinished sessions",
    ),
    DemoStaff(
        "priya",
        "Priya Raghunathan-Castellanos",
        "en",
        {"central": "staff", "northfield": "staff"},
        "Works at two branches, so her queue shows both",
    ),
    DemoStaff(
        "maribel",
        "Maribel Santos",
        "es",
        {"harbor": "staff"},
        "Uses the desk in Spanish; covers for Daniel, so she sees his conversations too",
    ),
    DemoStaff(
        "daniel",
        "Daniel Whitlock",
        "en",
        {"harbor": "staff"},
        "Away since last week; Maribel covers and gets his questions",
    ),
    DemoStaff(
        "leila",
        "Leila Haddad",
        "en",
        {"northfield": "staff", "central": "staff"},
        "Answers the conversation in Arabic",
    ),
]

# Each entry is (name, email address, branch, days ago). The first invitation is open, and the second has
# expired.
INVITED = [
    ("Noor Bakker", "noor.bakker@library.example.org", "harbor", 2),
    ("Callum Reid", "callum.reid@library.example.org", "central", 11),
]

TOPICS = {
    "jobs": ("Jobs and careers", "Empleo"),
    "research": ("Research and theses", "Investigación y tesis"),
    "reading": ("What to read next", "Qué leer ahora"),
    "school": ("School and homework", "Escuela y tareas"),
    "citizenship": ("Citizenship and immigration", "Ciudadanía e inmigración"),
    "accessible": ("Accessible reading", "Lectura accesible"),
    "family": ("Family and local history", "Historia familiar y local"),
    "tax": ("Taxes and forms", "Impuestos y formularios"),
    "health": ("Health", "Salud"),
    "business": ("Small business", "Pequeños negocios"),
    "housing": ("Housing and tenants", "Vivienda e inquilinos"),
    "computers": ("Computers and coding", "Computadoras y programación"),
    "grief": ("Grief and hard times", "Duelo y momentos difíciles"),
    "comics": ("Comics and manga", "Cómics y manga"),
    "music": ("Music", "Música"),
    "law": ("Law and legal aid", "Leyes y ayuda legal"),
    "news": ("Newspapers and obituaries", "Periódicos y obituarios"),
    "languages": ("Learning a language", "Aprender un idioma"),
    "home": ("Cooking, garden, repair", "Cocina, jardín y reparaciones"),
    "children": ("Children and parents", "Niños y familias"),
}

# Each entry is (person, first day, last day, colleague who covers). The days are counted from today.
ABSENCES = [
    ("daniel", -7, 6, "maribel"),
    ("jun", -41, -34, "leila"),
    ("leila", 4, 4, "thomas"),
    ("anneke", 12, 19, "jun"),
    ("jun", 18, 22, ""),
]
