"""The demo's patrons. `address` is the part before @example.org in the patron's email address, or ""."""

import uuid
from typing import NamedTuple


class DemoPatron(NamedTuple):
    key: str
    name: str
    address: str
    language: str
    about: str


def person_id(key):
    """Return the public id of a staff member or patron. The id is the same in every demo library."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"https://demo.example.org/people/{key}")


PATRONS = [
    DemoPatron(
        "delroy",
        "Delroy Simmons",
        "",
        "en",
        "No email address, but a library card; the job board locked him out, and staff helped by message",
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
        "A mother with a school project; shares one visit with Mia",
    ),
    DemoPatron(
        "mia",
        "Mia",
        "",
        "en",
        "A child without address or surname; shares one visit with Yolanda, who sees nothing else of hers",
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
        "Family history: found Gran under another spelling; staff have noted that she died",
    ),
    DemoPatron(
        "andre", "Andre Baptiste", "andre.b", "en", "Asked about a tax form by phone; the tax clinic helped"
    ),
    DemoPatron(
        "siobhan", "Siobhán Kelleher", "siobhan.k", "en", "Readable health information for her mother"
    ),
    DemoPatron("imani", "Imani Robinson", "imani", "en", "Opened a business, but in another town"),
    DemoPatron(
        "weilin",
        "Wei-Lin Chang",
        "weilin.chang",
        "en",
        "Needed an article behind a paywall; got it by interlibrary loan",
    ),
    DemoPatron(
        "tyler", "Tyler McAllister", "tyler.mc", "en", "Got his deposit back; his conversation is closed"
    ),
    DemoPatron(
        "ronald", "Ronald Birnbaum", "ron62", "en", "62, learns Python; the video course wants a sign-in"
    ),
    DemoPatron(
        "josephine",
        "Josephine Tran",
        "josephine.t",
        "en",
        "Grief reading; Daniel is away, so she reads who answers instead",
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
        "A systematic review over three visits, still going on",
    ),
    DemoPatron(
        "harold",
        "Harold Pruitt",
        "h.pruitt",
        "en",
        "Furious, because his link was dead three times; a coordinator phoned him",
    ),
    DemoPatron(
        "constance",
        "Constance Whitcombe",
        "constance.whitcombe",
        "en",
        "Researches her house; a conversation of more than sixty messages; gets one email a day",
    ),
    DemoPatron(
        "bradley",
        "Bradley Nguyen",
        "bradn",
        "en",
        "Got two answers and never wrote again, because the emails came back, so he gets no more notices",
    ),
    DemoPatron(
        "yusuf", "يوسف الخطيب", "yusuf", "en", "Writes in Arabic; his conversation runs from right to left"
    ),
    DemoPatron(
        "fern",
        "Fern Castellanos",
        "fern.c",
        "en",
        "A regular with many kept visits and a long saved list; her phone keeps pages and gets messages",
    ),
    DemoPatron(
        "olive",
        "Olive Park",
        "olive.park",
        "en",
        "Signed in for the first time, so every page is still empty",
    ),
    DemoPatron(
        "nameless",
        "",
        "quietreader",
        "en",
        "Gave no name, had one conversation erased, and wants something to read",
    ),
    DemoPatron("ernesto", "Ernesto Quiroga", "", "es", "No email address; reads the portal in Spanish"),
    DemoPatron("abby", "Abby Lund", "abby", "en", "Asked days ago; the answer is overdue"),
    DemoPatron(
        "samuel",
        "Samuel Adeyemi",
        "s.adeyemi",
        "en",
        "Could not get the book that staff recommended; the desk hasn't answered yet",
    ),
    DemoPatron("gertrude", "Gertrude Vandersloot", "gertie", "en", "Said “did not help” and nothing else"),
    DemoPatron(
        "marcus",
        "Marcus Bell",
        "marcus.bell",
        "en",
        "Has unread answers in two conversations and an unsent draft; gets one email an hour",
    ),
    DemoPatron(
        "ingrid", "Ingrid Solheim", "ingrid.s", "en", "Writes long messages with paragraphs and links"
    ),
    DemoPatron(
        "kofi", "Kofi Mensah", "kofi", "en", "Closed his conversation, then wrote again; wants no emails"
    ),
    DemoPatron(
        "rebecca",
        "Rebecca Stein",
        "rstein",
        "en",
        "One visit with seven items; asked for something to read and got an answer",
    ),
    DemoPatron("tomasz", "Tomasz Zieliński", "tomasz.z", "en", "Asks short questions and keeps every visit"),
    DemoPatron("lucia", "Lucía Fernández", "lucia.f", "es", "Reads in Spanish; story time for two children"),
    DemoPatron("otis", "Otis Freeman", "", "en", "No email address; newspapers and crosswords"),
    DemoPatron("mei", "Mei Okonkwo", "mei.o", "en", "Nursing student"),
    DemoPatron(
        "pete",
        "Pete Gallagher",
        "pete.g",
        "en",
        "Repairs everything himself; sent a picture of a leaking pipe",
    ),
    DemoPatron("aisha", "Aisha Rahman", "aisha.r", "en", "Learns Spanish; saves many items to try later"),
    DemoPatron("june", "June Arsenault", "june.a", "en", "Is ninety and reads only large print"),
    DemoPatron("victor", "Victor Ionescu", "victor.i", "en", "Only asks about chess"),
]
