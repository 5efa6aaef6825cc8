"""The patrons of the demo. `address` is before @example.org; none for those without e-mail."""

from typing import NamedTuple


class DemoPatron(NamedTuple):
    key: str
    name: str
    address: str
    language: str
    about: str


PATRONS = [
    DemoPatron(
        "delroy",
        "Delroy Simmons",
        "",
        "en",
        "No e-mail address, but a library card: job board locked him out, solved in the conversation",
    ),
    DemoPatron(
        "hannah", "Hannah Lindqvist", "hannah.l", "en", "Thesis on working from home; two consultations"
    ),
    DemoPatron(
        "beatrice",
        "Beatrice Ashworth",
        "b.ashworth",
        "en",
        "Wanted novels like A Man Called Ove; loved one, stopped another",
    ),
    DemoPatron(
        "yolanda",
        "Yolanda Price",
        "yprice",
        "en",
        "A mother with a school project; one book was too hard; shares a visit of Mia's",
    ),
    DemoPatron(
        "mia",
        "Mia",
        "",
        "en",
        "A child's account: no address, no surname; shares a visit with Yolanda, who sees nothing else of hers",
    ),
    DemoPatron(
        "lupe",
        "Guadalupe Hernández Villanueva",
        "lupe.hv",
        "es",
        "Reads the portal in Spanish; her conversation is in Spanish",
    ),
    DemoPatron("walter", "Walter Brzeziński", "walter.b", "en", "Uses a screen reader; talking books"),
    DemoPatron(
        "peg",
        "Margaret “Peg” O’Sullivan-Kowalczyk",
        "peg.osk",
        "en",
        "Family history: found Gran under another spelling",
    ),
    DemoPatron("andre", "Andre Baptiste", "andre.b", "en", "Tax form by phone; the clinic helped"),
    DemoPatron(
        "siobhan", "Siobhán Kelleher", "siobhan.k", "en", "Readable health information for her mother"
    ),
    DemoPatron("imani", "Imani Robinson", "imani", "en", "Opened a business, in another town after all"),
    DemoPatron(
        "weilin",
        "Wei-Lin Chang",
        "weilin.chang",
        "en",
        "An article behind a paywall; the link broke, the loan came",
    ),
    DemoPatron("tyler", "Tyler McAllister", "tyler.mc", "en", "Got his deposit back; conversation closed"),
    DemoPatron(
        "ronald", "Ronald Birnbaum", "ron62", "en", "62, learns Python; the video course wants a sign-in"
    ),
    DemoPatron(
        "josephine",
        "Josephine Tran",
        "josephine.t",
        "en",
        "Grief reading; Daniel, who answers her, is away, and she is told who does",
    ),
    DemoPatron(
        "malik", "Malik Johnson-Reyes", "malik.jr", "en", "Manga; volume 3 is missing, a hold is placed"
    ),
    DemoPatron(
        "ambrose",
        "Dr. Ambrose Featherstonehaugh-Nakamura von Hohenberg",
        "ambrose",
        "en",
        "The longest name; a saxophonist with an A-minus",
    ),
    DemoPatron(
        "shreya",
        "Dr. Shreya Venkataramanan",
        "shreya.v",
        "en",
        "Systematic review, three sessions, still going on",
    ),
    DemoPatron(
        "harold",
        "Harold Pruitt",
        "h.pruitt",
        "en",
        "Furious: his link was dead three times; a coordinator phoned",
    ),
    DemoPatron(
        "constance",
        "Constance Whitcombe",
        "constance.whitcombe",
        "en",
        "Researches her house; a conversation of more than sixty messages",
    ),
    DemoPatron(
        "bradley",
        "Bradley Nguyen",
        "bradn",
        "en",
        "Was answered twice and never wrote again: his conversation closes by itself soon",
    ),
    DemoPatron(
        "yusuf", "يوسف الخطيب", "yusuf", "en", "Writes in Arabic; his conversation runs from right to left"
    ),
    DemoPatron(
        "fern",
        "Fern Castellanos",
        "fern.c",
        "en",
        "A regular: many sessions kept, a long saved list, two questions joined into one",
    ),
    DemoPatron(
        "olive", "Olive Park", "olive.park", "en", "Signed in for the first time: every page is still empty"
    ),
    DemoPatron(
        "nameless",
        "",
        "quietreader",
        "en",
        "Has given no name; had one conversation erased, and wants something to read",
    ),
    DemoPatron("ernesto", "Ernesto Quiroga", "", "es", "No e-mail address; reads the portal in Spanish"),
    DemoPatron("abby", "Abby Lund", "abby", "en", "Asked days ago and waits past the promise"),
    DemoPatron(
        "samuel",
        "Samuel Adeyemi",
        "s.adeyemi",
        "en",
        "Could not get what he was given; the desk has not answered yet",
    ),
    DemoPatron("gertrude", "Gertrude Vandersloot", "gertie", "en", "Said “did not help” and nothing else"),
    DemoPatron(
        "marcus",
        "Marcus Bell",
        "marcus.bell",
        "en",
        "Has an answer he has not read, and one of his own begun and not sent",
    ),
    DemoPatron(
        "ingrid", "Ingrid Solheim", "ingrid.s", "en", "Writes long messages with paragraphs and links"
    ),
    DemoPatron("kofi", "Kofi Mensah", "kofi", "en", "Closed his conversation, then wrote again"),
    DemoPatron(
        "rebecca",
        "Rebecca Stein",
        "rstein",
        "en",
        "One session with seven items; asked for something to read, and got it",
    ),
    DemoPatron("tomasz", "Tomasz Zieliński", "tomasz.z", "en", "Short questions, all of them kept"),
    DemoPatron("lucia", "Lucía Fernández", "lucia.f", "es", "Reads in Spanish; story time for two children"),
    DemoPatron("otis", "Otis Freeman", "", "en", "No e-mail address; newspapers and crosswords"),
    DemoPatron("mei", "Mei Okonkwo", "mei.o", "en", "Nursing student"),
    DemoPatron(
        "pete", "Pete Gallagher", "pete.g", "en", "Repairs everything once; sent a picture of what drips"
    ),
    DemoPatron("aisha", "Aisha Rahman", "aisha.r", "en", "Learns Spanish, saves a lot and tries it later"),
    DemoPatron("june", "June Arsenault", "june.a", "en", "Ninety, large print only"),
    DemoPatron("victor", "Victor Ionescu", "victor.i", "en", "Chess, and nothing else"),
]
