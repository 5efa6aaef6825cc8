import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, send_mail
from django.utils.html import escape

from accounts.models import Library
from portal.conversations.reply_addresses import first_lines
from portal.notifications.delivery import build, wrapped
from portal.notifications.kinds import DIGESTS, KINDS
from portal.notifications.models import Notification
from portal.notifications.writing import change_url, notify
from tests.factories import BranchFactory
from tests.mailers import use_outbox

pytestmark = pytest.mark.sql

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
HAND_OVER = {"url": "http://localhost:8000/c/1234567890123/", "code": "1234 567 890 123", "days": 30}


@pytest.fixture
def answer(library, patron, staff):
    """Return answer(**changes), which calls notify() about an answer. `changes` override the arguments."""

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


def test_new_email_is_queued_for_immediate_delivery(answer, patron):
    notice = answer()
    assert (notice.state, notice.due_at, notice.recipient, notice.to_address) == (
        "waiting",
        AT,
        patron,
        "sam@example.org",
    )


def test_answer_email_contains_the_staff_members_name_and_a_link(answer):
    notice = answer()
    assert notice.subject == "The library has answered"
    assert "Rosa Lindqvist has answered you." in notice.text
    assert "http://localhost:8000/messages/1/" in notice.text
    assert 'href="http://localhost:8000/messages/1/"' in notice.html


def test_names_are_escaped_in_html_email_but_not_in_plain_text_email(answer, library, staff):
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
def test_html_email_states_its_language_and_text_direction(answer, language, start):
    assert start in answer(language=language).html


@pytest.mark.parametrize(
    "name", ["Ann\r\nBcc: everyone@example.org", "Ann\nX: y", "Ann\x0bX: y", "Ann\u2028B: c"]
)
def test_line_breaks_in_names_cannot_add_email_headers(answer, library, name):
    library.name = name
    library.save()
    raw = (
        build(answer(references=["<one@library>\r\nBcc: a@example.org"]), Library.current())
        .message()
        .as_bytes()
    )
    head = raw.partition(b"\n\n")[0]
    names = {line.partition(b":")[0].lower() for line in head.splitlines() if line and not line[:1].isspace()}
    assert not names & {b"bcc", b"x", b"b"}


@pytest.mark.parametrize(
    "words",
    [
        "=?utf-8?q?Bank=0D=0ABcc:_evil=40example.org?=",
        "=?utf-8?b?QmFuayA8ZXZpbEBleGFtcGxlLm9yZz4=?=",
        "=?=?utf-8?q?Bank?=",
    ],
)
def test_names_and_subjects_that_look_like_encoded_words_are_shown_as_typed(answer, library, words):
    library.name = words
    library.save()
    notice = answer()
    notice.subject = words
    raw = build(notice, Library.current()).message().as_bytes()
    received = message_from_bytes(raw, policy=default)
    as_typed = words.replace("=?", "= ?")
    assert received["From"].addresses[0].display_name == as_typed
    assert received["From"].addresses[0].addr_spec == "library@localhost"
    assert received["Subject"] == as_typed


def test_second_email_about_a_conversation_references_the_first_email(answer):
    first = answer()
    second = answer(references=[first.message_id])
    mail = build(second, Library.current()).message()
    assert (mail["In-Reply-To"], mail["References"], mail["Message-ID"]) == (
        first.message_id,
        first.message_id,
        second.message_id,
    )
    assert mail["Subject"] == build(first, Library.current()).message()["Subject"]


def test_every_delivery_attempt_of_an_email_uses_the_same_message_id(answer):
    notice = answer(message_id="<chosen@library>")
    assert [build(notice, Library.current()).message()["Message-ID"] for _ in range(2)] == [
        "<chosen@library>"
    ] * 2


def test_email_has_text_and_html_and_is_marked_as_auto_generated(answer, library):
    mail = build(answer(), Library.current()).message()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["From"] == "Harbour Library <library@localhost>"
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_email_with_a_reply_address_begins_with_the_line_that_asks_for_replies(answer, library):
    notice = answer(reply_to="reply+b7k2@library.example")
    mail = build(notice, library).message()
    assert (mail["Reply-To"], mail["Auto-Submitted"]) == ("reply+b7k2@library.example", "auto-generated")
    assert notice.text.startswith("Write your answer above this line.\n\nRosa Lindqvist has answered you.")
    assert "Write your answer above this line." in notice.html.partition('class="card"')[0]
    for body in (notice.text, notice.html):
        assert "You can reply in the conversation, or reply to this email." in body


@pytest.mark.parametrize("language", ["en", "es"])
def test_html_email_contains_the_two_lines_by_which_the_portal_recognizes_a_quote(answer, language):
    html = answer(reply_to="reply+x@library.example", language=language).html
    assert len([line for line in first_lines() if line in html]) == 2


def test_line_that_asks_for_replies_is_in_the_language_of_the_email(answer):
    notice = answer(reply_to="reply+b7k2@library.example", language="es")
    assert notice.text.startswith("Escriba su respuesta arriba de esta línea.\n")
    assert "Escriba su respuesta arriba de esta línea." in notice.html


def test_email_without_a_reply_address_says_that_replies_are_not_received(answer, library):
    notice = answer()
    assert build(notice, library).message()["Reply-To"] is None
    for body in (notice.text, notice.html):
        assert "above this line" not in body
        assert "A reply to this email doesn&#x27;t reach your conversation." in body.replace(
            "doesn't", "doesn&#x27;t"
        )


def test_line_breaks_in_a_reply_address_cannot_add_email_headers(answer, library):
    raw = build(answer(reply_to="a@library.example\r\nBcc: b@example.org"), library).message().as_bytes()
    assert b"\nBcc:" not in raw


def test_email_with_a_visit_code_says_how_long_the_code_is_valid(library):
    notice = notify(
        "helpsessions/hand_over", to="sam@example.org", at=AT, language="en", context=HAND_OVER, blank=True
    )
    assert notice.blanked
    for body in (notice.text, notice.html):
        assert "1234 567 890 123" in body
        assert "http://localhost:8000/c/1234567890123/" in body
        assert "The code works for 30 days" in body


def test_phone_number_of_the_branch_is_at_the_end_of_an_email(answer, library, branch):
    library.default_branch.phone = "(414) 555-0100"
    library.default_branch.save()
    other = BranchFactory(phone="(414) 555-0134")
    assert "Questions? Call us: (414) 555-0100\n" in answer().text
    assert '<bdi dir="ltr" style="white-space: nowrap">(414) 555-0100</bdi>' in answer().html
    elsewhere = answer(context={"helper": None, "url": "http://localhost:8000/", "branch": other})
    assert "Questions? Call us: (414) 555-0134\n" in elsewhere.text
    assert "(414) 555-0100" not in elsewhere.text + elsewhere.html


def test_email_of_a_library_without_a_phone_number_does_not_mention_calling(answer):
    assert "Call us" not in answer().text + answer().html


def test_email_also_shows_the_address_of_its_link_as_text(answer):
    assert answer().html.count(">http://localhost:8000/messages/1/</a>") == 1


def test_email_has_inline_styles_for_mail_programs_without_style_sheets(answer):
    html = re.sub("<style>.*?</style>", "", answer().html, flags=re.DOTALL)
    for tag in ("a class", "h1", 'div class="card"', 'div class="page"'):
        assert re.search(rf"<{tag}[^>]*style=", html.replace("\n", " ")), tag


@pytest.mark.few_cases
@pytest.mark.parametrize("kind", [*KINDS, *DIGESTS.values()])
def test_every_notice_says_why_it_was_sent_and_has_a_link_to_change_the_notices(
    kind, library, patron, branch
):
    app, name = kind.split("/")
    if not (settings.BASE_DIR / "templates" / app / "email" / f"{name}.txt").exists():
        # A notice to staff may have no templates, because staff can get it as a line of a digest.
        needed = f"Write templates/{app}/email/{name}.subject.txt, {name}.txt and {name}.html."
        assert KINDS[kind].for_staff, needed
        return
    why = str(KINDS[kind].why) if kind in KINDS else "Because."
    page = "http://localhost:8000/change/"
    context = {"branch": branch, "url": "http://localhost:8000/x/", "closes_at": None, "closed": False}
    context |= {"day": None, "lines": [], "why": why, "change_url": page}
    email = notify(kind, to="x@y.example", at=AT, recipient=patron, language="en", context=context)
    if kind in KINDS:
        page = change_url(KINDS[kind].change_page)
    assert why in email.text
    assert page in email.text
    assert escape(why) in email.html
    assert f'href="{page}"' in email.html


def test_preview_text_of_an_email_contains_nothing_private(answer):
    first_words = re.sub("<[^>]*>", "", answer().html.partition("<body")[2].partition(">")[2]).strip()
    assert first_words.startswith("A message from your library. Open it to read more.\n&nbsp;&zwnj;")


def test_plain_text_lines_without_long_links_have_at_most_72_characters():
    address = "http://localhost:8000/messages/" + "a" * 60
    text = f"{'word ' * 40}\n\n{address}\n\n    {'1234 ' * 3}\n-- \nLibrary\n"
    lines = wrapped(text).split("\n")
    assert address in lines
    assert "    1234 1234 1234 " in lines
    assert "-- " in lines
    assert [line for line in lines if len(line) > 72] == [address]
    assert " ".join(wrapped(text).split()) == " ".join(text.split())


def test_emails_load_nothing_from_other_hosts(answer):
    for word in ("<img", "src=", "@import", "url(", "<script", "<link"):
        assert word not in answer().html


def test_django_send_mail_creates_one_outbox_row_per_recipient(settings, patron):
    use_outbox(settings)
    send_mail("Hello\tthere", "text", None, ["sam@example.org", "other@example.org"])
    rows = Notification.objects.order_by("pk").values_list(
        "to_address", "recipient", "subject", "text", "blanked"
    )
    assert list(rows) == [
        ("sam@example.org", patron.pk, "Hello there", "text", False),
        ("other@example.org", None, "Hello there", "text", False),
    ]


def test_internal_header_of_an_email_with_a_code_is_not_sent_to_the_recipient(settings, library):
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
    )
    assert "x-afterword-blank" not in build(row, Library.current()).message().as_string().lower()
