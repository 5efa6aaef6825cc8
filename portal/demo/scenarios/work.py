"""Visits about work, money, forms and housing."""

from ..story import DemoConversation, DemoMessage, DemoRecommendation, DemoVisit

WORK = [
    # A patron without an email address applies for a job.
    DemoVisit(
        24,
        11,
        "jun",
        "central",
        "technology",
        "jobs",
        3,
        25,
        "It wants an email and I only got this phone",
        "Press “sign up with phone number”, it is small and gray at the very bottom. Your name on the account is Delroy S. Thursday at 4 somebody practices the interview with you.",
        (
            DemoRecommendation(
                "job-board",
                "lists warehouse work, and takes a phone number instead of an e-mail",
                "could_not_get_it",
                "sign_in",
                "locked me out after 3 trys",
                1,
            ),
            DemoRecommendation("knock-em-dead", "short answers to the questions they really ask"),
            DemoRecommendation("job-club", "practice out loud, nobody laughs"),
        ),
        patron="delroy",
        found="all",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        1.1,
                        "it says account locked. i typed the number they send me but it run out every time i switch to the message",
                    ),
                    DemoMessage(
                        1.3,
                        "That is the board's fault, not yours, the number only lives 60 seconds. Come by or do this: press “send by voice call”. A machine reads the number to you while the page stays open. Locked accounts open again after 24 hours.",
                        "jun",
                    ),
                    DemoMessage(
                        2.2, "the call thing worked. im in. put in for 2 warehouse and 1 night loading"
                    ),
                    DemoMessage(
                        2.5,
                        "Well done. Page 34 of the green book is for night work. Thursday at 4 if you want to practice.",
                        "jun",
                    ),
                    DemoMessage(9.0, "got a interview monday!!!! bay freight"),
                    DemoMessage(9.2, "Wonderful, Delroy. Tell us how it goes!", "jun"),
                ),
                about="job-board",
                closed_by="patron",
                closed_days=13,
            ),
        ),
    ),
    # A patron looks for classes for the citizenship test.
    DemoVisit(
        15,
        12,
        "maribel",
        "harbor",
        "referral",
        "citizenship",
        3,
        10,
        "¿Clases para el examen?",
        "Las preguntas oficiales están en línea, con audio. La clase es los martes a las 6 en la sala grande; es gratis y no piden papeles. Si está llena, anótese para la siguiente.",
        (
            DemoRecommendation("civics-questions", "las preguntas oficiales, se pueden escuchar", saved=True),
            DemoRecommendation(
                "citizenship-class",
                "para practicar hablando, los martes",
                "could_not_get_it",
                "other",
                "Está llena, me dijeron que no hay lugar",
                2,
            ),
        ),
        mode="roving",
        language="es",
        patron="lupe",
        found="part",
        satisfaction="good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        2.1,
                        "Buenos dias señora Maribel, fui el martes pero la clase ya esta llena. ¿Va a haber otra? Mi entrevista es en febrero y me da nervios el inglés.",
                    ),
                    DemoMessage(
                        2.9,
                        "Buenos días, doña Guadalupe. Sí: el grupo siguiente empieza dentro de tres semanas y ya puse su nombre en la lista, tiene el lugar. Mientras tanto venga los miércoles al círculo de conversación; no hay que anotarse.",
                        "maribel",
                        (
                            DemoRecommendation(
                                "english-circle", "para perderle el miedo a hablar, los miércoles"
                            ),
                        ),
                    ),
                    DemoMessage(3.6, "Muchas gracias!! Ahi estare el miercoles. Dios la bendiga"),
                    DemoMessage(3.9, "Allí la esperamos. Pregunte por mí o por Rosa.", "maribel"),
                ),
                about="citizenship-class",
                language="es",
            ),
        ),
    ),
    # A driver asks which tax form to use.
    DemoVisit(
        52,
        10,
        "daniel",
        "harbor",
        "reference",
        "tax",
        2,
        6,
        "Which form for driving jobs? The app people, not a company",
        "We can't advise which one fits you, but here are the official instructions, and on Saturdays the volunteers can.",
        (
            DemoRecommendation("tax-instructions", "the official ones, with an example of a driver"),
            DemoRecommendation(
                "tax-clinic",
                "because we can't give advice, and they can",
                "helped",
                comment="lady at table 2 sorted me out in 20 min",
            ),
        ),
        mode="phone",
        patron="andre",
        found="all",
        satisfaction="good",
    ),
    # A dentist wants to open a practice.
    DemoVisit(
        61,
        11,
        "anneke",
        "central",
        "reference",
        "business",
        4,
        30,
        "How many dentists within 5 miles? I want to open a practice",
        "Fourteen within five miles, two of them past seventy. The next county has four for the same number of people. The trend table is on page two of your print-out.",
        (
            DemoRecommendation(
                "business-dir", "counts by distance: draw the circle around your address", "helped"
            ),
            DemoRecommendation("county-stats", "the trend over ten years, not only today"),
            DemoRecommendation("mentor", "reads your plan before the bank does"),
        ),
        patron="imani",
        found="something_else",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        22,
                        "You should know what came of this. I drew the circle round six towns and signed a lease in Northfield. There is one dentist there and he has been waiting for somebody to take over. Thank you for not just saying “about a dozen”.",
                    ),
                    DemoMessage(
                        22.8,
                        "This made our week, Imani. If you ever want to tell the Monday founders' group, they would love the circles.",
                        "anneke",
                    ),
                ),
                closed_by="patron",
                closed_days=23,
            ),
        ),
    ),
    # A landlord has kept a tenant's deposit.
    DemoVisit(
        44,
        14,
        "rosa",
        "harbor",
        "referral",
        "housing",
        4,
        18,
        "Landlord kept my deposit. $1,400. He says “cleaning”",
        "Write first, sue later: the sample letter is on page 245. The law library can show you the paragraph with the deadline he has missed. We can't tell you what to do, they can't either, but legal aid can.",
        (
            DemoRecommendation(
                "tenants-guide",
                "the letter to send, word for word",
                "helped",
                comment="sent it certified. he called the same day",
            ),
            DemoRecommendation("law-librarian", "finds the statute with the deadline"),
            DemoRecommendation("legal-aid", "free, if he doesn't answer"),
        ),
        mode="email",
        patron="tyler",
        found="all",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        16,
                        "update. he paid. ALL of it. with a post it that says “no hard feelings”. there are some hard feelings",
                    ),
                    DemoMessage(16.4, "Congratulations, Tyler! Keep the post-it.", "rosa"),
                ),
                closed_by="patron",
                closed_days=16.5,
            ),
        ),
    ),
]
