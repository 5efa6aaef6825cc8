"""Test that the quote is cut if a mail program quotes the HTML of the library's email without ">"."""

import uuid

import pytest
from django.utils import timezone
from django.utils.html import escape

from portal.conversations import actions
from portal.conversations.quotes import parts_of
from portal.incoming.actions import Outcome, receive
from portal.notifications.models import Notification

pytestmark = pytest.mark.django_db
HIDDEN = "\u00a0\u200c" * 40
LINK = "https://help.library.example/conversations/6f0f2f2e/#latest"
# The HTML of the library's email, as mail programs quote it in plain text. After the text of each link, these
# programs add the link's address. `{link}` is the address that the email also shows as text.
QUOTE = {
    "en": f"""A message from your library. Open it to read more. {HIDDEN}

Write your answer above this line.

Harbour Library

The library has answered

Rosa Lindqvist has answered you.

Read the answer<{LINK}>

If the button doesn't work, copy this address:
{{link}}

You can reply in the conversation, or reply to this email.

You're getting this email because you wrote to the library. To protect your privacy, this email doesn't say
what the answer
is about. Choose which emails you get<https://help.library.example/notices/>

Questions? Call us: 555 0100
""",
    "es": f"""Un mensaje de su biblioteca. Ábralo para leer más. {HIDDEN}

Escriba su respuesta arriba de esta línea.

Harbour Library

La biblioteca ha respondido

Rosa Lindqvist le ha respondido.

Leer la respuesta<{LINK}>

Si el botón no funciona, copie esta dirección:
{{link}}

Puede responder en la conversación o contestar este correo.

Recibe este correo porque escribió a la biblioteca. Para proteger su privacidad, no dice de qué trata la
respuesta. Elija qué correos recibe<https://help.library.example/notices/>

¿Tiene preguntas? Llámenos: 555 0100
""",
}
# {name of a mail program: (language, the lines that it writes above the quote)}
ABOVE = {
    "outlook": (
        "en",
        "From: Harbour Library <help@library.example>\nSent: Monday, November 23, 2026 10:00 AM\n"
        "To: Sam Okafor <sam@example.org>\nSubject: The library has answered\n\n",
    ),
    # The mail server of a university has added two warnings to the library's email.
    "outlook with warnings": (
        "en",
        "From: Harbour Library <help@library.example>\nSent: Monday, November 23, 2026 10:00 AM\n"
        "To: Sam Okafor <sam@example.org>\nSubject: The library has answered\n\n"
        "CAUTION: This email comes from outside the university. Open no links.\n\n"
        "You don't often get email from help@library.example. Learn why<https://aka.ms/LearnAboutSenderIdentification>\n\n",
    ),
    "outlook on a phone": (
        "es",
        "________________________________\nDe: Harbour Library <help@library.example>\n"
        "Enviado: lunes, 23 de noviembre de 2026 10:00\nPara: Sam Okafor <sam@example.org>\n"
        "Asunto: La biblioteca ha respondido\n\n",
    ),
    "samsung": (
        "es",
        "-------- Mensaje original --------\nDe: Harbour Library <help@library.example>\n"
        "Fecha: 23/11/26 10:00 a. m. (GMT-06:00)\nPara: sam@example.org\n"
        "Asunto: La biblioteca ha respondido\n\n",
    ),
    "yahoo": (
        "en",
        "    On Monday, November 23, 2026 at 10:00:00 AM CST, Harbour Library <help@library.example> wrote:\n \n",
    ),
    "yahoo in spanish": (
        "es",
        "    El lunes, 23 de noviembre de 2026, 10:00:00 CST, Harbour Library <help@library.example> "
        "escribió:\n \n",
    ),
    "zoho": (
        "en",
        "---- On Mon, 23 Nov 2026 10:00:00 -0600 Harbour Library <help@library.example> wrote ----\n\n",
    ),
}
# Outlook's filter rewrites the addresses of links. After each address that the email shows as text, the
# filter also adds an address such as this one.
SAFE = "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fhelp.library.example&data=05"


@pytest.fixture
def send(conversation, staff, patron, reply_to, branch):
    """Return send(name, make), which answers an email like the mail program `name` in ABOVE.

    `make(header, quote)` returns the text of the answer. If `html` is true, `quote` is the body of the
    library's HTML, and `make` returns HTML.
    """
    branch.phone = "555 0100"
    branch.save()

    def send(name, make, *, html=False):
        language, above = ABOVE[name]
        patron.language = language
        patron.save()
        actions.reply(
            conversation,
            by=staff,
            side="staff",
            at=timezone.now(),
            body="Yes.",
            language=language,
            client_token=uuid.uuid4(),
        )
        sent = Notification.objects.get(kind="conversations/answer")
        link = next(line for line in sent.text.split("\n") if line.startswith("http"))
        shown = f"{link}<{SAFE}>" if "warnings" in name else link
        quote = QUOTE[language].format(link=shown)
        if html:
            quote = sent.html[sent.html.index("<body") : sent.html.index("</body>")].replace("<body", "<div")
            quote += "</div>"
        raw = (
            f"From: {patron.email}\nTo: {reply_to}\nMessage-ID: <1@client.example>\n"
            f"In-Reply-To: {sent.message_id}\nMIME-Version: 1.0\n"
            f"Content-Type: text/{'html' if html else 'plain'}; charset=utf-8\n"
            "Content-Transfer-Encoding: 8bit\n\n"
        ) + make(above, quote)
        assert receive(raw.encode(), at=timezone.now()) == Outcome.MESSAGE
        return conversation.messages.in_order().last().body

    return send


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ABOVE)
def test_quoted_html_below_an_answer_is_cut(name, send):
    assert send(name, lambda above, quote: f"Thanks, gracias.\n\n{above}{quote}") == "Thanks, gracias."


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ABOVE)
def test_quoted_html_is_cut_even_if_the_librarys_email_was_deleted(name, send, monkeypatch):
    monkeypatch.setattr("portal.incoming.actions._sent", lambda email, person: [])
    assert send(name, lambda above, quote: f"Thanks, gracias.\n\n{above}{quote}") == "Thanks, gracias."


@pytest.mark.few_cases
@pytest.mark.parametrize("name", ABOVE)
def test_quoted_html_is_collapsed_if_the_sender_writes_inside_or_below_the_quote(name, send):
    def make(above, quote):
        first, line, rest = quote.partition("\n\nHarbour Library")
        return f"See below.\n\n{above}{first}\n\nNo sé.{line}{rest}\nCall me."

    parts = parts_of(send(name, make))
    assert [part.text for part in parts if not part.is_quote] == ["See below.", "No sé.", "Call me."]
    assert [part.is_quote for part in parts] == [False, True, False, True, False]
    assert "Rosa Lindqvist" in parts[3].text


@pytest.mark.parametrize("name", ["outlook", "samsung", "yahoo in spanish"])
def test_html_of_the_librarys_email_is_cut_from_an_html_answer(name, send):
    def make(above, quote):
        header = "<br>".join(escape(line) for line in above.split("\n"))
        return f"<html><body><p>Thanks, <b>gracias</b>.</p><div>{header}</div>{quote}</body></html>"

    assert send(name, make, html=True) == "Thanks, gracias."


@pytest.mark.parametrize("name", ["outlook", "outlook with warnings", "samsung"])
def test_answer_typed_into_the_top_of_the_quote_is_not_cut(name, send):
    """Some people write right above "Write your answer above this line.", in the middle of the quote."""
    body = send(name, lambda above, quote: f"{above}The second book, please.\n\n{quote}")
    assert [part.text for part in parts_of(body) if not part.is_quote] == ["The second book, please."]
