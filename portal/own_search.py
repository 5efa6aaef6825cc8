"""Search the rows of one person for the words that the person typed.

The words may be in any order, and each may be the beginning of a longer word. Case, accents and punctuation
don't matter, because the typed words and the texts of the rows are folded (portal/folding.py).
"""

from portal.folding import after_elisions, fold

# A search uses at most this many of the typed words.
MAX_WORDS = 12
# A search finds at most this many titles, and this many visits. If there are more, the page asks the person
# to type an additional word.
MAX_FOUND = 100


def typed_words(text):
    """Return the folded words of a typed text, as a list."""
    return fold(text).split()[:MAX_WORDS]


def are_enough(words):
    """Return whether the words are long enough for a search.

    One ASCII letter would find nearly every row. In some other scripts, one letter can be a word.
    """
    letters = "".join(words)
    return len(letters) > 1 or (letters != "" and not letters.isascii())


def searchable(*texts):
    """Return the folded words of all these texts as one text, which `has_words` can search."""
    text = " ".join(texts)
    return fold(" ".join([text, *after_elisions(text)]))


def has_words(text, words):
    """Return whether each of these words begins a word of a text from `searchable`."""
    text = f" {text}"
    return all(f" {word}" in text for word in words)
