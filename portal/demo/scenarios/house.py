"""A conversation with more than sixty messages. The page collapses most of the messages. A few messages are unread."""

from ..story import DemoAction, DemoConversation, DemoMessage, DemoRecommendation

C, A, J = None, "anneke", "jun"

# Each entry is (day, author, text).
HOUSE = [
    (1, C, "Good morning! I have been to the deeds register as you said. The house at 17 Tanner's Row appears in 1904, sold by a Mr. E. Lowell to a widow Hatch. But my deed says BUILT 1891?!"),
    (1.3, A, "Good morning, Constance. Both can be true: deeds record sales, not building. Look at the fire insurance maps for 1886 and 1896, whether the lot is empty.", ),
    (2, C, "1886: empty lot. 1896: a house!! But it has the wrong shape. Mine is an L, that one is a square."),
    (2.2, A, "Then the L came later. Kitchens were often added. What does the 1906 sheet say?"),
    (2.4, C, "How do I get to 1906, it keeps showing me 1896"),
    (2.6, A, "Top right, a small arrow beside the year. It hides on phones; turn the phone sideways."),
    (2.7, C, "Oh for heaven's sake. Sideways! There it is. 1906 is an L."),
    (2.9, A, "So the kitchen was built between 1896 and 1906. Probably the widow Hatch, soon after she bought."),
    (4, C, "Who was she? I feel I should know who paid for my kitchen."),
    (4.3, A, "Try the city directories, 1903 to 1910, under Hatch. Widows are listed with the late husband's name in brackets."),
    (5, C, "“Hatch, Lavinia (wid. Obed), dressmaker, h. 17 Tanner's Row.” LAVINIA."),
    (5.1, C, "A dressmaker! My sewing machine stands in the bay window. I bet hers did too."),
    (5.4, A, "North light, bay window, dressmaker: I would bet so too."),
    (6, C, "Directory of 1911: no Hatch. What happened to her?"),
    (6.5, A, "Three places: the Courier (deaths 1910 and 1911), the probate index, and the 1910 census if she moved in with a child."),
    (7, C, "Nothing in the Courier but I only searched “Lavinia Hatch”. Should I search differently?"),
    (7.2, A, "Newspapers wrote “Mrs. Obed Hatch”. I know."),
    (7.4, C, "I know too, now. Found. Not dead at all: “Mrs. Obed Hatch, for many years of this city, was married Saturday to Capt. Silas Rowe.” 1910. At fifty-eight!"),
    (7.6, A, "Well done, Lavinia. And well done, Constance."),
    (9, C, "My neighbor says there was a fire in the row in 1938. Would that be in the paper?"),
    (9.3, A, "Yes, and the fire department's log is at the city archive, open Thursdays. Ask for volume 12."),
    (12, C, "I went. Volume 12! They let me hold it. The fire was in number 21 but “the roof of No. 17 was wetted throughout the night by its owner, Miss Rowe.”"),
    (12.1, C, "Miss ROWE. A stepdaughter? Lavinia's husband had a daughter?"),
    (12.8, A, "Probably. The 1920 census will list her with relation to the head of the house. Your turn."),
    (14, C, "“Rowe, Adelaide, daughter, 24, teacher.” So the house stayed in the family. And the roof beams do have water marks, I always thought it leaked."),
    (14.5, A, "You could write this up, you know. The local history shelf has a box for house histories and it is sadly thin."),
    (15, C, "Me? I wouldn't know how to begin"),
    (15.4, A, "“I have a sewing machine in the bay window.” Begin there."),
    (20, C, "I have nine pages. It is called “Who Paid for My Kitchen”. Could you look at the footnotes before I bring it in? I have numbered them by hand."),
    (20.6, A, "With pleasure. Bring it on Thursday, I am at the desk until five. And a second copy for the box."),
    (22, C, "I have been thinking about the water marks. If the roof was wetted in 1938, would the insurance have paid? Would there be a letter?"),
    (22.3, A, "Insurers' letters rarely survive, but the fire department billed for ladders in those days. The town's annual report for 1938 prints the list."),
    (23, C, "It does! Page 61. “Miss A. Rowe, two ladders, returned.” TWO LADDERS. She was on the roof herself."),
    (23.1, C, "She was forty-two."),
    (23.5, A, "With the water cart from Lantern Square, then. There is a photograph of that cart in the microfilm room, on the wall. You have walked past it."),
    (24, C, "I stood before it for ten minutes. A man asked whether I was all right."),
    (25, C, "Who owned the house after Adelaide? My deed begins in 1971 with a Mr. Petrakis and there is a hole before him."),
    (25.4, A, "A hole of that size is usually a probate. Adelaide Rowe, died when? The death index is on the second floor, or I can look."),
    (25.6, C, "No no, let me."),
    (26, C, "1969. Aged 73. “Teacher, forty years at the Harbor School.” She taught half the street. She taught my neighbor's MOTHER."),
    (26.5, A, "So the probate is 1969 or 1970, at the county. You need the docket number first, it is in the index volume, not online."),
    (28, C, "Docket 8841. They bring the folder in a cart with a squeaking wheel. There is a will. I copied it by hand because the machine ate my card."),
    (28.1, C, "She left the house to “my pupil and friend Despina Petrakis, who mended the roof”."),
    (28.4, A, "Constance. The roof again."),
    (28.5, C, "I know. I cried at the county clerk's."),
    (29, C, "And this came with it, folded in the will. My nephew took the picture."),
    (29.6, A, "That is the deed by which Lavinia gave it to Adelaide, in 1923. “For one dollar and love.” I have read many of these and never that."),
    (30, C, "For one dollar and love!!!"),
    (31, C, "So: built before 1896 by Lowell, an L by 1906 for Lavinia, Adelaide from 1923, Despina from 1970, her brother from 1971, me from 1998. Have I missed anybody?"),
    (31.4, A, "Only the tenants. Directories list lodgers too, from 1930 on, in small type. There may have been one in the attic."),
    (33, C, "There was. A piano tuner! “Ambler, Jos., piano tnr, rms 17 Tanner's Row”, 1934 to 1941. That explains the hook in the ceiling."),
    (33.2, A, "I would love to know how."),
    (33.3, C, "He hung the soundboards up to dry, my uncle did the same."),
    (35, C, "The nine pages are now twenty-two. Is there a rule about length for the box?"),
    (35.5, A, "The only rule is that it must fit into the box."),
    (37, C, "My reading circle wants me to give a talk. In front of people. At the library??"),
    (37.3, A, "The local history evening is the second Wednesday. Forty chairs, tea, nobody heckles. Shall I put you down for the next free one?"),
    (38, C, "I said yes before I could think."),
    (39.5, A, "You are down. Bring pictures on a stick, or on paper, I will have a machine that does not eat cards.\n\nHere is how to scan the deed so that people can read it from the back row."),
    (43, C, "Two things. The title: “Who Paid for My Kitchen”, or “Two Ladders, Returned”?"),
    (43.1, C, "And may I show Despina's letter? She died in 1988, there are grandchildren. I wouldn't want them to hear it from a poster."),
    (43.3, C, "One more and then I am quiet. The clerk says the docket folder has a second envelope nobody has opened. May one?"),
    (44.2, J, "Good morning, Constance, this is Jun; Anneke is teaching today and reads it in the evening. “Two Ladders, Returned”, if you ask me."),
    (44.3, J, "About the envelope: it is a public record, so the clerk may open it in front of you. Ask for it in writing, docket number and date. I have put the form on the hold shelf under your name."),
]  # fmt: skip

WITH_FILES = {29: ("deed-1923.jpg",)}
WITH_ITEMS = {39.5: (DemoRecommendation("tablet-class", "Fridays; bring the deed and the stick"),)}

HOUSE_CONVERSATION = DemoConversation(
    tuple(
        DemoMessage(day, body, by, WITH_ITEMS.get(day, ()), WITH_FILES.get(day, ()))
        for day, by, body in HOUSE
    ),
    read=False,
    actions=(
        DemoAction(1.2, "take", "anneke"),
        DemoAction(
            20.7,
            "note",
            "anneke",
            text="Offer the local history evening once the pages are done. She will say no first.",
        ),
        DemoAction(
            44.4,
            "note",
            "jun",
            text="@Anneke Vermeulen I answered the envelope, not the grandchildren: that one is yours, I think.",
        ),
    ),
)
