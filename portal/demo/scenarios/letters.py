"""Visits with unusual conversations: very long, unanswered, overdue, or written from right to left."""

from ..story import DemoAction, DemoConversation, DemoMessage, DemoRecommendation, DemoStep, DemoVisit
from .house import HOUSE_CONVERSATION

LETTERS = [
    DemoVisit(
        46, 10, "anneke", "central", "reference", "family", 3, 15,
        "How old is my house, really?",
        "Deeds first, then fire insurance maps, then directories. Each answers a different question: who owned, what stood, who lived there.",
        (
            DemoRecommendation("deeds", "who owned it, back to the first sale"),
            DemoRecommendation("fire-maps", "the outline of the house, every ten years", "helped", days=3),
            DemoRecommendation("house-history", "which source answers which question", saved=True),
            DemoRecommendation("field-guide-houses", "so that you can date the windows", "not_tried", saved=True),
        ),
        patron="constance", found="something_else", satisfaction="very_good",
        conversations=(HOUSE_CONVERSATION,),
    ),
    DemoVisit(
        19, 15, "jun", "central", "technology", "computers", 3, 12,
        "Photos from the old phone to the new phone",
        "The cable way worked for half of them. For the rest: same wireless network, both phones charging, overnight.",
        (DemoRecommendation("tablet-class", "Fridays, bring both phones"),),
        patron="bradley",
        conversations=(
            DemoConversation((
                DemoMessage(1, "it stopped at 1,204 of 3,377. do i start over"),
                DemoMessage(1.3, "No need: start it again and it goes on from 1,204. If it stops at the same number twice, tell me what the last photo is.", "jun"),
                DemoMessage(6, "How did it go, Bradley? If it is still stuck, bring both phones on Friday.", "jun"),
            ), read=False),
        ),
    ),
    DemoVisit(
        8, 13, "leila", "northfield", "reference", "languages", 3, 15,
        "كتب عربية للكبار، ودرس في الإنجليزية للمبتدئين",
        "عندنا رف عربي صغير في فرع نورثفيلد. حلقة المحادثة يوم الأربعاء مجانية ولا تحتاج إلى تسجيل.",
        (
            DemoRecommendation("season-migration", "رواية قصيرة، نسخة عربية كاملة", "helped", comment="قرأتها في ليلتين", saved=True),
            DemoRecommendation("arabian-nights", "للأسرة كلها", "could_not_get_it", "checked_out", days=1.5, step=DemoStep("on_its_way", "leila", -2, days=1, end="helped", end_days=2)),
            DemoRecommendation("english-circle", "محادثة للمبتدئين، مجاناً"),
        ),
        language="ar", patron="yusuf", found="all", satisfaction="very_good",
        conversations=(
            DemoConversation((
                DemoMessage(1, "السلام عليكم أستاذة ليلى، هل يمكن طلب كتب عربية أخرى من مكتبة ثانية؟ أبحث عن روايات نجيب محفوظ، خصوصاً «الثلاثية»."),
                DemoMessage(2, "وعليكم السلام أستاذ يوسف. نعم، بالإعارة بين المكتبات، مجاناً، وتصل خلال أسبوع تقريباً. طلبت لك «بين القصرين» (Palace Walk) اليوم.", "leila",
                     (DemoRecommendation("ill", "لطلب الجزأين الثاني والثالث"),)),
                DemoMessage(2.4, "شكراً جزيلاً. سأنتظر الرسالة. وهل الحلقة يوم الأربعاء الساعة 6 أم 7؟"),
            ), language="ar"),
        ),
    ),
    DemoVisit(
        11, 14, "daniel", "harbor", "reference", "housing", 3, 10,
        "Who decides whether I may keep chickens",
        "The city's page says six, no rooster. Your lease may say otherwise.",
        (DemoRecommendation("City rules on keeping animals", "says how many, and how far from the fence"),),
        patron="abby",
        conversations=(
            DemoConversation((
                DemoMessage(1, "Thanks Daniel! One question: the rules say “coop 15 ft from a dwelling”. Is that MY dwelling or the neighbors'?"),
                DemoMessage(4, "Hello again, just checking that this arrived? The neighbour is measuring things."),
            ), actions=(DemoAction(1.1, "take", "daniel"),)),
        ),
    ),
    DemoVisit(
        5, 12, "priya", "northfield", "readers_advisory", "reading", 2, 6,
        "Something by Ngozi Adichie, my wife has read Americanah",
        "Half of a Yellow Sun. Central has it; you can have it sent here.",
        (DemoRecommendation("half-yellow-sun", "her own favorite of her novels, she says", "could_not_get_it", "checked_out", "The hold says 7 people before me", 1, step=DemoStep("ordered", "priya", 6)), DemoRecommendation("things-fall-apart", "on the shelf right here")),
        patron="samuel", found="part",
    ),
    DemoVisit(
        3, 12, "thomas", "northfield", "reference", "home", 2, 8,
        "Get the smell out of a rug, cat",
        "Page 88, and air.",
        (DemoRecommendation("readers-digest-repair", "has a page on exactly that", "did_not_help", "off_topic", "", 1),),
        patron="gertrude",
    ),
    DemoVisit(
        7, 11, "maribel", "harbor", "reference", "tax", 2, 7,
        "Do I need to keep paper receipts or are photos ok",
        "The instructions say photos are fine if they can be read. For your own case ask the clinic on Saturday.",
        (DemoRecommendation("tax-instructions", "section “records”, with what must be legible"), DemoRecommendation("tax-clinic", "they can advise you, and we can't")),
        patron="marcus",
        conversations=(
            DemoConversation((
                DemoMessage(1, "does that go for receipts from 2 yrs ago too? the ink is all gone on those"),
                DemoMessage(1.6, "For faded ones a bank statement with the photo is accepted, same section, third paragraph. I have marked the page for you.", "maribel"),
            ), read=False),
        ),
    ),
    DemoVisit(
        14, 15, "rosa", "central", "readers_advisory", "reading", 3, 18,
        "Books in which the weather matters",
        "Wind, ice, drought, and one with a great deal of rain.",
        (DemoRecommendation("left-hand", "ice, eighty days of it"), DemoRecommendation("dune", "no rain at all, which is the point", "could_not_get_it", "checked_out", days=9.1, step=DemoStep("reserved", "rosa", -1)), DemoRecommendation("hundred-years", "it rains for four years, eleven months and two days", "helped", days=9, saved=True)),
        patron="ingrid", found="all", satisfaction="very_good",
        conversations=(
            DemoConversation((
                DemoMessage(9, "Dear Rosa,\n\nI finished the García Márquez yesterday during an actual thunderstorm, which felt like cheating.\n\nTwo questions. First, is there anything like it where the weather is *kind*? I have noticed "
                        "that in all your suggestions it wants to kill people.\n\nSecond, my reading circle asks whether we may put our list on the library's page: https://reading-circle.example.org/weather/a-very-long-address-that-goes-on/and-on/and-on/2026/autumn/list.html\n\nWarmly,\nIngrid"),
                DemoMessage(10, "Dear Ingrid,\n\nKind weather is rarer than I thought. Braiding Sweetgrass comes close: the rain in it is on everybody's side.\n\nAnd yes to the list, with pleasure. Send it to me as it is.\n\nRosa", "rosa",
                     (DemoRecommendation("braiding", "the rain in it is on everybody's side"),)),
            )),
        ),
    ),
    DemoVisit(
        22, 17, "jun", "central", "reference", "computers", 3, 14,
        "Printer at home prints only pink",
        "Clean the heads twice, then print the test page. If it stays pink it is the cartridge, not you.",
        (DemoRecommendation("repair-cafe", "they like printers there"), DemoRecommendation("consumer-reports", "before you buy a new one")),
        patron="kofi",
        conversations=(
            DemoConversation((
                DemoMessage(1, "cleaned them, still pink"),
                DemoMessage(1.4, "Then the cyan cartridge has dried out. Take it to the repair café before you buy one.", "jun"),
                DemoMessage(4.0, "it was not dry, the tape was still on it. from the factory. i am ashamed"),
                DemoMessage(7, "Hello again. Now it prints only green. No tape this time"),
            ), closed_by="patron", closed_days=4.1, actions=(DemoAction(1.2, "take", "jun"),)),
        ),
    ),
    DemoVisit(
        1, 11, "rosa", "central", "consultation", "business", 3, 35,
        "Everything for opening a bakery, from the beginning",
        "Start with the first three; the rest can wait until you have a name for it.",
        (
            DemoRecommendation("mentor", "book the first Monday now, it fills up", "could_not_get_it", "other", "all the Mondays are full until January", days=1.5, saved=True),
            DemoRecommendation("business-dir", "where the other bakeries are"),
            DemoRecommendation("e-myth", "why good bakers go broke"),
            DemoRecommendation("county-stats", "who lives where, and eats what", starred=False),
            DemoRecommendation("lean-startup", "trying it at the market first", starred=False),
            DemoRecommendation("bread", "because the bread has to be good too", starred=False),
            DemoRecommendation("Food permits, county health office", "ask for the cottage food rules", starred=False),
        ),
        patron="rebecca",
        conversations=(DemoConversation((DemoMessage(1.4, "Rosa, one more: is the oven a “fixture” when I rent? The contract is on my table and he wants it back tomorrow."),), actions=(DemoAction(1.45, "assign", "rosa", "priya"), DemoAction(1.46, "note", "rosa", text="@Priya Raghunathan-Castellanos you did the bakery on Mill Lane: was the oven theirs?"))),),
    ),
    DemoVisit(
        13, 10, "maribel", "harbor", "technology", "jobs", 2, 15,
        "Hacer un currículum en el teléfono",
        "Ya está guardado con su nombre. Para cambiarlo, entre otra vez con el número de teléfono.",
        (DemoRecommendation("resume-builder", "funciona en el teléfono y en español", "helped", days=1), DemoRecommendation("job-board", "para mandarlo")),
        language="es", patron="ernesto", found="all", satisfaction="very_good",
    ),
    # A viewer by code asks this question. The visit is in nobody's account, so the library can't see who
    # asks.
    DemoVisit(
        2, 13, "priya", "central", "reference", "law", 2, 9,
        "How do I change my name, what does it cost",
        "The county clerk's page has the form; the fee can be waived, form two.",
        (DemoRecommendation("County clerk: change of name", "the form and the fee"), DemoRecommendation("law-librarian", "shows you a filled-in example")),
        code="live",
        conversations=(DemoConversation((DemoMessage(0.5, "the page says i need to put a notice in a newspaper?? is that still a thing. i would rather not"),)),),
    ),
    DemoVisit(40, 14, "maribel", "harbor", "readers_advisory", "children", 2, 7, "First chapter book for a boy who likes spiders", "Then read him the last line yourself.",
          (DemoRecommendation("charlottes-web", "a spider who can spell"),), code="forgotten"),
    DemoVisit(12, 11, "thomas", "northfield", "reference", "health", 2, 8, "Side effects, blood pressure pills", "The leaflet in plain words; your pharmacist knows the rest.",
          (DemoRecommendation("health-encyclopedia", "same substance, plain words"),), code="revoked", note="Slip was left on the copier; code revoked at once."),
    DemoVisit(1, 12, "jun", "central", "readers_advisory", "comics", 2, 5, "My daughter (13) loved Spirited Away", "Persepolis is drawn, true and funny, and one scene is not for younger ones.",
          (DemoRecommendation("persepolis", "a girl who won't be told"), DemoRecommendation("spirited-away", "to watch once more together")), code="card"),
    DemoVisit(3, 15, "priya", "central", "reference", "news", 2, 6, "Crossword solutions of last week's Courier", "Page 22 every day; the archive has them too.",
          (DemoRecommendation("courier", "at the desk, last four weeks"),), code="mailed", mode="phone"),
]  # fmt: skip
