from datetime import UTC, datetime

import pytest
from django.core.mail import EmailMultiAlternatives, send_mail

from portal.notifications.actions import notify
from portal.notifications.delivery import build
from portal.notifications.models import Notification
from tests.mailers import use_outbox

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
HAND_OVER = {"url": "http://localhost:8000/c/1234567890123/", "code": "1234 567 890 123", "days": 30}


@pytest.fixture
def answer(library, patron, staff):
    """answer(**changes) writes the notice of an answer."""

    def answer(**changes):
        arguments = {
            "to": patron.email,
            "at": AT,
            "recipient": patron,
            "language": "en",
            "context": {"helper": staff, "url": "http://localhost:8000/messages/1/", "conversation": "1"},
        } | changes
        return notify("conversations/answer", **arguments)

    return answer


def test_a_notice_is_a_waiting_row_due_now(answer, patron):
    notice = answer()
    assert (notice.state, notice.due_at, notice.recipient, notice.to_address) == (
        "waiting",
        AT,
        patron,
        "sam@example.org",
    )


def test_the_mail_says_who_answered_and_where_to_read_it_and_nothing_of_the_matter(answer):
    notice = answer()
    assert notice.subject == "The library has answered"
    assert "Rosa Lindqvist has answered you." in notice.text
    assert "http://localhost:8000/messages/1/" in notice.text
    assert 'href="http://localhost:8000/messages/1/"' in notice.html


def test_plain_text_is_not_escaped_and_html_is(answer, library, staff):
    staff.name = "Rosa <O'Hara> & Co"
    notice = answer()
    assert "Rosa <O'Hara> & Co has answered you." in notice.text
    assert "Rosa &lt;O&#x27;Hara&gt; &amp; Co has answered you." in notice.html


@pytest.mark.parametrize(
    ("language", "start"),
    [
        ("en", '<html lang="en" dir="ltr">'),
        ("es", '<html lang="es" dir="ltr">'),
        ("ar", '<html lang="ar" dir="rtl">'),
    ],
)
def test_the_html_mail_names_its_language_and_direction(answer, language, start):
    assert start in answer(language=language).html


@pytest.mark.parametrize(
    "name", ["Ann\r\nBcc: everyone@example.org", "Ann\nX: y", "Ann\x0bX: y", "Ann\u2028B: c"]
)
def test_no_name_adds_a_header(answer, library, name):
    library.name = name
    library.save()
    raw = build(answer(references=["<one@library>\r\nBcc: a@example.org"])).message().as_bytes()
    head = raw.partition(b"\n\n")[0]
    names = {line.partition(b":")[0].lower() for line in head.splitlines() if line and not line[:1].isspace()}
    assert not names & {b"bcc", b"x", b"b"}


def test_a_mail_answers_the_ones_before_it(answer):
    first = answer()
    second = answer(references=[first.message_id])
    mail = build(second).message()
    assert (mail["In-Reply-To"], mail["References"], mail["Message-ID"]) == (
        first.message_id,
        first.message_id,
        second.message_id,
    )
    assert mail["Subject"] == build(first).message()["Subject"]


def test_the_message_id_may_be_given_and_stays_the_same_each_time(answer):
    notice = answer(message_id="<chosen@library>")
    assert [build(notice).message()["Message-ID"] for _ in range(2)] == ["<chosen@library>"] * 2


def test_it_says_that_it_is_automatic_and_carries_both_texts(answer, library):
    mail = build(answer()).message()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == "Harbour Library <library@localhost>"
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_the_hand_over_names_the_code_and_how_long_it_works(library):
    notice = notify(
        "helpsessions/hand_over", to="sam@example.org", at=AT, language="en", context=HAND_OVER, blank=True
    )
    assert notice.blanked
    for body in (notice.text, notice.html):
        assert "1234 567 890 123" in body
        assert "http://localhost:8000/c/1234567890123/" in body
        assert "The code works for 30 days" in body


def test_no_mail_loads_anything_from_elsewhere(answer):
    for word in ("<img", "src=", "@import", "url(", "<script", "<link"):
        assert word not in answer().html


def test_ordinary_mail_becomes_a_row_for_each_recipient(settings, patron):
    use_outbox(settings)
    send_mail("Hello\tthere", "text", None, ["sam@example.org", "other@example.org"])
    rows = Notification.objects.order_by("pk").values_list(
        "to_address", "recipient", "subject", "text", "blanked"
    )
    assert list(rows) == [
        ("sam@example.org", patron.pk, "Hello there", "text", False),
        ("other@example.org", None, "Hello there", "text", False),
    ]


def test_ordinary_mail_that_asks_to_be_blanked_loses_that_header(settings, library):
    use_outbox(settings)
    mail = EmailMultiAlternatives(
        "Code", "123", to=["sam@example.org"], headers={"X-Afterword-Blank": "1", "X-Kept": "yes"}
    )
    mail.attach_alternative("<p>123</p>", "text/html")
    mail.send()
    row = Notification.objects.get()
    assert (row.blanked, row.removed, row.headers, row.html) == (
        True,
        True,
        {"X-Kept": "yes"},
        "<p>123</p>",
    )  # there is nobody whose it is
    assert "x-afterword-blank" not in build(row).message().as_string().lower()
