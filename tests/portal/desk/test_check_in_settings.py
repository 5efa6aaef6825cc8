import datetime
import html
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Library
from portal.checkins.models import CheckIn, CheckInRule
from portal.checkins.rules import USUAL, Rule, Rules
from portal.desk.library.first_week import steps
from recommendations.models import QuestionType, Topic
from recommendations.topics import STARTING, add_starting_topics, add_topic, sounds_sensitive
from tests.factories import BranchFactory, CheckInFactory, HelpSessionFactory, TopicFactory

pytestmark = pytest.mark.django_db
DAY = datetime.timedelta(days=1)


@pytest.fixture
def coordinator(client, sign_in, coordinator):
    sign_in(client, coordinator)
    return coordinator


def typed(**changes):
    fields = {}
    for kind, rule in USUAL.items():
        fields |= {f"since_{kind}": rule.since, f"days_{kind}": rule.days or ""}
    return fields | changes


def test_coordinator_turns_check_ins_on_and_off(client, coordinator):
    client.post(reverse("check_in_settings"), typed(check_ins="on", check_ins_of_children="on"))
    library = Library.current()
    assert (library.check_ins, library.check_ins_of_children) == (True, True)

    client.post(reverse("check_in_settings"), typed())

    library = Library.current()
    assert (library.check_ins, library.check_ins_of_children) == (False, False)
    assert not CheckInRule.objects.exists()


def test_changing_the_rule_of_a_question_type_moves_planned_check_ins(client, coordinator, branch, library):
    today = library.today()
    visit = HelpSessionFactory(branch=branch, question_type="technology", happened_on=today)
    check_in = CheckInFactory(help_session=visit, due_on=today + 3 * DAY)

    client.post(reverse("check_in_settings"), typed(days_technology="5"))

    check_in.refresh_from_db()
    assert check_in.due_on == today + 5 * DAY
    assert [(row.question_type, row.days) for row in CheckInRule.objects.all()] == [("technology", 5)]
    client.post(reverse("check_in_settings"), typed(since_technology="never", days_technology=""))
    assert not CheckIn.objects.exists()


@pytest.mark.few_cases
@pytest.mark.parametrize("days", ["", "0", "181", "soon", "1.5"])
def test_rule_with_an_invalid_number_of_days_is_refused(client, coordinator, days):
    response = client.post(reverse("check_in_settings"), typed(days_technology=days))

    assert "Enter a whole number from 1 to 180." in response.content.decode()
    assert Rules.read().of_type(QuestionType.TECHNOLOGY) == USUAL[QuestionType.TECHNOLOGY]


def test_staff_who_are_not_coordinators_cannot_change_the_check_in_settings(client, sign_in, staff):
    sign_in(client, staff)

    assert client.post(reverse("check_in_settings"), typed(check_ins="on")).status_code == 404
    assert not Library.current().check_ins


def topic_fields(**changes):
    return {"name": "Chess", "name_es": "", "since_topic": "", "days_topic": "", **changes}


def test_coordinator_can_add_and_remove_a_rule_for_a_topic(client, coordinator):
    topic = TopicFactory(name="Chess")
    fields = topic_fields(topic=topic.pk)

    client.post(reverse("topics"), fields | {"since_topic": "visit", "days_topic": "21"})
    assert Rules.read().of_topic(topic.pk) == Rule("visit", 21)
    client.post(reverse("topics"), fields | {"since_topic": "never", "days_topic": "21"})
    assert Rules.read().of_topic(topic.pk) == Rule("never")
    client.post(reverse("topics"), fields)

    assert Rules.read().of_topic(topic.pk) is None


def test_topic_with_a_sensitive_name_is_excluded_from_emails_by_default(client, coordinator):
    fields = topic_fields(name="Mental health")

    page = client.post(reverse("topics"), fields).content.decode()

    assert "This topic sounds private" in page
    assert not Topic.objects.exists()
    client.post(reverse("topics"), fields | {"was_told": "on", "never_by_message": "on"})
    assert Topic.objects.get().never_by_message
    client.post(reverse("topics"), topic_fields(name="Taxes", was_told="on"))
    assert not Topic.objects.get(name="Taxes").never_by_message
    client.post(reverse("topics"), topic_fields(name="Gardening"))
    assert not Topic.objects.get(name="Gardening").never_by_message


def test_coordinator_can_allow_emails_about_an_excluded_topic(client, coordinator):
    topic = TopicFactory(name="Health", never_by_message=True)
    page = client.get(f"{reverse('topics')}?topic={topic.pk}").content.decode()
    assert " checked" in re.search(r'<input[^>]*name="never_by_message"[^>]*>', page)[0]

    client.post(reverse("topics"), topic_fields(name="Health", topic=topic.pk))

    topic.refresh_from_db()
    assert not topic.never_by_message


def test_sensitive_topics_of_a_new_library_are_excluded_from_emails():
    add_starting_topics()

    flagged = Topic.objects.filter(never_by_message=True).values_list("name", flat=True)
    assert sorted(flagged) == [
        "Government and law", "Health", "Housing", "Immigration", "Money", "Safety and abuse",
    ]  # fmt: skip
    spanish = [names["es"] for name, names in STARTING if sounds_sensitive(names["es"])]
    assert sorted(spanish) == [
        "Dinero", "Gobierno y leyes", "Inmigración", "Salud", "Seguridad y maltrato", "Vivienda",
    ]  # fmt: skip


@pytest.mark.few_cases
@pytest.mark.parametrize(
    "name", ["Lawn care", "Legends", "Leyendas", "House plants", "Parenting", "Taxidermy"]
)
def test_ordinary_topic_name_is_not_sensitive(name):
    assert not sounds_sensitive(name)


def test_first_week_step_about_check_ins_is_done_when_check_ins_are_on(library):
    def step():
        return next(step for step in steps(Library.current()) if step.name == "check-ins")

    assert not step().done
    Library.objects.update(check_ins=True)

    assert step().done


def settings_page(client):
    return " ".join(html.unescape(client.get(reverse("check_in_settings")).content.decode()).split())


def test_check_in_rule_shows_the_number_of_days_first_and_marks_no_field_as_optional(client, coordinator):
    topic = TopicFactory(name="Chess")
    topics = client.get(reverse("topics"), {"topic": topic.pk}).content.decode()
    assert topics.index('name="days_topic"') < topics.index('name="since_topic"')
    page = settings_page(client)
    assert page.index('name="days_technology"') < page.index('name="since_technology"')
    assert "(optional)" not in page
    assert "<legend>Technology help</legend>" in page


def test_settings_page_links_to_the_check_in_settings_of_each_branch(client, coordinator, branch):
    branch.check_in_tone, branch.check_ins_unreviewed = "brief", True
    branch.save()
    closed = BranchFactory(closed_at=timezone.now())
    page = settings_page(client)
    address = reverse("branch_settings", args=[branch.slug])
    assert f'href="{address}#id_check_in_tone"' in page
    assert "Tone: brief. A check-in that nobody has approved is sent in the name of the branch." in page
    assert reverse("branch_settings", args=[closed.slug]) not in page
    type(branch).objects.update(check_ins_unreviewed=False)
    assert "A check-in that nobody has approved appears only on the patron's pages." in settings_page(client)


def test_settings_page_lists_the_topics_that_are_excluded_from_emails(client, coordinator):
    TopicFactory(name="Tenancy", never_by_message=True)
    TopicFactory(name="Chess")
    TopicFactory(name="Debts", never_by_message=True, retired_at=timezone.now())
    part = settings_page(client).partition('id="never-by-email"')[2].partition("</ul>")[0]
    assert [name in part for name in ("Tenancy", "Chess", "Debts")] == [True, False, False]


def test_settings_page_lists_topics_that_sound_private_but_are_not_excluded(client, coordinator):
    add_topic(name="Vaccines", names={"es": "Salud de los niños"})
    add_topic(name="Renters", names={})
    add_topic(name="Chess", names={"es": "Ajedrez"})
    add_topic(name="Debts", names={}, never_by_message=True)
    TopicFactory(name="Taxes", retired_at=timezone.now())
    part = settings_page(client).partition('id="topics-to-check"')[2].partition("</ul>")[0]
    names = ("Vaccines", "Renters", "Chess", "Debts", "Taxes")
    assert [name in part for name in names] == [True, True, False, False, False]
    Topic.objects.update(never_by_message=True)
    assert 'id="topics-to-check"' not in settings_page(client)


def test_settings_page_asks_to_check_the_topics_until_check_ins_are_on(client, coordinator):
    Library.objects.update(check_ins=False)
    assert "Before you turn check-ins on, review the topics" in settings_page(client)
    Library.objects.update(check_ins=True)
    assert "Before you turn check-ins on" not in settings_page(client)


@pytest.mark.parametrize("rows", [1, 30])
def test_settings_page_runs_the_same_number_of_queries_for_any_number_of_topics(
    client, coordinator, django_assert_num_queries, rows
):
    for number in range(rows):
        add_topic(name=f"Health {number}", names={"es": f"Salud {number}"}, never_by_message=number % 2)
    client.get(reverse("check_in_settings"))
    with django_assert_num_queries(9):
        client.get(reverse("check_in_settings"))


@pytest.mark.parametrize(("backend", "warns"), [("smtp", False), ("console", True)])
def test_settings_page_warns_if_outgoing_email_is_not_set_up(client, coordinator, settings, backend, warns):
    settings.DELIVERY_EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    assert ("Outgoing email isn't set up" in settings_page(client)) == warns


def test_saving_a_topic_redirects_to_the_check_in_settings_if_staff_came_from_there(client, coordinator):
    topic = TopicFactory(name="Health questions", never_by_message=False)
    page = client.get(reverse("check_in_settings")).content.decode()
    assert page.index('id="topics-to-check"') < page.index('id="rules-title"')
    address = re.search(rf'href="([^"]*topic={topic.pk}[^"]*)"', page)[1]
    address = html.unescape(address)
    form = client.get(address).content.decode()
    assert 'name="next" value="check-ins"' in form
    saved = client.post(
        reverse("topics"),
        {"topic": topic.pk, "name": topic.name, "next": "check-ins", "never_by_message": "on"},
    )
    assert saved.url == reverse("check_in_settings")
    elsewhere = client.post(
        reverse("topics"), {"topic": topic.pk, "name": topic.name, "next": "https://evil.example/"}
    )
    assert elsewhere.url == reverse("topics")
