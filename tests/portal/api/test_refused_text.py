"""Test which texts the API refuses, because they look like transcripts, email addresses or card numbers."""

import pytest

from portal.api.refused_text import why_refused


@pytest.mark.parametrize(
    "text",
    [
        "",
        "How do I start a compost bin?",
        "Is 9780140328721 in? Or 978-0-14-032872-1, or 0140328726?",
        "Open 10:00 to 18:00. Call 414-555-0195.",
        "Title: Circe\nAuthor: Miller\nShelf: 823",
        "10:30 tomorrow\nRoom 4",
        "We looked at 1,234,567 records from 1890-1920.",
        "The page is at https://example.org/@maria",
        "Circe (2018): Miller\nEmma (1815): Austen\nDune (1965): Herbert\nIt: King",
        "Open Mon 10:00 Tue 11:00 Wed 12:00. Ask at the desk: they know.",
        "Bus 1 at 10:00 Main Street: 5 min.<br>Bus 2 at 11:00",
    ],
)
def test_text_without_private_data_is_accepted(text):
    assert why_refused(text) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[10:42] Hello\n[10:43] Hi, is it in?\n[10:44] Yes", "transcript"),
        ("10:42:07 pm Sam Hello\n10:43:01 pm Ana Hi\n10:44:00 pm Sam Thanks", "transcript"),
        ("Patron: Hello\nLibrarian: Hi\nPatron: Is it in?\nLibrarian: Yes", "transcript"),
        ("2026-05-01 10:42:07 Sam Hello\n2026-05-01 10:43:01 Ana Hi\n2026-05-01 10:44 Sam Bye", "transcript"),
        ("12/31/25, 10:42 - Sam: Hi\n12/31/25, 10:43 - Ana: Yes\n12/31/25, 10:44 - Sam: OK", "transcript"),
        ("(10:42) Hello\n(10:43) Hi, is it in?\n(10:44) Yes", "transcript"),
        ("Patron (10:42): Hello\nLibrarian (10:43): Hi\nPatron: Is it in?\nLibrarian: Yes", "transcript"),
        ("Sam 10:42 AM: Hello\nAna 10:43 AM: Hi\nSam 10:44 AM: Is it in?\nAna 10:45 AM: Yes", "transcript"),
        ("Patron: Hello<br>Librarian: Hi<br/>Patron: Is it in?<BR />Librarian: Yes", "transcript"),
        (
            "<p>Patron: Hello</p><p>Librarian: Hi</p><p>Patron: Is it in?</p><p>Librarian: Yes</p>",
            "transcript",
        ),
        ("10:42 Sam: Hello 10:43 Ana: Hi, is it in? 10:44 Sam: Yes", "transcript"),
        ("Invitado: Hola\nJosé L.: Buenas\nInvitado: ¿Está?\nJosé L.: Sí", "transcript"),
        ("Write to maria.lopez@correo.example.org, please", "email_address"),
        ("Maria <maria@example.org>", "email_address"),
        ("My card is 29012345678901", "card_number"),
        ("2 9012 3456 78901", "card_number"),
        ("123456789", "card_number"),
        ("123-45-6789", "card_number"),
        ("4111 1111 1111 1111", "card_number"),
    ],
)
def test_text_with_private_data_is_refused(text, why):
    assert why_refused(text) == why


def test_long_text_is_checked_for_private_data_quickly():
    for text in ("1 " * 4000, "a" * 8000, "a." * 4000 + "@", "x: y\n" * 2000, "@" * 8000):
        assert why_refused(text) in {"", "card_number", "transcript", "email_address"}
