import datetime
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from portal.checkins.models import CheckIn
from portal.conversations.models import Conversation
from portal.helpsessions.models import HelpSession
from tests.factories import (
    CheckInFactory,
    ConversationFactory,
    HelpSessionFactory,
    SharedSessionFactory,
    UserFactory,
    code_for,
)

pytestmark = [pytest.mark.sql, pytest.mark.django_db]
DAY = datetime.timedelta(days=1)


@pytest.fixture
def library(library):
    library.check_ins = True
    library.save()
    return library


@pytest.fixture
def visit(branch, patron):
    return HelpSessionFactory(branch=branch, patron=patron, question="How do I file my taxes?")


@pytest.fixture
def due(visit, library):
    return CheckInFactory(help_session=visit, due_on=library.today())


def asked_at_home(client):
    """Return the titles of the visits that the home page asks about."""
    page = client.get(reverse("home")).content.decode()
    part = re.search(r'<section[^>]*aria-labelledby="due-title".*?</section>', page, re.S)
    return re.findall(r'<p dir="auto">(.*?)</p>', part[0]) if part else []


def test_home_page_asks_about_the_visit_whose_check_in_was_due_first(
    client, sign_in, patron, due, branch, library
):
    older = HelpSessionFactory(branch=branch, patron=patron, question="Where is the map?")
    CheckInFactory(help_session=older, due_on=library.today() - DAY)
    sign_in(client, patron)

    assert asked_at_home(client) == ["Where is the map?"]
    CheckIn.objects.filter(help_session=older).update(status="answered", answered_at=timezone.now())
    assert asked_at_home(client) == ["How do I file my taxes?"]


@pytest.mark.parametrize("choice", ["", "pages", "email"])
def test_home_page_also_asks_patrons_who_have_not_made_a_choice_about_check_ins(
    client, sign_in, patron, due, choice
):
    patron.check_ins = choice
    patron.save()
    sign_in(client, patron)

    assert asked_at_home(client) == ["How do I file my taxes?"]


def test_home_page_does_not_ask_a_patron_who_refused_check_ins_or_left_out_the_visit(
    client, sign_in, patron, due, visit
):
    sign_in(client, patron)
    client.post(reverse("dont_ask", args=[visit.public_id]))
    assert asked_at_home(client) == []
    HelpSession.objects.update(check_ins="")
    CheckIn.objects.update(status="planned", ended_at=None)
    assert asked_at_home(client) == ["How do I file my taxes?"]

    patron.check_ins = "none"
    patron.save()

    assert asked_at_home(client) == []


def test_patron_who_refused_check_ins_is_not_asked_about_a_visit_opened_by_code(
    client, sign_in, show_code, patron, branch, library
):
    visit = HelpSessionFactory(branch=branch, question="Where is the map?")
    CheckInFactory(help_session=visit, due_on=library.today())
    sign_in(client, patron)
    show_code(client, code_for(visit))
    assert asked_at_home(client) == ["Where is the map?"]

    patron.check_ins = "none"
    patron.save()

    assert asked_at_home(client) == []


def test_home_page_does_not_ask_about_a_visit_too_early_or_during_an_open_conversation(
    client, sign_in, patron, due, visit
):
    sign_in(client, patron)
    conversation = ConversationFactory(help_session=visit)
    assert asked_at_home(client) == []
    Conversation.objects.filter(pk=conversation.pk).update(
        status="closed", waiting_since=None, closed_at=timezone.now()
    )
    assert asked_at_home(client) == ["How do I file my taxes?"]

    CheckIn.objects.update(due_on=due.due_on + DAY)

    assert asked_at_home(client) == []


def test_home_page_asks_a_viewer_with_only_a_code_about_the_opened_visit(client, show_code, library, branch):
    visit = HelpSessionFactory(branch=branch, question="How do I file my taxes?")
    CheckInFactory(help_session=visit, due_on=library.today())
    assert asked_at_home(client) == []

    show_code(client, code_for(visit))

    assert asked_at_home(client) == ["How do I file my taxes?"]


def test_home_page_does_not_ask_an_adult_about_a_childs_visit(
    client, sign_in, show_code, library, branch, patron
):
    shared = SharedSessionFactory(branch=branch, shared_with=patron)
    CheckInFactory(help_session=shared, due_on=library.today())
    sign_in(client, patron)
    assert asked_at_home(client) == []
    assert (
        client.post(reverse("ask_later", args=[shared.public_id]), {"day": "2030-01-01"}).status_code == 404
    )

    client.logout()
    show_code(client, code_for(SharedSessionFactory(branch=branch)))

    assert asked_at_home(client) == []


def test_home_page_asks_nobody_about_visits_while_check_ins_are_off(client, sign_in, patron, due, library):
    library.check_ins = False
    library.save()
    sign_in(client, patron)

    assert asked_at_home(client) == []


def test_patron_can_choose_the_day_of_a_check_in(client, sign_in, patron, due, visit, library):
    sign_in(client, patron)
    day = library.today() + 10 * DAY

    response = client.post(
        reverse("ask_later", args=[visit.public_id]), {"day": day.isoformat(), "back": "/"}
    )

    assert response.url == "/"
    due.refresh_from_db()
    assert (due.due_on, due.set_by) == (day, "patron")
    assert asked_at_home(client) == []


@pytest.mark.few_cases
@pytest.mark.parametrize("days", ["", 0, 181, "2026-99-99", "\0"])
def test_patron_cannot_choose_a_day_in_the_past_or_far_in_the_future(
    client, sign_in, patron, due, visit, library, days
):
    sign_in(client, patron)
    day = (library.today() + days * DAY).isoformat() if isinstance(days, int) else days

    response = client.post(reverse("ask_later", args=[visit.public_id]), {"day": day}, follow=True)

    assert "Choose a day" in response.content.decode()
    due.refresh_from_db()
    assert due.set_by == "rule"


def test_stranger_cannot_choose_the_day_of_a_check_in(client, sign_in, due, visit):
    sign_in(client, UserFactory())

    response = client.post(reverse("ask_later", args=[visit.public_id]), {"day": "2030-01-01"})

    assert response.status_code == 404


def test_home_page_runs_one_more_query_for_check_ins_if_no_check_in_is_due(
    client, sign_in, patron, visit, library, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    sign_in(client, patron)
    counts = []
    for is_on in (False, True):
        library.check_ins = is_on
        library.save()
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("home"))
        counts.append(len(queries))

    assert counts[1] - counts[0] == 1


def test_home_page_does_not_ask_an_adult_about_a_visit_recorded_as_a_childs_own_visit(
    client, sign_in, patron, due, visit
):
    HelpSession.objects.update(with_child="own")
    sign_in(client, patron)
    assert asked_at_home(client) == []
    later = client.post(reverse("ask_later", args=[visit.public_id]), {"day": "2030-01-01"})
    assert later.status_code == 404
    patron.name, patron.child_since = "Sam", timezone.now()
    patron.save()
    assert asked_at_home(client) == ["How do I file my taxes?"]
