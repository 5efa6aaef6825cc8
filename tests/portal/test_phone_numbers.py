import re

import pytest
from django.utils import timezone

from portal.phone_numbers import with_phone_links
from portal.templatetags.portal import library_text, plain
from tests.factories import (
    ConversationFactory,
    ItemFactory,
    MessageFactory,
    QuietSessionFactory,
    code_for,
    recommend_in,
)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Call 555-0199 before noon.", "5550199"),
        ("(414) 286-3000", "4142863000"),
        ("Ask for Ada: 414-286-3000, ext. 12", "4142863000"),
        ("414.286.3000.", "4142863000"),
        ("414 286 3000", "4142863000"),
        ("1-800-555-0134", "18005550134"),
        ("+1 (414) 286-3000", "+14142863000"),
        ("Madrid: +34 91 123 45 67", "+34911234567"),
        ("Call 988 at any hour", "988"),
        ("Llame al 911.", "911"),
    ],
)
def test_phone_number_becomes_a_link_that_starts_a_call(text, number):
    html = with_phone_links(text)
    assert html.count("<a ") == 1
    assert f'<a href="tel:{number}">' in html
    assert html.replace(f'<a href="tel:{number}">', "").replace("</a>", "") == text


@pytest.mark.parametrize(
    "text",
    [
        "ISBN 978-0-306-40615-7 or 0-306-40615-2",
        "2026-03-02, 1926-1991, pages 12-34 and 1990-2001",
        "616.02774 SKL, 940.5348 HOO, QA76.73",
        "10.1126/science.aap9559",
        "Room 911, page 988, 25 of 100",
        "Ticket #555-0199, order 12-555-0199, 555-01999",
        "123-45-6789",
        "$1,555-0199.50",
        "https://example.org/555-0199",
    ],
)
def test_number_that_is_not_a_phone_number_does_not_become_a_link(text):
    assert "<a" not in with_phone_links(text)


def test_text_of_the_library_is_escaped_and_has_links_for_phone_numbers():
    html = library_text("<b>555-0199</b>\nhttps://example.org/555-0134 & more")
    assert html == (
        '<p dir="auto">&lt;b&gt;<a href="tel:5550199">555-0199</a>&lt;/b&gt;<br>'
        '<a href="https://example.org/555-0134" rel="nofollow noopener noreferrer">'
        "https://example.org/555-0134</a> &amp; more</p>"
    )


def test_text_of_patrons_has_no_links_for_phone_numbers():
    assert plain("My number is 555-0199") == '<p dir="auto">My number is 555-0199</p>'


@pytest.mark.django_db
def test_only_phone_numbers_of_the_library_become_links_on_pages(branch, staff, show_code, client):
    session = QuietSessionFactory(
        branch=branch, staff=staff, question="Her number is 555-0111", summary="Call 555-0122."
    )
    recommend_in(
        session,
        item=ItemFactory(kind="person", title="Support line", creators="555-0133"),
        reason="At night 555-0144",
        verdict="helped",
        comment="I called from 555-0155",
        decided_at=timezone.now(),
    )
    conversation = ConversationFactory(help_session=session, subject="Call me: 555-0166")
    MessageFactory(conversation=conversation, body="Call me: 555-0177")
    MessageFactory(conversation=conversation, side="staff", author=staff, body="Or call 555-0188.")
    show_code(client, code_for(session))
    for page, numbers in (
        (session.get_absolute_url(), ["5550122", "5550133", "5550144"]),
        (conversation.get_absolute_url(), ["5550188"]),
        ("/messages/", []),
    ):
        assert re.findall('href="tel:([^"]+)"', client.get(page).content.decode()) == numbers
    assert "555-0177" in client.get(conversation.get_absolute_url()).content.decode()
