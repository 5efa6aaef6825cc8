"""Visits about what to read, watch or listen to next."""

from ..story import DemoConversation, DemoMessage, DemoRecommendation, DemoStep, DemoVisit

READING = [
    # A patron wants funny novels that aren't too sad.
    DemoVisit(
        28,
        15,
        "rosa",
        "central",
        "readers_advisory",
        "reading",
        3,
        20,
        "Like A Man Called Ove, but less sad. I cried on the bus.",
        "Three grumpy people who turn out to have a heart, in order of how little they will make you cry.",
        (
            DemoRecommendation(
                "pettigrew",
                "wry rather than sad, and there is tea",
                "helped",
                comment="Loved it. Loved HIM.",
                days=12,
                saved=True,
            ),
            DemoRecommendation("harold-fry", "gentle; one sad chapter, I will tell you which"),
            DemoRecommendation(
                "rosie-project",
                "the lightest of the three",
                "partly",
                "stopped",
                "stopped at chapter 5, he got on my nerves",
                20,
            ),
        ),
        mode="web_form",
        patron="beatrice",
        found="all",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        12.2,
                        "Finished the Major at one in the morning. Is there a second one by her? And which is the sad chapter in Harold, I am not starting it before I know.",
                    ),
                    DemoMessage(
                        13.0,
                        "Chapter 26. Have a friend and a biscuit ready. And there are two more by Helen Simonson; I have put The Summer Before the War behind the desk under your name.",
                        "rosa",
                        (DemoRecommendation("summer-before-war", "the same voice, a hundred years earlier"),),
                    ),
                ),
                read=False,
            ),
        ),
    ),
    # A patron who uses a screen reader wants mysteries.
    DemoVisit(
        50,
        10,
        "leila",
        "central",
        "readers_advisory",
        "accessible",
        4,
        20,
        "Mysteries my screen reader doesn't fight with",
        "The talking-book app works with your screen reader and needs one form, which I filled in with you on the phone. Until it is approved: the CDs, by mail, to your door.",
        (
            DemoRecommendation(
                "talking-books",
                "made for it: headings, sleep timer, no swiping in circles",
                "helped",
                comment="Two weeks for the enrollment but now I have 90,000 books.",
                days=17,
            ),
            DemoRecommendation(
                "still-life-audio", "a long series starts here, and the reader is superb", saved=True
            ),
        ),
        mode="phone",
        patron="walter",
        found="all",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        9,
                        "No word yet from the talking book people. Is it normal that it takes this long? I have run out of Louise Penny.",
                    ),
                    DemoMessage(
                        9.3,
                        "I called them: your form is through, the card is in the post. Two weeks is their usual. The second and third Penny on CD go out to you today.",
                        "leila",
                    ),
                    DemoMessage(
                        17.2,
                        "Card came, app works, my phone reads every button. First app this year that I didn't have to fight. Thank you, Leila.",
                    ),
                ),
                closed_by="patron",
                closed_days=17.3,
            ),
        ),
    ),
    # A patron whose sister has died wants books about grief.
    DemoVisit(
        35,
        16,
        "priya",
        "central",
        "readers_advisory",
        "grief",
        3,
        15,
        "My sister died. Nothing preachy please.",
        "None of these tells you what to feel. The hawk is a good place to begin.",
        (
            DemoRecommendation(
                "hawk", "nature, and anger, and no advice", "helped", comment="Yes. This one."
            ),
            DemoRecommendation(
                "magical-thinking", "honest; for later perhaps", "not_tried", comment="not yet"
            ),
            DemoRecommendation("grief-group", "company, and nobody has to speak"),
        ),
        mode="roving",
        patron="josephine",
        found="part",
        satisfaction="very_good",
    ),
    # A patron wants a manga series that is finished.
    DemoVisit(
        9,
        16,
        "jun",
        "central",
        "readers_advisory",
        "comics",
        2,
        6,
        "finished series like death note. FINISHED. not 100 volumes",
        "Both finished. Pluto is eight volumes, Monster is eighteen but you won't notice.",
        (
            DemoRecommendation(
                "pluto",
                "eight volumes, finished, who is killing the robots",
                "could_not_get_it",
                "checked_out",
                "vol 3 isnt there!! 1 2 4 5 are",
                2,
                step=DemoStep("reserved", "jun", 2, days=0.7, end="arrived", end_days=4),
                saved=True,
            ),
            DemoRecommendation("monster", "cat and mouse like Light and L"),
        ),
        mode="roving",
        patron="malik",
        found="part",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(2.1, "vol 3 is missing and i cant skip it obviously. someone stole it i bet"),
                    DemoMessage(
                        2.6,
                        "Not stolen, overdue. I put a hold on it for you and one on Harbor's copy, whichever comes first. You get a text from the hold shelf.",
                        "jun",
                    ),
                    DemoMessage(2.7, "ok. starting monster then. thx"),
                    DemoMessage(2.9, "See you at volume 18.", "jun"),
                ),
                about="pluto",
            ),
        ),
    ),
    # A patron remembers only the plot of a novel.
    DemoVisit(
        6,
        17,
        "jun",
        "central",
        "known_item",
        "reading",
        3,
        5,
        "Two brothers hired to kill somebody, gold rush, kind of funny?",
        "It is The Sisters Brothers (their name is Sisters). On the shelf at Central and Harbor.",
        (
            DemoRecommendation(
                "sisters-brothers", "that's it", "helped", comment="Exactly right. How do you DO that", days=1
            ),
            DemoRecommendation("true-grit", "the next one after it"),
        ),
        mode="chat",
        code="live",
        found="all",
        satisfaction="very_good",
    ),
]
