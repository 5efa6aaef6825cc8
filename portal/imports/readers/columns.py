"""Recognize the columns of a table, and the words in the column for the kind of item."""

import re

from portal.folding import fold
from recommendations.models import Item

# {field: the names that its column may have}. If a file has several columns for a field, the column whose
# name comes first in this list is used. For ISBNs, all of the columns are used. The names are those of
# library systems, reference managers and reading lists, and the usual words in many languages.
NAMES = {
    "title": """
        title, main title, book title, item title, video title, title proper, name, título, titre,
        titel, titolo, títol, tytuł, název, naslov, başlık, eser adı, nimeke, название, заглавие,
        назва, τίτλος, 题名, 題名, 书名, 書名, タイトル, 제목, 서명, כותר, שם הספר, العنوان, عنوان,
        nhan đề, judul, शीर्षक, publication title""",
    "subtitle": "subtitle, sub title, remainder of title, subtítulo, sous titre, untertitel, sottotitolo",
    "creators": """
        creators, authors, creator, author, primary author, author artist, artist, by, contributors,
        contributor, first author, main author, author name, director, autor, autores,
        autor principal, auteur, auteurs, verfasser, verfasserin, autore, autori, författare,
        forfatter, tekijä, yazar, autorzy, автор, авторы, συγγραφέας, 作者, 著者, 저자, מחבר, המחבר,
        المؤلف, نویسنده, tác giả, pengarang, लेखक""",
    "original_title": "original title, title in original script, vernacular title, título original",
    "original_creators": """
        original creators, original author, original authors, author in original script,
        vernacular author""",
    "publisher": """
        publisher, publisher name, publishercode, imprint, editorial, editora, verlag, éditeur,
        editeur, editore, uitgever, wydawca, wydawnictwo, nakladatel, förlag, forlag, kustantaja,
        yayınevi, издательство, видавництво, εκδότης, 出版社, 出版者, 출판사, הוצאה, מוציא לאור,
        الناشر, ناشر, nhà xuất bản, penerbit, प्रकाशक""",
    "year": """
        year, publication year, publicationyear, year published, year of publication, published,
        release year, publication date, date of publication, copyrightdate, copyright date, pubdate,
        pub date, pub year, original publication year, date, año, ano, año de publicación, jahr,
        erscheinungsjahr, année, année de publication, date de publication, anno, jaar, any, år, rok,
        rok wydania, vuosi, yıl, год, год издания, рік, έτος, 出版年, 出版日期, 年份, 발행년, 출판년,
        שנה, שנת הוצאה, السنة, سنة النشر, سال, năm xuất bản, tahun, वर्ष""",
    "isbn": """
        isbn13, isbn 13, isbn, isbn10, isbn 10, isbns, isbn s, isbn issn, isbn 1, isbn1, isbn 2,
        isbn2, isbn 3, isbn3, print isbn, eisbn""",
    "doi": "doi",
    "url": "url, link, web address, title url, kanopy url, catalog url, permalink, enlace",
    "series": "series, series title, serie, collection, colección, reihe, série",
    "summary": "summary, description, abstract, abstract note, synopsis, resumen, descripción, beschreibung",
    "language": "language code, language, lang, languages, idioma, sprache, langue, lingua, taal, язык",
    "kind": """
        kind, item type, itemtype, material type, format, type, media type, publication type, media,
        medientyp, formato, tipo, tipo de material, type de document""",
    "fiction": "fiction, is fiction, ficción",
    "genre": "genre, genres, literary form, género, géneros",
    "call_number": """
        call number, callnumber, itemcallnumber, item call number, permanent call number,
        local call number, call biblio, call item, call no, shelfmark, signatura, signatur, cote""",
    "branch": """
        branch, branch code, branchcode, homebranch, home branch, holdingbranch, home library, owning library,
        current library, library, sucursal, biblioteca, zweigstelle, bibliothèque""",
    "location": """
        shelving location, location, permanent location, collection location, ubicación, localización,
        standort, localisation""",
    "not_for_loan": "not for loan, notforloan, no se presta, nicht ausleihbar, exclu du prêt",
    "form": "form, carrier, carrier type, form of item",
    "extent": """
        extent, pages, number of pages, num pages, page count, pagecount, physical description, páginas,
        seiten, umfang""",
    "audience": "audience, target audience, age, age range, público, edad, zielgruppe, public cible",
    "id": """
        id, item id, record id, bib id, bibnumber, biblionumber, record number, record biblio,
        book id, title id, mms id, control number""",
}
GUESSES = {field: [fold(name) for name in names.split(",")] for field, names in NAMES.items()}

KINDS = {fold(word): kind for kind, label in Item.Kind.choices for word in (kind, str(label))}
# Words in the name of a kind, as `fold` returns them. The first match counts, so "audiobook on CD" is an
# AUDIOBOOK, and "video game" is OTHER, not VIDEO.
KIND_WORDS = {
    Item.Kind.OTHER: r"cd roms?|(?:video|board|card)?games?|videogames?|juegos?|kits?|toys?|puzzles?"
    r"|instruments?|tools?|equipment|things?|objects?|realia|software|laptops?|hotspots?",
    Item.Kind.AUDIOBOOK: r"e?audio ?books?|e audio\w*|books? on (?:cd|tape|mp3)|talking books?|spoken word"
    r"|audiolibros?|horbuch\w*|livres? audio",
    Item.Kind.BOOK: r"books?|ebooks?|libros?|livres?|paperback|hardcover|hardback|large print|braille",
    Item.Kind.SCORE: r"scores?|sheet music|partituras?|partitions?",
    Item.Kind.VIDEO: r"dvds?|blu ?rays?|videos?|videodiscs?|films?|movies?|television|tv|vhs|peliculas?",
    Item.Kind.SOUND: r"cds?|music|vinyl|lps?|sound recordings?|audio|musica|musik|musique",
    Item.Kind.ARTICLE: r"\w*articles?|articulos?",
    Item.Kind.SERIAL: r"serials?|journals?|ejournals?|magazines?|newspapers?|periodicals?|revistas?"
    r"|zeitschrift\w*",
    Item.Kind.DATABASE: r"databases?|bases? de datos",
    Item.Kind.MAP: r"maps?|mapas?|cartes?",
}


# Words that name a form. Names of kinds can contain them too, such as "DVD".
FORM_WORDS = {
    Item.Form.LARGE_PRINT: r"large (?:print|type)|letra grande|grossdruck|gros caracteres",
    Item.Form.BRAILLE: r"braille",
    Item.Form.EBOOK: r"e ?books?|electronic books?|libros? electronicos?|epub|kindle",
    Item.Form.STREAM: r"stream\w*|e ?audio\w*|e ?videos?|download\w*|audible",
    Item.Form.CASSETTE: r"cassettes?|vhs|books? on tape",
    Item.Form.DISC: r"dvds?|blu ?rays?|cds?|cd roms?|discs?|vinyl|lps?|discos?",
    Item.Form.MICROFORM: r"micro(?:form|film|fiche)s?",
    Item.Form.PRINT: r"print|paperback|hardcover|hardback|impreso|sheet music",
    Item.Form.ONLINE: r"online|ejournals?|e journals?|en linea",
}
FORMS = {fold(word): form for form, label in Item.Form.choices for word in (form, str(label))}
NOT_SET = {"", "0", "n", "no", "false", "nein", "non"}


def form_of(*texts):
    """Return the Item.Form that one of these texts names, or "". The first text that names a form counts."""
    for folded in map(fold, texts):
        if folded in FORMS:
            return FORMS[folded]
        for form, words in FORM_WORDS.items():
            if re.search(rf"\b(?:{words})\b", folded):
                return form
    return ""


def kind_of(text):
    """Return the Item.Kind for a text in the kind column. If no word of the text is known, return BOOK."""
    folded = fold(text)
    matching = (kind for kind, words in KIND_WORDS.items() if re.search(rf"\b(?:{words})\b", folded))
    return KINDS.get(folded) or next(matching, Item.Kind.BOOK)
