"""Draw the pictures that people attach in the demo, so that the repository needs no photographs."""

import io
import random

from PIL import Image, ImageDraw, ImageFilter, ImageFont

INK, PAPER = "#2b2a27", "#f4efe2"


def valve():
    """Draw a brass valve on a wall, like a photo from a phone."""
    picture = Image.new("RGB", (1200, 1600), "#b9b2a4")
    draw = ImageDraw.Draw(picture)
    grain = random.Random(5)  # noqa: S311  only a pattern
    for _number in range(5000):
        x, y, shade = grain.randrange(1200), grain.randrange(1600), grain.randrange(165, 195)
        draw.point([(x, y), (x + 1, y)], fill=(shade, shade - 7, shade - 20))
    draw.rectangle((0, 1330, 1200, 1600), fill="#6f5a45")
    draw.rectangle((560, 760, 660, 1340), fill="#8d8a84")
    draw.rectangle((420, 600, 800, 780), fill="#b08d3c", outline="#7b611f", width=8)
    draw.ellipse((470, 330, 750, 610), fill="#e9e4da", outline="#8f8a80", width=10)
    draw.polygon([(596, 360), (624, 360), (616, 470), (604, 470)], fill="#b3372e")
    for number, x in enumerate((508, 560, 612, 664)):
        draw.text((x, 520), str(number + 1), fill=INK, font=_font(48))
    draw.line((800, 690, 1200, 690), fill="#8d8a84", width=90)
    return _jpeg(picture.filter(ImageFilter.GaussianBlur(1.4)))


def error_page():
    """Draw a screenshot of a job board that has locked a patron out."""
    picture = Image.new("RGB", (720, 1280), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 720, 120), fill="#1d4f91")
    draw.text((32, 40), "State job board", fill="white", font=_font(40))
    draw.rounded_rectangle((32, 220, 688, 520), 16, fill="#fdecea", outline="#b3372e", width=3)
    for y, words in (
        (250, "Your session has expired."),
        (320, "Code E-1107"),
        (400, "Too many attempts."),
        (450, "Try again in 24 hours."),
    ):
        draw.text((60, y), words, fill="#8c1d18", font=_font(36))
    draw.rounded_rectangle((32, 600, 688, 690), 45, outline="#1d4f91", width=3)
    draw.text((250, 622), "Start over", fill="#1d4f91", font=_font(38))
    return _png(picture)


def deed():
    """Draw a slightly rotated page of an old register."""
    picture = Image.new("RGB", (1400, 1000), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((90, 70), "Book 31, page 204", fill=INK, font=_font(52))
    lines = [
        "Know all men by these presents, that I, Lavinia Hatch, of Alder Bay, dressmaker,",
        "for one dollar and love, do give unto Adelaide Rowe the dwelling",
        "house No. 17, Tanner's Row, with the lot whereon it stands, bounded",
        "northerly by the lane, and the well in common.",
        "Signed the ninth of May, 1923.",
    ]
    for number, line in enumerate(lines):
        draw.text((90, 200 + number * 96), line, fill="#4a3b2a", font=_font(34))
        draw.line((80, 250 + number * 96, 1320, 250 + number * 96), fill="#cfc3a6", width=2)
    draw.text((820, 780), "Lavinia Hatch Rowe", fill="#2a3a5a", font=_font(46))
    return _jpeg(picture.rotate(-1.5, fillcolor="#8a8375", expand=True))


def shelf():
    """Draw a shelf of numbered books. One of the books is missing."""
    picture = Image.new("RGB", (1400, 900), "#4b3a2c")
    draw, x = ImageDraw.Draw(picture), 40
    widths = random.Random(11)  # noqa: S311  only a pattern
    for number in range(1, 14):
        wide = widths.randrange(78, 110)
        if number != 3:
            draw.rectangle(
                (x, 150 + widths.randrange(40), x + wide, 820),
                fill=["#20242c", "#7a1f24", "#2c4a3e", "#c9b27a"][number % 4],
            )
            draw.text((x + 26, 700), str(number), fill="white", font=_font(44))
        x += wide + 6
    draw.rectangle((0, 820, 1400, 900), fill="#332619")
    return _jpeg(picture)


def loan_slip():
    lines = [
        "Alder Bay Public Library, Central, first floor",
        "",
        "Requested today: a copy comes by mail in 7 to 10 days.",
        "An article comes as a PDF in 2 to 3 days.",
        "You pay nothing. Bring this slip, or say your name.",
        "",
        "Questions: 555-0100",
    ]
    return _pdf("Interlibrary loan: what comes when", lines)


def reading_circle():
    titles = [
        "1. One Hundred Years of Solitude",
        "2. The Left Hand of Darkness",
        "3. Braiding Sweetgrass",
        "4. Wolf Hall (it rains)",
    ]
    return _pdf("Weather in books: the list of the reading circle", titles)


# {file name: (function that draws it, alt text)}
FILES = {
    "IMG_2041.jpg": (
        valve,
        "A radiator valve of brass with a white dial, numbers one to four, on a plain wall",
    ),
    "Screenshot.png": (
        error_page,
        "The state job board on a phone: session expired, code E-1107, try again in 24 hours",
    ),
    "deed-1923.jpg": (deed, "A page of the deeds register: Lavinia Hatch gives the house to Adelaide Rowe"),
    "shelf.jpg": (shelf, "A shelf of numbered volumes; number 3 is missing"),
    "interlibrary-loan.pdf": (loan_slip, ""),
    "weather-list.pdf": (reading_circle, ""),
}


def _font(size):
    return ImageFont.load_default(size)


def _jpeg(picture):
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


def _png(picture):
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _pdf(title, lines):
    """Return a PDF of one page with plain text, written without a PDF library."""
    title, *lines = (
        line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in (title, *lines)
    )
    text = (
        f"BT /F1 20 Tf 60 760 Td ({title}) Tj /F1 13 Tf 0 -44 Td 20 TL "
        + " ".join(f"({line}) Tj T*" for line in lines)
        + " ET"
    )
    parts = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = "%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{part}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(parts) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()
