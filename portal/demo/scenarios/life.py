"""Visits about health, family, safety and grief."""

from ..story import DemoConversation, DemoMessage, DemoRecommendation, DemoStep, DemoVisit

LIFE = [
    # A patron whose mother starts dialysis wants to read about it.
    DemoVisit(
        41,
        9,
        "leila",
        "central",
        "reference",
        "health",
        3,
        9,
        "Mum starts dialysis, I need something readable, not scary",
        "Read the plain-words pages together first. The book is written by people who are on dialysis themselves. For what is right for her, ask her nurse: we can only give you reading.",
        (
            DemoRecommendation("health-encyclopedia", "plain words, with drawings, no advertising", "helped"),
            DemoRecommendation(
                "dialysis",
                "hopeful, written by people who live with it",
                "helped",
                comment="She reads bits of it out to ME now.",
            ),
        ),
        mode="phone",
        patron="siobhan",
        found="all",
        satisfaction="very_good",
    ),
    # A patron traces a grandmother who immigrated around 1912.
    DemoVisit(
        56,
        13,
        "anneke",
        "central",
        "consultation",
        "family",
        5,
        50,
        "Gran came about 1912, spelling unknown. Maybe Kovalchik?",
        "Search by sound, not by letter; leave the year open by three in both directions. Write down each spelling you tried, so that you don't try it twice.",
        (
            DemoRecommendation("census", "1920 first: it names the year of arrival"),
            DemoRecommendation(
                "passengers",
                "finds names that sound alike",
                "helped",
                comment="KOWALTSCHIK!! Of course. May 1913, with a brother nobody ever mentioned.",
                days=6,
                saved=True,
            ),
            DemoRecommendation("ships", "the method, in a hundred pages"),
        ),
        patron="peg",
        found="all",
        satisfaction="very_good",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        6.1,
                        "FOUND HER. Kowaltschik, with a tsch, on the George Washington out of Bremen. And there is a brother, Josef, 9 years old. Nobody in the family has ever heard of a Josef. Where do I look for a nine year old?",
                    ),
                    DemoMessage(
                        7.0,
                        "What a find, Peg! For Josef: school registers for the parish (the archive at St. Stanislaus, by letter), and the 1920 census under boarders, not children. And the Courier: 1913 to 1920, surname with all five spellings.",
                        "anneke",
                        (DemoRecommendation("newspapers", "search all five spellings, 1913 to 1920"),),
                    ),
                    DemoMessage(
                        15.5,
                        "He was adopted by the baker on Orchard Road. There are cousins. I have COUSINS.",
                    ),
                ),
                closed_by="patron",
                closed_days=15.6,
            ),
        ),
    ),
    # These visits about safety are quiet, so they are not linked to a name or an email address.
    DemoVisit(
        4,
        11,
        "rosa",
        "harbor",
        "referral",
        "law",
        3,
        8,
        "",
        "Both are free and neither writes to your home.",
        (
            DemoRecommendation("legal-aid", "free, and they don't need a name to begin"),
            DemoRecommendation("hotline", "always open"),
        ),
        code="live",
        quiet=True,
    ),
    # A patron looks for an obituary from 1987.
    DemoVisit(
        10,
        9,
        "daniel",
        "harbor",
        "reference",
        "news",
        4,
        15,
        "Third time your link is dead! My brother's obituary, March 1987",
        "The Courier archive has every page since 1871. If the link fails, the same pages are on microfilm at Central.",
        (
            DemoRecommendation(
                "newspapers",
                "it is our own paper, every page since 1871",
                "could_not_get_it",
                "link_broken",
                "DEAD. AGAIN. Does anybody there ever click on these??",
                0.3,
                step=DemoStep("other_item", "rosa", -5, days=1.6, other="microfilm", end="given"),
            ),
            DemoRecommendation("microfilm", "the same pages on film, if all else fails", "helped", days=3),
        ),
        mode="email",
        patron="harold",
        found="all",
        satisfaction="not_so_good",
        note="Third link from us that did not work for him. Please phone, don't write.",
        conversations=(
            DemoConversation(
                (
                    DemoMessage(
                        0.35,
                        "THIRD TIME!!! I am 71 years old and I have now spent FOUR HOURS on your “archive”. My brother died in March 1987 and all I want is the page. What do we pay taxes for. Do NOT send me another link.",
                    ),
                    DemoMessage(
                        1.1,
                        "Mr. Pruitt, you are right and I am sorry. I have just tried the link myself: it opens inside the library and nowhere else, and none of us had noticed. No more links. May I phone you this afternoon? Meanwhile Jun is looking at the film. Rosa Delgado, coordinator",
                        "rosa",
                    ),
                    DemoMessage(1.2, "After 4. 555-0177. I will believe it when it rings"),
                    DemoMessage(
                        1.9,
                        "Thank you for talking to me. It is March 11, 1987, page 14, and there is a photograph with it. Two good prints are in an envelope with your name at the Central desk, no charge. The link works for everyone again, because of you.",
                        "rosa",
                    ),
                    DemoMessage(
                        3.2,
                        "Got the prints. I did not know there was a photograph. My wife says I owe you an apology for the capital letters. Consider it made. H. Pruitt",
                    ),
                    DemoMessage(3.5, "None needed. I am glad you have the photograph.", "rosa"),
                ),
                about="newspapers",
                closed_by="staff",
                closed_days=4,
            ),
        ),
    ),
]
