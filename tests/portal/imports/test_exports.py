"""Test reading tables that were exported from library systems, reading lists and spreadsheets."""

import io

import pytest

from portal.imports.readers.table import read_table
from portal.imports.records import Fault
from tests.portal.imports.test_readers import outcome, table

# {system: (content of its export, some of the values that are read from it)}
EXPORTS = {
    "Goodreads": (
        "Book Id,Title,Author,Author l-f,ISBN,ISBN13,Year Published,Original Publication Year\n"
        '7,Emma,Jane Austen,"Austen, Jane","=""0306406152""","=""""",2003,1815\n',
        {"creators": "Jane Austen", "isbn": "9780306406157", "year": "2003"},
    ),
    "LibraryThing": (
        "Book Id\tTitle\tPrimary Author\tSecondary Author\tDate\tMedia\tISBN\tISBNs\n"
        "7\tEmma\tAusten, Jane\t\t2003\tBook\t[0306406152]\t0306406152, 9780306406157\n",
        {"creators": "Austen, Jane", "isbn": "9780306406157", "year": "2003"},
    ),
    "OverDrive": (
        "Title,Subtitle,Creator,Format\nEmma,A novel,Jane Austen,OverDrive Listen audiobook\n",
        {"title": "Emma : A novel", "creators": "Jane Austen", "kind": "audiobook"},
    ),
    "hoopla": (
        "Title,Author/Artist,Kind\nEmma,Jane Austen,MOVIE\n",
        {"creators": "Jane Austen", "kind": "video"},
    ),
    "Kanopy": (
        "Video Title,Supplier,Release Year,Kanopy URL\nEmma,X,1996,https://example.org/emma\n",
        {"title": "Emma", "year": "1996", "url": "https://example.org/emma"},
    ),
    "Koha": (
        "biblionumber;title;author;isbn;copyrightdate;publishercode;itemtype\n"
        "7;Emma;Austen, Jane;0306406153 | 9780306406157;2003;Penguin;BK\n",
        {"isbn": "9780306406157", "year": "2003", "publisher": "Penguin", "kind": "book"},
    ),
    "Sierra": (
        '"RECORD #(BIBLIO)","TITLE","AUTHOR","ISBN/ISSN"\n"b1","Emma","Austen, Jane","0306406152 (pbk.)"\n',
        {"isbn": "9780306406157"},
    ),
    "Alma": (
        "MMS Id,Title,Publication Date,ISBN,Material Type\n991,Emma,2003.,0306406152; 9780804429573,Journal\n",
        {"year": "2003", "isbn": "9780306406157", "kind": "serial"},
    ),
    "KBART": (
        "publication_title\ttitle_url\tfirst_author\tpublication_type\tpublisher_name\n"
        "Nature\thttps://example.org\t\tserial\tNPG\n",
        {"title": "Nature", "url": "https://example.org", "kind": "serial", "publisher": "NPG"},
    ),
    "Zotero": (
        "Key,Item Type,Title,Publication Title,Abstract Note\nA,journalArticle,A study,Nature,Words\n",
        {"title": "A study", "kind": "article", "summary": "Words"},
    ),
    "calibre": (
        "authors,pubdate,title\nJane,2003-05-06T00:00:00+00:00,Emma\n",
        {"creators": "Jane", "year": "2003"},
    ),
}


@pytest.mark.parametrize("system", EXPORTS)
def test_columns_of_exports_from_each_library_system_are_recognized(system):
    text, values = EXPORTS[system]
    [found] = table(text)
    assert {name: found.values[name] for name in values} == values


@pytest.mark.parametrize(
    "header",
    [
        "Titel;Verfasser;Erscheinungsjahr;Verlag",
        "Titre;Auteur;Année;Éditeur",
        "Título;Autor;Año;Editorial",
        "Título;Autor;Ano;Editora",
        "Titolo;Autore;Anno;Editore",
        "Titel;Auteur;Jaar;Uitgever",
        "Tytuł;Autor;Rok;Wydawca",
        "Titel;Författare;År;Förlag",
        "Название;Автор;Год;Издательство",
        "题名;作者;出版年;出版社",
        "タイトル;著者;出版年;出版社",
        "כותר;מחבר;שנה;הוצאה",
        "العنوان;المؤلف;السنة;الناشر",
        "Nhan đề;Tác giả;Năm xuất bản;Nhà xuất bản",
    ],
)
def test_column_names_are_recognized_in_many_languages(header):
    [found] = table(f"{header}\nEmma;Jane Austen;2003;Penguin\n")
    names = "title", "creators", "year", "publisher"
    assert [found.values[name] for name in names] == ["Emma", "Jane Austen", "2003", "Penguin"]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("Board game", "other"),
        ("Video game", "other"),
        ("Musical instrument", "other"),
        ("Audiobook on CD", "audiobook"),
        ("Audiolibro", "audiobook"),
        ("Music CD", "sound"),
        ("Blu-ray", "video"),
        ("Sheet music", "score"),
        ("Magazine", "serial"),
        ("Large print", "book"),
        ("Mass market paperback", "book"),
        ("Book + CD", "book"),
        ("XYZ", "book"),
    ],
)
def test_kind_of_item_is_recognized_from_words_in_the_format_column(cell, kind):
    [found] = table(f"title,format\nT,{cell}\n")
    assert found.values["kind"] == kind


@pytest.mark.parametrize("start", ["\n", ",,\r\n", " \n\n", "sep=,\r\n", "\ufeff"])
def test_lines_before_the_line_of_column_names_are_skipped(start):
    [found] = table(f"{start}title,author\nEmma,Jane\n")
    assert (found.number, found.values["title"], found.values["creators"]) == (1, "Emma", "Jane")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_file_with_any_kind_of_line_ending_is_read(end):
    assert outcome(table(f'title,author{end}Emma,Jane{end}"On two\nlines",Jane{end}')) == [
        "Emma",
        "On two lines",
    ]


def test_empty_cells_at_the_end_of_a_row_are_ignored():
    assert outcome(table("title;author\nEmma;Jane;;\nToo;many;cells\n")) == ["Emma", 2]


def test_csv_row_that_is_not_utf_8_does_not_affect_letters_in_other_rows():
    text = "title;author\nÉtude;Brontë\n".encode() + "Café – “x”;Zoë\n".encode("cp1252")
    found = list(read_table(io.BytesIO(text), mapping={}))
    assert [(one.values["title"], one.values["creators"]) for one in found] == [
        ("Étude", "Brontë"),
        ("Café – “x”", "Zoë"),
    ]


@pytest.mark.parametrize("row", ["Total: 25,,", "Grand Total,,120", "Summe,,", "total 1.250,,"])
def test_row_of_totals_is_not_imported_as_a_title(row):
    assert table(f"title,author,copies\n{row}\n") == [Fault(1, "it is a row of totals, not a title")]
    assert outcome(table("title,author,copies\nTotal,Jane Doe,120\nTotal recall,,\n")) == [
        "Total",
        "Total recall",
    ]


@pytest.mark.parametrize("title", ["11-Sep", "Mar-05", "22-Nov-63", "2001-09-11 00:00:00"])
def test_import_warns_about_a_title_that_looks_like_a_date(title):
    [found] = table(f"title,author\n{title},Jane\n")
    assert found.values["title"] == title
    assert found.remark == f"its title, {title}, is a date. A spreadsheet may have changed it"


@pytest.mark.parametrize("title", ["11/22/63", "1984", "Sep-Oct", "2001"])
def test_import_does_not_warn_about_titles_such_as_1984_or_sep_oct(title):
    [found] = table(f"title,author\n{title},Jane\n")
    assert (found.values["title"], found.remark) == (title, "")


def test_subtitle_is_added_to_the_title_only_once():
    found = table("title,subtitle\nEmma,a novel\nEmma: A Novel,A novel\nEmma,\n")
    assert outcome(found) == ["Emma : a novel", "Emma: A Novel", "Emma"]


@pytest.mark.parametrize("empty", ["NULL", "(null)", r"\N", "nan", "#N/A", "#REF!", "N/A"])
def test_cell_that_says_null_or_not_available_is_read_as_empty(empty):
    first, second = table(f"title,author,year\nT,{empty},{empty}\n{empty},Jane,2003\n")
    assert (first.values["creators"], first.values["year"]) == ("", "")
    assert second == Fault(2, "it has no title")


def test_semicolon_is_the_delimiter_if_there_are_as_many_semicolons_as_commas():
    [found] = table("Title, statement;Author\nEmma;Jane\n", title=["Title, statement"])
    assert (found.values["title"], found.values["creators"]) == ("Emma", "Jane")


def test_unclosed_quotation_mark_in_a_tab_separated_file_is_reported():
    found = table('title\tauthor\nFirst\tA\n"Hello\tB\nEmma\tC\n')
    assert outcome(found) == ["First", 2]
    assert found[1].reason == "a quotation mark has no partner, so rows after it may be missing"
    assert outcome(table('title\tauthor\n"A\tB"\tC\n"On two\nlines"\tC\n')) == ["A B", "On two lines"]


@pytest.mark.parametrize(
    "rows", ['"Hello,B,1964\nEmma,C,1965\n', 'Hello,B,"1964\nEmma,C,1965\n', '"Hello,B,1964\nEmma,C,1965']
)
def test_unclosed_quotation_mark_that_swallows_the_rest_of_a_file_is_reported(rows):
    found = table(f'title,author,year\n"On two\nlines","A ""B""",1963\n{rows}')
    assert outcome(found) == ["On two lines", 2]
    assert found[1].reason == "a quotation mark has no partner, so rows after it may be missing"


def test_error_about_a_very_long_cell_mentions_a_missing_quotation_mark():
    found = table('title,author\nFirst,A\n"' + "Title,me\n" * 20_000 + "Last,E\n")
    assert outcome(found)[:2] == ["First", 2]
    assert found[1].reason == (
        "a cell has more than 131072 characters. A closing quotation mark may be missing"
    )
