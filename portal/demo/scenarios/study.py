"""Visits about school, university and learning."""

from ..story import DemoConversation, DemoMessage, DemoRecommendation, DemoStep, DemoVisit

STUDY = [
    # A student is preparing a thesis about working from home.
    DemoVisit(
        46,
        11,
        "anneke",
        "central",
        "consultation",
        "research",
        5,
        45,
        "Does working from home hurt promotion?",
        "We narrowed “promotion” to two things that can be counted: title changes and pay grade within three years. Start with the 2015 experiment, "
        "follow who cites it, and read chapters 3 and 4 before you write the proposal.",
        (
            DemoRecommendation(
                "business-source",
                "peer reviewed only, and it sorts by who is cited most",
                "partly",
                comment="good for the US, almost nothing on Scandinavia",
            ),
            DemoRecommendation(
                "craft-of-research", "chapters 3 and 4 turn a topic into a question", saved=True
            ),
            DemoRecommendation(
                "wfh-article", "the one experiment everybody cites; promotion is in section VI"
            ),
            DemoRecommendation("data-librarian", "for the survey data, once the question stands"),
        ),
        mode="video",
        patron="hannah",
        found="part",
        satisfaction="very_good",
        note="Supervisor wants the proposal before the end of term. Second appointment likely.",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        5.2,
                        "Hello Anneke! The database is great for US firms but I need something on Sweden or Denmark too, my supervisor insists. Is there a second place to look or am I just searching wrong?",
                    ),
                    DemoMessage(
                        6.1,
                        "Not searching wrong, Hannah. It hardly indexes Nordic journals. Try the other database with “telework” and “hybrid” in addition to “home office”, and bring what you find: I have booked you in for a second appointment.",
                        "anneke",
                        (
                            DemoRecommendation(
                                "academic-search", "indexes the Nordic journals the other one leaves out"
                            ),
                        ),
                    ),
                    DemoMessage(6.3, "Telework!! That was the word. 41 results. See you then"),
                ),
                closed_by="patron",
                closed_days=6.5,
            ),
        ),
    ),
    DemoVisit(
        18,
        14,
        "anneke",
        "central",
        "consultation",
        "research",
        3,
        40,
        "Second session: which survey can tell me about pay grade?",
        "The labor force survey has grade but not days at home; the living conditions survey has both from 2019 on. Apply for the scientific use file this week, it takes a month.",
        (
            DemoRecommendation("data-librarian", "signs the application with you"),
            DemoRecommendation("academic-search", "set an alert for “hybrid work” and “career”"),
        ),
        mode="video",
        patron="hannah",
        found="still_working",
        satisfaction="very_good",
    ),
    # A fifth grader needs books about people in Denmark who hid others in the war.
    DemoVisit(
        33,
        16,
        "priya",
        "northfield",
        "reference",
        "school",
        3,
        12,
        "Danish kids who hid people in the war",
        "It is for fifth grade, due Friday. Read the novel first, then look at the map of the boats. The true story is longer; the first two chapters are enough.",
        (
            DemoRecommendation(
                "number-the-stars", "because she is eleven, and so is the girl in it", saved=True
            ),
            DemoRecommendation(
                "boys-hitler",
                "because she asked “but did it really happen?”",
                "did_not_help",
                "too_hard",
                "She gave up on page 20. Lots of names.",
            ),
            DemoRecommendation("museum-encyclopedia", "maps of the crossing, and photos she can print"),
        ),
        patron="yolanda",
        people=2,
        found="part",
        satisfaction="good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        3.4,
                        "hi it's Yolanda, the second book was too hard for her, is there something true but shorter? its due friday so no rush but kind of a rush",
                    ),
                    DemoMessage(
                        3.8,
                        "Hello Yolanda! Yes: the encyclopedia for schools has a four-page article with the same true story, and it reads itself aloud. Your card number opens it from home.",
                        "priya",
                        (
                            DemoRecommendation(
                                "encyclopedia-kids", "four pages, reads itself aloud", "helped", days=5
                            ),
                        ),
                    ),
                    DemoMessage(
                        5.0,
                        "That was perfect. She got to read the part about the fishing boats to the class. Thank you thank you",
                    ),
                ),
                about="boys-hitler",
                closed_by="patron",
                closed_days=5.1,
            ),
        ),
    ),
    # A publisher asks a patron to pay for an article.
    DemoVisit(
        12,
        13,
        "jun",
        "central",
        "known_item",
        "research",
        3,
        7,
        "They want $39 for this DOI: 10.1126/science.aap9559",
        "You don't have to pay: the library has it. If the link asks for money again, send the loan form, it takes two or three days and costs nothing.",
        (
            DemoRecommendation(
                "false-news",
                "our licensed link, no payment",
                "could_not_get_it",
                "link_broken",
                "now it says 404",
                0.1,
                step=DemoStep("ordered", "jun", -5, days=0.3, end="taken_back", end_days=4),
            ),
            DemoRecommendation("ill", "if the link fails: a scan by mail, free", "helped", days=4),
        ),
        mode="chat",
        patron="weilin",
        found="all",
        satisfaction="good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(0.15, "The link you gave me says 404 not found :( The same on my laptop"),
                    DemoMessage(
                        0.3,
                        "Sorry! The publisher changed its addresses overnight. I have sent the loan request for you, the scan should be in your mail by Thursday. I have also reported the link.",
                        "jun",
                    ),
                    DemoMessage(4.2, "Scan arrived, all 6 pages. Thanks Jun!"),
                    DemoMessage(
                        4.6, "Glad it came. The link works again too, in case you need the supplement.", "jun"
                    ),
                ),
                about="false-news",
                closed_by="patron",
                closed_days=4.8,
            ),
        ),
    ),
    # A 62-year-old patron wants to learn Python.
    DemoVisit(
        21,
        10,
        "priya",
        "central",
        "reference",
        "computers",
        3,
        10,
        "I'm 62 and I want to learn Python. Am I too late?",
        "No. Do the first six chapters at the keyboard, not in the armchair. Bring your laptop to the desk when something won't install.",
        (
            DemoRecommendation(
                "automate",
                "practical from page one; free to read online as well",
                "helped",
                comment="Chapter 9 renamed 400 photos of my grandchildren. I may never stop.",
                saved=True,
            ),
            DemoRecommendation(
                "python-course",
                "for evenings when reading is too much",
                "could_not_get_it",
                "sign_in",
                "wants a credit card??",
                8,
            ),
        ),
        patron="ronald",
        found="all",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        8.1,
                        "Dear Librarian, the video course demands a credit card before it will show me anything. Surely this is not intended? Kind regards, Ronald Birnbaum",
                    ),
                    DemoMessage(
                        8.9,
                        "Dear Mr. Birnbaum, it is not. Go in by our link and choose “my library” (it hides below the big green button), then your card number. No payment at any point; if it still asks, tell me what the address bar says.",
                        "priya",
                    ),
                ),
                about="python-course",
            ),
        ),
    ),
    # A student is writing a paper about rhythm sections.
    DemoVisit(
        39,
        15,
        "leila",
        "central",
        "reference",
        "music",
        4,
        25,
        "How do rhythm sections talk to each other? Term paper, conservatory.",
        "Two books are written about exactly this. For your own listening: follow only the bass for one whole track, then only the ride cymbal.",
        (
            DemoRecommendation(
                "saying-something",
                "exactly this: it is what the book is about",
                "helped",
                comment="Every third sentence underlined. (In pencil. Sorry.)",
                saved=True,
            ),
            DemoRecommendation("thinking-in-jazz", "interviews with the players themselves", saved=True),
            DemoRecommendation("kind-of-blue", "so that you hear what Monson describes"),
        ),
        mode="email",
        patron="ambrose",
        found="all",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        27,
                        "Dear Ms. Haddad, the paper came back with an A-minus (the minus was for exceeding the page limit by eleven). Your “listen only to the ride cymbal” is quoted in it, with thanks. A. F.-N. v. H.",
                    ),
                    DemoMessage(
                        28,
                        "Congratulations! The minus sounds earned. Come and tell us about the next one.",
                        "leila",
                    ),
                ),
                closed_by="staff",
                closed_days=28.2,
            ),
        ),
    ),
    # A patron has three weeks for a systematic review.
    DemoVisit(
        30,
        10,
        "anneke",
        "central",
        "consultation",
        "health",
        6,
        90,
        "Systematic review in three weeks: exercise for people on dialysis. Is that possible?",
        "A full systematic review in three weeks isn't possible, but a scoping review is. We wrote the protocol skeleton and the first search string together; you register the protocol before you screen anything.",
        (
            DemoRecommendation("reporting-guideline", "the 27-item checklist your journal asks for"),
            DemoRecommendation("medical-db", "to see how much there is before you promise anything"),
            DemoRecommendation("health-librarian", "co-writes strategies, and wants to be named for it"),
        ),
        mode="video",
        patron="shreya",
        people=3,
        found="still_working",
        satisfaction="very_good",
        note="Hospital pays for nothing. Offered the university's librarian.",
    ),
    DemoVisit(
        16,
        10,
        "anneke",
        "central",
        "consultation",
        "health",
        5,
        60,
        "Second session: 4,112 hits, now what?",
        "Duplicates out first (about a third), then both of you screen the same 50 and compare. Limit by design only after that.",
        (
            DemoRecommendation(
                "reporting-guideline", "the flow diagram: count as you go, not afterward", "not_tried"
            ),
            DemoRecommendation("craft-of-research", "for your student: how to argue from evidence"),
        ),
        mode="video",
        patron="shreya",
        people=2,
        found="still_working",
        satisfaction="very_good",
    ),
    DemoVisit(
        2,
        10,
        "anneke",
        "central",
        "consultation",
        "health",
        5,
        50,
        "Third session: the reviewers want gray literature",
        "Trial registers, two theses repositories, the three societies. Write down the date of each search: reviewers ask.",
        (
            DemoRecommendation("medical-db", "its register of trials has a separate search page"),
            DemoRecommendation("academic-search", "theses: tick “dissertations” on the left"),
        ),
        mode="video",
        patron="shreya",
        found="still_working",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        0.4,
                        "Dear Anneke, one registry only exports 100 records at a time and I have 730. Is there a trick, or do I click? — Shreya",
                    ),
                )
            ),
        ),
    ),
]
