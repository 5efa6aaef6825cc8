"""The many short visits, and a visit that a child and an adult share.

Each entry of SMALL is (days ago, hour, staff, branch, type, topic, READ level, minutes, question, summary,
{item: reason}, patron, mode). The patron "" means that nobody added the visit to an account. The patron "-"
means that the visit was not handed over.
"""

from ..story import DemoConversation, DemoMessage, DemoRecommendation, DemoVisit

KNOWN, REFERENCE, ADVISORY, TECHNOLOGY, REFERRAL = (
    "known_item",
    "reference",
    "readers_advisory",
    "technology",
    "referral",
)

SAVERS = {"fern", "aisha"}

SMALL = [
    (88, 10, "daniel", "harbor", KNOWN, "reading", 2, 3, "Have you got Circe?", "On the shelf.", {"circe": "here it is"}, "fern", "in_person"),
    (87, 12, "jun", "central", KNOWN, "reading", 1, 2, "the hobbit, big one with pictures", "", {"hobbit": "the illustrated one is upstairs"}, "-", "in_person"),
    (86, 15, "thomas", "northfield", ADVISORY, "accessible", 2, 8, "Large print, no murders", "Start with Austen, there is not a single corpse.", {"pride-lp": "large print, no corpse"}, "june", "in_person"),
    (85, 11, "leila", "central", KNOWN, "school", 1, 2, "Elements of Style", "", {"elements-style": "three copies"}, "mei", "in_person"),
    (83, 16, "priya", "central", TECHNOLOGY, "computers", 2, 10, "How do I scan to my e-mail", "Green button twice. The file is called scan, then the date.", {"tablet-class": "for the phone side of it"}, "", "in_person"),
    (82, 14, "rosa", "harbor", KNOWN, "reading", 2, 4, "That book about the Great Migration", "It is The Warmth of Other Suns.", {"warmth-suns": "that's it", "evicted": "what came after"}, "fern", "phone"),
    (81, 10, "maribel", "harbor", ADVISORY, "children", 2, 6, "Cuentos en español para niños de 3 y 5", "Y los sábados, la hora del cuento.", {"donde-viven": "el clásico, en español", "story-time": "sábados a las diez"}, "lucia", "in_person"),
    (80, 18, "jun", "central", KNOWN, "reading", 2, 3, "The one on Mars, potatoes", "The Martian.", {"martian": "potatoes on Mars"}, "tomasz", "in_person"),
    (79, 13, "daniel", "harbor", REFERENCE, "home", 2, 9, "Why does my radiator knock", "Bleed it first: page 301.", {"readers-digest-repair": "page 301"}, "pete", "in_person"),
    (77, 12, "thomas", "northfield", KNOWN, "reading", 1, 3, "My System", "From Central, Thursday.", {"my-system": "comes over on Thursday"}, "victor", "in_person"),
    (76, 10, "anneke", "central", REFERENCE, "research", 3, 15, "How do I cite a podcast", "Pattern and two examples on the slip.", {"elements-style": "rule 17 as well", "academic-search": "has a “cite” button"}, "mei", "chat"),
    (75, 15, "leila", "central", KNOWN, "reading", 2, 4, "Wolf Hall, and is it the first one", "Yes, the first of three.", {"wolf-hall": "the first of three"}, "ingrid", "in_person"),
    (73, 11, "rosa", "central", REFERRAL, "health", 2, 8, "Somebody to talk to about sleep, not a doctor", "The support line also takes small things.", {"hotline": "also for small things", "quiet": "the chapter on evenings"}, "", "in_person"),
    (72, 17, "jun", "central", KNOWN, "comics", 2, 3, "Death note vol 1-12", "All there. For now.", {"death-note": "all twelve"}, "malik", "in_person"),
    (70, 14, "daniel", "harbor", KNOWN, "reading", 2, 3, "Orient Express, not the film", "", {"orient-express": "the book"}, "otis", "in_person"),
    (69, 13, "priya", "northfield", ADVISORY, "reading", 2, 9, "Sci-fi written by women please", "Three to begin with, in no order.", {"left-hand": "ice and friendship", "kindred": "you won't put it down", "dispossessed": "two planets, one physicist"}, "aisha", "in_person"),
    (68, 10, "maribel", "harbor", TECHNOLOGY, "languages", 2, 7, "Spanish course on my phone", "Sign in with the card number, no spaces.", {"language-app": "free with your card"}, "aisha", "in_person"),
    (66, 16, "leila", "central", KNOWN, "health", 2, 3, "henrietta lacks", "", {"immortal-life": "one copy left"}, "mei", "in_person"),
    (65, 12, "thomas", "northfield", KNOWN, "home", 1, 2, "joy of cooking", "", {"joy-of-cooking": "the new edition"}, "-", "in_person"),
    (64, 11, "anneke", "central", REFERENCE, "research", 3, 14, "Numbers on evictions by county", "Book for the story, table for the numbers.", {"evicted": "the story", "county-stats": "the numbers"}, "", "email"),
    (63, 15, "rosa", "central", ADVISORY, "reading", 2, 10, "Long novels, I broke my leg", "Enough for six weeks.", {"middlemarch": "three weeks of it", "wolf-hall": "then the other three"}, "fern", "phone"),
    (62, 14, "daniel", "harbor", REFERENCE, "news", 2, 6, "Courier from the day I was born", "Page one as a print, on the house.", {"newspapers": "June 1, 1951"}, "otis", "in_person"),
    (60, 18, "jun", "central", KNOWN, "music", 2, 4, "Real Book, in C", "", {"real-book": "volume 1, in C"}, "ambrose", "in_person"),
    (59, 12, "priya", "central", KNOWN, "reading", 2, 3, "That Ishiguro with the butler", "The Remains of the Day.", {"remains": "the butler"}, "tomasz", "in_person"),
    (58, 13, "thomas", "northfield", REFERENCE, "children", 2, 7, "How do locks work, he is 8 and wants to know", "He can keep the book for three weeks, but not the lock.", {"way-things-work": "page 12, with mammoths"}, "yolanda", "in_person"),
    (57, 10, "maribel", "harbor", KNOWN, "reading", 2, 3, "Cien años de soledad", "", {"cien-anos": "la edición de siempre"}, "lucia", "in_person"),
    (55, 17, "leila", "central", TECHNOLOGY, "accessible", 3, 16, "Bigger letters on everything, the phone too", "Settings, display, text size: we set it to 160 %.", {"tablet-class": "Friday is about exactly this"}, "june", "in_person"),
    (54, 11, "jun", "central", KNOWN, "comics", 2, 3, "Maus both parts", "", {"maus": "both in one volume"}, "-", "roving"),
    (53, 15, "rosa", "harbor", REFERRAL, "housing", 2, 9, "They shut off our water", "Call the city first, then legal aid.", {"legal-aid": "open until six", "tenants-guide": "the chapter on repairs"}, "", "phone"),
    (51, 14, "daniel", "harbor", REFERENCE, "home", 2, 8, "Timing belt, 2009 wagon, is it a weekend job?", "It is two weekends.", {"auto-repair": "your engine, step by step", "repair-cafe": "bring the old belt"}, "pete", "in_person"),
    (49, 12, "priya", "northfield", KNOWN, "reading", 2, 3, "A Man Called Ove", "", {"ove": "returned this morning"}, "fern", "in_person"),
    (48, 16, "anneke", "central", REFERENCE, "research", 3, 18, "Was that survey peer reviewed? My professor says no", "It was not; this one is.", {"academic-search": "tick “peer reviewed” on the left"}, "mei", "chat"),
    (47, 13, "thomas", "northfield", ADVISORY, "reading", 2, 6, "Murder but cozy", "A retirement home with a body.", {"thursday-murder-lp": "large print", "thursday-murder": "for your sister"}, "june", "in_person"),
    (45, 11, "leila", "central", KNOWN, "reading", 1, 2, "Beloved", "", {"beloved": "third shelf"}, "-", "in_person"),
    (43, 17, "jun", "central", TECHNOLOGY, "computers", 2, 9, "My tablet says storage full", "Old videos went to the drive; 11 GB free.", {"tablet-class": "how to keep it that way"}, "otis", "in_person"),
    (42, 10, "rosa", "central", KNOWN, "business", 2, 4, "Lean Startup", "", {"lean-startup": "on the new shelf"}, "imani", "in_person"),
    (38, 14, "maribel", "harbor", REFERENCE, "citizenship", 2, 8, "How old may the photo for the form be", "Thirty days, the instructions say.", {"civics-questions": "same site, tab “forms”"}, "", "text"),
    (37, 12, "priya", "northfield", KNOWN, "reading", 2, 3, "Educated", "", {"educated": "on the shelf"}, "nameless", "in_person"),
    (36, 15, "anneke", "central", REFERENCE, "news", 3, 13, "Did that photo really happen?", "It did not, and here is how you can tell.", {"false-news": "why it travels faster", "newspapers": "what the paper had that day"}, "tomasz", "in_person"),
    (34, 11, "thomas", "northfield", ADVISORY, "home", 2, 6, "First bread, zero experience", "Saturday loaf, page 81.", {"bread": "page 81", "salt-fat": "for what goes on it"}, "pete", "in_person"),
    (32, 16, "jun", "central", KNOWN, "reading", 2, 3, "Dune part one not the comic", "", {"dune": "the novel"}, "malik", "roving"),
    (31, 10, "leila", "central", REFERENCE, "health", 3, 12, "Exam questions on kidneys, nursing school", "Chapter list and the plain pages to check yourself.", {"medical-db": "filter: nursing", "health-encyclopedia": "explain it in these words"}, "mei", "in_person"),
    (29, 13, "rosa", "harbor", KNOWN, "reading", 2, 4, "The Name of the Rose", "From Central tomorrow.", {"name-of-rose": "in transit"}, "victor", "phone"),
    (27, 12, "maribel", "harbor", ADVISORY, "children", 2, 6, "El principito, ¿para qué edad?", "Desde los ocho, y otra vez a los treinta.", {"principito": "para leer juntos"}, "lucia", "in_person"),
    (26, 14, "priya", "central", ADVISORY, "reading", 2, 9, "Gift for a bird person who has Sibley", "Then the hawk.", {"hawk": "birds, but a memoir", "sibley": "to check that it is the same one"}, "fern", "in_person"),
    (24, 17, "jun", "central", KNOWN, "computers", 2, 4, "Python book with the snake? no, the boring one", "Automate the Boring Stuff.", {"automate": "that one"}, "tomasz", "in_person"),
    (23, 10, "anneke", "central", REFERENCE, "family", 3, 16, "Grandfather's ship, 1921, Naples", "Sounds-like search, and leave the year open.", {"passengers": "leave the year open", "ships": "chapter 2"}, "", "in_person"),
    (22, 12, "thomas", "northfield", KNOWN, "reading", 1, 2, "Chess evening: which day?", "", {"chess-club": "Fridays", "chess-logical": "until then"}, "victor", "in_person"),
    (20, 13, "leila", "northfield", REFERENCE, "languages", 2, 8, "English for my mother, she is shy", "On Wednesdays. You can sit next to her.", {"english-circle": "nobody has to speak", "language-app": "at home, with headphones"}, "aisha", "in_person"),
    (19, 15, "priya", "central", KNOWN, "reading", 2, 3, "silk roads", "", {"silk-roads": "second floor"}, "fern", "in_person"),
    (18, 11, "rosa", "central", ADVISORY, "grief", 2, 8, "Something about old parents", "", {"being-mortal": "honest and kind"}, "siobhan", "in_person"),
    (17, 16, "jun", "central", TECHNOLOGY, "computers", 2, 11, "Password of the library app, third time", "Write it in the blue book at home.", {"tablet-class": "includes a blue book"}, "otis", "in_person"),
    (16, 14, "maribel", "harbor", KNOWN, "reading", 2, 3, "That movie with the bathhouse", "Spirited Away.", {"spirited-away": "the bathhouse"}, "", "in_person"),
    (14, 12, "thomas", "northfield", REFERENCE, "law", 2, 7, "May my landlord come in while I am out", "", {"tenants-guide": "chapter on privacy", "law-librarian": "for the statute"}, "nameless", "phone"),
    (13, 17, "leila", "central", KNOWN, "reading", 2, 3, "Kindred", "", {"kindred": "there is one left"}, "fern", "in_person"),
    (11, 10, "anneke", "central", REFERENCE, "business", 3, 17, "What do hairdressers earn here", "Median and range, by county.", {"county-stats": "table 4", "business-dir": "how many there are"}, "imani", "email"),
    (10, 15, "priya", "central", ADVISORY, "reading", 2, 7, "Funny essays on writing", "", {"bird-by-bird": "funny and true", "on-writing": "drier, as useful"}, "aisha", "in_person"),
    (9, 12, "thomas", "northfield", KNOWN, "reading", 2, 3, "endgames by silman", "", {"silman": "from Central, Friday"}, "victor", "in_person"),
    (8, 11, "maribel", "harbor", REFERENCE, "home", 2, 6, "Is this dishwasher any good", "Model number on the slip.", {"consumer-reports": "search by model"}, "pete", "in_person"),
    (7, 14, "jun", "central", KNOWN, "reading", 2, 3, "braiding sweetgras", "", {"braiding": "here"}, "fern", "in_person"),
    (6, 13, "leila", "central", ADVISORY, "reading", 2, 8, "Read all of Austen. Now what", "", {"middlemarch": "the natural next step", "pettigrew": "a modern village"}, "beatrice", "chat"),
    (5, 10, "rosa", "harbor", KNOWN, "law", 2, 4, "The New Jim Crow", "", {"new-jim-crow": "on the display"}, "nameless", "in_person"),
    (4, 16, "priya", "central", REFERENCE, "jobs", 3, 12, "Cover letter for a library job, funny I know", "Three sentences, and say which desk.", {"parachute": "the flower exercise", "resume-builder": "the second template"}, "aisha", "in_person"),
    (2, 12, "jun", "central", KNOWN, "reading", 1, 2, "thursday murder club", "", {"thursday-murder": "two copies"}, "fern", "in_person"),
    (1, 10, "leila", "central", ADVISORY, "reading", 2, 6, "Something short for a train to Boston", "Done by Providence.", {"remains": "short, and you will miss your stop"}, "fern", "in_person"),
]  # fmt: skip

SMALL_VISITS = [
    DemoVisit(
        days_ago, hour, staff, branch, type, topic, read, minutes, question, summary,
        tuple(DemoRecommendation(item, reason, saved=patron in SAVERS) for item, reason in reasons.items()),
        mode=mode, patron=patron.strip("-"), code="kept" if patron.strip("-") else "" if patron else "live",
        language="es" if "¿" in question or "español" in question else "en",
    )
    for days_ago, hour, staff, branch, type, topic, read, minutes, question, summary, reasons, patron, mode in SMALL
]  # fmt: skip

# These visits happened 95 days ago, and a quarter has at most 92 days. So their quarter has always ended, and
# Leila has a number on "What you made possible".
OLD = [
    DemoVisit(
        95, hour, "leila", "central", KNOWN, "reading", 2, 3, question, summary,
        (DemoRecommendation(item, reason),), patron=patron, found="all",
    )
    for hour, question, summary, item, reason, patron in [
        (10, "Anything with a hobbit in it", "First shelf on the left.", "hobbit", "the one with the map", "tomasz"),
        (11, "Dune, before the film", "", "dune", "not the film edition", "malik"),
        (13, "is it Middlemarch or Middlemarsh", "March.", "middlemarch", "two copies", "rebecca"),
        (14, "The hawk book, the one with the father in it", "", "hawk", "it is with the memoirs", "ingrid"),
        (16, "Things Fall Apart, for my wife", "Back since this morning.", "things-fall-apart", "returned today", "samuel"),
    ]
]  # fmt: skip

SHARED = [
    DemoVisit(
        3, 15, "priya", "central", ADVISORY, "children", 2, 9, "Why do volcanoes erupt? And is ours dead?",
        "Page 240 has a volcano cut open. The museum's encyclopedia shows ours: asleep, not dead.",
        (DemoRecommendation("way-things-work", "pressure, with mammoths", "helped", days=1), DemoRecommendation("story-time", "Saturday is about mountains")),
        patron="mia", adult="yolanda", people=2,
        conversations=(DemoConversation((DemoMessage(1, "It says asleep for 900 years. How do they know it isn't dead?"),)),),
    ),
]  # fmt: skip
