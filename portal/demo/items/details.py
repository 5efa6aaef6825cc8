"""What some of the demo's items are: their form, length and audience. Also the codes of the branches."""

FORMS = {
    "pride-lp": "large_print",
    "thursday-murder-lp": "large_print",
    "secret-garden-ebook": "ebook",
    "still-life-audio": "disc",
    "kind-of-blue": "disc",
    "spirited-away": "disc",
}
EXTENTS = {
    "pride-lp": "514 pages (large print)",
    "still-life-audio": "8 audio discs (10 hr.)",
    "spirited-away": "1 videodisc (125 min.)",
    "sibley": "xxviii, 598 pages",
}
AUDIENCES = {
    "secret-garden": "preteen",
    "secret-garden-ebook": "preteen",
    "number-the-stars": "preteen",
    "wild-things": "preschool",
    "charlottes-web": "primary",
}
# {key of an item: the location of its copies at each branch}. None of these copies can be borrowed.
REFERENCE = {"sibley": "Reference"}
# {code of a branch in the library's own system: the branch}
CODES = {"CEN": "central", "HAR": "harbor"}
# {code that nobody has assigned to a branch yet: number of holdings with this code}
UNKNOWN_CODES = {"NFD": 41}
