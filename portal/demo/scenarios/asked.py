"""Questions that aren't about a visit, and what the desk did with these questions.

Most of the questions are in the queue today.
"""

from ..story import DemoAction, DemoConversation, DemoMessage, DemoQuestion, DemoRecommendation


def ask(hours_ago, patron, branch, topic, question, *actions, language="en", files=()):
    """Return a DemoQuestion with one message by the patron. `actions` are what staff did afterward."""
    return DemoQuestion(
        hours_ago,
        patron,
        branch,
        topic,
        DemoConversation((DemoMessage(0, question, files=files),), language=language, actions=actions),
    )


HOURS = 1 / 24  # One hour in days, because a DemoAction has its time in days.

# The first argument of `ask` says how many hours before the build the patron asked. So whenever the demo is
# built, its newest question is less than half an hour old.
WAITING = [
    ask(0.3, "tomasz", "central", "computers", "is the big scanner free on saturday morning? one poster"),
    ask(0.9, "mei", "central", "health", "Hello! I need three articles on pressure sores, not older than 2019, nursing not medicine, for Monday. I found 4,000 and can't tell which are which."),
    ask(2.2, "lucia", "harbor", "children", "¿Hay hora del cuento también en las vacaciones? Somos tres esta vez, viene mi sobrina.", language="es"),
    ask(4.5, "pete", "harbor", "home", "What is this thing called and can I shut it off myself? It drips, see picture. The number on it is a 3, I think.", files=("IMG_2041.jpg",)),
    ask(6, "victor", "northfield", "home", "Chess evening: is it on this Friday, although the hall is being painted? Seven of us would come."),
    ask(8, "aisha", "central", "languages", "The course wants me to say “Buenos días” into the phone and says “try again” every time. Is it me?",
        DemoAction(2 * HOURS, "take", "priya"), DemoAction(2.5 * HOURS, "draft", "priya", text="Hello Aisha! It is not you: the app needs permission to use the microphone.\n\nSettings, apps, Language courses,")),
    ask(11, "fern", "central", "reading", "Is there a sequel to Circe? My sister says yes, the shelf says no."),
    ask(14, "imani", "central", "business", "The county asks for a “commissary letter” before I may sell at the market. I have a kitchen. What is a commissary?",
        DemoAction(3 * HOURS, "take", "anneke"), DemoAction(4 * HOURS, "note", "anneke", text="Called the county: they mean a letter from the owner of the kitchen she rents. Form comes by mail to us tomorrow.")),
    ask(19, "otis", "central", "news", "Page 22 of the Courier was missing Tuesday. Somebody has the crossword at home and I want him to know I know.",
        DemoAction(1 * HOURS, "call", text="414-555-0188", to="Otis"), DemoAction(2 * HOURS, "take", "thomas"), DemoAction(3 * HOURS, "called", "thomas", text="give_up")),
    ask(21, "hannah", "central", "research", "Anneke said to write when the survey data is in. It is in. 1,911 rows, and the codebook says Q17 has values 1 to 5 but mine has a 9.",
        DemoAction(1 * HOURS, "assign", "rosa", "anneke"), DemoAction(6 * HOURS, "draft", "anneke", text="Hannah, the 9 is nearly always “no answer”. Look at the very end of the codebook, there")),
    ask(25, "walter", "northfield", "accessible", "The new version of the talking book app reads every page number aloud. Page one. Page two. I will go mad. Walter",
        DemoAction(2 * HOURS, "take", "thomas")),
    ask(29, "june", "northfield", "accessible", "Dear library, is there any more of the murder club in large print? I have read them all twice and I am ninety. June Arsenault",
        DemoAction(1 * HOURS, "call", text="414-555-0123", to="Mrs. Arsenault, and speak up"),
        DemoAction(3 * HOURS, "take", "leila"), DemoAction(20 * HOURS, "note", "leila", text="@Thomas Okafor the fourth is on order in large print. Can you put her first on the list? I am not in until Friday.")),
    ask(33, "malik", "central", "comics", "vol 3 of pluto is STILL missing, look. whoever has it i will trade", DemoAction(20 * HOURS, "take", "jun"), files=("shelf.jpg",)),
    ask(38, "andre", "harbor", "tax", "I moved in May. Two states now. Two forms? Or a third one?",
        DemoAction(1 * HOURS, "call", text="414-555-0159", to="Andre"), DemoAction(1.2 * HOURS, "cancel_call"),
        DemoAction(5 * HOURS, "note", "maribel", text="The tax volunteers sit at Central on Saturdays, so it is theirs."), DemoAction(5.1 * HOURS, "transfer", "maribel", "central")),
    ask(44, "yolanda", "northfield", "school", "He needs a book about a country “beginning with a vowel” by Thursday and we are on Monday's Ecuador already taken. Easy to read please, he is 10.",
        DemoAction(2 * HOURS, "call", text="(414) 555-0147", to="Yolanda")),
    ask(49, "siobhan", "central", "health", "The clinic sent Mum a diet sheet with forty things she can't eat. Is there one with what she CAN?",
        DemoAction(1 * HOURS, "call", text="+353 1 555 0162", to="Siobhan"), DemoAction(20 * HOURS, "take", "priya"), DemoAction(21 * HOURS, "called", "priya", text="no_answer")),
    ask(58, "ingrid", "central", "reading", "The circle's list is ready, Rosa: see the file. Is the type large enough for the notice board? Ingrid", DemoAction(9 * HOURS, "take", "rosa"), files=("weather-list.pdf",)),
    ask(66, "samuel", "northfield", "reading", "still number 5 on the list for Half of a Yellow Sun. my wife asks every evening now"),
    ask(71, "josephine", "central", "grief", "Is the Monday group open to somebody whose husband is not dead but has forgotten who she is?",
        DemoAction(1 * HOURS, "assign", "rosa", "leila"), DemoAction(2 * HOURS, "note", "rosa", text="Please call the group before you answer. If it is not the right one, they will know which is.")),
    ask(90, "harold", "central", "news", "The crossword of Saturday has two 14 down. Please explain, by telephone.",
        DemoAction(0.1 * HOURS, "call", text="414-555-0171", to="Mr. Pruitt"), DemoAction(5 * HOURS, "take", "rosa"), DemoAction(6 * HOURS, "called", "rosa", text="spoken")),
    DemoQuestion(80, "ingrid", "central", "reading", DemoConversation((
        DemoMessage(0, "Can the circle have the small room in January, Rosa? Ingrid"),
        DemoMessage(0.8, "You can, Ingrid, every second Tuesday from the 12th. Shall I write down six o'clock?", "rosa"),
    ), actions=(DemoAction(1.9, "call", text="414-555-0195", to="Ingrid"),))),
    # Jun took this question but wrote nothing for days, so the worker unassigned the question.
    ask(158, "weilin", "central", "research", "The loan request says “unfilled, reason 4”. What is reason 4?", DemoAction(5 * HOURS, "take", "jun")),
]  # fmt: skip

FORMS = [
    DemoQuestion(1.6, "nameless", "central", "reading", DemoConversation((DemoMessage(0, ""),)), {
        "loved": {"words": "Pachinko, and before that everything by Elizabeth Strout"},
        "mood": {"chosen": ["thoughtful", "comforting"], "words": "slow is fine"},
        "avoid": {"words": "nobody's dog may die"},
        "whom": {"chosen": "me"},
        "format": {"chosen": ["paper", "ebook"]},
    }),
    DemoQuestion(17, "lupe", "harbor", "reading", DemoConversation((DemoMessage(0, ""),), language="es", actions=(DemoAction(3 * HOURS, "take", "maribel"),)), {
        "loved": {"words": "Como agua para chocolate"},
        "mood": {"chosen": ["romantic", "funny"]},
        "avoid": {"words": "que no sea muy largo, leo en el autobús"},
        "whom": {"chosen": "adult", "words": "mi mamá, 71, ve poco"},
        "format": {"chosen": ["large_print", "audiobook"]},
    }),
    DemoQuestion(42, "yolanda", "northfield", "children", DemoConversation((DemoMessage(0, ""),)), {
        "loved": {"words": "Captain Underpants, all of them, and a book on sharks"},
        "mood": {"chosen": ["funny", "surprising"]},
        "avoid": {"words": "kissing"},
        "whom": {"chosen": "child_9", "words": "reads fast, gives up faster"},
        "format": {"chosen": ["paper", "comic"]},
    }),
    DemoQuestion(130, "rebecca", "central", "reading", DemoConversation((
        DemoMessage(0, ""),
        DemoMessage(0.9, "Hello Rebecca! After Bourdain: one that makes you hungry on page one, and one that is about beginning anything at all. Both are there to listen to as well.", "jun",
             (DemoRecommendation("salt-fat", "hungry on page one"), DemoRecommendation("bird-by-bird", "not about bread at all, but about beginning"))),
    )), {
        "loved": {"words": "Kitchen Confidential"},
        "mood": {"chosen": ["true", "gripping"]},
        "avoid": {},
        "whom": {"chosen": "me"},
        "format": {"chosen": ["audiobook"]},
    }),
]  # fmt: skip

# These questions are assigned to Daniel, who is away. Maribel covers for him.
DANIELS = [
    DemoQuestion(250, "josephine", "harbor", "grief", DemoConversation((
        DemoMessage(0, "You gave me the hawk book and it was right. Is there something like it about a sister?"),
        DemoMessage(0.8, "I am glad it was. “The Year of Magical Thinking” is a husband, but it is that kind of honest. Tell me how far you got.", "daniel", (DemoRecommendation("magical-thinking", "a husband, but that kind of honest"),)),
        DemoMessage(9.5, "Page 80. It helps and it doesn't. Have you another one, Daniel? No hurry."),
    ), actions=(DemoAction(0.1, "take", "daniel"),))),
    DemoQuestion(232, "beatrice", "harbor", "reading", DemoConversation((
        DemoMessage(0, "Which of the Simonsons is the one with the tea towel?"),
        DemoMessage(0.9, "The Summer Before the War, chapter four. It is in at Harbor; shall I keep it?", "daniel"),
    ), actions=(DemoAction(0.2, "take", "daniel"),))),
]  # fmt: skip

# These questions are snoozed, or are back in the queue after being snoozed.
SNOOZED = [
    DemoQuestion(190, "harold", "central", "news", DemoConversation((
        DemoMessage(0, "Now the MICROFILM reader is broken. I have been patient."),
        DemoMessage(0.7, "You have, Mr. Pruitt. The part comes next week; I'll write to you the minute it works. Until then Harbor has a reader that works, from ten.", "rosa"),
    ), actions=(DemoAction(0.1, "take", "rosa"), DemoAction(0.8, "snooze", "rosa", until=5)))),
    ask(76, "tyler", "harbor", "housing", "The new landlord wants the deposit in cash. That can't be right? I sign on the 1st.",
        DemoAction(6 * HOURS, "take", "maribel"), DemoAction(7 * HOURS, "note", "maribel", text="The law librarian calls back on Thursday. Snoozed until then."), DemoAction(7.1 * HOURS, "snooze", "maribel", until=2)),
    ask(110, "delroy", "northfield", "jobs", "It locked me out again. Same board. Here is what it says",
        DemoAction(1, "take", "thomas"), DemoAction(1.1, "note", "thomas", text="Their help line opens the account on the 3rd working day. Nothing to do before."), DemoAction(1.2, "snooze", "thomas", until=3), files=("Screenshot.png",)),
    DemoQuestion(300, "ambrose", "central", "music", DemoConversation((
        DemoMessage(0, "Dear colleagues, is the second volume of the solo transcriptions to be had at all? Mine is A-minus without it. A. F.-N. v. H."),
        DemoMessage(0.9, "It is at the university, Dr. Featherstonehaugh, and they lend again once the term is over. I'll ask them then.", "anneke", (DemoRecommendation("ill", "they answer quickest by this form"),), files=("interlibrary-loan.pdf",)),
    ), actions=(DemoAction(0.2, "take", "anneke"), DemoAction(1.2, "snooze", "anneke", until=0)))),
    DemoQuestion(210, "ronald", "northfield", "computers", DemoConversation((
        DemoMessage(0, "Chapter 12 wants a “virtual environment”. I am 62, all my environments are real."),
        DemoMessage(1.6, "Three lines, Ronald, and you only type them once. I will look in on you when the Python evening starts again.", "thomas"),
    ), actions=(DemoAction(0.2, "take", "thomas"), DemoAction(2.6, "snooze", "thomas", until=-1)))),
]  # fmt: skip

ANSWERED = [
    DemoQuestion(104, "ernesto", "harbor", "jobs", DemoConversation((
        DemoMessage(0, "¿Cómo pongo la foto en el currículum? Sale de lado."),
        DemoMessage(0.6, "Ábrala, toque el lápiz y la flecha que da vuelta. Guarde y vuelva a ponerla. Si sigue de lado, tráigala el sábado.", "maribel"),
    ), language="es", read=False)),
    DemoQuestion(150, "marcus", "harbor", "tax", DemoConversation((
        DemoMessage(0, "one more: mileage from an app, ok as a log?"),
        DemoMessage(1.2, "Yes, if it shows date, miles and reason. Print the year once, apps go away.", "maribel", then="turn"),
    ), actions=(DemoAction(1.8, "draft", text="thx. it has date and miles but the reason is just “work” is that"),), read=False)),
    DemoQuestion(170, "tomasz", "northfield", "computers", DemoConversation((
        DemoMessage(0, "wifi code for the reading garden?"),
        DemoMessage(1.1, "No code: choose “AlderBay-Guest” and say yes on the page that opens.", "thomas"),
    ))),
    DemoQuestion(120, "abby", "harbor", "home", DemoConversation((
        DemoMessage(0, "While I wait about the chickens: a book on building the coop?"),
        DemoMessage(0.7, "I'll look in the storeroom, Abby. There was one with plans.", "maribel", then="ours"),
    ), actions=(DemoAction(0.2, "take", "maribel"),))),
    DemoQuestion(260, "june", "northfield", "reading", DemoConversation((
        DemoMessage(0, "The lamp on table four hums."),
        DemoMessage(2.5, "Not any more. Thank you for telling us, Mrs. Arsenault.", "leila", then="close"),
    ))),
    # These two conversations are about the same question, and staff merged them.
    DemoQuestion(130, "fern", "central", "home", DemoConversation((
        DemoMessage(0, "Sourdough: mine smells of paint. Is that in any of the books?"),
        DemoMessage(0.8, "Page 63 of the one with the long title: it is hungry, feed it twice a day. Paint goes away by Thursday.", "priya", (DemoRecommendation("bread", "page 63, “smells”"),)),
    ), name="paint")),
    DemoQuestion(52, "fern", "central", "home", DemoConversation((DemoMessage(0, "Sourdough again, sorry, I lost the other message. Twice a day with which flour?"),), actions=(DemoAction(0.3, "merge", "priya", "paint"), DemoAction(0.31, "take", "priya")))),
    # Nobody wrote again, so the worker closed this conversation.
    DemoQuestion(700, "kofi", "central", "computers", DemoConversation((
        DemoMessage(0, "which side up does the card go in the reader"),
        DemoMessage(0.6, "Gold side down, until it clicks.", "jun"),
    ))),
    # This conversation was erased because the patron asked for that. Only a count is left.
    DemoQuestion(290, "nameless", "central", "health", DemoConversation((
        DemoMessage(0, "I wrote down more than I wanted. Can this be deleted, really deleted?"),
    ), actions=(DemoAction(0.9, "erase", "rosa"),))),
]  # fmt: skip

QUESTIONS = [*WAITING, *FORMS, *DANIELS, *SNOOZED, *ANSWERED]
