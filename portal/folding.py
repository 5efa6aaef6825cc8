"""Fold text: turn it into plain words, which SQLite and PostgreSQL compare in the same way.

`fold` removes case, accents and punctuation. Python does this, because the two databases would fold Ł, æ and
ß differently. If `fold` changes, all search indexes must be rebuilt (docs/decisions/0005).
"""

import re
import unicodedata

WORD_MAX = 80

APOSTROPHES = "'`´‘’‛ʹʻʼʽˈ′＇׳״"
# {letter that Unicode doesn't decompose: what people type if their keyboard lacks the letter}
PLAIN_LETTERS = {
    "ł": "l",
    "ø": "o",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "æ": "ae",
    "œ": "oe",
    "ı": "i",
    "ħ": "h",
    "ŧ": "t",
    "ŋ": "n",
    "ĸ": "k",
    "ə": "e",
    "ـ": "",
}
FOLDED_LETTERS = str.maketrans(PLAIN_LETTERS)
NO_APOSTROPHES = str.maketrans("", "", APOSTROPHES)
# From this code point on, marks are vowels that belong to the word. Scripts with lower code points, such as
# Latin and Arabic, have accents and vowel marks that people often leave out.
FIRST_SCRIPT_THAT_NEEDS_ITS_MARKS = 0x0780
# Matches a letter of a script that is written without spaces: Thai, Lao, Burmese, Khmer, kana or Han. Each
# such letter is treated as a word.
WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Matches a word, up to an ASCII character that is neither a letter nor a digit, as the FTS5 tokenizer "ascii"
# does.
WORD = re.compile(r"[^\x00-/:-@\[-`{-\x7f]+")
PLUS = re.compile(r"(?<=[a-z0-9])\++(?![a-z0-9])")
# Matches usual punctuation, and characters of scripts that don't write vowels as marks. Most texts have only
# such characters, so `fold` has a faster way for these texts.
WITHOUT_VOWEL_MARKS = re.compile("[\0-\u077f\u2000-\u206f\u20a0-\u20bf]*")
ELISION = re.compile(rf"(?<=\w[{APOSTROPHES}])\w{{3,}}")
SHARP = re.compile(r"(?<![^\W_])([a-z])#")


def fold(text):
    """Return the words of `text` without case, accents and punctuation. One space separates the words.

    Folding the result again changes nothing. "C++" becomes "cplusplus" and "C#" becomes "csharp", because
    otherwise both would become "c".
    """
    text = str(text).translate(NO_APOSTROPHES)
    if text.isascii():
        text = text.lower()
    else:
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        if WITHOUT_VOWEL_MARKS.fullmatch(text):
            text = text.translate(EACH_FOLDED)
        else:
            text = "".join(_letters(text.translate(NO_APOSTROPHES).translate(FOLDED_LETTERS)))
        text = unicodedata.normalize("NFC", text)
    if "+" in text:
        text = PLUS.sub(lambda signs: "plus" * len(signs.group()), text)
    if "#" in text:
        text = SHARP.sub(r"\1sharp", text)
    words = WORD.findall(text)
    if len(text) > WORD_MAX and len(max(words, key=len, default="")) > WORD_MAX:
        words = [word[:WORD_MAX] for word in words]
    return " ".join(words)


def after_elisions(text):
    """Return the words that follow an elision, such as "étranger" in "L'étranger".

    People search for such a title with and without the elision.
    """
    return ELISION.findall(text)


def _letters(text):
    """Yield the characters of `text` from which `fold` makes words.

    All ASCII characters stay, and so do the letters and digits of every script. Unicode marks stay in scripts
    that write vowels as marks. Other marks and invisible characters are left out. Every other character
    becomes a space.
    """
    base = ""
    for character in text:
        category = unicodedata.category(character)
        if character.isascii():
            base = character if character.isalnum() else ""
            yield character
        elif category[0] == "M":
            if base and ord(base) >= FIRST_SCRIPT_THAT_NEEDS_ITS_MARKS:
                yield character
        elif category == "Cf":
            # Invisible characters such as soft hyphens don't end a word.
            continue
        elif category[0] in "LN":
            base = character
            yield (
                " " + character
                if WITHOUT_SPACES.match(character)
                else str(unicodedata.decimal(character, character))
            )
        else:
            base = ""
            yield " "


class _EachFolded(dict):
    """A dictionary {code point of a character: what `fold` makes of the character}, for str.translate().

    It is only for characters that WITHOUT_VOWEL_MARKS matches.
    """

    def __missing__(self, code):
        character = chr(code).translate(NO_APOSTROPHES).translate(FOLDED_LETTERS)
        self[code] = "".join(_letters(character))
        return self[code]


EACH_FOLDED = _EachFolded()
