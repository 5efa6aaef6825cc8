import html
import re
import uuid

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse
from django.utils import timezone

from portal.lists.own_words import add_title
from portal.notifications.actions import mark_delivered, take_next
from portal.notifications.models import Notification
from recommendations.models import Holding
from tests.factories import (
    HelpSessionFactory,
    ItemFactory,
    SavedItemFactory,
    SavedListFactory,
    UserFactory,
    recommend_in,
)
from tests.portal.pages import text


@pytest.fixture
def me(client, patron, sign_in):
    EmailAddress.objects.create(user=patron, email=patron.email, verified=True, primary=True)
    return sign_in(client, patron)


@pytest.fixture
def saved_list(patron, staff, branch):
    """Return a list with two titles, a note and a reason."""
    saved_list = SavedListFactory(patron=patron, name="For winter & fall")
    session = HelpSessionFactory(patron=patron, staff=staff, branch=branch)
    item = ItemFactory(title="Knit <i>& purl", creators="Ana Díaz")
    [recommendation] = recommend_in(session, item=item, reason="The reason.")
    Holding.objects.create(item=item, branch=branch, call_number="746.43 DIA", location="upstairs")
    SavedItemFactory(saved_list=saved_list, item=item, recommendation=recommendation, note="My note")
    SavedItemFactory(saved_list__patron=patron, item__title="In another list")
    SavedItemFactory(saved_list=saved_list, item__title="Removed", removed_at=timezone.now())
    add_title(saved_list, title="كتاب", at=timezone.now())
    return saved_list


def address(saved_list):
    return reverse("email_list", args=[saved_list.public_id])


def form_of(client, saved_list):
    """Return the fields of the form that emails the list."""
    page = client.get(address(saved_list)).content.decode()
    token = re.search(r'name="client_token" value="([^"]+)"', page)[1]
    return {"client_token": token, "to": re.search(r'name="to" value="([^"]+)"', page)[1]}


def test_emailed_list_has_titles_and_call_numbers_but_no_notes_and_no_reasons(me, patron, saved_list, branch):
    fields = form_of(me, saved_list)
    assert fields["to"] == patron.email
    assert Notification.objects.count() == 0
    response = me.post(address(saved_list), fields, follow=True)
    assert f"The email with “For winter & fall” is on its way to {patron.email}." in html.unescape(
        text(response)
    )
    mail = Notification.objects.get()
    assert (mail.kind, mail.recipient, mail.to_address, mail.subject) == (
        "lists/list",
        patron,
        patron.email,
        "Your list from the library",
    )
    assert mail.text.partition("\n\n-- ")[0] == (
        f"For winter & fall\n\nكتاب\n\nKnit <i>& purl, Ana Díaz\n746.43 DIA at {branch}, upstairs"
    )
    assert "Knit &lt;i&gt;&amp; purl" in mail.html
    for words in ("My note", "The reason.", "Removed", "In another list"):
        assert words not in mail.text + mail.html


def test_email_text_is_deleted_from_the_outbox_after_delivery(me, saved_list):
    me.post(address(saved_list), form_of(me, saved_list))
    mark_delivered(take_next(at=timezone.now()), at=timezone.now())
    mail = Notification.objects.get()
    assert (mail.state, mail.text, mail.html, mail.url) == ("delivered", "", "", "")
    assert "winter" not in f"{mail.subject} {mail.headers} {mail.about}"


def test_email_is_in_the_language_that_the_patron_chose(me, patron, saved_list):
    patron.language = "es"
    patron.save()
    me.post(address(saved_list), form_of(me, saved_list))
    mail = Notification.objects.get()
    assert (mail.language, mail.subject) == ("es", "Su lista de la biblioteca")


def test_double_tap_sends_one_email_and_a_reloaded_page_can_send_another_email(me, saved_list):
    fields = form_of(me, saved_list)
    for _tap in range(2):
        assert me.post(address(saved_list), fields).status_code == 302
    assert Notification.objects.count() == 1
    me.post(address(saved_list), form_of(me, saved_list))
    assert Notification.objects.count() == 2


@pytest.mark.parametrize("fields", [{}, {"to": "other@example.org"}, {"client_token": "x"}])
def test_email_form_with_a_wrong_address_or_token_sends_no_list(me, patron, saved_list, fields):
    wrong = {"client_token": str(uuid.uuid4()), "to": patron.email} | fields if fields else {}
    response = me.post(address(saved_list), wrong)
    assert "Nothing was sent" in text(response)
    assert Notification.objects.count() == 0


def test_nothing_is_sent_if_the_patrons_address_changed_after_the_page_was_opened(me, patron, saved_list):
    fields = form_of(me, saved_list)
    EmailAddress.objects.filter(user=patron).update(email="new@example.org")
    patron.email = "new@example.org"
    patron.save()
    response = me.post(address(saved_list), fields)
    assert "Send to new@example.org" in text(response)
    assert Notification.objects.count() == 0


@pytest.mark.parametrize(
    ("email", "words"),
    [
        ("ana@example.org", "first confirm your email address."),
        (None, "first add an email address to your library account."),
    ],
)
def test_person_without_a_confirmed_address_reads_how_to_add_an_address(
    client, library, sign_in, email, words
):
    person = UserFactory(email=email)
    if email:
        EmailAddress.objects.create(user=person, email=email, verified=False, primary=True)
    saved_list = SavedListFactory(patron=person)
    me = sign_in(client, person)
    page = me.get(address(saved_list))
    assert words in text(page)
    assert f'href="{reverse("add_address")}"' in page.content.decode()
    me.post(address(saved_list), {"client_token": str(uuid.uuid4()), "to": email or ""})
    assert Notification.objects.count() == 0


def test_list_is_emailed_at_most_ten_times_an_hour(me, saved_list):
    for _time in range(10):
        me.post(address(saved_list), form_of(me, saved_list))
    response = me.post(address(saved_list), form_of(me, saved_list))
    assert response.status_code == 429
    assert Notification.objects.count() == 10


@pytest.mark.parametrize("count", [1, 30])
def test_emailing_runs_the_same_number_of_queries_for_1_and_30_titles(
    count, me, patron, django_assert_num_queries
):
    saved_list = SavedListFactory(patron=patron)
    SavedItemFactory.create_batch(count, saved_list=saved_list)
    me.post(address(saved_list), form_of(me, saved_list))
    fields = form_of(me, saved_list)
    with django_assert_num_queries(21):
        assert me.post(address(saved_list), fields).status_code == 302
