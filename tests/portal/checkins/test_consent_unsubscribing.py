"""Test the unsubscribe links of check-ins, and the link from the notices page to the page about check-ins."""

import datetime
from html import unescape

import pytest
import time_machine
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from accounts.models import Consent
from accounts.patron.check_ins import choose
from portal.notifications.models import NoticeChoice
from portal.notifications.unsubscribing import unsubscribe_url
from tests.portal.pages import text

STOPS = "The library won't ask you anymore how your visits turned out, neither by email nor on its pages."

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(patron):
    patron.check_ins, patron.check_in_titles = "email", True
    patron.save()
    return unsubscribe_url(patron, ["checkins/check_in"]).removeprefix(settings.BASE_URL)


def test_opening_the_unsubscribe_link_changes_nothing(client, patron, path):
    page = client.get(path)
    client.head(path)
    assert 'id="unsubscribe"' in page.content.decode()
    patron.refresh_from_db()
    assert (patron.check_ins, Consent.objects.count()) == ("email", 0)


def test_one_click_unsubscribe_turns_check_ins_off_and_stores_a_consent(client, patron, path):
    page = client.post(path, {"List-Unsubscribe": "One-Click"})
    assert page.status_code == 200
    patron.refresh_from_db()
    assert (patron.check_ins, patron.check_in_titles) == ("none", False)
    consent = Consent.objects.get()
    assert (consent.purpose, consent.read_by) == ("check_ins", None)
    assert consent.wording == f"{STOPS}\nStop asking me"
    assert not NoticeChoice.objects.exists()
    assert reverse("check_ins") in page.content.decode()


@pytest.mark.parametrize(("days", "works"), [(364, True), (366, False)])
def test_unsubscribe_link_works_for_a_year_after_its_email_was_sent(client, patron, days, works):
    at = timezone.now()
    with time_machine.travel(at, tick=False):
        path = unsubscribe_url(patron, ["checkins/check_in"]).removeprefix(settings.BASE_URL)
    with time_machine.travel(at + datetime.timedelta(days=days), tick=False):
        pages = [client.get(path), client.post(path)]
    patron.refresh_from_db()
    assert [page.status_code for page in pages] == [200 if works else 404] * 2
    assert patron.check_ins == ("none" if works else "")


def test_old_unsubscribe_link_turns_check_ins_off_again_after_the_patron_allowed_them(client, patron, path):
    client.post(path)
    patron.refresh_from_db()
    choose(patron, "email", wording="w", language="en", at=timezone.now())
    client.post(path)
    patron.refresh_from_db()
    assert patron.check_ins == "none"


def test_unsubscribe_page_says_that_all_check_ins_stop_and_not_only_emails(client, path):
    page = unescape(text(client.get(path)))
    assert STOPS in page
    assert "Turn off these emails" not in page
    page = unescape(text(client.post(path)))
    assert "We no longer ask you how your visits turned out" in page
    assert "These emails are turned off" not in page


def test_unsubscribe_link_turns_off_every_kind_of_notice_that_it_contains(client, patron):
    path = unsubscribe_url(patron, ["checkins/check_in", "conversations/answer"])
    client.post(path.removeprefix(settings.BASE_URL))
    patron.refresh_from_db()
    assert patron.check_ins == "none"
    assert Consent.objects.get().wording == f"{STOPS}\nTurn off these emails"
    assert NoticeChoice.objects.get().kind == "conversations/answer"


def test_page_about_notices_has_a_link_to_the_choice_about_check_ins(client, patron, sign_in, library):
    library.check_ins = True
    library.save()
    sign_in(client, patron)
    page = client.get(reverse("notices"))
    assert "How a visit turned out" not in text(page)
    assert f'href="{reverse("check_ins")}"' in page.content.decode()
