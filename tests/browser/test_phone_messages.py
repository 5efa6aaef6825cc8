"""Test push messages in the browser: turn them on, show them, open them, and repair a subscription."""

import json
import re
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.core import mail
from django.http import HttpResponse
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Consent
from portal.conversations.actions import reply
from portal.conversations.models import Message
from portal.helpsessions import keeping
from portal.home.views import offline
from portal.notifications.models import NoticeChoice, PushSubscription
from portal.notifications.push.delivery import email_instead
from portal.notifications.push.keys import application_key, new_private_key
from portal.worker import Worker
from tests.browser import fake_push
from tests.browser.conftest import PHONE
from tests.browser.states.steps import session_of
from tests.browser.steps import eventually
from tests.factories import (
    ConversationFactory,
    HelpSessionFactory,
    MessageFactory,
    PushSubscriptionFactory,
    code_for,
)
from tests.portal.notifications.push.push_service import push_service
from tests.push_device import PushDevice

pytestmark = pytest.mark.browser
PAGE = "/me/phone/"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
    "Mobile/15E148 Safari/604.1"
)
# The user agent of an iPad, which calls itself a Macintosh.
IPAD = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"
# Waits until the messages that the page has sent so far have arrived at the service worker.
ARRIVED = """async () => {
    const { active } = await navigator.serviceWorker.ready, { port1, port2 } = new MessageChannel();
    const answer = new Promise(done => { port1.onmessage = done; });
    active.postMessage({}, [port2]);
    await answer;
}"""
# Waits until the service worker has handled the messages that pages have sent so far.
DONE = """async () => {
    let handled;
    dispatchEvent(Object.assign(new Event("message"), { data: {}, waitUntil: promise => { handled = promise; } }));
    await handled;
}"""


@pytest.fixture(autouse=True)
def _worker_with_notifications(library, monkeypatch):
    real = offline.render

    def render(request, template, *args, **kwargs):
        script = real(request, template, *args, **kwargs)
        if template != "home/sw.js":
            return script
        return HttpResponse(fake_push.WORKER + script.content.decode(), content_type="text/javascript")

    monkeypatch.setattr(offline, "render", render)


class Phone:
    """A patron's phone with a page and a service worker.

    `devices` are the subscriptions that the push service will give to this phone.
    """

    def __init__(self, page, devices, **permission):
        self.page = page
        page.context.add_init_script(fake_push.page_script(**permission))
        page.goto("/privacy/")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        self.offer(*devices)

    @property
    def worker(self):
        return self.page.context.service_workers[-1]

    def offer(self, *devices):
        """Let the push service hand out these subscriptions next."""
        self.set(
            "endpoints",
            [
                {"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth}}
                for device in devices
            ],
        )

    def set(self, name, value):
        self.page.evaluate("([name, value]) => fakePush.set(name, value)", [name, value])

    def get(self, name):
        return self.page.evaluate("name => fakePush.get(name)", name)

    def settle(self):
        """Wait until the page has sent its state to the service worker, and the service worker has handled it."""
        self.page.wait_for_function("() => globalThis.hasToldWorker")
        self.page.evaluate(ARRIVED)
        self.worker.evaluate(DONE)

    def endpoint(self):
        found = self.get("subscription")
        return found and found["endpoint"]

    def deliver(self, data):
        """Deliver a push message to the service worker, and wait until the message was handled."""
        cdp = self.page.context.new_cdp_session(self.page)
        found = []
        cdp.on("ServiceWorker.workerRegistrationUpdated", lambda event: found.extend(event["registrations"]))
        cdp.send("ServiceWorker.enable")
        eventually(self.page, lambda: bool(found), True)
        handled = len(self.get("handled") or [])
        origin = self.page.evaluate("location.origin")
        message = {"origin": origin, "registrationId": found[-1]["registrationId"], "data": data}
        cdp.send("ServiceWorker.deliverPushMessage", message)
        # `wait_for_function` doesn't wait for what an async function returns.
        eventually(self.page, lambda: len(self.get("handled") or []), handled + 1)
        cdp.detach()

    def click(self, notification):
        """Click a notification. Return (pages that the service worker opened, pages that it focused)."""
        self.set("opened", [])
        self.set("focused", [])
        self.worker.evaluate(
            """async data => {
                const notification = Object.create(Notification.prototype, {
                    data: { value: data }, close: { value: () => fakePush.set("closed", true) },
                });
                const event = new Event("notificationclick");
                let handled;
                Object.assign(event, { notification, waitUntil: promise => { handled = promise; } });
                dispatchEvent(event);
                await handled;
            }""",
            notification["data"],
        )
        return self.get("opened"), self.get("focused")


@pytest.fixture
def phone_with(opened, show):
    """Return phone_with(person, codes=, devices=, permission=, answer=), which opens a Phone."""

    def phone_with(person=None, *, codes=(), devices=None, more=None, **permission):
        page = opened(PHONE, **(more or {}))
        found = Phone(page, [PushDevice()] if devices is None else devices, **permission)
        show(page, person, codes=codes)
        if person:
            key = session_of(page).session_key
            UserSession.objects.create(user=person, session_key=key, ip="127.0.0.1")
        return found

    return phone_with


def turn_on(phone, path=PAGE):
    phone.page.goto(path)
    phone.page.locator("#turn-on-button").tap()
    expect(phone.page.locator("#try")).to_be_visible()


@pytest.mark.core
def test_patron_turns_on_push_messages_and_gets_a_push_message_about_an_answer(phone_with, patron, branch):
    device = PushDevice()
    phone = phone_with(patron, devices=[device])
    phone.page.goto("/me/")
    phone.page.locator("#to-phone").tap()
    expect(phone.page.locator("#turn-on-button")).to_be_visible()
    assert phone.get("calls") is None
    phone.page.locator("#turn-on-button").tap()
    expect(phone.page.locator("#try")).to_be_visible()
    assert phone.get("calls") == ["ask", "subscribe"]
    row = PushSubscription.objects.get()
    assert (row.person, row.endpoint, row.p256dh, row.auth) == (
        patron,
        device.endpoint,
        device.p256dh,
        device.auth,
    )
    assert Consent.objects.get(person=patron).purpose == "push"

    conversation = MessageFactory(
        conversation=ConversationFactory(patron=patron, branch=branch), side="staff"
    ).conversation
    address = conversation.get_absolute_url()
    phone.deliver(
        json.dumps(
            {
                "title": "Harbour Library",
                "body": "The library has answered you.",
                "url": address,
                "badge": 2,
                "tag": "a",
            }
        )
    )
    [shown] = phone.get("shown")
    assert (shown["title"], shown["body"], shown["tag"]) == (
        "Harbour Library",
        "The library has answered you.",
        "a",
    )
    assert phone.get("badge") == 2
    opened, focused = phone.click(shown)
    assert (focused, [url.endswith(address) for url in opened]) == ([], [True])
    phone.page.goto(address)
    assert phone.click(shown) == ([], [phone.page.url])
    assert phone.get("calls") == ["ask", "subscribe"]


@pytest.mark.parametrize("data", ["", "no json", "null", "[]", "5", '{"title": 5, "body": {}, "url": 7}'])
def test_unreadable_push_message_still_shows_a_notification(phone_with, patron, library, data):
    phone = phone_with(patron)
    turn_on(phone)
    phone.deliver(data)
    [shown] = phone.get("shown")
    assert shown["title"] == library.name
    assert phone.click(shown)[0][0].endswith("/")


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "http://["]
)
def test_clicking_a_notification_opens_only_pages_of_the_portal(phone_with, patron, address, site):
    phone = phone_with(patron)
    turn_on(phone)
    phone.deliver(json.dumps({"title": "Library", "body": "", "url": address}))
    opened, focused = phone.click(phone.get("shown")[0])
    assert (opened, focused) == ([f"{site}/"], [])


def test_try_button_sends_a_push_message_to_the_phone(phone_with, patron):
    phone = phone_with(patron)
    turn_on(phone)
    phone.page.locator("#try").tap()
    expect(phone.page.locator("#notices")).to_contain_text("on its way")
    message = PushSubscription.objects.get().messages.get()
    phone.deliver(json.dumps(message.payload))
    assert phone.get("shown")[0]["body"] == message.payload["body"]


def test_badge_shows_the_unread_answers_and_is_cleared_when_they_are_read(phone_with, patron, branch):
    phone = phone_with(patron)
    turn_on(phone)
    conversation = MessageFactory(
        conversation=ConversationFactory(patron=patron, branch=branch), side="staff"
    ).conversation
    phone.page.goto("/")
    phone.settle()
    assert phone.get("badge") == 1
    phone.page.goto(conversation.get_absolute_url())
    phone.page.goto("/")
    phone.settle()
    assert phone.get("badge") == 0


@pytest.mark.parametrize(
    ("answer", "shown", "hidden"),
    [("denied", "denied", "#turn-on-button"), ("default", "dismissed", "#try")],
)
def test_push_page_says_what_to_do_if_the_patron_does_not_allow_push_messages(
    phone_with, patron, answer, shown, hidden
):
    phone = phone_with(patron, answer=answer)
    phone.page.goto(PAGE)
    phone.page.locator("#turn-on-button").tap()
    expect(phone.page.locator(f"[data-when={shown}]")).to_be_visible()
    expect(phone.page.locator(hidden)).not_to_be_visible()
    assert (phone.get("calls"), PushSubscription.objects.count(), Consent.objects.count()) == (["ask"], 0, 0)


def test_push_page_says_what_to_do_if_the_browser_blocks_push_messages(phone_with, patron):
    phone = phone_with(patron, permission="denied")
    phone.page.goto(PAGE)
    expect(phone.page.locator("[data-when=denied]")).to_be_visible()
    expect(phone.page.locator("#turn-on-button")).not_to_be_visible()
    assert phone.get("calls") is None


def test_push_page_says_what_to_do_if_the_push_service_cannot_be_reached(phone_with, patron):
    phone = phone_with(patron, devices=[])
    phone.page.goto(PAGE)
    phone.page.locator("#turn-on-button").tap()
    expect(phone.page.locator("[data-when=failed]")).to_be_visible()
    expect(phone.page.locator("#turn-on-button")).to_be_enabled()
    phone.offer(PushDevice())
    phone.page.locator("#turn-on-button").tap()
    expect(phone.page.locator("#try")).to_be_visible()


def test_browser_ends_a_subscription_that_the_server_refuses(phone_with, patron):
    phone = phone_with(patron, devices=[PushDevice("https://push.example.org/secret")])
    phone.page.goto(PAGE)
    phone.page.locator("#turn-on-button").tap()
    expect(phone.page.locator("#error-summary")).to_contain_text("a service that the library doesn't use")
    expect(phone.page.locator("#error-summary")).to_be_focused()
    expect(phone.page.locator("#turn-on-button")).to_be_visible()
    phone.settle()
    assert (phone.endpoint(), PushSubscription.objects.count()) == (None, 0)


@pytest.mark.parametrize(("user_agent", "shown"), [(IPHONE, "ios"), (IPAD, "ios"), (None, "unsupported")])
def test_push_page_says_what_to_do_if_the_browser_does_not_support_push_messages(
    opened, show, patron, user_agent, shown
):
    page = opened(PHONE, **({"user_agent": user_agent} if user_agent else {}))
    page.context.add_init_script("delete window.PushManager")
    page.context.add_init_script("Object.defineProperty(navigator, 'maxTouchPoints', { get: () => 5 })")
    show(page, patron)
    page.goto(PAGE)
    expect(page.locator(f"[data-when={shown}]")).to_be_visible()
    expect(page.locator("#turn-on-button")).not_to_be_visible()
    expect(page.locator("[data-when]:visible")).to_have_count(1)


def test_push_page_without_javascript_says_that_the_browser_cannot_get_push_messages(phone, show, patron):
    page = show(phone(javascript=False), patron)
    page.goto(PAGE)
    expect(page.locator("[data-when=unsupported]")).to_be_visible()
    expect(page.locator("#turn-on-button")).not_to_be_visible()


def test_patron_can_turn_off_push_messages_on_one_of_two_devices(phone_with, patron):
    phone = phone_with(patron)
    turn_on(phone)
    other = PushSubscriptionFactory(person=patron, device="Safari on iPhone")
    here = PushSubscription.objects.exclude(pk=other.pk).get()
    phone.page.goto(PAGE)
    phone.page.locator(f"#end-{other.public_id}").tap()
    expect(phone.page.locator(f"#end-{other.public_id}")).to_have_count(0)
    phone.settle()
    assert phone.endpoint() == here.endpoint
    phone.page.locator(f"#end-{here.public_id}").tap()
    expect(phone.page.locator("#turn-on-button")).to_be_visible()
    phone.settle()
    assert (phone.endpoint(), PushSubscription.objects.count()) == (None, 0)


@pytest.mark.core
def test_sign_out_ends_the_subscription_in_the_browser_and_on_the_server(phone_with, patron):
    phone = phone_with(patron)
    turn_on(phone)
    phone.page.goto("/me/")
    phone.page.locator("#sign-out").tap()
    phone.page.wait_for_url("**/signed-out/")
    phone.settle()
    assert (phone.endpoint(), PushSubscription.objects.count()) == (None, 0)


def test_browser_closes_its_notifications_if_its_subscription_was_ended_elsewhere(phone_with, patron):
    phone = phone_with(patron)
    turn_on(phone)
    phone.deliver(json.dumps({"title": "Library", "body": "Hello", "url": "/", "badge": 1}))
    assert (len(phone.get("shown")), phone.get("badge")) == (1, 1)
    PushSubscription.objects.all().delete()
    phone.page.goto("/")
    phone.settle()
    assert (phone.endpoint(), phone.get("shown"), phone.get("badge")) == (None, [], 0)


def test_badge_is_cleared_after_browser_and_server_have_lost_the_subscription(phone_with, patron):
    phone = phone_with(patron)
    turn_on(phone)
    phone.deliver(json.dumps({"title": "Library", "body": "Hello", "url": "/", "badge": 1}))
    PushSubscription.objects.all().delete()
    phone.set("subscription", None)
    phone.page.goto("/")
    phone.settle()
    assert phone.get("badge") == 0


def test_browser_that_lost_its_subscription_makes_a_new_one(phone_with, patron):
    new = PushDevice()
    phone = phone_with(patron, devices=[PushDevice(), new])
    turn_on(phone)
    phone.set("subscription", None)
    phone.page.goto("/")
    phone.settle()
    assert phone.endpoint() == new.endpoint == PushSubscription.objects.get().endpoint


def test_browser_tells_the_server_that_the_push_service_replaced_its_subscription(phone_with, patron):
    new = PushDevice()
    phone = phone_with(patron, devices=[PushDevice(), new])
    turn_on(phone)
    phone.set("subscription", None)
    phone.worker.evaluate(
        """async () => {
            let handled;
            dispatchEvent(Object.assign(new Event("pushsubscriptionchange"), { waitUntil: promise => { handled = promise; } }));
            await handled;
        }"""
    )
    assert phone.endpoint() == new.endpoint == PushSubscription.objects.get().endpoint


def test_opening_a_page_ends_the_subscription_if_the_patron_has_blocked_push_messages(phone_with, patron):
    phone = phone_with(patron)
    turn_on(phone)
    phone.set("permission", "denied")
    phone.set("subscription", None)
    phone.page.goto("/")
    phone.settle()
    assert PushSubscription.objects.count() == 0


def test_subscription_is_made_again_after_the_library_changed_its_key(phone_with, patron, settings):
    new = PushDevice()
    phone = phone_with(patron, devices=[PushDevice(), new])
    turn_on(phone)
    settings.PUSH_PRIVATE_KEY = new_private_key()
    phone.page.goto("/")
    phone.settle()
    assert phone.get("subscription")["key"] == application_key()
    assert phone.endpoint() == new.endpoint == PushSubscription.objects.get().endpoint


def test_subscription_is_not_replaced_if_the_browser_hides_the_key_of_the_subscription(phone_with, patron):
    phone = phone_with(patron)
    turn_on(phone)
    phone.set("subscription", {**phone.get("subscription"), "key": ""})
    phone.page.goto("/")
    phone.settle()
    assert phone.endpoint() == PushSubscription.objects.get().endpoint
    assert phone.get("calls") == ["ask", "subscribe"]


def test_browser_sends_no_request_if_the_server_has_the_same_subscription(phone_with, patron):
    phone = phone_with(patron)
    turn_on(phone)
    phone.settle()
    asked = []
    phone.page.context.on("request", lambda request: "/phone/" in request.url and asked.append(request.url))
    for path in ("/", "/messages/", "/me/"):
        phone.page.goto(path)
        phone.settle()
    assert asked == []
    PushSubscription.objects.all().delete()
    phone.page.goto("/")
    phone.settle()
    eventually(phone.page, lambda: [url.rpartition("/phone/")[2] for url in asked], ["here/"])


def test_viewer_with_only_a_code_gets_push_messages_until_the_visit_is_in_an_account(
    phone_with, branch, patron
):
    visit = HelpSessionFactory(branch=branch)
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=visit, patron=None)
    ).conversation
    phone = phone_with(codes=[code_for(visit)])
    phone.page.goto(conversation.get_absolute_url())
    phone.page.locator("#to-phone").tap()
    phone.page.locator("#turn-on-button").tap()
    expect(phone.page.locator("#try")).to_be_visible()
    row = PushSubscription.objects.get()
    assert (row.person, row.about, row.endpoint) == (None, f"visit:{visit.public_id}", phone.endpoint())
    keeping.keep(visit, by=patron, at=row.created_at, wording="Keep it", language="en")
    phone.page.goto("/")
    phone.settle()
    assert (phone.endpoint(), PushSubscription.objects.count()) == (None, 0)


def test_check_ins_by_push_are_offered_only_if_the_browser_can_get_push_messages(
    phone_with, opened, show, patron, library, branch
):
    library.check_ins = True
    library.save()
    HelpSessionFactory(branch=branch, patron=patron)
    old = opened(PHONE)
    old.context.add_init_script("delete window.PushManager")
    show(old, patron)
    plain = show(opened(PHONE, javascript=False), patron)
    for page in (old, plain):
        page.goto("/")
        expect(page.locator("#check_ins-email")).to_be_visible()
        expect(page.locator("#check_ins-push")).not_to_be_visible()

    phone = phone_with(patron)
    phone.page.goto("/")
    phone.page.locator("#check_ins-push").tap()
    expect(phone.page).to_have_url(re.compile(f"{PAGE}$"))
    phone.page.locator("#turn-on-button").tap()
    expect(phone.page.locator("#try")).to_be_visible()
    patron.refresh_from_db()
    assert patron.check_ins == "push"
    words = Consent.objects.get(purpose="check_ins").wording.splitlines()
    assert (words[0], words[-1]) == (
        "May the library ask you later how things turned out?",
        "By message on this phone",
    )
    plain.goto("/me/check-ins/")
    expect(plain.locator("#check_ins-push")).to_have_attribute("aria-pressed", "true")


# The following tests send an answer by staff to the phone, through a push service on this machine.


@pytest.fixture
def service(settings):
    settings.PUSH_LOCAL, settings.PUSH_SUBJECT = True, "mailto:help@library.example"
    with push_service() as service:
        yield service


def answer(conversation, staff):
    """Let the staff member answer, and let the worker deliver the notice after the undo window."""
    written_at = timezone.now() - Message.UNDO_WINDOW
    reply(
        conversation,
        by=staff,
        side="staff",
        at=written_at,
        body="Yes, on Thursday.",
        language="en",
        client_token=uuid4(),
    )
    worker = Worker()
    worker.deliver_due()
    worker.push_due()


@pytest.mark.core
def test_push_message_about_an_answer_is_encrypted_and_opens_the_conversation(
    phone_with, patron, staff, branch, service
):
    device = service.device()
    phone = phone_with(patron, devices=[device])
    turn_on(phone)
    phone.page.goto("/me/emails/")
    phone.page.locator("#id_conversations_answer").select_option("push")
    phone.page.locator("#save-notices").tap()
    expect(phone.page.locator("#notices .notice")).to_be_visible()
    expect(phone.page.locator("#id_conversations_answer")).to_have_value("push")
    conversation = MessageFactory(conversation=ConversationFactory(patron=patron, branch=branch)).conversation
    answer(conversation, staff)

    [received] = service.received
    assert b"Thursday" not in received.body
    content = device.decrypt(received.body).decode()
    assert "Thursday" not in content
    assert conversation.subject not in content
    phone.deliver(content)
    [shown] = phone.get("shown")
    opened, _focused = phone.click(shown)
    assert phone.get("badge") == 1
    phone.page.goto(opened[0])
    expect(phone.page.locator("#entries")).to_contain_text("Yes, on Thursday.")
    assert mail.outbox == []


def test_answer_reaches_a_browser_that_opened_the_visit_by_code(phone_with, staff, branch, service):
    device = service.device()
    visit = HelpSessionFactory(branch=branch, staff=staff)
    conversation = MessageFactory(
        conversation=ConversationFactory(help_session=visit, patron=None, branch=branch)
    ).conversation
    phone = phone_with(codes=[code_for(visit)], devices=[device])
    turn_on(phone, f"{visit.get_absolute_url()}phone/")
    answer(conversation, staff)
    phone.deliver(device.decrypt(service.received[0].body).decode())
    opened, _focused = phone.click(phone.get("shown")[0])
    phone.page.goto(opened[0])
    expect(phone.page.locator("#entries")).to_contain_text("Yes, on Thursday.")


def test_opening_a_page_clears_a_subscription_that_the_push_service_has_ended(
    phone_with, patron, staff, branch, service
):
    phone = phone_with(patron, devices=[service.device("410")])
    turn_on(phone)
    NoticeChoice.objects.create(person=patron, kind="conversations/answer", channel="push", rhythm="at_once")
    conversation = MessageFactory(conversation=ConversationFactory(patron=patron, branch=branch)).conversation
    answer(conversation, staff)
    assert (len(service.requests), PushSubscription.objects.count()) == (1, 0)
    phone.page.goto("/")
    phone.settle()
    assert phone.endpoint() is None
    email_instead(at=timezone.now())
    Worker().deliver_due()
    assert [message.to for message in mail.outbox] == [[patron.email]]
