"""Test how answers from different mail programs are read. The emails are in a folder next to this file."""

from pathlib import Path

import pytest
from django.utils import timezone

from portal.conversations.quotes import Part, parts_of
from portal.incoming.actions import Outcome, receive
from portal.incoming.own_text import own_text
from portal.notifications import writing

pytestmark = pytest.mark.django_db
EMAILS = Path(__file__).parent / "emails"
SENT = """Write your answer above this line.

Rosa Lindqvist has answered you. Read the answer and reply here:

https://help.library.example/conversations/1/#latest

--
Harbour Library
Questions? Call us: 555 0100
"""
# {name of an email: the text that is stored}. A line that begins with "> " is part of a quote.
WRITTEN = {
    "gmail_top": "Thank you! I picked up the soil kit this morning.\n\nDo you also have one for clay?",
    "gmail_spanish": "Muchas gracias, ya encontré el libro.",
    "gmail_portuguese": "Obrigado, funcionou.",
    "gmail_arabic": "شكرا جزيلا، وجدت الكتاب.",
    "apple_mail_top": "It worked. One more question: which of the two books is better for a beginner who has "
    "only a balcony?\n\nSent from my iPhone",
    "apple_mail_german": "Vielen Dank, das war genau richtig.",
    "thunderbird_french": "Merci beaucoup !",
    "outlook_desktop": "Yes, please put it aside for me. I come on Friday.",
    "outlook_spanish": "Sí, por favor. Paso el viernes.\n\nSaludos,\nSam",
    "outlook_html_only": "Yes, that helped.\n\n- the map & the leaflet\n- the course",
    "yahoo_html_only": "I found two of the three.",
    "yahoo_top": "I found two of the three.",
    "k9_top": "Yes! Thanks a lot.",
    "k9_spanish_html_only": "No me sirvió, busco otro.",
    "without_a_quote": "Please change my pickup:\nFrom: 3 p.m.\nTo: 4 p.m.\n\nThanks",
    "windows_1252": "Sí, señora – “todo” bien €",
}
# {name of an email: the parts that its sender wrote}. The sender wrote between or below the quotes, so the
# quotes are kept.
FOLDED = {
    "gmail_inline": ["I can't open this page on my phone.", "I will call tomorrow."],
    "thunderbird_below": ["No, the form was not the right one. I need the one for people who rent.\n\nSam"],
    "outlook_below": ["Here is my answer: the second one, please."],
}


@pytest.fixture
def answered(patron):
    """Create the outbox row of the email that the patron answers."""
    writing.write(
        kind="conversations/answer",
        to=patron.email,
        at=timezone.now(),
        recipient=patron,
        language="en",
        subject="The library has answered",
        text=SENT,
        message_id="<answer@help.library.example>",
    )


def send(name, reply_to):
    raw = (EMAILS / f"{name}.eml").read_bytes()
    return receive(raw.replace(b"TOKEN", reply_to.encode()), at=timezone.now())


def written(conversation):
    return conversation.messages.in_order().last().body


@pytest.mark.few_cases
@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "outlook_spanish"])
def test_quoted_email_below_an_answer_is_removed(name, conversation, reply_to, answered):
    assert send(name, reply_to) == Outcome.MESSAGE
    assert written(conversation) == WRITTEN[name]


@pytest.mark.few_cases
@pytest.mark.parametrize("name", WRITTEN)
def test_quoted_email_is_removed_even_if_the_librarys_email_was_deleted(name, conversation, reply_to):
    assert send(name, reply_to) == Outcome.MESSAGE
    assert written(conversation) == WRITTEN[name]


@pytest.mark.parametrize("name", FOLDED)
def test_quotes_are_collapsed_if_the_sender_writes_between_or_below_the_quotes(
    name, conversation, reply_to, answered
):
    assert send(name, reply_to) == Outcome.MESSAGE
    parts = parts_of(written(conversation))
    assert [part.text for part in parts if not part.is_quote] == FOLDED[name]
    quoted = "\n".join(part.text for part in parts if part.is_quote)
    assert "Rosa Lindqvist has answered you." in quoted
    assert "Questions? Call us: 555 0100" in quoted


def test_quote_of_another_email_is_collapsed(conversation, reply_to):
    send("forwarded_words", reply_to)
    assert parts_of(written(conversation)) == [
        Part("My sister wrote me this. Is it true?", is_quote=False),
        Part("Libraries lend seeds.", is_quote=True),
    ]


def test_email_with_only_a_quote_does_not_become_a_message(conversation, reply_to, answered):
    assert send("only_a_quote", reply_to) == Outcome.NOT_MATCHED
    assert conversation.messages.count() == 1


def test_every_example_email_in_the_folder_is_tested():
    names = {*WRITTEN, *FOLDED, "forwarded_words", "only_a_quote"}
    assert {path.stem for path in EMAILS.iterdir()} == names


@pytest.mark.few_cases
@pytest.mark.parametrize("length", [10_000])
@pytest.mark.parametrize(
    "unit", ["On ", "From: ", "From:\n", "> ", " ", "*", "On a\n", "a wrote:\n", "El ", "2026年", "_"]
)
def test_quotes_are_removed_quickly_from_any_text(unit, length, takes_at_most):
    with takes_at_most(5):
        own_text(unit * length, sent=[SENT])
