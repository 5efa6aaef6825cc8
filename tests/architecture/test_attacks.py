"""Attack every route with links to other hosts, with unknown fields and with hostile text."""

import contextlib
import re
import time
import uuid
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import ForeignKey
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.sign_in.access import REAUTHENTICATED_AT
from portal.conversations.viewer import OPENED_CODES

from .guards import sweep
from .routes import PUBLIC, both_owners, functions_behind, routes
from .world import address

pytestmark = pytest.mark.django_db

ROUTES = routes()

# Spellings of another host's address that browsers may accept.
ELSEWHERE = [
    *(
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "http:evil.example",
        "javascript:alert(document.domain)",
    ),
    *(
        "data:text/html,x",
        "/\t/evil.example",
        " //evil.example",
        "https://testserver@evil.example/",
        "////evil.example",
    ),
]
# The fields that tell a view where to redirect.
REDIRECT_FIELDS = {"next", "back"}
REDIRECTING_ROUTES = [
    route
    for route in ROUTES
    if any(
        REDIRECT_FIELDS & set(map(str, function.__code__.co_consts))
        for function in functions_behind(route.view)
    )
]


def redirect_targets(answer):
    """Return the URLs to which this response sends the browser."""
    return [
        answer.headers.get(name, "")
        for name in ("Location", "HX-Redirect", "HX-Location", "HX-Push-Url", "Refresh")
    ]


@pytest.mark.only_long
@pytest.mark.one_database
@both_owners
def test_no_page_redirects_to_another_host(for_staff, world, owner):
    sweep(
        [route for route in REDIRECTING_ROUTES if route.for_staff == for_staff],
        "get, post",
        lambda browser, route: check_redirects(browser, address(route, world)),
        browser=owner(for_staff),
        fix="Check the redirect address with url_has_allowed_host_and_scheme before you use it.",
    )


def check_redirects(browser, url):
    for going_to in ELSEWHERE:
        fields = dict.fromkeys(REDIRECT_FIELDS, going_to)
        for answer in (browser.get(url, fields), browser.post(f"{url}?{urlencode(fields)}", fields)):
            for target in filter(None, redirect_targets(answer)):
                assert target.startswith("/")
                assert not target.startswith(("//", "/\\"))
                assert urlsplit(target.replace("\\", "/")).netloc == ""
            page = answer.content.decode(errors="replace")
            assert not re.search(
                r"""(?:href|action|formaction)=["']?\s*(?:javascript|data|https?:|//|/\\|\\)[^"'>]*(?:evil|alert|text/html)""",
                page,
            )


def test_redirect_check_finds_views_that_redirect_to_a_url_from_the_request():
    assert {
        "sign_in",
        "account_confirm_login_code",
        "reauthenticate",
        "second_factor",
        "set_language",
        "open_code",
        "verdict",
        "save_item",
    } <= {route.name for route in REDIRECTING_ROUTES}


@pytest.mark.only_long
@pytest.mark.one_database
@both_owners
def test_invalid_address_in_a_header_causes_no_server_error(for_staff, world, owner):
    def check(browser, route):
        headers = {"Referer": "https://[", "Origin": "https://[", "HX-Current-URL": "https://["}
        for send in (browser.get, browser.post):
            assert send(address(route, world), headers=headers).status_code < 500

    sweep(
        [route for route in ROUTES if route.for_staff == for_staff],
        "get, post",
        check,
        browser=owner(for_staff),
        fix="Read an address from a header with split_address() of portal/headers.py.",
    )


# Tests of forms with unknown fields.

# {model: the columns that a patron's form must never write}. None means all columns of the model.
PROTECTED_COLUMNS = {
    "accounts.User": ["id", "public_id", "email", "is_active", "joined_at", "password", "last_login"],
    "accounts.StaffRole": None,
    "accounts.Library": None,
    "accounts.Branch": None,
    "accounts.LibraryCard": None,
    "accounts.Passkey": None,
    "account.EmailAddress": None,
    "mfa.Authenticator": None,
    "helpsessions.HelpSession": ["id", "public_id", "patron_id", "staff_id", "branch_id", "status", "quiet"],
    "helpsessions.SessionNote": None,
    "helpsessions.ClaimCode": ["id", "hmac", "branch_id", "made_by_id", "expires_at"],
    "conversations.Conversation": [
        "id",
        "public_id",
        "patron_id",
        "help_session_id",
        "assignee_id",
        "opened_at",
        "logged_as_id",
    ],
    "conversations.ConversationNote": ["id", "author_id", "conversation_id"],
    "conversations.Message": ["id", "author_id", "conversation_id", "side", "sent_at", "shown_from"],
    "recommendations.Recommendation": [
        "id",
        "public_id",
        "patron_id",
        "recommended_by_id",
        "item_id",
        "branch_id",
        "reason",
    ],
    "recommendations.Item": None,
    "lists.SavedList": ["id", "public_id", "patron_id"],
    "lists.SavedItem": ["id", "saved_list_id", "item_id"],
    "accounts.AuditEvent": ["id", "by_id", "patron_id", "at", "action"],
    "privacy.LegalHold": None,
    "privacy.Export": ["id", "person_id"],
}
WRITTEN_BY_DESIGN = {
    # A patron may ask for an export of their own data.
    "export": {"privacy.Export"},
}


def columns():
    """Return {model label: {primary key: values of the protected columns}} for all rows."""
    found = {}
    for label, names in PROTECTED_COLUMNS.items():
        model = apps.get_model(label)
        existing = [field.column for field in model._meta.concrete_fields]
        assert names is None or set(names) <= set(existing), f"{label}: {set(names) - set(existing)}"
        with connection.cursor() as cursor:
            wanted = ", ".join(connection.ops.quote_name(name) for name in (names or existing))
            pk = connection.ops.quote_name(model._meta.pk.column)
            cursor.execute(f"SELECT {pk}, {wanted} FROM {connection.ops.quote_name(model._meta.db_table)}")
            found[label] = {row[0]: repr(row[1:]) for row in cursor.fetchall()}
    return found


def fields_of_every_table(world):
    """Return {field name: value} for every column of every table, and for names such as `is_superuser`.

    Foreign keys to a person have the id of another patron.
    """
    other, fields = world.other_patron, {}
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            value = "1"
            if isinstance(field, ForeignKey):
                value = str(other.pk if field.related_model is User else world.branch.pk)
                fields[field.column] = value
            elif field.get_internal_type() == "UUIDField":
                value = str(other.public_id)
            elif field.get_internal_type() in {"DateTimeField", "DateField"}:
                value = "2030-01-01"
            fields[field.name] = value
    return fields | {
        "is_staff": "1",
        "is_superuser": "1",
        "is_coordinator": "1",
        "role": "coordinator",
        "side": "staff",
        "email": other.email,
        "id": str(other.pk),
        "user": str(other.pk),
        "person": str(other.public_id),
    }


@pytest.mark.only_long
@pytest.mark.slow
@pytest.mark.one_database
def test_unknown_form_fields_are_ignored(world, sign_in):
    signed_in, before, fields = sign_in(Client(), world.patron), columns(), fields_of_every_table(world)

    def check(browser, route):
        browser.post(address(route, world), fields)
        after = columns()
        for label, was in before.items():
            if label in WRITTEN_BY_DESIGN.get(route.name, ()):
                continue
            assert {pk: row for pk, row in after[label].items() if pk in was} == {
                pk: row for pk, row in was.items() if pk in after[label]
            }
            if PROTECTED_COLUMNS[label] is None:
                assert set(after[label]) <= set(was)
        assert not User.objects.get(pk=world.patron.pk).is_staff

    sweep(
        [route for route in ROUTES if not route.at_desk],
        "post",
        check,
        browser=signed_in,
        fix="Save only the cleaned data of a form. If the view should write this row, add it to"
        " WRITTEN_BY_DESIGN here.",
    )


# Tests of browsers without a sign-in.


@pytest.mark.slow
def test_browser_session_without_sign_in_or_visit_code_expires_within_a_day(world):
    """Sessions of visitors would fill the database if they lasted longer."""
    fields = {
        "email": "stranger@example.org",
        "body": "Hello",
        "client_token": str(uuid.uuid4()),
        "card": "20001001",
        "pin": "9999",
        "step": "1",
    }
    fields |= {"loved": "Piranesi", "code": "0000000000000", "language": "es"}

    def check(_browser, route):
        for method in ("get", "post"):
            getattr(Client(), method)(address(route, world), fields)
        in_a_day = timezone.now() + timedelta(days=1, seconds=1)
        left = [session.get_decoded() for session in Session.objects.filter(expire_date__gt=in_a_day)]
        assert [kept for kept in left if not kept.get("_auth_user_id") and not kept.get(OPENED_CODES)] == []

    sweep(
        [route for route in ROUTES if route.name in PUBLIC],
        "get, post",
        check,
        browser=Client(),
        fix="Let the sessions of these visitors expire after a day: request.session.set_expiry().",
    )


# Tests of hostile text in every column of every table.

# The text for every column. The short element <i x> comes first, so that it fits into short columns.
HOSTILE = "'\"><i x></i>{{7*7}}<script>alert(2)</script><img src=x onerror=alert(1)>"
SYSTEM_FIELDS = {
    "slug",
    "language",
    "session_key",
    "session_data",
    "password",
    "hmac",
    "token_hash",
    "time_zone",
    "accent_color",
    "kind",
    "key",
    "logo",
}
APPS_WITHOUT_TEXT = {"sessions", "contenttypes", "mfa", "usersessions"}


@pytest.fixture
def hostile(world):
    """Write HOSTILE into all text columns and a script into all URL columns, and return `world`."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            is_text = (
                field.get_internal_type() in {"CharField", "TextField", "EmailField"}
                and not field.choices
                and not field.primary_key
            )
            if is_text and field.name not in SYSTEM_FIELDS and model._meta.app_label not in APPS_WITHOUT_TEXT:
                words = (
                    "javascript:alert(3)"
                    if field.name in {"url", "catalog_link", "catalog_title_link", "proxy_prefix"}
                    else HOSTILE[: field.max_length]
                )
                with (
                    contextlib.suppress(IntegrityError, DataError),
                    transaction.atomic(),
                ):
                    model._base_manager.update(**{field.name: words})
                with (
                    contextlib.suppress(IntegrityError, DataError),
                    transaction.atomic(),
                ):
                    model._base_manager.filter(
                        pk=model._base_manager.values_list("pk", flat=True).first()
                    ).update(**{field.name: words})
    return world


class Elements(HTMLParser):
    """A parser of one page. `found` lists the tags and script URLs that come from unescaped HOSTILE text."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if (
            (tag == "i" and "x" in attrs)
            or any(name.startswith("on") for name in attrs)
            or attrs.get("src") == "x"
        ):
            self.found.append((tag, attrs))
        self.found += [
            (tag, value)
            for name, value in attrs.items()
            if name in {"href", "action", "src"} and (value or "").strip().lower().startswith("javascript:")
        ]

    def handle_data(self, data):
        if "</i>49" in data:
            self.found.append(("evaluated as a template", data))


@pytest.mark.slow
@pytest.mark.one_database
def test_text_typed_by_people_is_escaped_on_every_page(hostile, sign_in):
    shown = 0
    for who, at_desk in ((hostile.coordinator, True), (hostile.patron, False)):
        browser = sign_in(Client(), who)
        session = browser.session
        session[REAUTHENTICATED_AT] = time.time()
        session.save()
        for route in [
            route for route in ROUTES if (route.at_desk or hasattr(route.view, "guard")) == at_desk
        ]:
            answer = browser.get(address(route, hostile))
            if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
                page = answer.content.decode()
                assert Elements(page).found == [], (
                    f"{route}: text became HTML. Let the template escape it, without |safe and mark_safe."
                )
                shown += "&lt;i x&gt;" in page
    assert shown > 50
