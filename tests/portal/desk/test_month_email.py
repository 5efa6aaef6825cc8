"""Test the monthly email for coordinators, and that pages mark numbers that changed after the email."""

import datetime
import html
import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import StaffRole
from portal import worker
from portal.counts import actions
from portal.counts.models import AnswerCount, MonthEmail
from portal.desk.figures.month_email import KIND, entered_later, write_month_emails
from portal.desk.figures.periods import Period
from portal.desk.figures.workload import figure
from portal.helpsessions.models import HelpSession
from portal.notifications.choices import Choices, turn_off
from portal.notifications.models import DeskUse, Notification
from tests.factories import (
    AbsenceFactory,
    BranchFactory,
    HelpSessionFactory,
    StaffFactory,
    TopicFactory,
)

pytestmark = [pytest.mark.sql, pytest.mark.django_db]

MARCH = datetime.date(2026, 3, 1)
# April 3, 9:00 in the library's time zone.
AT = datetime.datetime(2026, 4, 3, 14, tzinfo=datetime.UTC)
DAY, MINUTE = datetime.timedelta(days=1), datetime.timedelta(minutes=1)


def made(branch, count, day=MARCH, **fields):
    return HelpSessionFactory.create_batch(
        count, branch=branch, happened_on=day, created_at=AT - DAY, **fields
    )


@pytest.fixture
def march(branch, patron):
    """Make contacts at two branches in March 2026, and some a year before."""
    west = BranchFactory(name="West", slug="west")
    made(branch, 3, patron=patron, minutes=10, topic=TopicFactory(name="Bereavement"), found="no")
    made(west, 5, minutes=7)
    made(branch, 2, MARCH.replace(year=2025), minutes=1)
    AnswerCount.objects.create(month=MARCH, branch=branch, up_to=60, is_late=False, answers=4)
    actions.rebuild()
    return west


@pytest.fixture
def sent(time_machine):
    """Return sent(at), which lets the worker write and send emails, and returns {address: email}."""

    def sent(at=AT):
        time_machine.move_to(at, tick=False)
        write_month_emails(at=at)
        mail.outbox.clear()
        worker.Worker().deliver_due()
        found = [(email.to[0], email) for email in mail.outbox]
        assert len(dict(found)) == len(found)
        return dict(found)

    return sent


def html_of(email):
    return email.alternatives[0].content


def words_of(email):
    """Return the text of the email's HTML part, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", html_of(email))).split())


def test_monthly_email_is_sent_once_and_not_before_the_third_morning(march, coordinator, sent):
    for at in (AT - 20 * DAY, AT - 2 * DAY, AT - DAY, AT - MINUTE):
        # February has no contacts, but the library has contacts from 2025. So an email is sent.
        assert [email.subject for email in sent(at).values()] == ["The desk's figures for February 2026"] * (
            at == AT - 20 * DAY
        )
    assert [email.subject for email in sent().values()] == ["The desk's figures for March 2026"]
    for at in (AT + MINUTE, AT + DAY, AT + 20 * DAY):
        assert sent(at) == {}
    assert MonthEmail.objects.get(month=MARCH).written_at == AT


def test_monthly_email_about_one_branch_has_the_numbers_of_the_branch_and_a_link_to_them(
    march, coordinator, branch, sent
):
    email = sent()["ines@example.org"]
    assert email.body.splitlines()[:7] == [
        "The desk's figures for March 2026",
        branch.name,
        "",
        "Contacts: 3 (March 2025: 2)",
        "Minutes: 30 (March 2025: 2)",
        "Visits given to the patron: 0 (March 2025: 0)",
        "Check-ins sent: 0 (March 2025: 0)",
    ]
    says = "4 new conversations in the portal were answered, 4 of them in the promised time."
    assert says in " ".join(email.body.split())
    assert f"/desk/figures/?dates=2026-03&branch={branch.slug}\n" in email.body
    assert f"{branch.name} Contacts 3 March 2025: 2 Minutes 30" in words_of(email)
    assert "West" not in email.body + html_of(email)


def test_coordinator_of_all_open_branches_gets_the_numbers_of_the_whole_library(march, coordinator, sent):
    StaffRole.objects.create(user=coordinator, branch=march, role="coordinator")
    closed = BranchFactory(name="Old", closed_at=AT)
    made(closed, 1)
    body = sent()["ines@example.org"].body
    assert "All branches\n\nContacts: 9 (March 2025: 2)" in body
    assert "Contacts by branch\nMain: 3\nOld: 1\nWest: 5\n" in body.replace(
        coordinator.roles[0].branch.name, "Main"
    )
    assert "/desk/figures/?dates=2026-03&by=branch\n" in body


def test_staff_and_coordinators_without_an_address_get_no_monthly_email(
    march, staff, coordinator, branch, sent
):
    StaffFactory(email=None, branch=branch, branch__role="coordinator")
    assert list(sent()) == ["ines@example.org"]


def test_monthly_email_contains_no_names_or_topics_or_outcomes(march, coordinator, patron, sent):
    email = sent()["ines@example.org"]
    for word in ("Sam", "Okafor", "Ines", "Librarian", "Bereavement", "found"):
        assert word not in email.body + html_of(email)


def test_monthly_email_is_in_the_coordinators_language(march, coordinator, sent):
    coordinator.language = "es"
    coordinator.save()
    email = sent()["ines@example.org"]
    assert email.subject == "Cifras del mostrador: marzo de 2026"
    assert "Contactos: 3 (marzo de 2025: 2)" in email.body
    assert "Los contactos que se registren después no están en este correo." in email.body


@pytest.mark.parametrize("changed", ["role", "suspended", "died", "turned off"])
def test_unsent_monthly_email_is_deleted_if_its_recipient_is_no_longer_eligible(
    march, coordinator, sent, changed
):
    write_month_emails(at=AT)
    assert Notification.objects.filter(recipient=coordinator, kind=KIND).exists()
    if changed == "role":
        coordinator.staff_roles.update(role="staff")
    elif changed == "turned off":
        turn_off(coordinator, [KIND])
    else:
        values = {"suspended": {"is_active": False}, "died": {"died_at": AT}}[changed]
        type(coordinator).objects.filter(pk=coordinator.pk).update(**values)
    assert sent() == {}
    assert not Notification.objects.filter(kind=KIND).exists()


def test_monthly_email_is_sent_even_while_the_coordinator_uses_the_desk_or_is_away(
    march, coordinator, branch, sent
):
    cover = StaffFactory(branch=branch)
    AbsenceFactory(person=coordinator, first_day=AT.date(), last_day=AT.date(), cover=cover)
    DeskUse.objects.create(person=coordinator, used_at=AT)
    assert list(sent()) == ["ines@example.org"]


def test_one_click_unsubscribe_turns_off_the_monthly_email(march, coordinator, sent):
    headers = sent()["ines@example.org"].extra_headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = headers["List-Unsubscribe"].strip("<>").removeprefix("http://localhost:8000")
    assert Client(enforce_csrf_checks=True).post(path).status_code == 200
    assert Choices(coordinator).of(KIND).channel == "none"
    assert sent(AT + 30 * DAY) == {}


def test_only_coordinators_can_turn_the_monthly_email_on_or_off(client, staff, coordinator, sign_in):
    BranchFactory(name="Second").staff_roles.create(user=coordinator, role="coordinator")
    sign_in(client, staff)
    assert "desk_month" not in client.get(reverse("desk_notices")).content.decode()
    sign_in(client, coordinator)
    form = client.get(reverse("desk_notices")).context["form"]
    assert [name for name in form.fields if name.startswith("desk_month")] == ["desk_month"]
    assert form.fields["desk_month"].choices == [("at_once", "Email"), ("none", "No email")]


def test_month_without_contacts_is_reported_only_if_an_earlier_month_had_contacts(branch, coordinator, sent):
    assert sent() == {}
    made(branch, 1, datetime.date(2026, 4, 1))
    actions.rebuild()
    assert "Contacts: 1\n" in sent(AT + 30 * DAY)["ines@example.org"].body
    email = sent(AT + 61 * DAY)["ines@example.org"]
    assert "No contacts were recorded." in email.body
    assert "Contacts:" not in email.body


def test_monthly_email_includes_contacts_that_were_recorded_a_moment_ago(march, coordinator, branch, sent):
    made(branch, 1)
    assert "Contacts: 4 (" in sent()["ines@example.org"].body


@pytest.mark.parametrize("name", ["figures", "director"])
def test_figures_page_marks_numbers_that_changed_after_the_monthly_email(
    march, coordinator, branch, client, sign_in, sent, name
):
    sign_in(client, coordinator)
    sent()

    def mark(**asked):
        page = client.get(reverse(name), {"dates": "2026-03"} | asked).content.decode()
        found = re.search('id="entered-later">(.*?)</p>', page, re.DOTALL)
        words = found and " ".join(html.unescape(re.sub("<[^>]*>", "", found[1])).split())
        return words and words.partition(" coordinators (today 9:00 a.m.): ")[2]

    assert mark() is None
    made(branch, 12, minutes=5)
    HelpSession.objects.filter(branch=march).first().delete()
    actions.rebuild()
    assert mark() == "Contacts +11 · Minutes +53"
    assert mark(dates="2026-04") is None
    if name == "figures":
        assert mark(branch="west") == "Contacts -1 · Minutes -7"
        assert mark(by="topic", branch=branch.slug) == "Contacts +12 · Minutes +60"
        assert mark(dates="", first_day="2026-03-01", last_day="2026-03-30") is None


def test_figures_page_marks_a_branch_that_got_contacts_only_after_the_monthly_email(march, coordinator, sent):
    late = BranchFactory(name="Late")
    sent()
    made(late, 2, minutes=None)
    actions.rebuild()
    later = entered_later(figure(Period.of_month(MARCH), [late.pk], "time"), [late.pk])
    assert [(row.label, row.before, row.number) for row in later.numbers] == [("Contacts", 0, 2)]


def test_number_of_queries_for_monthly_emails_does_not_grow_with_the_number_of_coordinators(
    march, branch, django_assert_num_queries
):
    for number in (1, 30):
        StaffFactory.create_batch(number, branch=branch, branch__role="coordinator")
        MonthEmail.objects.all().delete()
        Notification.objects.all().delete()
        with django_assert_num_queries(60):
            write_month_emails(at=AT)
        assert Notification.objects.count() in (1, 31)
