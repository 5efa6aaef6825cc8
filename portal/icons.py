"""The icons of the pages, drawn as strokes on a grid of 24 by 24. An icon always has text next to it."""

ICONS = {
    "home": '<path d="M4 11 12 4l8 7v8a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1z"/><path d="M10 20v-6h4v6"/>',
    "message": '<path d="M4 19.5V7a2.5 2.5 0 0 1 2.5-2.5h11A2.5 2.5 0 0 1 20 7v7a2.5 2.5 0 0 1-2.5 2.5H8z"/>',
    "bookmark": '<path d="M6.5 4h11v16L12 15.5 6.5 20z"/>',
    "person": (
        '<circle cx="12" cy="8" r="3.75"/><path d="M4.5 20.5c.6-4.2 3.6-6.25 7.5-6.25s6.9 2.05 7.5 6.25"/>'
    ),
    "people": (
        '<circle cx="9" cy="8.5" r="3.25"/><path d="M2.5 19.5c.5-3.7 3-5.5 6.5-5.5s6 1.8 6.5 5.5'
        'M15.5 5.5a3.25 3.25 0 0 1 0 6.1M18 14.4c2 .8 3.2 2.5 3.5 5.1"/>'
    ),
    "book": '<path d="M5 19V6a2 2 0 0 1 2-2h12v13H7a2 2 0 0 0-2 2 1.75 1.75 0 0 0 2 1.5h12V17"/>',
    "headphones": (
        '<path d="M4 17v-4a8 8 0 0 1 16 0v4"/>'
        '<rect x="3.5" y="14" width="4" height="6.5" rx="1.5"/>'
        '<rect x="16.5" y="14" width="4" height="6.5" rx="1.5"/>'
    ),
    "music": (
        '<circle cx="7" cy="17.5" r="2.75"/><circle cx="17" cy="15.5" r="2.75"/>'
        '<path d="M9.75 17.5V6l10-2v11.5"/>'
    ),
    "video": '<rect x="3.5" y="5" width="17" height="14" rx="2.5"/><path d="m10 9 5 3-5 3z"/>',
    "map": '<path d="m4 6 5-2 6 2 5-2v14l-5 2-6-2-5 2zM9 4v14M15 6v14"/>',
    "article": '<path d="M6 3.5h8.5L19 8v12.5H6zM9.5 12h6M9.5 16h6M9.5 8h2"/>',
    "database": (
        '<ellipse cx="12" cy="6" rx="7.5" ry="2.75"/>'
        '<path d="M4.5 6v12c0 1.5 3.4 2.75 7.5 2.75s7.5-1.25 7.5-2.75V6'
        'M4.5 12c0 1.5 3.4 2.75 7.5 2.75s7.5-1.25 7.5-2.75"/>'
    ),
    "globe": '<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.5c5 5 5 12 0 17-5-5-5-12 0-17z"/>',
    "calendar": '<rect x="4" y="5.5" width="16" height="15" rx="2"/><path d="M4 10h16M8.5 3v4M15.5 3v4"/>',
    "search": '<circle cx="10.5" cy="10.5" r="6"/><path d="m15 15 5.5 5.5"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "check": '<path d="m5 12.5 4.5 4.5L19 7"/>',
    "close": '<path d="m6 6 12 12M18 6 6 18"/>',
    "forward": '<path d="m9.5 5.5 6.5 6.5-6.5 6.5"/>',
    "down": '<path d="m5.5 9.5 6.5 6.5 6.5-6.5"/>',
    "back": '<path d="M14.5 5.5 8 12l6.5 6.5"/>',
    "leave": '<path d="M10 4H5v16h5M14 8l4 4-4 4M18 12H9"/>',
    "send": '<path d="m4 12 16-8-5 16-3.5-6.5zM11.5 13.5 20 4"/>',
    "clock": '<circle cx="12" cy="12" r="8.5"/><path d="M12 7v5l3.5 2"/>',
    "place": (
        '<path d="M12 21c4.5-4.8 6.75-8.3 6.75-11.25a6.75 6.75 0 0 0-13.5 0C5.25 12.7 7.5 16.2 12 21z"/>'
        '<circle cx="12" cy="9.75" r="2.25"/>'
    ),
    "alert": '<path d="M12 4 2.75 20h18.5zM12 10v4.5M12 17.3v.2"/>',
    "lock": '<rect x="5" y="11" width="14" height="9.5" rx="2"/><path d="M8 11V8a4 4 0 0 1 8 0v3"/>',
    "key": '<circle cx="7.5" cy="12" r="4"/><path d="M11.5 12h9.5v4M17 12v3"/>',
    "print": '<path d="M7 9V3.5h10V9M7 17H4V9h16v8h-3M7 14h10v6.5H7z"/>',
    "code": '<path d="M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h3v3h-3zM20 14v.1M17 20v.1M20 18v2"/>',
    "undo": '<path d="M8 5 4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11h-3"/>',
    "pencil": '<path d="M4 20l1-4.5L16 4.5l3.5 3.5L8.5 19zM13.5 7l3.5 3.5"/>',
    "settings": (
        '<circle cx="12" cy="12" r="3"/><path d="M12 3.5v3M12 17.5v3M3.5 12h3M17.5 12h3M6 6l2.1 2.1'
        'M15.9 15.9 18 18M18 6l-2.1 2.1M8.1 15.9 6 18"/>'
    ),
    "desk": '<path d="M3 9h18M5 9v11M19 9v11M12 9v6.5h7M9 9V4h6"/>',
    "chart": '<path d="M4 4v16h16M8.5 16v-4M13 16V7M17.5 16v-6.5"/>',
    "queue": '<path d="M4 6h16M4 12h16M4 18h9"/>',
    "card": '<rect x="3" y="5.5" width="18" height="13" rx="2"/><path d="M3 10h18M7 15h4"/>',
    "mail": '<rect x="3.5" y="5.5" width="17" height="13" rx="2"/><path d="m4.5 7 7.5 6 7.5-6"/>',
    "phone": '<rect x="7" y="3" width="10" height="18" rx="2.25"/><path d="M11 17.8h2"/>',
    "trash": '<path d="M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5.5M13.5 11v5.5"/>',
    "clip": '<path d="m8.5 12.5 6-6a2.75 2.75 0 0 1 4 4l-7.75 7.75a4.5 4.5 0 0 1-6.4-6.4L11 5.25"/>',
    "camera": '<path d="M4.5 7.5H8l1.5-2.5h5L16 7.5h3.5v11h-15z"/><circle cx="12" cy="12.75" r="3.25"/>',
    "share": (
        '<circle cx="6" cy="12" r="2.5"/><circle cx="17.5" cy="5.75" r="2.5"/>'
        '<circle cx="17.5" cy="18.25" r="2.5"/><path d="m8.2 10.8 7.1-3.8M8.2 13.2l7.1 3.8"/>'
    ),
    "copy": '<rect x="8.5" y="8.5" width="11.5" height="12" rx="2"/><path d="M5 15.5H4V4h11.5v1"/>',
    "outside": '<path d="M13 4.5h6.5V11M19 5l-8 8M16.5 14v5.5h-12v-12H10"/>',
}

# The icons that point in the direction of reading. They are mirrored in right-to-left languages.
FLIPPED = {"forward", "back", "leave", "send", "undo", "outside", "queue"}
