"""Functions that read values from URLs and posted forms."""


def number_or_none(text):
    """Return the text as a whole number, or None if it isn't a whole number from 0 to 999,999,999."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else None
