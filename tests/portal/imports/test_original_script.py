"""Test that titles and names in their original script are imported, searched and shown."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.imports.readers.marc_fields import CREATORS_MAX
from portal.imports.scripts import lang_of
from portal.privacy import contents
from recommendations.actions import add_item, change_item
from recommendations.models import Item, SearchEntry
from recommendations.search.entries import entry_for
from recommendations.search.finding import find_items
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    SavedItemFactory,
    recommend_in,
    recommend_in_message,
)
from tests.portal.imports.test_readers import binary, marc, table


def found_in(*fields, language="heb"):
    """Return the values of a record with these fields and this language in field 008."""
    [found] = binary(marc(("008", " " * 35 + language + "  "), *fields))
    return found.values


HEBREW = (
    ("100", " ", ("6", "880-01"), ("a", "Amichai, Yehuda.")),
    ("245", "0", ("6", "880-02"), ("a", "Shirim /"), ("c", "Y. Amichai")),
    ("700", " ", ("a", "Bloch, Chana")),
    ("880", " ", ("6", "100-01/(2/r"), ("a", "עמיחי, יהודה.")),
    ("880", "0", ("6", "245-02/(2/r"), ("a", "שירים /"), ("c", "יהודה עמיחי")),
    ("880", " ", ("6", "260-03/(2/r"), ("b", "שוקן")),
    ("880", " ", ("6", "600-04/(2/r"), ("a", "ביאליק")),
)


def test_title_and_names_and_language_in_the_original_script_are_read():
    values = found_in(*HEBREW)
    assert (values["title"], values["creators"]) == ("Shirim", "Amichai, Yehuda; Bloch, Chana")
    assert (values["original_title"], values["original_creators"]) == ("שירים", "עמיחי, יהודה")
    assert values["original_lang"] == "he"


def test_title_in_the_original_script_is_read_from_the_field_that_subfield_6_names():
    values = found_in(
        ("245", "0", ("6", "880-02"), ("a", "Zima")),
        ("880", "0", ("6", "245-05/(N"), ("a", "Весна")),
        ("880", "0", ("6", "245-02/(N"), ("a", "Зима")),
        language="rus",
    )
    assert (values["original_title"], values["search_words"]) == ("Зима", "Весна")


def test_title_in_the_original_script_is_used_if_there_is_no_other_title():
    values = found_in(("880", "0", ("6", "245-00/$1"), ("a", "呐喊")), language="chi")
    assert (values["title"], values["original_title"]) == ("呐喊", "")


def test_original_title_that_only_repeats_the_title_is_not_imported():
    [found] = table('title,original title\n"The Hunger Games (The Hunger Games, #1)",The hunger games\n')
    assert (found.values["title"], found.values["original_title"]) == (
        "The Hunger Games (The Hunger Games, #1)",
        "",
    )


def test_title_and_author_in_the_original_script_are_read_from_columns_of_a_csv_file():
    [found] = table("title,original title,author,original author,language\nNa han,呐喊,Lu Xun,魯迅,zh-TW\n")
    names = "original_title", "original_creators", "original_lang"
    assert [found.values[name] for name in names] == ["呐喊", "魯迅", "zh"]


def test_names_beyond_the_length_limit_can_be_searched_but_are_not_shown():
    names = [f"{chr(ord('A') + number)}" + "x" * 40 for number in range(10)]
    values = found_in(("245", "0", ("a", "T")), *(("700", " ", ("a", name)) for name in names))
    assert values["creators"] == "; ".join(names[:7])
    assert len(values["creators"]) <= CREATORS_MAX
    assert values["search_words"] == "\n".join(names[7:])


@pytest.mark.parametrize(
    ("text", "codes", "lang"),
    [
        ("שירים", ["heb"], "he"),
        ("לידער", ["yid"], "yi"),
        # The record of a translation names the language of the translation first.
        ("שירים", ["eng", "heb"], "he"),
        ("שירים", ["eng"], "und-Hebr"),
        ("मुना मदन", ["nep"], "ne"),
        ("呐喊", ["chi"], "zh"),
        ("呐喊", ["eng"], "und-Hani"),
        ("羅生門", ["jpn"], "ja"),
        ("キッチン", ["eng"], "ja"),
        ("窓ぎわのトットちゃん", [], "ja"),
        ("진달래꽃", ["kor"], "ko"),
        ("國語 문법", [], "ko"),
        ("DNA: ספר", ["heb"], "he"),
        ("Зима", ["srp"], "sr"),
        ("ألف ليلة", ["per", "ara"], "fa"),
        ("Зима / שירים", ["rus", "heb"], ""),
        ("Män som hatar kvinnor", ["swe"], ""),
        ("1984", ["heb"], ""),
        ("", [], ""),
    ],
)
def test_language_of_an_original_title_matches_its_script(text, codes, lang):
    assert lang_of(text, codes) == lang


@pytest.fixture
def item(db):
    return add_item(
        at=timezone.now(),
        kind=Item.Kind.BOOK,
        title="Shirim",
        creators="Amichai, Yehuda",
        original_title="שירים & <b>",
        original_creators="עמיחי, יהודה",
        original_lang="he",
        search_words="Poems 1948-1962\nNames Nobody Sees",
    )


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "query", ["שירים", "שיר", "עמיחי", "יהודה עמיחי", "shirim עמיחי", "poems 1948", "nobody sees"]
)
def test_item_is_found_by_any_word_in_the_original_script_or_in_its_other_titles(item, query):
    add_item(at=timezone.now(), kind=Item.Kind.BOOK, title="Another")
    assert find_items(query) == [item]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("title", "names", "queries"),
    [
        ("呐喊", "魯迅", ["呐", "喊", "迅", "魯迅 呐喊"]),
        ("मुना मदन", "देवकोटा, लक्ष्मीप्रसाद", ["मुना", "मद", "देवकोटा", "लक्ष्मी", "लक्ष्मीप्रसाद देवकोटा"]),
    ],
)
def test_item_is_found_by_words_in_chinese_or_nepali(title, names, queries):
    item = add_item(
        at=timezone.now(), kind=Item.Kind.BOOK, title="X", original_title=title, original_creators=names
    )
    assert {query: find_items(query) for query in queries} == {query: [item] for query in queries}


def test_item_is_found_by_a_new_name_in_the_original_script_after_a_change(item):
    change_item(item, original_creators="ביאליק")
    assert (find_items("ביאליק"), find_items("עמיחי")) == ([item], [])
    assert SearchEntry.objects.get().names == entry_for(item, []).names


TITLE = re.compile(r'<span( class="original")? lang="he" dir="auto">שירים &amp; &lt;b&gt;</span>')
NAMES = re.compile(r'<span lang="he" dir="auto">עמיחי, יהודה</span>')


def originals_on(page):
    page = page.content.decode()
    return len(TITLE.findall(page)), len(NAMES.findall(page))


@pytest.fixture
def visit(item, patron, staff, branch):
    now = timezone.now()
    visit = HelpSessionFactory(patron=patron, staff=staff, branch=branch, kept_at=now, handed_over_at=now)
    recommend_in(visit, item=item)
    return visit


@pytest.fixture
def conversation(item, visit, patron, staff):
    conversation = ConversationFactory(patron=patron, help_session=visit)
    recommend_in_message(
        MessageFactory(conversation=conversation, side="staff", author=staff), item=item, patron=patron
    )
    return conversation


def test_patron_sees_titles_in_the_original_script_on_every_page_with_items(
    client, sign_in, patron, item, visit, conversation
):
    SavedItemFactory(saved_list__patron=patron, item=item)
    sign_in(client, patron)
    pages = [reverse("home"), reverse("saved"), visit.get_absolute_url(), conversation.get_absolute_url()]
    assert {page: originals_on(client.get(page)) for page in pages} == dict.fromkeys(pages, (1, 1))


def test_staff_see_titles_in_the_original_script_on_every_page_with_items(
    client, sign_in, staff, item, visit
):
    sign_in(client, staff)
    session = f"/desk/sessions/{visit.public_id}/"
    pages = [f"/desk/items/?q={item.title}", session, f"{session}slip/"]
    assert {page: originals_on(client.get(page)) for page in pages} == dict.fromkeys(pages, (1, 1))


def test_desk_conversation_page_shows_titles_in_the_original_script(
    client, sign_in, patron, staff, branch, item, conversation
):
    earlier = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    recommend_in(earlier, item=item)
    sign_in(client, staff)
    page = client.get(f"/desk/conversations/{conversation.public_id}/")
    # The item was recommended in an answer, in the visit of this conversation and in an earlier visit. All
    # three show the title. The earlier visit doesn't show the names.
    assert originals_on(page) == (3, 2)


@pytest.mark.parametrize("paper", ["receipt", "a4", "letter"])
def test_printed_slip_shows_titles_in_the_original_script(client, sign_in, staff, branch, item, paper):
    session = HelpSessionFactory(staff=staff, branch=branch)
    recommend_in(session, item=item)
    sign_in(client, staff)
    client.post(f"/desk/sessions/{session.public_id}/hand-over/")
    page = client.get(f"/desk/sessions/{session.public_id}/slip/?paper={paper}")
    assert originals_on(page) == (1, 1)


@pytest.mark.parametrize("name", ["recommendations", "list_items"])
def test_copy_of_a_patrons_data_contains_titles_and_names_in_the_original_script(patron, item, visit, name):
    SavedItemFactory(saved_list__patron=patron, item=item)
    [row] = contents.entries(contents.TABLES[name], patron, timezone.now())
    assert (row["original_title"], row["original_by"]) == ("שירים & <b>", "עמיחי, יהודה")


def test_item_without_an_original_script_has_no_empty_line(client, sign_in, staff, item):
    change_item(item, original_title="", original_creators="")
    sign_in(client, staff)
    assert 'lang=""' not in client.get(f"/desk/items/?q={item.title}").content.decode()
