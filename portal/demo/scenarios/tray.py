"""Unfinished sessions: days ago, hour, staff, branch and the fields of the record form so far."""

UNFINISHED = [
    (
        0,
        15,
        "jun",
        "central",
        {
            "question": "Woman with two kids, wants to learn to solder. told her repair cafe, look up book!!",
            "mode": "in_person",
            "minutes": "10",
        },
    ),
    (
        2,
        11,
        "jun",
        "central",
        {"question": "scanner + citizenship photo, green jacket", "summary": "Photos must be", "minutes": ""},
    ),
    (1, 13, "thomas", "northfield", {"question": "Bees. Permit?", "mode": "phone", "minutes": "about ten"}),
]
