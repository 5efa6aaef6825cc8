"""Test the pages that turn on push messages in a browser, and the requests that repair a subscription."""

import hashlib
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Consent
from accounts.sign_in.access import BORROWED
from accounts.staff import shared_desks
from accounts.staff.desk_lock import DESK_TOKEN
from portal.helpsessions import keeping
from portal.notifications.models import PushMessage, PushSubscription
from portal.notifications.push.keys import application_key, new_private_key
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    PushSubscriptionFactory,
    QuietSessionFactory,
    UserFactory,
    code_for,
)
from tests.portal.pages import text
from tests.push_device import PRIVATE_KEY, PushDevice

SENTENCE = (
    "Apple, Google, Mozilla or Microsoft will learn that this device gets messages from the library, but "
    "not what the messages say. Others may see your screen."
)
PAGE = "/me/phone/"
ANDROID = {"User-Agent": "Mozilla/5.0 (Android 15; Mobile) Firefox/150.0"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _push_is_set_up(settings, library):
    settings.PUSH_PRIVATE_KEY = PRIVATE_KEY


def sign_in_with_row(client, sign_in, person):
    """Sign in and store a UserSession, as the sign-in page does."""
    sign_in(client, person)
    UserSession.objects.create(user=person, session_key=client.session.session_key, ip="127.0.0.1")
    return client


@pytest.fixture
def signed_in(client, sign_in, patron):
    return sign_in_with_row(client, sign_in, patron)


@pytest.fixture
def visit(branch):
    return HelpSessionFactory(branch=branch)


@pytest.fixture
def by_code(client, show_code, visit):
    show_code(client, code_for(visit))
    return client


def page_of(visit):
    return reverse("visit_phone_messages", args=[visit.public_id])


def turn_on(client, device=None, path=PAGE):
    return client.post(path, (device or PushDevice()).keys, headers=ANDROID, follow=True)


def rows():
    return list(PushSubscription.objects.order_by("pk"))


def here(client):
    return client.get(reverse("phone_here")).json()


def print_of(device):
    return hashlib.sha256(f"{application_key()} {device.endpoint}".encode()).hexdigest()[:16]


def body_of(page):
    return page.content.decode().partition("<body")[2].partition(">")[0]


def test_consent_to_push_messages_contains_the_sentence_that_the_person_saw(signed_in, patron):
    assert SENTENCE in text(signed_in.get(PAGE))
    device = PushDevice()
    page = turn_on(signed_in, device)
    assert page.redirect_chain == [(PAGE, 302)]
    assert "This phone gets messages" in text(page)
    [row] = rows()
    assert (row.person, row.endpoint, row.language, row.device) == (
        patron,
        device.endpoint,
        "en",
        "Firefox on Android",
    )
    consent = Consent.objects.get()
    assert (consent.person, consent.purpose, consent.language) == (patron, "push", "en")
    assert consent.wording == f"{SENTENCE}\nGet messages on this phone"


def test_no_subscription_or_consent_is_stored_before_the_button_is_pressed(signed_in):
    signed_in.get(PAGE)
    assert (rows(), list(Consent.objects.all())) == ([], [])


def test_consent_to_push_messages_is_stored_in_the_language_of_the_page(signed_in, patron):
    patron.language = "es"
    patron.save()
    turn_on(signed_in)
    consent = Consent.objects.get()
    assert consent.language == "es"
    assert "Apple, Google, Mozilla" in consent.wording
    assert SENTENCE not in consent.wording


def refuses(browser):
    """Return whether no page offers push messages to this browser and the server refuses to turn them on."""
    words = text(browser.get(PAGE))
    is_told = SENTENCE not in words and "Open this page on your own phone." in words
    is_refused = browser.post(PAGE, PushDevice().keys).status_code == 422
    is_hidden = "Get messages on this phone" not in text(browser.get("/me/")) + text(
        browser.get(reverse("notices"))
    )
    return is_told and is_refused and is_hidden and not rows() and not Consent.objects.exists()


def test_borrowed_device_is_not_offered_push_messages_and_the_server_refuses_them(signed_in):
    assert not refuses(signed_in)
    PushSubscription.objects.all().delete()
    Consent.objects.all().delete()
    session = signed_in.session
    session[BORROWED] = True
    session.save()
    assert refuses(signed_in)


def test_shared_desk_computer_is_not_offered_push_messages_and_the_server_refuses_them(
    client, sign_in, staff, branch
):
    sign_in_with_row(client, sign_in, staff)
    client.post(reverse("desk_computers"), {"branch": branch.pk, "name": "Front desk"})
    assert refuses(client)


@pytest.mark.parametrize("who", ["patron", "viewer by code"])
def test_locked_shared_desk_computer_is_not_offered_push_messages(
    client, sign_in, show_code, patron, staff, branch, who
):
    """The computer is locked, so nobody uses the desk in this session. A cookie identifies the computer."""
    visit = HelpSessionFactory(branch=branch)
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=visit, patron=None)
    ).conversation
    client.cookies[DESK_TOKEN] = shared_desks.unlock(
        branch=branch, name="Front desk", by=staff, at=timezone.now()
    )[1]
    if who == "patron":
        sign_in_with_row(client, sign_in, patron)
        assert refuses(client)
    else:
        show_code(client, code_for(visit))
        page = f"{visit.get_absolute_url()}phone/"
        assert page not in client.get(conversation.get_absolute_url()).content.decode()
        assert SENTENCE not in text(client.get(page))
        assert client.post(page, PushDevice().keys).status_code == 422
        assert not rows()


def test_library_without_a_push_key_has_no_page_and_no_link_for_push_messages(signed_in, settings):
    assert "Get messages on this phone" in text(signed_in.get("/me/"))
    settings.PUSH_PRIVATE_KEY = ""
    assert signed_in.get(PAGE).status_code == 404
    for path in ("/me/", reverse("notices")):
        assert "Get messages on this phone" not in text(signed_in.get(path))


@pytest.mark.parametrize("endpoint", ["https://push.example.org/x", "http://fcm.googleapis.com/x"])
def test_unlisted_push_service_is_refused_with_the_reason_beside_the_button(signed_in, endpoint):
    page = turn_on(signed_in, PushDevice(endpoint))
    assert page.status_code == 422
    html = page.content.decode()
    between = html.partition('id="turn-on-title"')[2].partition('id="turn-on-button"')[0]
    assert "a service that the library doesn&#x27;t use" in between
    assert (rows(), list(Consent.objects.all())) == ([], [])


@pytest.mark.parametrize("keys", [{}, {"p256dh": "AAAA"}, {"auth": "x" * 500}, {"endpoint": "\0"}])
def test_refusal_of_an_unusable_subscription_says_what_to_do(signed_in, keys):
    fields = {**PushDevice().keys, **keys} if keys else {}
    page = signed_in.post(PAGE, fields)
    assert page.status_code == 422
    assert "Please try again." in text(page) or "Try another browser" in text(page)
    assert (rows(), list(Consent.objects.all())) == ([], [])


def test_patron_can_turn_off_push_messages_on_each_listed_device(signed_in, patron, sign_in):
    turn_on(signed_in)
    other = PushSubscriptionFactory(person=patron, device="Safari on iPhone")
    PushSubscriptionFactory(device="Chrome on a stranger's phone")
    page = signed_in.get(PAGE)
    words = text(page)
    assert {row.device for row in page.context["devices"]} == {"Safari on iPhone", "Firefox on Android"}
    assert words.count("this device") == 1
    assert "stranger" not in words
    page = signed_in.post(reverse("end_phone"), {"device": other.public_id, "back": PAGE}, follow=True)
    assert "Safari on iPhone gets no more messages." in text(page)
    assert other.pk not in [row.pk for row in rows()]
    assert [row.device for row in rows()] == ["Firefox on Android", "Chrome on a stranger's phone"]


def test_turning_off_push_messages_on_the_last_device_ends_the_consent(signed_in, patron):
    turn_on(signed_in)
    [here] = rows()
    with_old_key = PushSubscriptionFactory(person=patron, key_id="an earlier key")
    stranger = UserFactory()
    Consent.objects.create(
        person=stranger, purpose="push", subject=stranger.public_id, given_at=timezone.now()
    )
    Consent.objects.create(
        person=patron, purpose="check_ins", subject=patron.public_id, given_at=timezone.now()
    )
    signed_in.post(reverse("end_phone"), {"device": here.public_id, "back": PAGE})
    # The consent is still needed, because the other browser can renew its subscription.
    assert patron.consents.filter(purpose="push").exists()

    with_old_key.delete()
    turn_on(signed_in)
    assert patron.consents.filter(purpose="push").count() == 2
    [here] = rows()
    signed_in.post(reverse("end_phone"), {"device": here.public_id, "back": PAGE})
    assert list(Consent.objects.values_list("person", "purpose").order_by("purpose")) == [
        (patron.pk, "check_ins"),
        (stranger.pk, "push"),
    ]


def test_signing_out_ends_the_subscription_but_not_the_consent(signed_in, patron):
    turn_on(signed_in)
    signed_in.post(reverse("sign_out"))
    assert rows() == []
    assert patron.consents.filter(purpose="push").exists()


def test_stranger_cannot_turn_off_or_test_the_push_messages_on_a_device(signed_in):
    strangers = PushSubscriptionFactory()
    assert signed_in.post(reverse("end_phone"), {"device": strangers.public_id}).status_code == 302
    assert signed_in.post(reverse("try_phone"), {"device": strangers.public_id}).status_code == 404
    assert Client().post(reverse("try_phone"), {"device": strangers.public_id}).status_code == 404
    assert [row.pk for row in rows()] == [strangers.pk]
    assert not PushMessage.objects.exists()


def test_try_button_sends_one_neutral_push_message_to_this_device(signed_in, library):
    turn_on(signed_in)
    [row] = rows()
    page = signed_in.post(reverse("try_phone"), {"device": row.public_id, "back": PAGE}, follow=True)
    assert "A message is on its way to this phone." in text(page)
    message = PushMessage.objects.get()
    assert (message.subscription, message.notice) == (row, None)
    assert message.payload["title"] == library.name


@pytest.mark.parametrize("others", [0, 8])
def test_page_of_devices_runs_the_same_number_of_queries_for_1_and_9_devices(
    signed_in, patron, others, django_assert_num_queries
):
    turn_on(signed_in)
    PushSubscriptionFactory.create_batch(others, person=patron)
    with django_assert_num_queries(7):
        signed_in.get(PAGE)


def test_pages_of_a_browser_without_push_messages_run_no_additional_query(
    signed_in, settings, django_assert_num_queries, django_assert_max_num_queries
):
    with django_assert_max_num_queries(50) as queries:
        signed_in.get("/messages/")
    settings.PUSH_PRIVATE_KEY = ""
    with django_assert_num_queries(len(queries)):
        signed_in.get("/messages/")


# Tests in which the browser and the server compare their subscriptions.


def test_page_contains_the_fingerprint_of_the_browsers_subscription_on_the_server(signed_in):
    device = PushDevice()
    assert "data-push" not in body_of(signed_in.get("/"))
    turn_on(signed_in, device)
    assert f'data-push="{print_of(device)}"' in body_of(signed_in.get("/"))
    assert device.endpoint not in signed_in.get(PAGE).content.decode()


def test_browser_gets_the_fingerprint_of_its_subscription_and_the_public_key(signed_in):
    assert here(signed_in)["subscription"] == ""
    device = PushDevice()
    turn_on(signed_in, device)
    answer = here(signed_in)
    assert (answer["subscription"], answer["key"], answer["isDue"]) == (
        print_of(device),
        application_key(),
        False,
    )
    assert answer["token"]


def test_portal_tells_a_browser_that_its_subscription_has_ended(signed_in):
    turn_on(signed_in)
    PushSubscription.objects.all().delete()
    assert here(signed_in)["subscription"] == ""
    assert "data-push" not in body_of(signed_in.get("/"))


def test_signing_out_ends_only_the_subscription_of_this_browser(signed_in, patron):
    turn_on(signed_in)
    other = PushSubscriptionFactory(person=patron)
    signed_in.post(reverse("sign_out"))
    assert [row.pk for row in rows()] == [other.pk]
    assert here(signed_in)["subscription"] == ""


def test_subscription_does_not_pass_to_the_next_person_who_signs_in_with_the_browser(signed_in, sign_in):
    turn_on(signed_in)
    sign_in(signed_in, UserFactory())
    assert here(signed_in)["subscription"] == ""
    assert "data-push" not in body_of(signed_in.get("/"))


def test_browser_renews_its_subscription(signed_in, patron):
    turn_on(signed_in)
    [old] = rows()
    new = PushDevice()
    assert signed_in.post(reverse("renew_phone"), new.keys).status_code == 204
    [row] = rows()
    assert (row.pk, row.endpoint, row.p256dh, row.auth) == (old.pk, new.endpoint, new.p256dh, new.auth)
    assert (row.person, row.device, row.created_at) == (patron, "Firefox on Android", old.created_at)
    assert here(signed_in)["subscription"] == print_of(new)


def test_renewed_subscription_replaces_an_older_row_with_the_same_endpoint(signed_in, patron):
    turn_on(signed_in)
    new = PushDevice()
    PushSubscriptionFactory(person=patron, device_keys=new)
    assert signed_in.post(reverse("renew_phone"), new.keys).status_code == 204
    assert [row.endpoint for row in rows()] == [new.endpoint]


def test_browser_that_no_longer_allows_push_messages_ends_its_subscription(signed_in, patron):
    turn_on(signed_in)
    other = PushSubscriptionFactory(person=patron)
    assert signed_in.post(reverse("renew_phone"), {"endpoint": ""}).status_code == 204
    assert [row.pk for row in rows()] == [other.pk]


def test_ended_subscription_cannot_be_renewed(signed_in):
    turn_on(signed_in)
    PushSubscription.objects.all().delete()
    assert signed_in.post(reverse("renew_phone"), PushDevice().keys).status_code == 204
    assert rows() == []


@pytest.mark.parametrize("endpoint", ["https://push.example.org/x", "x" * 3000])
def test_subscription_is_not_renewed_with_an_unknown_push_service(signed_in, endpoint):
    device = PushDevice()
    turn_on(signed_in, device)
    assert signed_in.post(reverse("renew_phone"), PushDevice(endpoint).keys).status_code == 422
    assert [row.endpoint for row in rows()] == [device.endpoint]


def test_browser_cannot_renew_its_subscription_without_the_csrf_token(sign_in, patron):
    browser = Client(enforce_csrf_checks=True)
    sign_in_with_row(browser, sign_in, patron)
    token = here(browser)["token"]
    device = PushDevice()
    assert browser.post(PAGE, device.keys).status_code == 403
    assert browser.post(PAGE, device.keys, headers={"X-CSRFToken": token}).status_code == 302
    new = PushDevice()
    assert browser.post(reverse("renew_phone"), new.keys).status_code == 403
    assert browser.post(reverse("renew_phone"), new.keys, headers={"X-CSRFToken": token}).status_code == 204
    assert [row.endpoint for row in rows()] == [new.endpoint]


def test_browser_renews_its_subscription_after_the_library_changed_its_key(signed_in, settings):
    device = PushDevice()
    turn_on(signed_in, device)
    before = print_of(device)
    settings.PUSH_PRIVATE_KEY = new_private_key()
    assert here(signed_in)["subscription"] == print_of(device) != before
    assert signed_in.get(PAGE).context["here"] is None
    assert signed_in.post(reverse("renew_phone"), device.keys).status_code == 204
    assert signed_in.get(PAGE).context["here"] == rows()[0]


def test_browser_confirms_once_a_month_that_it_still_has_its_subscription(signed_in, time_machine):
    device = PushDevice()
    turn_on(signed_in, device)
    time_machine.move_to(timezone.now() + timedelta(days=31))
    assert 'data-push="due"' in body_of(signed_in.get("/"))
    assert here(signed_in)["isDue"] is True
    signed_in.post(reverse("renew_phone"), device.keys)
    assert f'data-push="{print_of(device)}"' in body_of(signed_in.get("/"))


def test_opening_a_page_changes_no_subscription(signed_in, time_machine):
    turn_on(signed_in)
    before = PushSubscription.objects.values().get()
    time_machine.move_to(timezone.now() + timedelta(days=31))
    for path in ("/", PAGE, reverse("phone_here")):
        signed_in.get(path)
    assert PushSubscription.objects.values().get() == before


# Tests of a browser that opened a visit by code.


def test_viewer_with_only_a_code_gets_push_messages_about_the_visit_until_the_code_ends(by_code, visit):
    assert SENTENCE in text(by_code.get(page_of(visit)))
    page = turn_on(by_code, path=page_of(visit))
    assert "This phone gets messages" in text(page)
    [row] = rows()
    assert (row.person, row.about, row.ends_at) == (
        None,
        f"visit:{visit.public_id}",
        visit.claim_codes.get().expires_at,
    )
    assert not Consent.objects.exists()
    assert "data-push" in body_of(by_code.get("/"))
    page = by_code.post(reverse("end_phone"), {"device": row.public_id, "back": page_of(visit)}, follow=True)
    assert SENTENCE in text(page)
    assert rows() == []


def test_conversation_page_offers_push_messages_to_a_viewer_with_only_a_code(by_code, visit, settings):
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=visit, patron=None)
    ).conversation
    link = f'href="{page_of(visit)}"'
    assert link in by_code.get(conversation.get_absolute_url()).content.decode()
    settings.PUSH_PRIVATE_KEY = ""
    assert link not in by_code.get(conversation.get_absolute_url()).content.decode()


def test_push_messages_about_a_quiet_visit_or_a_strangers_visit_cannot_be_turned_on(
    client, show_code, branch
):
    quiet, strangers = QuietSessionFactory(branch=branch), HelpSessionFactory(branch=branch)
    show_code(client, code_for(quiet))
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=quiet, patron=None)
    ).conversation
    assert "phone/" not in client.get(conversation.get_absolute_url()).content.decode()
    assert client.get(page_of(quiet)).status_code == 302
    assert client.post(page_of(quiet), PushDevice().keys).status_code in (302, 404)
    assert client.get(page_of(strangers)).status_code == 302
    assert rows() == []


def test_portal_tells_a_browser_that_its_subscription_ended_when_the_visit_was_kept(by_code, visit, patron):
    turn_on(by_code, path=page_of(visit))
    keeping.keep(visit, by=patron, at=timezone.now(), wording="Keep it", language="en")
    assert here(by_code)["subscription"] == ""
    assert "data-push" not in body_of(by_code.get("/"))


def test_portal_tells_a_browser_that_the_subscription_ended_with_the_code(by_code, visit, time_machine):
    turn_on(by_code, path=page_of(visit))
    assert here(by_code)["subscription"]
    time_machine.move_to(timezone.now() + timedelta(days=31))
    assert here(by_code)["subscription"] == ""


def test_browser_with_two_codes_gets_push_messages_about_each_visit(by_code, show_code, visit, branch):
    other = HelpSessionFactory(branch=branch)
    show_code(by_code, code_for(other))
    device = PushDevice()
    for each in (visit, other):
        turn_on(by_code, device, path=page_of(each))
    new = PushDevice()
    assert by_code.post(reverse("renew_phone"), new.keys).status_code == 204
    assert {(row.about, row.endpoint) for row in rows()} == {
        (f"visit:{each.public_id}", new.endpoint) for each in (visit, other)
    }


def test_browser_has_separate_subscriptions_for_an_opened_visit_and_for_the_account(
    by_code, sign_in, patron, visit
):
    device = PushDevice()
    turn_on(by_code, device, path=page_of(visit))
    sign_in_with_row(by_code, sign_in, patron)
    turn_on(by_code, device)
    assert [(row.person, row.endpoint) for row in rows()] == [
        (None, device.endpoint),
        (patron, device.endpoint),
    ]
