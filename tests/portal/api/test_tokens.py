"""Test the page where coordinators make and revoke the tokens with which other systems use the API."""

import datetime
import html
import re
import uuid

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from portal.api import tokens
from portal.api.models import ApiToken
from tests.factories import ApiTokenFactory, BranchFactory, StaffFactory
from tests.portal import pages

pytestmark = pytest.mark.django_db
PAGE = "/desk/settings/systems/"


@pytest.fixture
def coordinator(branch):
    return StaffFactory(name="Anneke Vermeulen", branch=branch, branch__role="coordinator")


@pytest.fixture
def desk(client, sign_in, coordinator):
    return sign_in(client, coordinator)


def form(branch, **changes):
    return {"name": "Chat service", "scopes": ["record"], "branches": [branch.slug]} | changes


def test_page_without_tokens_says_what_tokens_are_for(desk):
    assert "Each system needs its own token." in html.unescape(pages.text(desk.get(PAGE)))


def test_new_token_is_shown_once_and_can_be_used(desk, branch, ask):
    page = desk.post(PAGE, form(branch))
    [text] = re.findall(r'value="(afterword_[\w-]+)"', page.content.decode())
    token = ApiToken.objects.get()
    assert (token.name, token.scopes, token.may_send_words) == ("Chat service", ["record"], False)
    assert text not in str(ApiToken.objects.values().get())
    assert text not in desk.get(PAGE).content.decode()
    assert tokens.find_token(text) == token
    assert AuditEvent.objects.filter(action="made_api_token", subject=str(token.public_id)).count() == 1
    assert "no-store" in page.headers["Cache-Control"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": ""}, "Enter the name of the system."),
        ({"scopes": []}, "Choose what the system may do."),
        ({"branches": []}, "Choose at least one branch."),
    ],
    ids=str,
)
def test_token_form_with_a_missing_field_shows_an_error_and_keeps_the_other_values(
    desk, branch, changes, error
):
    page = desk.post(PAGE, form(branch, may_send_words="on") | changes)
    assert error in pages.text(page)
    assert 'name="may_send_words"' in page.content.decode()
    assert page.context["form"]["may_send_words"].value() is True
    assert not ApiToken.objects.exists()


def test_coordinator_cannot_make_a_token_for_another_branch(desk):
    desk.post(PAGE, form(BranchFactory()))
    assert not ApiToken.objects.exists()


def test_revoked_token_no_longer_works_but_is_still_listed(desk, branch):
    token = ApiTokenFactory(branches=[branch])
    page = desk.post(reverse("revoke_api_token", args=[token.public_id]), follow=True)
    assert "Chat service can't use the portal anymore." in html.unescape(pages.text(page))
    assert "revoked" in pages.text(page)
    assert tokens.find_token(token.name) is None
    assert AuditEvent.objects.filter(action="revoked_api_token").count() == 1
    assert desk.post(reverse("revoke_api_token", args=[token.public_id])).status_code == 404


def test_coordinator_can_undo_revoking_a_token(desk, branch):
    token = ApiTokenFactory(branches=[branch])
    page = desk.post(reverse("revoke_api_token", args=[token.public_id]), follow=True)
    undo = reverse("restore_api_token", args=[token.public_id])
    assert undo in page.content.decode()
    page = desk.post(undo, follow=True)
    assert "Chat service can use the portal again." in pages.text(page)
    assert tokens.find_token(token.name) == token
    assert AuditEvent.objects.filter(action="restored_api_token").count() == 1


def test_coordinator_of_another_branch_neither_sees_nor_revokes_a_token(desk):
    token = ApiTokenFactory(name="Secret system", branches=[BranchFactory()])
    assert "Secret system" not in pages.text(desk.get(PAGE))
    assert desk.post(reverse("revoke_api_token", args=[token.public_id])).status_code == 404
    assert desk.post(reverse("restore_api_token", args=[token.public_id])).status_code == 404
    assert tokens.find_token("Secret system") == token


def test_staff_who_coordinate_no_branch_cannot_open_the_page_of_tokens(client, sign_in, branch):
    sign_in(client, StaffFactory(branch=branch))
    assert client.get(PAGE).status_code == 404


def test_library_can_have_only_a_limited_number_of_working_tokens(desk, branch, monkeypatch):
    monkeypatch.setattr(tokens, "MAX_TOKENS", 1)
    ApiTokenFactory(branches=[branch], revoked_at=timezone.now())
    desk.post(PAGE, form(branch))
    page = desk.post(PAGE, form(branch, name="One more"))
    assert "Revoke one first." in pages.text(page)
    assert ApiToken.objects.active().count() == 1


def test_page_of_tokens_runs_the_same_number_of_queries_for_1_and_30_tokens(
    desk, branch, django_assert_num_queries
):
    desk.get(PAGE)
    for count in (1, 29):
        for number in range(count):
            ApiTokenFactory(name=f"{count}-{number}", branches=[branch])
        with django_assert_num_queries(7):
            assert pages.text(desk.get(PAGE)).count("never used") == count + (count > 1)


def test_token_form_that_is_sent_twice_makes_one_token_and_shows_it_both_times(desk, branch, ask):
    sent = form(branch, client_token=str(uuid.uuid4()))
    pages_ = [desk.post(PAGE, sent).content.decode() for _ in range(2)]
    shown = [re.findall(r'value="(afterword_[\w-]+)"', page) for page in pages_]
    assert shown[0] == shown[1] != []
    assert tokens.find_token(shown[1][0]) == ApiToken.objects.get()
    assert AuditEvent.objects.filter(action="made_api_token").count() == 1


def test_token_form_that_is_sent_again_later_does_not_show_the_token_again(desk, branch, time_machine):
    sent = form(branch, client_token=str(uuid.uuid4()))
    desk.post(PAGE, sent)
    time_machine.move_to(timezone.now() + tokens.SHOWN_AGAIN + datetime.timedelta(seconds=1))
    page = desk.post(PAGE, sent)
    assert "This token was made before" in html.unescape(pages.text(page))
    assert 'value="afterword_' not in page.content.decode()
    assert ApiToken.objects.count() == 1
    again = re.search(r'name="client_token" value="([\w-]+)"', page.content.decode())[1]
    assert again != sent["client_token"]
    desk.post(PAGE, sent | {"client_token": again})
    assert ApiToken.objects.count() == 2


def test_tokens_made_on_two_pages_or_by_two_people_are_different(desk, branch, sign_in):
    sent = form(branch, client_token=str(uuid.uuid4()))
    desk.post(PAGE, sent)
    desk.post(PAGE, form(branch))
    sign_in(desk, StaffFactory(branch=branch, branch__role="coordinator"))
    desk.post(PAGE, sent)
    assert ApiToken.objects.count() == len(set(ApiToken.objects.values_list("token_hash", flat=True))) == 3


def test_message_about_too_many_tokens_says_how_many_there_are(desk, branch, monkeypatch):
    monkeypatch.setattr(tokens, "MAX_TOKENS", 1)
    desk.post(PAGE, form(branch))
    assert "The library already has 1 tokens, and that is the limit. Revoke one first." in pages.text(
        desk.post(PAGE, form(branch))
    )
