import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import Consent, Library, User
from portal.conversations.views.keeping import wording
from portal.helpsessions.keeping import AlreadyKept
from portal.helpsessions.models import ClaimCode
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    QuietSessionFactory,
    code_for,
    recommend_in,
)
from tests.portal.pages import heading, text


@pytest.fixture
def session(branch, staff):
    return HelpSessionFactory(branch=branch, staff=staff)


@pytest.fixture
def viewer_by_code(client, session, show_code):
    return show_code(client, code_for(session))


def address(session):
    return reverse("keep_session", args=[session.public_id])


def test_keep_page_offers_to_keep_the_visit_by_email_or_on_this_device(viewer_by_code, session):
    response = viewer_by_code.get(address(session))
    page = text(response)
    for sentence in wording(None, timezone.now(), Library.current()):
        assert sentence in page
    assert 'id="send-code"' in response.content.decode()
    assert "Keep the visit on this device" in page


def test_invalid_email_address_is_marked_on_the_keep_page(viewer_by_code, session):
    page = viewer_by_code.post(address(session), {"email": "nobody"})
    assert page.status_code == 422
    assert heading(page) == "Keep this in my library account"
    assert text(page).count("Enter the full email address, such as ana@example.org.") == 2
    assert 'value="nobody"' in page.content.decode()


def test_signed_in_patron_keeps_a_visit_and_its_conversations_with_one_tap(
    viewer_by_code, session, patron, sign_in
):
    [recommendation] = recommend_in(session)
    conversation = ConversationFactory(help_session=session)
    MessageFactory(conversation=conversation, author=None)
    sign_in(viewer_by_code, patron)
    assert "Yes, keep it" in text(viewer_by_code.get(address(session)))
    assert viewer_by_code.post(address(session)).url == session.get_absolute_url()
    for row in [session, recommendation, conversation]:
        row.refresh_from_db()
        assert row.patron == patron
    consent = Consent.objects.get()
    assert (consent.person, consent.subject, consent.wording, consent.language) == (
        patron,
        session.public_id,
        "\n".join(wording(patron, timezone.now(), Library.current())),
        "en",
    )
    assert ClaimCode.objects.get().state == ClaimCode.State.KEPT
    page = text(viewer_by_code.get(session.get_absolute_url()))
    assert "The visit is in your account now." in page
    assert "Keep this in my library account" not in page


def test_visit_can_be_kept_on_this_device_without_an_email_address(viewer_by_code, session):
    assert viewer_by_code.post(address(session), {"without_address": "1"}).url == session.get_absolute_url()
    person = User.objects.get(email=None)
    session.refresh_from_db()
    assert session.patron == person
    assert viewer_by_code.get(session.get_absolute_url()).status_code == 200
    assert viewer_by_code.get(reverse("home")).context["viewer"].person == person


def test_keeping_a_visit_without_choosing_a_method_creates_no_account(viewer_by_code, session):
    assert viewer_by_code.post(address(session)).url == f"{address(session)}#how"
    session.refresh_from_db()
    assert session.patron is None


def test_keeping_a_visit_twice_stores_one_consent(viewer_by_code, session, patron, sign_in):
    sign_in(viewer_by_code, patron)
    for _again in range(2):
        assert viewer_by_code.post(address(session)).url == session.get_absolute_url()
    assert Consent.objects.count() == 1


@pytest.mark.parametrize("way", ["account", "device"])
def test_keeping_a_visit_that_someone_else_kept_shows_a_message_and_creates_no_account(
    viewer_by_code, session, patron, sign_in, monkeypatch, way
):
    def too_late(*_args, **_kwargs):
        raise AlreadyKept

    monkeypatch.setattr("portal.conversations.keeping.keep", too_late)
    if way == "account":
        sign_in(viewer_by_code, patron)
    people = User.objects.count()
    response = viewer_by_code.post(address(session), {"without_address": "1"})
    assert response.status_code == 409
    assert "Someone has already added this visit to their account" in text(response)
    assert User.objects.count() == people


@pytest.mark.parametrize("method", ["get", "post"])
def test_quiet_visit_cannot_be_kept(client, branch, show_code, patron, sign_in, method):
    quiet = QuietSessionFactory(branch=branch)
    show_code(client, code_for(quiet))
    sign_in(client, patron)
    response = getattr(client, method)(address(quiet))
    assert response.status_code == 409
    assert "You can't add a quiet visit to your account" in text(response)
    quiet.refresh_from_db()
    assert quiet.patron is None
