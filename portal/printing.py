"""Make QR codes for printed pages, and compute the length of an 80 mm receipt."""

import math

import qrcode
from django.utils.html import format_html

# Even in a wide font, this many characters fit in one line of a receipt.
LINE_LENGTH = 24
# The height of a line on a receipt, and the gap between paragraphs, in millimeters.
LINE_HEIGHT, PARAGRAPH_GAP = 6, 3


def qr_svg(text, label):
    """Return a QR code as inline SVG. SVG looks sharp at any size, and the page needs no request for it."""
    code = qrcode.QRCode(border=2, error_correction=qrcode.ERROR_CORRECT_M)
    code.add_data(text)
    rows = code.get_matrix()
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return format_html(
        '<svg class="qr" viewBox="0 0 {0} {0}" role="img" aria-label="{1}" shape-rendering="crispEdges">'
        '<path fill="#fff" d="M0 0h{0}v{0}h-{0}z"/><path fill="#000" d="{2}"/></svg>',
        len(rows),
        label,
        path,
    )


def paragraph_height(text, *, line_length=LINE_LENGTH, line_height=LINE_HEIGHT):
    """Return the greatest height in millimeters that this paragraph can have on a receipt."""
    # Capital letters and East Asian characters are wider than other characters.
    widths = [
        sum(1.4 if char > "\u2e7f" or char.isupper() else 1 for char in line) for line in text.split("\n")
    ]
    return PARAGRAPH_GAP + sum(line_height * max(1, math.ceil(width / line_length)) for width in widths)
