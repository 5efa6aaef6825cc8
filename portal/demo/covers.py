"""Draw covers for some of the demo's books, and store them as if the cover source had sent them.

The real covers of these books look different. The demo draws covers, because it sends no requests to other
hosts and the repository has no image files.
"""

import io
import random
import textwrap

from PIL import Image, ImageDraw, ImageFont

from portal.files import cover_picture
from recommendations.covers.stored import save_cover

SIZE = WIDTH, HEIGHT = (400, 600)
# The colors of each cover: the background, the shapes and the letters.
PALETTES = [
    ("#f3e6cf", "#c8553d", "#2b2d42"),
    ("#16324f", "#e9b44c", "#fdf8ec"),
    ("#e4efe7", "#3a7d5c", "#1f2d26"),
    ("#3d1f3a", "#d98cae", "#fbeef4"),
    ("#fbfaf5", "#2f6fa7", "#14213d"),
    ("#f6c445", "#20504f", "#1d1d1b"),
]


def store_covers(items, *, on):
    """Draw and store a cover for each of these items.

    `on` is stored as the date on which the portal asked the cover source.
    """
    for item in items:
        save_cover(item.isbn, cover_picture(_drawn(item)), on=on)


def _drawn(item):
    chance = random.Random(item.isbn)  # noqa: S311  only a pattern
    ground, shapes, ink = chance.choice(PALETTES)
    picture = Image.new("RGB", SIZE, ground)
    draw = ImageDraw.Draw(picture)
    chance.choice([_sun, _hills, _stripes])(draw, chance, shapes)
    y = 40
    for line in textwrap.wrap(item.title, 14):
        draw.text((32, y), line, fill=ink, font=ImageFont.load_default(50))
        y += 58
    author = item.creators.partition(",")[0]
    draw.text((32, HEIGHT - 60), author, fill=ink, font=ImageFont.load_default(28))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _sun(draw, chance, color):
    x, radius = chance.randrange(140, 300), chance.randrange(90, 130)
    draw.ellipse((x - radius, 380 - radius, x + radius, 380 + radius), fill=color)


def _hills(draw, chance, color):
    left, middle, right = (chance.randrange(330, 450) for _corner in range(3))
    draw.polygon([(0, left), (170, middle), (WIDTH, right), (WIDTH, 510), (0, 510)], fill=color)


def _stripes(draw, chance, color):
    for y in range(330, 500, chance.choice([28, 40])):
        draw.rectangle((0, y, WIDTH, y + 12), fill=color)
