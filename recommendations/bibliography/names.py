"""Split the text in an item's `creators` into names.

The text has no fixed form. Catalogs write "Booth, Wayne C.; Colomb, Gregory G.". Staff and patrons write
"Wayne C. Booth, Gregory G. Colomb" or "Harbor Museum". A name is not split if its parts are unclear.
"""

import re
from typing import NamedTuple

from recommendations.models import Item

BETWEEN_NAMES = re.compile(r"\s*[;|]\s*")
# A text such as "Bloom and others, Journal of Economics" names people, but not in a form that can be split.
FREE_TEXT = re.compile(
    r"[\d/:()\[\]&]|[^\W\d_]{3}\.\s|\b(?:and|others|with|et al|otros|otras)\b", re.IGNORECASE
)
SUFFIX = re.compile(r"(?:jr|sr|jnr|snr|ii|iii|iv|hijo)\.?", re.IGNORECASE)
TITLES = re.compile(
    r"(?:pope|saint|king|queen|emperor|empress|papa|san|santo|santa|rey|reina)\b", re.IGNORECASE
)
# The words that can begin a family name, as in "Ursula K. Le Guin" or "Simone de Beauvoir".
PARTICLES = {
    *("al", "bin", "da", "das", "de", "del", "della", "der", "di"),
    *("dos", "du", "el", "la", "las", "le", "los", "van", "von"),
}
# A name with one of these words is the name of an organization. An entry without \b at its end also matches
# longer words that begin with it.
ORGANIZATION = re.compile(
    r"\b(?:academ|agenc|archiv|asociaci|associat|band\b|banco|bank|biblioteca|bureau|cent(?:er|re|ro)\b|choir"
    r"|church|city\b|ciudad\b|club\b|colleg|comit|commission|committee|compan|compañ|congres|consejo|coro\b"
    r"|corporat|council|county|departamento|department|editor|ensemble|federat|festival|foundation|fundaci"
    r"|government|gobierno|group\b|grupo\b|hospital|iglesia|inc\b|institut|labor|league|liga\b|limited|ltd\b"
    r"|librar|llc\b|magazine|minist|museo|museum|national\b|nations\b|nacional|naciones|oficina|office"
    r"|orchestra|organiz|orquesta|philharmonic"
    r"|press\b|quartet|radio\b|revista|school|secretar|service|servicio|socie|studio|symphony|team\b|television"
    r"|the\b|theat|trio\b|trust\b|union\b|united\b|unid[oa]s\b|universi)",
    re.IGNORECASE,
)
# The creators of these kinds of items are mostly organizations.
BY_ORGANIZATIONS = {
    Item.Kind.SERIAL,
    Item.Kind.DATABASE,
    Item.Kind.WEB_PAGE,
    Item.Kind.PERSON,
    Item.Kind.COURSE,
    Item.Kind.EVENT,
}


class Name(NamedTuple):
    """The name of a creator. A name that isn't split has only `literal`.

    `particle` is a word such as the "van" of "Beethoven, Ludwig van".
    """

    family: str = ""
    given: str = ""
    particle: str = ""
    suffix: str = ""
    literal: str = ""

    @property
    def inverted(self):
        """Return the name as catalogs write it, such as "King, Martin Luther, Jr."."""
        return self.literal or ", ".join(filter(None, [self.family, self.first_names, self.suffix]))

    @property
    def first_names(self):
        return f"{self.given} {self.particle}".strip()


def names_of(item):
    """Return the creators of the item as a list of Names, in the order of the item."""
    texts = [text for text in BETWEEN_NAMES.split(item.creators.strip()) if re.search(r"[^\W\d_]", text)]
    if len(texts) == 1 and not item.source:
        texts = _listed(texts[0])
    # Catalogs put a comma after the family name of a person. So if one name has a comma, names that have none
    # are probably organizations, and are not split.
    has_commas = any("," in text for text in texts)
    return [_name(text, item, may_split=not has_commas) for text in texts]


def _listed(text):
    """Split a text such as "Wayne C. Booth, Gregory G. Colomb", but not "García Márquez, Gabriel"."""
    parts = [part.strip() for part in text.split(",")]
    is_list = len(parts) > 1 and all(_is_direct(part) for part in parts)
    return parts if is_list else [text]


def _name(text, item, *, may_split):
    """Return the Name in this text. A text without a comma is split only if `may_split` is true."""
    first, *rest = [part.strip() for part in text.split(",") if part.strip()] or [text]
    if FREE_TEXT.search(text) or len(rest) > 2:
        return Name(literal=text)
    suffix = rest.pop() if rest and SUFFIX.fullmatch(rest[-1]) else ""
    if rest:
        return Name(literal=text) if TITLES.match(rest[0]) else _inverted(first, ", ".join(rest), suffix)
    if (may_split or suffix) and item.kind not in BY_ORGANIZATIONS and _is_direct(first):
        return _split(first, suffix)
    return Name(literal=text)


def _is_direct(text):
    """Return whether this is probably the name of a person, with the given name first."""
    words = text.split()
    return (
        2 <= len(words) <= 5
        and not FREE_TEXT.search(text)
        and not ORGANIZATION.search(text)
        and all(word in PARTICLES or any(map(str.isupper, word)) for word in words)
    )


def _split(text, suffix):
    words = text.split()
    if len(words) > 2 and not suffix and SUFFIX.fullmatch(words[-1]):
        suffix = words.pop()
    family = next(
        (place for place, word in enumerate(words[:-1]) if place and word.lower() in PARTICLES),
        len(words) - 1,
    )
    return Name(" ".join(words[family:]), " ".join(words[:family]), suffix=suffix)


def _inverted(family, given, suffix):
    words = given.split()
    end = next((place for place, word in enumerate(words) if place and word in PARTICLES), len(words))
    if any(word not in PARTICLES for word in words[end:]):
        end = len(words)
    return Name(family, " ".join(words[:end]), " ".join(words[end:]), suffix)
