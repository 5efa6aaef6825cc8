"""What patrons asked without a visit before it, and what the desk has done with it since: most of it is in the queue today."""

from ..story import Asked, Did, Exchange, Gave, Said


def ask(hours_ago, patron, branch, topic, question, *did, language="en", files=()):
    """One question that waits, with what was done at the desk."""
    return Asked(
        hours_ago,
        patron,
        branch,
        topic,
        Exchange((Said(0, question, files=files),), language=language, did=did),
    )


HOURS = 1 / 24  # of a day

# Each with the time in hours, so that the queue always has something of the last minutes in it.
WAITING = [
    ask(0.3, "tomasz", "central", "computers", "is the big scanner free on saturday morning? one poster"),
    ask(0.9, "mei", "central", "health", "Hello! I need three articles on pressure sores, not older than 2019, nursing not medicine, for Monday. I found 4,000 and can't tell which are which."),
    ask(2.2, "lucia", "harbor", "children", "¿Hay hora del cuento también en las vacaciones? Somos tres esta vez, viene mi sobrina.", language="es"),
    ask(4.5, "pete", "harbor", "home", "What is this thing called and can I shut it off myself? It drips, see picture. The number on it is a 3, I think.", files=("IMG_2041.jpg",)),
    ask(6, "victor", "northfield", "home", "Chess evening: is it on this Friday, although the hall is being painted? Seven of us would come."),
    ask(8, "aisha", "central", "languages", "The course wants me to say “Buenos días” into the phone and says “try again” every time. Is it me?",
        Did(2 * HOURS, "take", "priya"), Did(2.5 * HOURS, "draft", "priya", words="Hello Aisha! It is not you: the app needs leave to use the microphone.\n\nSettings, apps, Language courses,")),
    ask(11, "fern", "central", "reading", "Is there a sequel to Circe? My sister says yes, the shelf says no."),
    ask(14, "imani", "central", "business", "The county asks for a “commissary letter” before I may sell at the market. I have a kitchen. What is a commissary?",
        Did(3 * HOURS, "take", "anneke"), Did(4 * HOURS, "note", "anneke", words="Called the county: they mean a letter from the owner of the kitchen she rents. Form comes by mail to us tomorrow.")),
    ask(19, "otis", "central", "news", "Page 22 of the Courier was missing Tuesday. Somebody has the crossword at home and I want him to know I know."),
    ask(21, "hannah", "central", "research", "Anneke said to write when the survey data is in. It is in. 1,911 rows, and the codebook says Q17 has values 1 to 5 but mine has a 9.",
        Did(1 * HOURS, "assign", "rosa", "anneke"), Did(6 * HOURS, "draft", "anneke", words="Hannah, the 9 is nearly always “no answer”. Look at the very end of the codebook, there")),
    ask(25, "walter", "northfield", "accessible", "The new version of the talking book app reads every page number aloud. Page one. Page two. I will go mad. Walter",
        Did(2 * HOURS, "take", "thomas")),
    ask(29, "june", "northfield", "accessible", "Dear library, is there any more of the murder club in large print? I have read them all twice and I am ninety. June Arsenault",
        Did(3 * HOURS, "take", "leila"), Did(20 * HOURS, "note", "leila", words="@Thomas Okafor the fourth is on order in large print. Can you put her first on the list? I am not in until Friday.")),
    ask(33, "malik", "central", "comics", "vol 3 of pluto is STILL missing, look. whoever has it i will trade", Did(20 * HOURS, "take", "jun"), files=("shelf.jpg",)),
    ask(38, "andre", "harbor", "tax", "I moved in May. Two states now. Two forms? Or a third one?",
        Did(5 * HOURS, "note", "maribel", words="The tax volunteers sit at Central on Saturdays, so it is theirs."), Did(5.1 * HOURS, "hand_over", "maribel", "central")),
    ask(44, "yolanda", "northfield", "school", "He needs a book about a country “beginning with a vowel” by Thursday and we are on Monday's Ecuador already taken. Easy to read please, he is 10."),
    ask(49, "siobhan", "central", "health", "The clinic sent Mum a diet sheet with forty things she can't eat. Is there one with what she CAN?", Did(20 * HOURS, "take", "priya")),
    ask(58, "ingrid", "central", "reading", "The circle's list is ready, Rosa: see the file. Is the type large enough for the notice board? Ingrid", Did(9 * HOURS, "take", "rosa"), files=("weather-list.pdf",)),
    ask(66, "samuel", "northfield", "reading", "still number 5 on the list for Half of a Yellow Sun. my wife asks every evening now"),
    ask(71, "josephine", "central", "grief", "Is the Monday group open to somebody whose husband is not dead but has forgotten who she is?",
        Did(1 * HOURS, "assign", "rosa", "leila"), Did(2 * HOURS, "note", "rosa", words="Please call the group before you answer. If it is not the right one, they will know which is.")),
    # Taken, and then nobody wrote: it is free again.
    ask(158, "weilin", "central", "research", "The loan request says “unfilled, reason 4”. What is reason 4?", Did(5 * HOURS, "take", "jun")),
]  # fmt: skip

FORMS = [
    Asked(1.6, "nameless", "central", "reading", Exchange((Said(0, ""),)), {
        "loved": {"words": "Pachinko, and before that everything by Elizabeth Strout"},
        "mood": {"chosen": ["thoughtful", "comforting"], "words": "slow is fine"},
        "avoid": {"words": "nobody's dog may die"},
        "whom": {"chosen": "me"},
        "format": {"chosen": ["paper", "ebook"]},
    }),
    Asked(17, "lupe", "harbor", "reading", Exchange((Said(0, ""),), language="es", did=(Did(3 * HOURS, "take", "maribel"),)), {
        "loved": {"words": "Como agua para chocolate"},
        "mood": {"chosen": ["romantic", "funny"]},
        "avoid": {"words": "que no sea muy largo, leo en el autobús"},
        "whom": {"chosen": "adult", "words": "mi mamá, 71, ve poco"},
        "format": {"chosen": ["large_print", "audiobook"]},
    }),
    Asked(42, "yolanda", "northfield", "children", Exchange((Said(0, ""),)), {
        "loved": {"words": "Captain Underpants, all of them, and a book on sharks"},
        "mood": {"chosen": ["funny", "surprising"]},
        "avoid": {"words": "kissing"},
        "whom": {"chosen": "child_9", "words": "reads fast, gives up faster"},
        "format": {"chosen": ["paper", "comic"]},
    }),
    Asked(130, "rebecca", "central", "reading", Exchange((
        Said(0, ""),
        Said(0.9, "Hello Rebecca! After Bourdain: one that makes you hungry on page one, and one that is about beginning anything at all. Both are there to listen to as well.", "jun",
             (Gave("salt-fat", "hungry on page one"), Gave("bird-by-bird", "not about bread at all, but about beginning"))),
    )), {
        "loved": {"words": "Kitchen Confidential"},
        "mood": {"chosen": ["true", "gripping"]},
        "avoid": {},
        "whom": {"chosen": "me"},
        "format": {"chosen": ["audiobook"]},
    }),
]  # fmt: skip

# Daniel's, who is away: Maribel covers.
DANIELS = [
    Asked(250, "josephine", "harbor", "grief", Exchange((
        Said(0, "You gave me the hawk book and it was right. Is there something like it about a sister?"),
        Said(0.8, "I am glad it was. “The Year of Magical Thinking” is a husband, but it is that kind of honest. Write me how far you got.", "daniel", (Gave("magical-thinking", "a husband, but that kind of honest"),)),
        Said(9.5, "Page 80. It helps and it doesn't. Have you another one, Daniel? No hurry."),
    ), did=(Did(0.1, "take", "daniel"),))),
    Asked(232, "beatrice", "harbor", "reading", Exchange((
        Said(0, "Which of the Simonsons is the one with the tea towel?"),
        Said(0.9, "The Summer Before the War, chapter four. It is in at Harbor; shall I keep it?", "daniel"),
    ), did=(Did(0.2, "take", "daniel"),))),
]  # fmt: skip

# Put off until a day, or back from that.
PUT_OFF = [
    Asked(190, "harold", "central", "news", Exchange((
        Said(0, "Now the MICROFILM reader is broken. I have been patient."),
        Said(0.7, "You have, Mr. Pruitt. The part comes next week; I write to you the minute it turns. Until then Harbor has a reader that works, from ten.", "rosa"),
    ), did=(Did(0.1, "take", "rosa"), Did(0.8, "snooze", "rosa", until=5)))),
    ask(76, "tyler", "harbor", "housing", "The new landlord wants the deposit in cash. That can't be right? I sign on the 1st.",
        Did(6 * HOURS, "take", "maribel"), Did(7 * HOURS, "note", "maribel", words="The law librarian calls back on Thursday. Put off until then."), Did(7.1 * HOURS, "snooze", "maribel", until=2)),
    ask(110, "delroy", "northfield", "jobs", "It locked me out again. Same board. Here is what it says",
        Did(1, "take", "thomas"), Did(1.1, "note", "thomas", words="Their help line opens the account on the 3rd working day. Nothing to do before."), Did(1.2, "snooze", "thomas", until=3), files=("Screenshot.png",)),
    Asked(300, "ambrose", "central", "music", Exchange((
        Said(0, "Dear colleagues, is the second volume of the solo transcriptions to be had at all? Mine is A-minus without it. A. F.-N. v. H."),
        Said(0.9, "It is at the university, Dr. Featherstonehaugh, and they lend again once term is over. I ask them then.", "anneke", (Gave("ill", "they answer quickest by this form"),), files=("interlibrary-loan.pdf",)),
    ), did=(Did(0.2, "take", "anneke"), Did(1.2, "snooze", "anneke", until=0)))),
    Asked(210, "ronald", "northfield", "computers", Exchange((
        Said(0, "Chapter 12 wants a “virtual environment”. I am 62, all my environments are real."),
        Said(1.6, "Three lines, Ronald, and you only type them once. I will look in on you when the Python evening starts again.", "thomas"),
    ), did=(Did(0.2, "take", "thomas"), Did(2.6, "snooze", "thomas", until=-1)))),
]  # fmt: skip

ANSWERED = [
    Asked(104, "ernesto", "harbor", "jobs", Exchange((
        Said(0, "¿Cómo pongo la foto en el currículum? Sale de lado."),
        Said(0.6, "Ábrala, toque el lápiz y la flecha que da vuelta. Guarde y vuelva a ponerla. Si sigue de lado, tráigala el sábado.", "maribel"),
    ), language="es", read=False)),
    Asked(150, "marcus", "harbor", "tax", Exchange((
        Said(0, "one more: mileage from an app, ok as a log?"),
        Said(1.2, "Yes, if it shows date, miles and reason. Print the year once, apps go away.", "maribel", then="turn"),
    ), did=(Did(1.8, "draft", words="thx. it has date and miles but the reason is just “work” is that"),))),
    Asked(170, "tomasz", "northfield", "computers", Exchange((
        Said(0, "wifi code for the reading garden?"),
        Said(1.1, "No code: choose “AlderBay-Guest” and say yes on the page that opens.", "thomas"),
    ))),
    Asked(120, "abby", "harbor", "home", Exchange((
        Said(0, "While I wait about the chickens: a book on building the coop?"),
        Said(0.7, "I look in the storeroom, Abby. There was one with plans.", "maribel", then="ours"),
    ), did=(Did(0.2, "take", "maribel"),))),
    Asked(260, "june", "northfield", "reading", Exchange((
        Said(0, "The lamp on table four hums."),
        Said(2.5, "Not any more. Thank you for telling us, Mrs. Arsenault.", "leila", then="close"),
    ))),
    # Two that were one question.
    Asked(130, "fern", "central", "home", Exchange((
        Said(0, "Sourdough: mine smells of paint. Is that in any of the books?"),
        Said(0.8, "Page 63 of the one with the long title: it is hungry, feed it twice a day. Paint goes away by Thursday.", "priya", (Gave("bread", "page 63, “smells”"),)),
    ), name="paint")),
    Asked(52, "fern", "central", "home", Exchange((Said(0, "Sourdough again, sorry, I lost the other message. Twice a day with which flour?"),), did=(Did(0.3, "join", "priya", "paint"), Did(0.31, "take", "priya")))),
    # Nobody wrote any more: it closed by itself.
    Asked(700, "kofi", "central", "computers", Exchange((
        Said(0, "which side up does the card go in the reader"),
        Said(0.6, "Gold side down, until it clicks.", "jun"),
    ))),
    # Erased at the patron's wish: the row is a count, and holds not a word.
    Asked(290, "nameless", "central", "health", Exchange((
        Said(0, "I wrote down more than I wanted. Can this be deleted, really deleted?"),
    ), did=(Did(0.9, "erase", "rosa"),))),
]  # fmt: skip

ASKED = [*WAITING, *FORMS, *DANIELS, *PUT_OFF, *ANSWERED]
