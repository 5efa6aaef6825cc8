"""Find the language tag of a text from its script and from the languages in its catalog record."""

import unicodedata

# {first word in the Unicode names of a script's letters: (ISO 15924 code of the script, languages)}.
# `languages` is {BCP 47 tag of a language in this script: the language's codes in catalog records}.
SCRIPTS = {
    "ARABIC": (
        "Arab",
        {
            "ar": "ara",
            "ckb": "ckb",
            "fa": "per fas",
            "ku": "kur",
            "ota": "ota",
            "ps": "pus",
            "sd": "snd",
            "ug": "uig",
            "ur": "urd",
        },
    ),
    "ARMENIAN": ("Armn", {"hy": "arm hye"}),
    "BENGALI": ("Beng", {"as": "asm", "bn": "ben", "mni": "mni"}),
    "CJK": ("Hani", {"ja": "jpn", "ko": "kor", "zh": "chi zho"}),
    "CYRILLIC": (
        "Cyrl",
        {
            "ba": "bak",
            "be": "bel",
            "bg": "bul",
            "cu": "chu",
            "cv": "chv",
            "kk": "kaz",
            "ky": "kir",
            "mk": "mac mkd",
            "mn": "mon",
            "os": "oss",
            "ru": "rus",
            "sr": "srp scc",
            "tg": "tgk",
            "tt": "tat",
            "uk": "ukr",
            "uz": "uzb",
        },
    ),
    "DEVANAGARI": (
        "Deva",
        {
            "awa": "awa",
            "bho": "bho",
            "hi": "hin",
            "kok": "kok",
            "mai": "mai",
            "mr": "mar",
            "ne": "nep",
            "new": "new",
            "pi": "pli",
            "raj": "raj",
            "sa": "san",
        },
    ),
    "ETHIOPIC": ("Ethi", {"am": "amh", "gez": "gez", "ti": "tir"}),
    "GEORGIAN": ("Geor", {"ka": "geo kat"}),
    "GREEK": ("Grek", {"el": "gre ell", "grc": "grc"}),
    "GUJARATI": ("Gujr", {"gu": "guj"}),
    "GURMUKHI": ("Guru", {"pa": "pan"}),
    "HANGUL": ("Hang", {"ko": "kor"}),
    "HEBREW": ("Hebr", {"arc": "arc", "he": "heb", "lad": "lad", "yi": "yid"}),
    "HIRAGANA": ("Hira", {"ja": "jpn"}),
    "KANNADA": ("Knda", {"kn": "kan"}),
    "KATAKANA": ("Kana", {"ja": "jpn"}),
    "KHMER": ("Khmr", {"km": "khm"}),
    "LAO": ("Laoo", {"lo": "lao"}),
    "MALAYALAM": ("Mlym", {"ml": "mal"}),
    "MYANMAR": ("Mymr", {"my": "bur mya"}),
    "ORIYA": ("Orya", {"or": "ori"}),
    "SINHALA": ("Sinh", {"si": "sin"}),
    "SYRIAC": ("Syrc", {"syc": "syc", "syr": "syr"}),
    "TAMIL": ("Taml", {"ta": "tam"}),
    "TELUGU": ("Telu", {"te": "tel"}),
    "THAI": ("Thai", {"th": "tha"}),
    "TIBETAN": ("Tibt", {"bo": "tib bod", "dz": "dzo"}),
}


def lang_of(text, codes):
    """Return the BCP 47 tag of a text in its original script, such as "he" or "und-Hebr".

    Return "" if the script is unknown, or if no language is written in all scripts of the text. `codes` are
    the languages that the record names, such as "heb" or "zh-TW". Use the first language that is written in
    the script of the text, because the record of a translation names several languages. Ignore Latin letters,
    because titles in all scripts contain some.
    """
    names = {
        unicodedata.name(letter, "").partition(" ")[0]
        for letter in unicodedata.normalize("NFKC", text)
        if letter.isalpha()
    }
    scripts = [SCRIPTS[name] for name in sorted(names & SCRIPTS.keys())]
    if not scripts:
        return ""
    possible = set.intersection(*(set(languages) for _code, languages in scripts))
    tags = {code: tag for _code, languages in scripts for tag in possible for code in languages[tag].split()}
    tags |= {tag: tag for tag in possible}
    named = (tags.get(code.lower().partition("-")[0]) for code in codes)
    if found := next(filter(None, named), ""):
        return found
    if len(possible) == 1:
        return possible.pop()
    return f"und-{scripts[0][0]}" if len(scripts) == 1 else ""
