"""Test that signed-in staff can work if they find everything by role and name, like a screen reader.

Each journey runs in English and in Spanish, with and without JavaScript.
"""

import datetime
import uuid

import pytest
from allauth.account.models import EmailAddress
from django.utils import timezone
from django.utils.translation import ngettext, override
from playwright.sync_api import expect

from accounts.models import Library, OpeningHours
from portal.conversations import actions
from portal.conversations.models import Conversation
from portal.helpsessions import search
from portal.helpsessions.models import HelpSession
from tests.factories import HelpSessionFactory, ItemFactory

from .conftest import DESK, LOOKS
from .reader import Reader

pytestmark = [pytest.mark.only_long, pytest.mark.browser]

VARIANTS = pytest.mark.parametrize(
    ("language", "javascript"),
    [("en", True), ("es", False), ("en", False), ("es", True)],
    ids=["en", "es without JavaScript", "en without JavaScript", "es"],
)
QUESTION = "How do I keep worms?"


@pytest.fixture
def enter(opened, show, language, javascript):
    """Return enter(person), which signs the person in at the desk and returns a Reader."""

    def enter(person):
        person.language = language
        person.save()
        page = show(opened(DESK, **LOOKS[language], javascript=javascript), person)
        return Reader(page, language, act="click")

    return enter


def ask(patron, **about):
    return actions.ask(
        by=patron,
        at=timezone.now() - datetime.timedelta(minutes=5),
        body="Where is it?",
        language="en",
        client_token=uuid.uuid4(),
        **about,
    )


@VARIANTS
def test_visit_of_a_known_patron_is_recorded_with_an_item_and_a_reason(
    enter, staff, patron, language, javascript
):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    item = ItemFactory(title="Worms at Work")
    reader = enter(staff)
    page = reader.page
    page.goto("/desk/")
    page.get_by_role("banner").get_by_role("link", name=reader.say("Record")).first.click()
    reader.reads("Record a help session")
    reader.field("Question").fill(QUESTION)
    reader.find("searchbox", "Find an item by title, author, ISBN or call number").fill("worms")
    if not javascript:
        reader.press("Find")
    page.get_by_role("button", name=item.title).click()
    reader.field("Reason").fill("for balconies")
    reader.field("For: the patron's card number or email").fill(patron.email)
    if javascript:
        page.keyboard.press("Tab")
    else:
        reader.press("Save and give to the patron")
    expect(page.get_by_role("main")).to_contain_text(patron.name)
    reader.find("checkbox", "The patron agrees").check()
    reader.press("Save and give to the patron")
    reader.reads("Saved")
    visit = HelpSession.objects.get()
    given = [
        (link.recommendation.item, link.recommendation.reason) for link in visit.recommendation_links.all()
    ]
    assert (visit.question, visit.patron, given) == (QUESTION, patron, [(item, "for balconies")])


@VARIANTS
def test_conversation_is_taken_answered_and_counted_as_a_contact(enter, branch, staff, patron):
    visit = HelpSessionFactory(branch=branch, staff=staff, patron=patron, question=QUESTION)
    conversation = ask(patron, help_session=visit)
    reader = enter(staff)
    page = reader.page
    page.goto("/desk/")
    page.get_by_role("main").get_by_role("link", name=QUESTION).first.click()
    reader.press("Take", exact=False)
    expect(page.get_by_role("main")).to_contain_text(reader.say("Assigned to you."))
    reader.field("Your answer").fill("On the second floor.")
    reader.press("Send and close", exact=False)
    expect(page.get_by_role("main")).to_contain_text(reader.say("Count this conversation as a contact?"))
    reader.press("Yes, count it", exact=False)
    expect(reader.find("button", "Yes, count it", exact=False)).to_have_count(0)
    row = Conversation.objects.get(pk=conversation.pk)
    assert (row.status, row.assignee, row.logged_as is not None) == ("closed", staff, True)


@VARIANTS
def test_past_visit_is_found_by_its_words(enter, branch, staff):
    for question in (QUESTION, "Where are the maps?"):
        search.index(HelpSessionFactory(branch=branch, staff=staff, question=question))
    reader = enter(staff)
    page = reader.page
    page.goto("/desk/")
    page.get_by_role("banner").get_by_role("link", name=reader.say("Sessions"), exact=True).click()
    reader.reads("Help sessions")
    page.get_by_role("search").get_by_role("searchbox").fill("worms")
    reader.press("Search")
    main = page.get_by_role("main")
    expect(main.get_by_role("link", name="Where are the maps?")).to_have_count(0)
    main.get_by_role("link", name=QUESTION).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(QUESTION)


@VARIANTS
def test_adding_a_closed_day_moves_a_promise_after_a_preview(enter, branch, coordinator, patron, language):
    OpeningHours.objects.bulk_create(
        OpeningHours(branch=branch, weekday=weekday, opens=datetime.time(0), closes=datetime.time(23, 59))
        for weekday in range(7)
    )
    branch.promise_hours = 60
    branch.save()
    conversation = ask(patron, branch=branch)
    promised = Library.current().today(conversation.promised_at)
    closed = promised - datetime.timedelta(days=1)
    reader = enter(coordinator)
    page = reader.page
    page.goto("/desk/settings/")
    page.get_by_role("main").get_by_role("link", name=branch.name).first.click()
    closed_days = reader.find("region", "Closed days")
    closed_days.get_by_label(reader.say("Day"), exact=True).fill(closed.isoformat())
    closed_days.get_by_label(reader.say("Reason")).fill("Storm")
    reader.press("Add the day")
    with override(language):
        move = ngettext("Save and move %(count)s promise", "Save and move %(count)s promises", 1) % {
            "count": 1
        }
    reader.button(move).click()
    expect(closed_days).to_contain_text("Storm")
    conversation.refresh_from_db()
    assert Library.current().today(conversation.promised_at) == promised + datetime.timedelta(days=1)
