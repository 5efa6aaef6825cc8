import datetime
import re

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models import Library
from portal.conversations.viewer import OPENED_CODES
from portal.helpsessions import handover
from portal.helpsessions.codes import grouped, new_code
from portal.helpsessions.models import ClaimCode, HelpSession
from portal.limit_table import LIMITS, Limit
from portal.limits import LimitCount
from portal.notifications.models import Notification
from tests.factories import HelpSessionFactory, QuietSessionFactory, code_for
from tests.portal.pages import asks_to_sign_in, text

SECRET = "How do I start a balcony compost bin?"
REMOVED = "The visit is removed from this device."


@pytest.fixture(autouse=True)
def _library(library):
    pass


@pytest.fixture
def session(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff, question=SECRET)


def try_code(client, code, **extra):
    return client.post(reverse("open_code"), {"code": code}, **extra)


@pytest.mark.parametrize(
    "typed", [str, grouped, lambda code: "-".join([code[:5], code[5:]]), lambda code: f"  {code}\n"]
)
def test_visit_code_works_several_times_with_or_without_spaces_and_dashes(client, session, typed):
    code = code_for(session)
    for _again in range(2):
        assert try_code(client, typed(code)).url == session.get_absolute_url()
    page = client.get(session.get_absolute_url())
    assert page.status_code == 200
    assert SECRET in text(page)


def test_opening_a_visit_by_code_renews_the_session_key(client, session, branch):
    client.get(f"/c/{code_for(session)}/")
    known = client.session.session_key
    client.get(f"/c/{code_for(HelpSessionFactory(branch=branch))}/")
    assert len(client.session[OPENED_CODES]) == 2
    eavesdropper = Client()
    eavesdropper.cookies["sessionid"] = known
    assert asks_to_sign_in(eavesdropper.get(session.get_absolute_url()))
    assert client.get(session.get_absolute_url()).status_code == 200


def test_qr_code_link_opens_the_visit(client, session):
    response = client.get(reverse("open_code_link", args=[code_for(session)]), follow=True)
    assert response.redirect_chain == [(session.get_absolute_url(), 302)]
    assert response.status_code == 200


def test_link_from_an_email_shows_a_button_that_opens_the_visit(client, session, branch):
    handover.email_code(
        session,
        code_for(session),
        to_address="sam@example.org",
        at=timezone.now(),
        base_url=settings.BASE_URL,
    )
    link = re.search(r"http\S+/c/\S+\?email", Notification.objects.get().text)[0]
    page = client.get(link.removeprefix(settings.BASE_URL))
    assert (page.status_code, OPENED_CODES in client.session) == (200, False)
    [code] = re.findall(r'name="code" value="(\d+)"', page.content.decode())
    response = client.post(reverse("open_code"), {"code": code})
    assert response.url == session.get_absolute_url()
    assert client.get(response.url).status_code == 200


def test_email_link_shows_the_same_page_for_right_and_wrong_codes_and_counts_no_attempt(client, session):
    pages = []
    for code in (code_for(session), new_code(), "123"):
        page = client.get(f"/c/{code}/?email")
        pages.append((page.status_code, b'id="open"' in page.content, LimitCount.objects.exists()))
    assert pages == [(200, True, False), (200, True, False), (404, True, True)]


def test_prefetching_a_code_link_opens_no_visit_and_is_not_counted_as_an_attempt(client, session):
    link = reverse("open_code_link", args=[code_for(session)])
    wrong = reverse("open_code_link", args=[new_code()])
    for _try in range(12):
        assert client.head(wrong).status_code == 200
        assert client.get(wrong, headers={"Sec-Purpose": "prefetch"}).status_code == 503
    client.head(link)
    client.get(link, headers={"Sec-Purpose": "prefetch;prerender"})
    assert OPENED_CODES not in client.session
    assert asks_to_sign_in(client.get(session.get_absolute_url()))


def _unknown(session):
    return new_code()


def _expired(session):
    return code_for(session, at=timezone.now() - datetime.timedelta(days=30, seconds=1))


def _kept(session):
    return code_for(session, state=ClaimCode.State.KEPT)


def _revoked(session):
    return code_for(session, state=ClaimCode.State.REVOKED)


def _blank(session):
    return code_for(None)


def _unfinished(session):
    HelpSession.objects.filter(pk=session.pk).update(status="unfinished")
    return code_for(session)


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("code_of", "status", "words"),
    [
        (_unknown, 404, "This code doesn't work"),
        (_kept, 410, "This code was already used"),
        (_expired, 410, "This code has expired"),
        (_revoked, 410, "This code was canceled"),
        (_blank, 409, "Your visit isn't ready yet"),
        (_unfinished, 409, "Your visit isn't ready yet"),
    ],
)
@pytest.mark.parametrize("way", ["typed", "link"])
def test_page_about_an_unusable_code_shows_the_reason_but_nothing_about_the_visit(
    client, session, code_of, status, words, way
):
    code = code_of(session)
    response = (
        try_code(client, code) if way == "typed" else client.get(reverse("open_code_link", args=[code]))
    )
    assert response.status_code == status
    assert f"<title>{escape(words)} ·" in response.content.decode()
    assert f"<h1>{escape(words)}</h1>" in response.content.decode()
    assert SECRET not in response.content.decode()
    assert str(session.public_id) not in response.content.decode()
    assert OPENED_CODES not in client.session
    assert asks_to_sign_in(client.get(session.get_absolute_url()))


@pytest.mark.parametrize(
    ("code_of", "is_shown"), [(_unknown, True), (_blank, True), (_kept, False), (_revoked, False)]
)
def test_refused_code_is_shown_again_if_the_person_can_correct_or_retry_it(
    client, session, code_of, is_shown
):
    code = code_of(session)
    page = try_code(client, code).content.decode()
    assert (f'value="{grouped(code)}"' in page) == is_shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Enter the code."),
        ("12345", "You entered 5"),
        ("no digits", "You entered 0"),
        ("9" * 101, "A code has 13 digits"),
    ],
)
def test_malformed_code_shows_a_form_error_and_does_not_count_as_an_attempt(client, typed, words):
    for _try in range(32):
        response = try_code(client, typed)
        assert response.status_code == 422
        assert words in text(response)
        assert "<title>Error:" in response.content.decode()


def test_used_code_still_opens_the_visit_for_its_patron(client, session, patron, sign_in):
    code = code_for(session, state=ClaimCode.State.KEPT)
    HelpSession.objects.filter(pk=session.pk).update(patron=patron)
    sign_in(client, patron)
    assert try_code(client, code).url == session.get_absolute_url()


@pytest.mark.only_long
@pytest.mark.slow
def test_thirty_wrong_codes_block_an_ip_address_for_ten_minutes(client, session):
    for _try in range(30):
        assert try_code(client, new_code()).status_code == 404
    refused = try_code(client, code_for(session))
    assert (refused.status_code, 0 < int(refused["Retry-After"]) <= 600) == (429, True)
    assert "Too many wrong codes" in text(refused)
    assert client.get(reverse("open_code_link", args=[code_for(session)])).status_code == 429
    # Other IP addresses are not blocked.
    assert try_code(client, code_for(session), REMOTE_ADDR="192.0.2.7").status_code == 302


@pytest.mark.only_long
@pytest.mark.slow
def test_correct_codes_are_not_counted_as_attempts(client, session):
    for _try in range(32):
        assert try_code(client, code_for(session)).status_code == 302


@pytest.mark.slow
def test_wrong_codes_of_a_patron_are_counted_across_ip_addresses(client, patron, sign_in, session):
    sign_in(client, patron)
    for number in range(10):
        try_code(client, new_code(), REMOTE_ADDR=f"192.0.2.{number}")
    assert try_code(client, code_for(session), REMOTE_ADDR="192.0.2.99").status_code == 429


@pytest.mark.slow
def test_browsers_without_a_visit_get_fewer_attempts_after_many_wrong_codes(
    client, session, monkeypatch, show_code
):
    monkeypatch.setitem(LIMITS, "visit_code_of_all", Limit("wrong codes", target="5/10m"))
    for number in range(5):
        try_code(client, new_code(), REMOTE_ADDR=f"192.0.2.{number}")
    statuses = [try_code(client, new_code(), REMOTE_ADDR="198.51.100.1").status_code for _try in range(4)]
    assert statuses == [404, 404, 404, 429]
    assert try_code(client, code_for(session), REMOTE_ADDR="198.51.100.2").status_code == 302
    statuses = [try_code(client, new_code(), REMOTE_ADDR="198.51.100.3").status_code for _try in range(5)]
    # This browser has opened a visit, so it gets more attempts.
    assert statuses == [404] * 5


@pytest.mark.parametrize(
    "links",
    [
        {"catalog_link": "https://catalogue.example.org/find?isbn={isbn}"},
        {"catalog_title_link": "https://catalogue.example.org/find?title={title}"},
    ],
)
def test_leave_quickly_button_closes_quiet_visits_and_opens_the_catalog(
    client, library, branch, show_code, links
):
    Library.objects.update(**links)
    quiet = QuietSessionFactory(branch=branch)
    show_code(client, code_for(quiet))
    assert client.get(quiet.get_absolute_url()).status_code == 200
    response = client.post(reverse("leave"))
    # The next person who uses this browser must not learn of the visit.
    assert REMOVED not in text(client.get(reverse("home")))
    assert response["Refresh"] == "0; url=https://catalogue.example.org/"
    assert asks_to_sign_in(client.get(quiet.get_absolute_url()))


def test_closing_one_visit_does_not_close_other_visits(client, branch, show_code):
    first, second = HelpSessionFactory.create_batch(2, branch=branch)
    for session in [first, second]:
        show_code(client, code_for(session))
    answer = client.post(reverse("leave"), {"session": str(first.public_id)}, follow=True)
    assert answer.redirect_chain == [(reverse("home"), 302)]
    assert REMOVED in text(answer)
    assert asks_to_sign_in(client.get(first.get_absolute_url()))
    assert client.get(second.get_absolute_url()).status_code == 200


@pytest.mark.parametrize("named", ["x", "00000000-0000-4000-8000-000000000000"])
def test_closing_a_visit_that_is_not_open_changes_nothing(client, branch, show_code, named):
    session = HelpSessionFactory(branch=branch)
    show_code(client, code_for(session))
    assert REMOVED not in text(client.post(reverse("leave"), {"session": named}, follow=True))
    assert client.get(session.get_absolute_url()).status_code == 200
