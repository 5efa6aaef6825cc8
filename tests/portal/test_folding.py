import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.folding import WORD, fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Łódź, Æsop & Straße", "lodz aesop strasse"),
        ("Søren Đỗ ISTANBUL İstanbul ısı", "soren do istanbul istanbul isi"),
        ("O’Brien's l'étranger", "obriens letranger"),
        ("C++ and C# and C", "cplusplus and csharp and c"),
        ("a-b  a_b\x00a/b", "a b a b a b"),
        ("Ёлка ЧЕХОВ", "елка чехов"),
        ("Ἀθῆναι", "αθηναι"),
        ("كِتَاب", "كتاب"),
        ("שָׁלוֹם", "שלום"),
        ("हिन्दी", "हिन्दी"),
        ("한국어", "한국어"),
        ("日本の文学", "日 本 の 文 学"),
        ("がく", "が く"),
        ("١٩٨٤", "1984"),
        ("ＦＵＬＬ ﬁne ½", "full fine 1 2"),
        ("co\u00adop \ud800 🎷", "coop"),
        ("'", ""),
    ],
)
def test_search_text_is_normalized_to_lowercase_words_without_punctuation(text, folded):
    assert fold(text) == unicodedata.normalize("NFC", folded)


@given(st.text(st.characters(exclude_categories=[])))
def test_normalized_search_text_is_unchanged_by_a_second_normalization(text):
    folded = fold(text)
    assert fold(folded) == folded
    assert folded == " ".join(WORD.findall(folded))
    folded.encode()


@given(st.text())
def test_search_ignores_letter_case_and_unicode_normalization(text):
    assert fold(unicodedata.normalize("NFD", text)) == fold(text)
    assert fold(text.casefold()) == fold(text)
