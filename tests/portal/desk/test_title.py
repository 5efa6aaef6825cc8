"""Test that patrons see the question as the title of a visit, and that the record form explains this."""

import re
from html import unescape

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from portal.helpsessions.models import HelpSession
from portal.worker import Worker
from tests.factories import ConversationFactory, QuietSessionFactory
from tests.mailers import use_outbox
from tests.portal.pages import text

pytestmark = pytest.mark.usefixtures("at_noon")
RECORD = reverse("record")
LONG = "Where can I find out whether the river Zqx was moved when the railway came? " * 5
CUT = "Where can I find out whether the river Zqx was moved when the railway came? Where can I f…"


def heading(response, tag="h1"):
    found = re.search(rf"<{tag}[^>]*>(.*?)</{tag}>", response.content.decode(), re.DOTALL)
    return " ".join(unescape(found[1]).split())


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Books about bees?", "Books about bees?"),
        ("Two\nlines", "Two lines"),
        (LONG, CUT),
        ("", "Your visit on Wednesday, March 4"),
    ],
    ids=["short", "two lines", "long", "empty"],
)
def test_visit_page_and_slip_and_home_page_show_the_question_as_the_title(
    desk, show_code, typed, patron, sign_in, question, title
):
    slip = desk.post(RECORD, typed(question=question, note="STAFF ONLY"), follow=True)
    visit, code = HelpSession.objects.get(), "".join(slip.context["grouped"].split())
    page = show_code(Client(), code).get(visit.get_absolute_url())
    assert (heading(page), heading(page, "title").split(" · ")[0]) == (title, title)
    assert heading(slip, "h2") == title
    for paper in ("receipt", "a4", "letter"):
        printed = desk.get(reverse("slip", args=[visit.public_id]), {"paper": paper})
        assert heading(printed, "h2") == title
    HelpSession.objects.update(patron=patron)
    me = sign_in(Client(), patron)
    for address in ("home", "help_sessions"):
        row = re.search(
            rf'href="{visit.get_absolute_url()}"[^>]*>(.*?)</a>', me.get(reverse(address)).content.decode()
        )
        assert unescape(row[1]) == title
    assert (LONG[:400].strip() in text(page)) == (question == LONG)
    assert "STAFF ONLY" not in text(page)


def test_title_of_a_quiet_visit_never_contains_the_question(show_code, desk, typed):
    slip = desk.post(RECORD, typed(question="Zqxsecret", quiet="on"), follow=True)
    code = "".join(slip.context["grouped"].split())
    page = show_code(Client(), code).get(HelpSession.objects.get().get_absolute_url())
    assert heading(page) == heading(slip, "h2") == "Your visit on Wednesday, March 4"
    assert "Zqxsecret" not in page.content.decode()


def test_email_to_the_patron_contains_no_title(desk, typed, settings):
    use_outbox(settings)
    desk.post(RECORD, typed(question="Zqxsecret"))
    visit = HelpSession.objects.get()
    desk.post(reverse("hand_over", args=[visit.public_id]), {"address": "ana@example.org"})
    Worker().deliver_due()
    [message] = mail.outbox
    assert "Zqxsecret" not in str(message.message())


def test_record_form_says_what_the_patron_sees_as_the_title(desk):
    form = desk.get(RECORD).context["form"]
    assert (
        form["question"].help_text
        == "The patron sees this as the title. Shorthand belongs in the private note."
    )
    assert "Write shorthand here." in form["note"].help_text


def test_form_that_counts_a_contact_says_nothing_about_a_title(desk, branch):
    conversation = ConversationFactory(branch=branch)
    page = text(desk.get(RECORD, {"conversation": str(conversation.public_id)}))
    assert "Count the contact" in page
    for words in ("The patron sees this as the title", "Title on the patron"):
        assert words not in page


def test_quiet_visit_with_a_question_has_its_day_as_the_title(library):
    assert QuietSessionFactory(question="Zqxsecret").title.startswith("Your visit on ")
