"""Functions that read values from URLs and posted forms."""


def number_or_none(text):
    """Return the whole number in the text if it is from 0 to 999,999,999. Otherwise return None."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else None
