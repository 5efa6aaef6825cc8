"""Test that the privacy page shows the policy to every viewer."""

from html import unescape

import pytest
from django.urls import reverse

from portal.privacy.policy import lines_for_patrons
from tests.factories import HelpSessionFactory, QuietSessionFactory, UserFactory, code_for

pytestmark = pytest.mark.django_db


def page_of(client, **how):
    return unescape(client.get(reverse("privacy"), **how).content.decode())


def test_privacy_page_shows_every_policy_line_for_patrons(client, library):
    page = page_of(client)
    lines = [line for _title, lines in lines_for_patrons() for line in lines]
    assert len(lines) > 15
    assert [
        line.keeps
        for line in lines
        if str(line.keeps)[1:] not in page or line.until_when not in page or str(line.why) not in page
    ] == []


def test_privacy_page_offers_sign_in_to_an_anonymous_visitor(client, library):
    page = page_of(client)
    assert reverse("sign_in") in page
    assert reverse("help_sessions") not in page


def test_privacy_page_shows_only_the_patrons_own_name_and_email_and_visit_count(
    client, patron, branch, sign_in
):
    HelpSessionFactory.create_batch(2, branch=branch, patron=patron)
    HelpSessionFactory(branch=branch, patron=UserFactory(name="Somebody Else"))
    page = page_of(sign_in(client, patron))
    assert "Sam Okafor" in page
    assert "sam<wbr>@example<wbr>.org" in page
    assert "<dd>2</dd>" in page
    assert "Somebody Else" not in page


@pytest.mark.parametrize("session", [HelpSessionFactory, QuietSessionFactory])
def test_viewer_with_only_a_code_reads_that_the_library_does_not_know_who_they_are(
    client, branch, show_code, session
):
    page = page_of(show_code(client, code_for(session(branch=branch))))
    assert "doesn't know who you are" in page
    assert "compost" not in page
    assert "violent" not in page


def test_privacy_page_is_in_the_viewers_language(client, library):
    assert "Privacidad" in page_of(client, headers={"accept-language": "es"})


@pytest.mark.parametrize("name", ["ask", "home", "sign_in"])
def test_pages_for_anonymous_visitors_link_to_the_privacy_page(client, library, name):
    assert f'href="{reverse("privacy")}"' in client.get(reverse(name)).content.decode()


def test_account_page_of_a_signed_in_patron_links_to_the_privacy_page(client, patron, sign_in):
    assert f'href="{reverse("privacy")}"' in sign_in(client, patron).get(reverse("me")).content.decode()


@pytest.mark.parametrize("visits", [1, 30])
def test_privacy_page_runs_the_same_number_of_queries_for_1_and_30_visits(
    client, patron, branch, sign_in, visits, django_assert_num_queries
):
    HelpSessionFactory.create_batch(visits, branch=branch, patron=patron)
    sign_in(client, patron).get(reverse("privacy"))
    with django_assert_num_queries(8):
        client.get(reverse("privacy"))
