"""Searches as people type them, each with the title that must come first, and a catalog to search."""

import pytest

from accounts.models import Branch
from recommendations.search import candidates
from recommendations.search.finding import find_items, search_items
from recommendations.search.narrowing import Narrowing
from tests.factories import BranchFactory, ItemFactory

pytestmark = [pytest.mark.sql, pytest.mark.django_db]

# (title, creators, other fields). Some titles are in the catalog only because no search may list them first.
CATALOG = [
    ("It", "King, Stephen", {}),
    ("It ends with us", "Hoover, Colleen", {}),
    ("It starts with us", "Hoover, Colleen", {}),
    ("How to make it", "Young, A.", {}),
    ("The stand", "King, Stephen", {}),
    ("Stephen King : a critical companion", "Russell, Sharon A.", {}),
    ("On writing : a memoir of the craft", "King, Stephen", {}),
    ("Beloved", "Morrison, Toni", {"subjects": "Slavery\nFiction"}),
    ("Toni Morrison's Beloved : a casebook", "Andrews, William L.; McKay, Nellie Y.", {}),
    ("Jazz", "Morrison, Toni", {}),
    ("All that jazz : the story of a musical", "Tyler, Don", {}),
    ("The history of jazz", "Gioia, Ted", {}),
    ("1984", "Orwell, George", {"year": "1949", "isbn": "9780452262935"}),
    ("Nineteen eighty-four to now", "Baker, Ann", {"year": "1984"}),
    ("The neuromancer years", "Baker, Ann", {"year": "1984"}),
    ("Animal farm", "Orwell, George", {}),
    ("Down and out in Paris and London", "Orwell, George", {}),
    ("The hobbit, or, There and back again", "Tolkien, J. R. R.", {"isbn": "9780547928227"}),
    ("The hobbit companion", "Day, David", {}),
    ("The fellowship of the ring", "Tolkien, J. R. R.", {"series": "The lord of the rings"}),
    ("The two towers", "Tolkien, J. R. R.", {"series": "The lord of the rings"}),
    ("The Lord of the Flies", "Golding, William", {}),
    ("Norwegian wood", "Murakami, Haruki", {"original_title": "ノルウェイの森"}),
    ("Norwegian wood : chopping, stacking, and drying wood", "Mytting, Lars", {}),
    ("Kafka on the shore", "Murakami, Haruki", {"original_title": "海辺のカフカ"}),
    ("1Q84", "Murakami, Haruki", {}),
    ("Haruki Murakami and the music of words", "Rubin, Jay", {}),
    ("The metamorphosis", "Kafka, Franz", {}),
    ("O'Sullivan's law", "Penn, Q.", {}),
    ("The long room", "O'Sullivan, Maggie", {}),
    ("Pride and prejudice", "Austen, Jane", {}),
    ("Pride and prejudice and zombies", "Grahame-Smith, Seth; Austen, Jane", {}),
    ("Emma", "Austen, Jane", {}),
    ("Emma Goldman : a life", "Wexler, Alice", {}),
    ("Dune", "Herbert, Frank", {}),
    ("Dune messiah", "Herbert, Frank", {}),
    ("The secret garden", "Burnett, Frances Hodgson", {}),
    ("The well-tended perennial garden", "DiSabato-Aust, Tracy", {"subjects": "Gardening"}),
    ("Square foot gardening", "Bartholomew, Mel", {"branch": True, "call_number": "635 BAR"}),
    ("Sapiens : a brief history of humankind", "Harari, Yuval Noah", {}),
    ("A brief history of time", "Hawking, Stephen", {"call_number": "523.1 HAW", "branch": True}),
    ("The cat in the hat", "Seuss, Dr.", {}),
    ("Les misérables", "Hugo, Victor", {}),
    ("L'étranger", "Camus, Albert", {}),
    ("The stranger", "Camus, Albert", {"original_title": "L'étranger"}),
    ("Cien años de soledad", "García Márquez, Gabriel", {"language": "spa"}),
    ("One hundred years of solitude", "García Márquez, Gabriel", {}),
    ("La casa de los espíritus", "Allende, Isabel", {"language": "spa"}),
    ("Война и мир", "Толстой, Лев", {}),
    ("Мир приключений", "Иванов, Пётр", {}),
    ("Anna Karenina", "Tolstoy, Leo", {"original_title": "Анна Каренина"}),
    ("三体", "刘慈欣", {}),
    ("紅樓夢", "曹雪芹", {}),
    ("日本文学史", "加藤周一", {}),
    ("채식주의자", "한강", {}),
    ("ألف ليلة وليلة", "", {}),
    ("שירה", "עגנון, שמואל יוסף", {}),
    ("C++ primer", "Lippman, Stanley B.", {}),
    ("C in a nutshell", "Prinz, Peter", {}),
    ("C# in depth", "Skeet, Jon", {}),
    ("The C programming language", "Kernighan, Brian W.; Ritchie, Dennis M.", {"isbn": "9780131103627"}),
    ("Catch-22", "Heller, Joseph", {}),
    ("Fahrenheit 451", "Bradbury, Ray", {}),
    ("2001 : a space odyssey", "Clarke, Arthur C.", {}),
    ("Slaughterhouse-five", "Vonnegut, Kurt", {}),
    ("Nature", "", {"kind": "serial", "search_words": "00280836"}),
    ("The nature of nature", "Sala, Enric", {}),
    ("Nature fix", "Williams, Florence", {}),
    (
        "A mathematical theory of communication",
        "Shannon, Claude E.",
        {"kind": "article", "doi": "10.1002/j.1538-7305.1948.tb01338.x"},
    ),
    ("The theory of communication", "Young, A.", {}),
    ("Gone girl", "Flynn, Gillian", {}),
    ("The girl who was gone", "Young, A.", {}),
    ("The art of war", "Sunzi", {"original_title": "孫子兵法"}),
    ("War and art", "Bourke, Joanna", {}),
    ("Harry Potter and the sorcerer's stone", "Rowling, J. K.", {}),
    ("Harry Potter and the chamber of secrets", "Rowling, J. K.", {}),
    ("The Harry Potter companion", "Young, A.", {}),
    ("Ø", "Bonnevie, Kaja", {}),
    ("Łódź by night", "Nowak, Jan", {}),
]
QUESTIONS = {
    # Searches for a single word.
    "it": "It",
    "emma": "Emma",
    "dune": "Dune",
    "jazz": "Jazz",
    "beloved": "Beloved",
    "sapiens": "Sapiens : a brief history of humankind",
    "hobbit": "The hobbit, or, There and back again",
    "stranger": "The stranger",
    "stand": "The stand",
    "nature": "Nature",
    "metamorphosis": "The metamorphosis",
    # Searches whose last word is incomplete.
    "norw": "Norwegian wood",
    "harry potter and the so": "Harry Potter and the sorcerer's stone",
    "lord of the fl": "The Lord of the Flies",
    "fahr": "Fahrenheit 451",
    "sla": "Slaughterhouse-five",
    # Searches for a title. Some have different words than the title, or a different order or spelling.
    "secret garden": "The secret garden",
    "the cat in the hat": "The cat in the hat",
    "cat hat": "The cat in the hat",
    "pride and prejudice": "Pride and prejudice",
    "prejudice and pride": "Pride and prejudice",
    "gone girl": "Gone girl",
    "art of war": "The art of war",
    "brief history of time": "A brief history of time",
    "there and back again": "The hobbit, or, There and back again",
    "on writing": "On writing : a memoir of the craft",
    "les miserables": "Les misérables",
    "LES MISÉRABLES": "Les misérables",
    "cien anos de soledad": "Cien años de soledad",
    "casa de los espiritus": "La casa de los espíritus",
    "catch 22": "Catch-22",
    "catch-22": "Catch-22",
    "slaughterhouse five": "Slaughterhouse-five",
    "lodz": "Łódź by night",
    "c++": "C++ primer",
    "c#": "C# in depth",
    # Searches with the name of an author.
    "toni morrison beloved": "Beloved",
    "morrison, toni. jazz": "Jazz",
    "stephen king it": "It",
    "king the stand": "The stand",
    "beloved morrison": "Beloved",
    "murakami norwegian wood": "Norwegian wood",
    "norwegian wood mytting": "Norwegian wood : chopping, stacking, and drying wood",
    "kafka metamorphosis": "The metamorphosis",
    "murakami kafka": "Kafka on the shore",
    "orwell 1984": "1984",
    "austen emma": "Emma",
    "jane austen pride": "Pride and prejudice",
    "o'sullivan": "O'Sullivan's law",
    "maggie sullivan": "The long room",
    "sullivan law": "O'Sullivan's law",
    "tolkien two towers": "The two towers",
    "harari": "Sapiens : a brief history of humankind",
    "marquez soledad": "Cien años de soledad",
    "dr seuss": "The cat in the hat",
    # Searches for a number, such as an ISBN, a DOI or a call number.
    "1984": "1984",
    "1q84": "1Q84",
    "451": "Fahrenheit 451",
    "2001": "2001 : a space odyssey",
    "9780547928227": "The hobbit, or, There and back again",
    "978-0-547-92822-7": "The hobbit, or, There and back again",
    "054792822X": "The hobbit, or, There and back again",
    "0-13-110362-8": "The C programming language",
    "0028-0836": "Nature",
    "10.1002/j.1538-7305.1948.tb01338.x": "A mathematical theory of communication",
    "https://doi.org/10.1002/J.1538-7305.1948.TB01338.X": "A mathematical theory of communication",
    "523.1 haw": "A brief history of time",
    "635 bar": "Square foot gardening",
    # Searches for a series or a subject.
    "the lord of the rings": "The two towers",
    "slavery": "Beloved",
    "gardening": "Square foot gardening",
    # Searches in other scripts.
    "война и мир": "Война и мир",
    "толстой война": "Война и мир",
    "каренина": "Anna Karenina",
    "三体": "三体",
    "日本文": "日本文学史",
    "文学": "日本文学史",
    "紅樓": "紅樓夢",
    "海辺のカフカ": "Kafka on the shore",
    "孫子": "The art of war",
    "채식주의자": "채식주의자",
    "한강": "채식주의자",
    "الف ليلة": "ألف ليلة وليلة",
    "עגנון": "שירה",
}
# {typed words: (the words that are searched instead, the first title)}
TYPING_ERRORS = {
    "murakmi": ("murakami", "Haruki Murakami and the music of words"),
    "murakmai": ("murakami", "Haruki Murakami and the music of words"),
    "muurakami": ("murakami", "Haruki Murakami and the music of words"),
    "nurakami": ("murakami", "Haruki Murakami and the music of words"),
    "norwegain wood": ("norwegian wood", "Norwegian wood"),
    "morison beloved": ("morrison beloved", "Beloved"),
    "belovd": ("beloved", "Beloved"),
    "tolkein": ("tolkien", "The two towers"),
    "hobit": ("hobbit", "The hobbit, or, There and back again"),
    "fellowshp of the ring": ("fellowship of the ring", "The fellowship of the ring"),
    "farenheit": ("fahrenheit", "Fahrenheit 451"),
    "farenhiet 451": ("fahrenheit 451", "Fahrenheit 451"),
    "slaugterhose": ("slaughterhouse", "Slaughterhouse-five"),
    "prejudise": ("prejudice", "Pride and prejudice"),
    "pride and prejudcie": ("pride and prejudice", "Pride and prejudice"),
    "sapeins": ("sapiens", "Sapiens : a brief history of humankind"),
    "vonegut": ("vonnegut", "Slaughterhouse-five"),
    "hary poter": ("harry potter", "Harry Potter and the sorcerer's stone"),
    "harry potter sorceror": ("harry potter sorcerer's", "Harry Potter and the sorcerer's stone"),
    "metamorfosis": ("metamorphosis", "The metamorphosis"),
    "kafka on the shire": ("kafka on the shore", "Kafka on the shore"),
    "gabreil marques": ("gabriel márquez", "Cien años de soledad"),
    "miserabels": ("misérables", "Les misérables"),
    "zombeis": ("zombies", "Pride and prejudice and zombies"),
    "anna karenian": ("anna karenina", "Anna Karenina"),
    "войан": ("война", "Война и мир"),
    "catch22": ("catch 22", "Catch-22"),
    "teh hobbit": ("the hobbit", "The hobbit, or, There and back again"),
}


@pytest.fixture
def catalog():
    branch = BranchFactory()
    for title, creators, fields in CATALOG:
        here = {"branch": branch} if fields.get("branch") else {}
        ItemFactory(title=title, creators=creators, **{**fields, **here})


@pytest.mark.slow
def test_each_sample_search_finds_the_expected_title_first(catalog):
    found = {
        question: [item.title for item in find_items(question, as_typed=True)][:1] for question in QUESTIONS
    }
    wrong = {question: titles for question, titles in found.items() if titles != [QUESTIONS[question]]}
    assert wrong == {}


@pytest.mark.slow
def test_typing_errors_are_corrected_to_words_of_the_catalog(catalog):
    found = {}
    for typed in TYPING_ERRORS:
        result = search_items(typed)
        found[typed] = (result.corrected, result.items[0].title if result.items else None)
    wrong = {typed: result for typed, result in found.items() if result != TYPING_ERRORS[typed]}
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize(("share", "broad"), [(0, 0), (2, 0), (2, 10**9), (0.2, 5)])
def test_search_finds_the_same_items_if_the_catalog_counts_as_large(catalog, monkeypatch, share, broad):
    branch = Branch.objects.get()
    questions = [*list(QUESTIONS)[::4], "the", "s", "of the", "the s", "977", "9780", "19"]
    narrowings = [None, Narrowing(branch=branch.pk), Narrowing(kind="book"), Narrowing(in_catalog=True)]

    def found():
        return {
            (question, narrowing): [
                item.title for item in find_items(question, narrowing=narrowing, as_typed=True)
            ]
            for question in questions
            for narrowing in narrowings
        }

    without_plan = found()
    monkeypatch.setattr(candidates, "LARGE", 0)
    count_rows = "(SELECT count(*) FROM recommendations_searchentry)"
    monkeypatch.setattr(candidates, "TOTAL_ON_POSTGRESQL", count_rows)
    monkeypatch.setattr(candidates, "SHARE", share)
    monkeypatch.setattr(candidates, "BROAD", broad)
    monkeypatch.setattr(candidates, "BROAD_WHOLE", broad)
    assert found() == without_plan
