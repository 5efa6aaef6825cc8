"""The privacy page: what the policy says, to whoever asks."""

from html import unescape

import pytest
from django.urls import reverse

from portal.privacy.policy import lines_for_patrons
from tests.factories import HelpSessionFactory, QuietSessionFactory, UserFactory, code_for

pytestmark = pytest.mark.django_db


def page_of(client, **how):
    return unescape(client.get(reverse("privacy"), **how).content.decode())


def test_the_page_says_every_line_of_the_policy_that_is_for_patrons(client, library):
    page = page_of(client)
    lines = [line for _title, lines in lines_for_patrons() for line in lines]
    assert len(lines) > 15
    assert [
        line.keeps
        for line in lines
        if str(line.keeps)[1:] not in page or line.until_when not in page or str(line.why) not in page
    ] == []


def test_nobody_is_told_that_nothing_is_known_of_them(client, library):
    page = page_of(client)
    assert reverse("sign_in") in page
    assert reverse("help_sessions") not in page


def test_a_person_sees_their_own_name_address_and_number_of_visits_and_nobody_elses(
    client, patron, branch, sign_in
):
    HelpSessionFactory.create_batch(2, branch=branch, patron=patron)
    HelpSessionFactory(branch=branch, patron=UserFactory(name="Somebody Else"))
    page = page_of(sign_in(client, patron))
    assert "Sam Okafor" in page
    assert "sam@example.org" in page
    assert "<dd>2</dd>" in page
    assert "Somebody Else" not in page


@pytest.mark.parametrize("session", [HelpSessionFactory, QuietSessionFactory])
def test_who_opened_a_code_reads_that_the_library_does_not_know_them(client, branch, show_code, session):
    page = page_of(show_code(client, code_for(session(branch=branch))))
    assert "doesn't know who you are" in page
    assert "compost" not in page
    assert "violent" not in page


def test_the_page_speaks_the_readers_language(client, library):
    assert "Privacidad" in page_of(client, headers={"accept-language": "es"})


@pytest.mark.parametrize("name", ["me", "home", "sign_in"])
def test_it_is_linked_from_where_one_would_look(client, library, name):
    assert f'href="{reverse("privacy")}"' in client.get(reverse(name)).content.decode()


def test_a_person_finds_it_under_me(client, patron, sign_in):
    assert f'href="{reverse("privacy")}"' in sign_in(client, patron).get(reverse("me")).content.decode()


@pytest.mark.parametrize("visits", [1, 30])
def test_it_costs_the_same_whatever_there_is(
    client, patron, branch, sign_in, visits, django_assert_num_queries
):
    HelpSessionFactory.create_batch(visits, branch=branch, patron=patron)
    sign_in(client, patron).get(reverse("privacy"))
    with django_assert_num_queries(8):
        client.get(reverse("privacy"))
