"""Test what a signed-out person sees at the address of a visit, a conversation or a list."""

import re
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.sign_in.unsent import UNSENT
from portal.helpsessions.models import ClaimCode
from tests.architecture.routes import PUBLIC, owned
from tests.factories import ConversationFactory, HelpSessionFactory, UserFactory, code_for, recommend_in
from tests.portal.pages import heading, text

pytestmark = pytest.mark.django_db

# {name of a URL that needs no title of its own: the reason}
WITHOUT_TITLE = {
    "conversation_news": "only scripts open it",
    "add_passkey_options": "only scripts open it",
    "item_cover": "it is a picture",
    "discard_kept": "it is a button",
    "second_factor": "it is a page of staff",
}


@pytest.fixture
def session(patron, staff, branch):
    return HelpSessionFactory(patron=patron, staff=staff, branch=branch)


@pytest.fixture
def conversation(session):
    return ConversationFactory(help_session=session)


@pytest.fixture
def addresses(session, conversation):
    """Return {name of a page: its URL}."""
    [recommendation] = recommend_in(session, 1)
    return {
        "conversation": conversation.get_absolute_url(),
        "visit": session.get_absolute_url(),
        "question": reverse("ask_about_session", args=[session.public_id]),
        "verdict": reverse("verdict", args=[recommendation.public_id]),
        "list": reverse("saved"),
        "account": reverse("me"),
    }


@pytest.fixture
def by_other_code(branch, staff, show_code):
    """Return a browser that opened a visit by its code, but not the visit `session`."""
    return show_code(Client(), code_for(HelpSessionFactory(branch=branch, staff=staff)))


@pytest.fixture
def author_of_unsent_text(library):
    """Return a signed-out browser that has an unsent question."""
    browser = Client(enforce_csrf_checks=True, headers={"sec-fetch-site": "same-origin"})
    browser.post(reverse("ask"), {"body": "Is it open?", "client_token": uuid.uuid4()})
    assert UNSENT in browser.cookies
    return browser


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("what", "title"),
    [
        ("conversation", "Sign in to read your answer"),
        ("visit", "Sign in to see your visit"),
        ("question", "Sign in to see your visit"),
        ("verdict", "Sign in to see your visit"),
        ("list", "Sign in to see your lists"),
        ("account", "Sign in to see your account"),
    ],
)
def test_title_of_the_sign_in_page_says_what_the_person_wanted_to_open(client, addresses, what, title):
    response = client.get(addresses[what])
    part = "%23latest" if what == "conversation" else ""
    assert (response.status_code, response["Location"]) == (302, f"/sign-in/?next={addresses[what]}{part}")
    page = client.get(response["Location"])
    assert heading(page) == title
    assert f"<title>{title} ·" in page.content.decode()


def test_sign_in_page_has_a_title_for_every_page_that_requires_signing_in(library):
    """Open each page of patrons that a browser can show, except pages for scripts."""
    client, untitled = Client(), []
    for route in owned(for_staff=False):
        if route.name not in {*PUBLIC, *WITHOUT_TITLE}:
            response = client.get("/" + re.sub(r"<[^>]*>", str(uuid.uuid4()), route.path))
            if response.status_code == 302 and heading(client.get(response["Location"])) == "Sign in":
                untitled.append(route.name)
    assert untitled == [], "Add a title in accounts/sign_in/wanted_page.py."


def test_sign_in_page_says_what_to_do_with_a_slip_or_an_expired_code(client, addresses):
    page = client.get(addresses["conversation"], follow=True)
    assert "Have a slip? Type its code . You don't need to sign in." in text(page)
    assert "Code doesn't work? Ask at any desk." in text(page)
    assert f'href="{reverse("open_code")}"' in page.content.decode()


@pytest.mark.few_cases
@pytest.mark.parametrize("what", ["conversation", "visit", "question", "verdict"])
@pytest.mark.parametrize("who", ["nobody", "viewer of another visit by code", "author of unsent text"])
def test_response_to_a_signed_out_person_does_not_reveal_whether_the_page_exists(
    addresses, by_other_code, author_of_unsent_text, what, who
):
    browsers = {"nobody": Client(), "viewer of another visit by code": by_other_code}
    browser = browsers.get(who, author_of_unsent_text)
    address = addresses[what]
    missing = re.sub(r"[0-9a-f-]{36}", str(uuid.uuid4()), address)

    def answer(url):
        with CaptureQueriesContext(connection) as queries:
            response = browser.get(url)
        headers = {name: value.replace(address, "…") for name, value in response.headers.items()}
        headers = {name: value.replace(missing, "…") for name, value in headers.items()}
        for changing in ("Content-Security-Policy", "X-Request-ID"):
            headers.pop(changing, None)
        return response.status_code, headers, len(response.content), len(queries)

    browser.get("/")
    assert answer(address) == answer(missing)
    assert answer(address)[0] == 302
    assert answer(f"/sign-in/?next={address}") == answer(f"/sign-in/?next={missing}")


def test_viewer_with_only_a_code_can_open_the_visit_without_signing_in(client, show_code, staff, branch):
    session = HelpSessionFactory(staff=staff, branch=branch)
    show_code(client, code_for(session))
    assert client.get(session.get_absolute_url()).status_code == 200


def test_signed_in_person_gets_404_for_another_persons_page(client, addresses, sign_in):
    sign_in(client, UserFactory())
    assert [client.get(addresses[page]).status_code for page in ("conversation", "visit")] == [404, 404]


@pytest.mark.parametrize(
    ("what", "query", "part"),
    [("conversation", "", "#latest"), ("conversation", "?message=x", ""), ("visit", "", "")],
)
def test_person_is_redirected_to_the_requested_part_of_the_page_after_signing_in(
    client, addresses, what, query, part, patron, sign_in
):
    sign_in_page = client.get(addresses[what] + query)["Location"]
    form = {"email": patron.email, "next": parse_qs(urlsplit(sign_in_page).query)["next"][0]}
    code_page = client.post(reverse("sign_in"), form)["Location"]
    sign_in(client, patron)
    wanted = f"{addresses[what]}{query}{part}"
    assert [client.get(page)["Location"] for page in (sign_in_page, code_page)] == [wanted, wanted]


def test_viewer_with_only_a_code_can_open_the_saved_list_and_the_account_page(by_other_code):
    assert by_other_code.get(reverse("saved")).status_code == 200
    assert by_other_code.get(reverse("me")).status_code == 200


def test_poll_of_a_signed_out_browser_gets_401(client, conversation):
    poll = reverse("conversation_news", args=[conversation.public_id])
    assert client.get(poll, headers={"HX-Request": "true"}).status_code == 401


KEPT, ENDED = "This visit was added to a library account", "The code of this visit no longer works."


@pytest.mark.few_cases
@pytest.mark.parametrize(
    ("state", "reason"),
    [("kept", KEPT), ("revoked", ENDED), ("expired", ENDED), ("live", ""), ("never opened", "")],
)
@pytest.mark.parametrize("what", ["conversation", "visit", "question", "verdict", "keep"])
def test_sign_in_page_says_why_the_visit_code_no_longer_opens_the_page(
    client, what, state, reason, session, addresses, show_code, by_other_code
):
    browser = by_other_code
    if state != "never opened":
        browser = show_code(client, code_for(session))
        codes = ClaimCode.objects.filter(help_session=session)
        codes.update(expires_at=timezone.now()) if state == "expired" else codes.update(state=state)
    page = addresses | {"keep": reverse("keep_session", args=[session.public_id])}
    shown = text(browser.get(reverse("sign_in"), {"next": page[what]}))
    assert [words for words in (KEPT, ENDED) if words in shown] == [words for words in [reason] if words]
