"""Check the form of a DOI, and turn a DOI into a link.

The DOI handbook explains the form: https://www.doi.org/the-identifier/resources/handbook
"""

import re
from urllib.parse import quote

PREFIX = re.compile(r"^(?:https?://)?(?:www\.)?(?:dx\.)?doi\.org/|^doi:\s*", re.IGNORECASE)
# Matches a DOI: a registrant such as 10.1000 or 10.1000.10, a slash, and any characters.
DOI = re.compile(r"10\.\d{4,9}(?:\.\d{1,9})*/\S+", re.ASCII)
MAX_LENGTH = 200


def without_prefix(text):
    """Return the text without "doi:" or "https://doi.org/" in front of it."""
    return PREFIX.sub("", str(text).strip())


def clean_doi(text):
    """Return the DOI in this text, such as "10.1000/182". Return "" if the text isn't a DOI."""
    doi = without_prefix(text).rstrip(".,;")
    return doi if DOI.fullmatch(doi) and len(doi) <= MAX_LENGTH else ""


def looks_like_a_doi(text):
    """Return whether the text was probably meant as a DOI."""
    text = text.strip()
    return bool(PREFIX.match(text)) or bool(re.match(r"10\.\d{4}", text))


def doi_url(text):
    """Return the web address of this DOI, or "" if it isn't a DOI."""
    doi = clean_doi(text)
    return f"https://doi.org/{quote(doi, safe='/:;()')}" if doi else ""
