"""Test how placeholders of reply templates are filled in, and which templates a composer offers."""

import html
import re
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext

from portal.conversations import reply_templates
from portal.conversations.models import ReplyTemplate
from portal.conversations.reply_templates import fill_in
from portal.desk.library.forms.reply_templates import ReplyTemplateForm
from tests.factories import (
    BranchFactory,
    ConversationFactory,
    HelpSessionFactory,
    ItemFactory,
    MessageFactory,
    recommend_in,
    recommend_in_message,
)

HOSTILE = '<img src=x onerror="alert(1)"> {me} {item}'


def template(name="Closing words", body="Goodbye.", *, branch=None, language="en"):
    return ReplyTemplate.objects.create(
        branch=branch, language=language, name=name, body=body, changed_at=timezone.now()
    )


@pytest.mark.parametrize(
    ("body", "named", "nameless"),
    [
        ("Hello, {patron}!", "Hello, Sam!", "Hello!"),
        (
            "Hello {patron},\n\nthe book is here.",
            "Hello Sam,\n\nthe book is here.",
            "Hello,\n\nthe book is here.",
        ),
        ("{patron}, your book is here.", "Sam, your book is here.", "Your book is here."),
        ("It is here. {patron}, please come.", "It is here. Sam, please come.", "It is here. Please come."),
        ("{patron}:\n\nYour book is here.", "Sam:\n\nYour book is here.", "Your book is here."),
        ("{patron}!", "Sam!", ""),
        ("Thank you, {patron}, for asking.", "Thank you, Sam, for asking.", "Thank you, for asking."),
        ("Thank you {patron}.", "Thank you Sam.", "Thank you."),
        ("¡Hola, {patron}!", "¡Hola, Sam!", "¡Hola!"),
        ("{patron}, ¿cómo le fue?", "Sam, ¿cómo le fue?", "¿Cómo le fue?"),
        ("{patron}, ésta es.", "Sam, ésta es.", "Ésta es."),
        ("مرحبا، {patron}!", "مرحبا، Sam!", "مرحبا!"),
        ("Dear {patron|neighbor},", "Dear Sam,", "Dear neighbor,"),
        ("Dear {patron|},", "Dear Sam,", "Dear ,"),
    ],
)
def test_reply_template_is_grammatical_without_a_patron_name(body, named, nameless):
    assert (fill_in(body, patron="Sam"), fill_in(body)) == (named, nameless)


@pytest.mark.parametrize(
    ("body", "filled", "without"),
    [
        ("Did {item} help?", "Did Dune help?", "Did what we recommended help?"),
        ("{item} is back.", "Dune is back.", "What we recommended is back."),
        ("Well. {item|the book} is back.", "Well. Dune is back.", "Well. The book is back."),
        ("{item|the book} is back.\n{me}", "Dune is back.\nRosa", "The book is back.\nThe library"),
        ("No place, {not one} { } {", "No place, {not one} { } {", "No place, {not one} { } {"),
    ],
)
def test_reply_template_uses_default_words_if_item_or_staff_name_is_missing(body, filled, without):
    assert (fill_in(body, item="Dune", me="Rosa"), fill_in(body)) == (filled, without)


def test_placeholders_inside_filled_in_values_are_not_replaced():
    assert fill_in("{patron} {item}", patron=HOSTILE, item="Dune") == f"{HOSTILE} Dune"


def test_default_words_for_a_missing_value_are_in_the_language_of_the_template():
    with translation.override("es"):
        words = gettext("what we recommended")
    assert fill_in("¿Le sirvió {item}?", language="es") == f"¿Le sirvió {words}?"


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        ("{patron} {item|x} {me}", []),
        ("{name} and {me} and { me } {}", ["{name}", "{ me }", "{}"]),
        ("{ open, closed }", ["{ open, closed }"]),
        ("a } b {", []),
        ("{{patron}}", ["{…}"]),
        ("{patron|{item}}", ["{patron|…}"]),
        ("{patron, {patron|a\nb} {item", ["{patron, ", "{patron|a", "{item"]),
        ("{patronage", []),
        ("{patron.name} {me!r}", ["{patron.name}", "{me!r}"]),
    ],
)
def test_unknown_placeholders_in_a_reply_template_are_found(body, unknown):
    assert reply_templates.unknown_places(body) == unknown


# Tests of templates in the composer.


@pytest.fixture
def conversation(db, branch, patron, staff):
    session = HelpSessionFactory(branch=branch, staff=staff, patron=patron, language="es")
    conversation = ConversationFactory(help_session=session)
    MessageFactory(conversation=conversation, language="en")
    return conversation


def offered(desk, conversation, **query):
    return desk.get(reverse("desk_templates"), {"conversation": conversation.public_id, **query})


def names(conversation, staff, query=""):
    return [each.name for each in reply_templates.offered_in(conversation, by=staff, query=query)]


def test_composer_lists_templates_in_the_patrons_language_first(conversation, branch, staff):
    template("Adiós", language="es")
    template("Ours", branch=branch)
    template("Theirs", branch=BranchFactory())
    template("Everybody's")
    assert names(conversation, staff) == ["Everybody's", "Ours", "Adiós"]
    MessageFactory(conversation=conversation, language="es")
    assert names(conversation, staff) == ["Adiós", "Everybody's", "Ours"]
    assert [each.in_language for each in reply_templates.offered_in(conversation, by=staff)] == [
        "",
        "English",
        "English",
    ]


def test_templates_in_the_visits_language_are_listed_first_if_the_patron_wrote_nothing(conversation, staff):
    conversation.messages.all().delete()
    template("Adiós", language="es")
    template("Bye")
    assert names(conversation, staff) == ["Adiós", "Bye"]


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Adiós", "On hold"}),
        ("HOLD", {"On hold"}),
        ("adios", {"Adiós"}),
        ("hold sam", {"On hold"}),
        ("desk put", {"On hold"}),
        ("xyz", set()),
    ],
)
def test_reply_templates_are_found_by_name_and_text(conversation, staff, query, found):
    template("Adiós", "Hasta luego.")
    template("On hold", "{patron}, I put it aside at the desk.")
    conversation.patron.name = "Sam"
    assert set(names(conversation, staff, query)) == found


def test_item_placeholder_prefers_the_item_that_the_conversation_is_about(conversation, staff):
    template(body="{item}")

    def item():
        return reply_templates.offered_in(conversation, by=staff)[0].text

    assert item() == "What we recommended"
    answer = MessageFactory(conversation=conversation, side="staff", author=staff)
    recommend_in_message(answer, 1, item=ItemFactory(title="In the Answer"))
    assert item() == "In the Answer"
    in_visit = recommend_in(conversation.help_session, 2, item=ItemFactory(title="In the Visit"))
    assert item() == "In the Visit"
    conversation.recommendation = in_visit[1]
    conversation.recommendation.item.title = "Its Own"
    assert item() == "Its Own"


def test_menu_of_reply_templates_escapes_html_in_names(conversation, patron, staff, desk):
    patron.name = staff.name = HOSTILE[:80]
    patron.save()
    staff.save()
    template('"><script>', 'Hello, {patron}! "><script>alert(1)</script>\n{me}')
    page = offered(desk, conversation).content.decode()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt; {me}" in page


def test_reply_templates_are_offered_only_to_staff_who_may_open_the_conversation(
    conversation, client, sign_in, elsewhere, desk
):
    template(body="Hello, {patron}!")
    assert "Sam Okafor" in offered(desk, conversation).content.decode()
    sign_in(client, elsewhere)
    assert offered(client, conversation).status_code == 404
    assert client.get(reverse("desk_templates")).status_code == 404
    assert client.get(reverse("desk_templates"), {"conversation": "x"}).status_code == 404


def test_empty_template_menu_says_that_coordinators_can_add_templates(conversation, desk):
    assert "A coordinator can add them" in offered(desk, conversation).content.decode()


def test_longest_reply_template_adds_at_most_40_kb_to_the_menu(conversation, desk):
    """Without the limit on placeholders, a template with 833 of them and a long title would add 333 kB."""
    [conversation.recommendation] = recommend_in(
        conversation.help_session, 1, item=ItemFactory(title="Winter " * 57)
    )
    conversation.save()
    body = "{item}" * 30
    data = {"name": "Long", "language": "en", "body": body + "x" * (5000 - len(body))}
    assert ReplyTemplateForm(data).is_valid()
    assert not ReplyTemplateForm(data | {"body": "{item}" * 31}).is_valid()
    before = len(offered(desk, conversation).content)
    template(body=data["body"])
    assert len(offered(desk, conversation).content) - before < 40_000


@pytest.mark.parametrize("rows", [1, 30])
def test_template_menu_runs_the_same_number_of_queries_for_1_and_30_templates(
    conversation, desk, rows, django_assert_num_queries
):
    for number in range(rows):
        template(f"Template {number}", "{patron} {item} {me}")
    offered(desk, conversation)
    with django_assert_num_queries(9):
        assert offered(desk, conversation).content.decode().count("data-text") == rows


# Tests without JavaScript.


@pytest.fixture
def composer(desk, conversation):
    """Return post(action, **typed), which fills in the composer and presses the button `action`."""

    def post(action, **typed):
        fields = {
            "client_token": str(uuid.uuid4()),
            "seen": str(conversation.messages.get().public_id),
            "body": "",
            "language": "en",
        }
        items = {"items-TOTAL_FORMS": "0", "items-INITIAL_FORMS": "0"}
        return desk.post(
            reverse("desk_reply", args=[conversation.public_id]), fields | items | {"action": action} | typed
        )

    return post


def body(answer):
    return html.unescape(
        re.search(r'<textarea name="body"[^>]*>\n(.*?)</textarea>', answer.content.decode(), re.S)[1]
    )


def test_templates_button_lists_templates_and_keeps_the_typed_text(composer):
    template("On hold", "Hello, {patron}!")
    answer = composer("templates", body="Half a sentence")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert body(answer) == "Half a sentence"
    assert page.count('data-text="Hello, Sam Okafor!"') == 1
    assert 'class="field-error"' not in page


@pytest.mark.parametrize(
    ("typed", "language", "written", "chosen"),
    [
        ("", "en", "¡Hola, Sam Okafor!", "es"),
        ("Good morning.  ", "en", "Good morning.\n\n¡Hola, Sam Okafor!", "en"),
    ],
)
def test_chosen_template_is_added_to_the_answer_and_not_sent(
    composer, conversation, typed, language, written, chosen
):
    hello = template("Hola", "¡Hola, {patron}!", language="es")
    answer = composer(f"template-{hello.public_id}", body=typed, language=language)
    assert body(answer) == written
    assert f'<option value="{chosen}" selected>' in answer.content.decode()
    assert "data-text" not in answer.content.decode()
    assert conversation.messages.count() == 1


def test_unknown_template_and_template_of_another_branch_add_no_text(composer, branch):
    template("Ours", "Ours", branch=branch)
    theirs = template("Theirs", "Theirs", branch=BranchFactory())
    for named in (theirs.public_id, uuid.uuid4(), "x"):
        answer = composer(f"template-{named}", body="Half")
        assert body(answer) == "Half"
        assert answer.content.decode().count("data-text") == 1


def test_reply_template_filters_with_nul_characters_cause_no_error(client, coordinator, sign_in):
    sign_in(client, coordinator)
    for asked in ({"branch": "\0"}, {"language": "e\0n"}):
        assert client.get(reverse("reply_templates"), asked).status_code == 200
