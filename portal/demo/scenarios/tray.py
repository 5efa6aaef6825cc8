"""The demo's unfinished sessions.

Each entry is (days ago, hour, staff, branch, fields). The fields are what staff typed in the record form.
"""

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
