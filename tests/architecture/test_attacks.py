"""Every URL against what is sent to it on purpose: addresses of other hosts, fields that are no fields, links that a scanner follows."""

import contextlib
import re
import time
import uuid
from datetime import timedelta
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import ForeignKey
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.sign_in.access import REAUTHENTICATED_AT
from accounts.sign_in.email_addresses import change_in_a_week
from accounts.sign_in.security_mails import mail_security_notice
from accounts.staff.invitations import invite
from portal.conversations import actions, notes
from portal.conversations.viewer import OPENED_CODES
from portal.helpsessions import handover
from portal.notifications.actions import notify
from portal.notifications.models import Notification
from portal.privacy import exports
from tests.accounts.test_sign_in import ask_for_code
from tests.mailers import use_outbox

from .guards import none, sweep
from .routes import PUBLIC, both_owners, functions_behind, routes
from .test_sweeps import rows
from .world import address

pytestmark = pytest.mark.django_db

ROUTES = routes()

# An address of somebody else's, as browsers may take it.
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
LEADS = {"next", "back"}  # the fields by which a form of ours says where it came from
LEADING = [
    route
    for route in ROUTES
    if any(LEADS & set(map(str, function.__code__.co_consts)) for function in functions_behind(route.view))
]


def leads(answer):
    """Where an answer sends the browser by itself."""
    return [
        answer.headers.get(name, "")
        for name in ("Location", "HX-Redirect", "HX-Location", "HX-Push-Url", "Refresh")
    ]


@pytest.mark.one_database
@both_owners
def test_no_page_leads_to_another_host(for_staff, world, owner):
    sweep(
        [route for route in LEADING if route.for_staff == for_staff],
        "get, post",
        lambda browser, route: follow_it_elsewhere(browser, address(route, world)),
        browser=owner(for_staff),
        mend="Check where the form says it came from with url_has_allowed_host_and_scheme before you use it.",
    )


def follow_it_elsewhere(browser, url):
    for going_to in ELSEWHERE:
        fields = dict.fromkeys(LEADS, going_to)
        for answer in (browser.get(url, fields), browser.post(f"{url}?{urlencode(fields)}", fields)):
            for target in filter(None, leads(answer)):
                assert target.startswith("/")
                assert not target.startswith(("//", "/\\"))
                assert urlsplit(target.replace("\\", "/")).netloc == ""
            page = answer.content.decode(errors="replace")
            assert not re.search(
                r"""(?:href|action|formaction)=["']?\s*(?:javascript|data|https?:|//|/\\|\\)[^"'>]*(?:evil|alert|text/html)""",
                page,
            )


def test_the_pages_that_lead_somewhere_are_found():
    assert {
        "sign_in",
        "account_confirm_login_code",
        "reauthenticate",
        "second_factor",
        "set_language",
        "open_code",
        "verdict",
        "save_item",
    } <= {route.name for route in LEADING}


# What no form of ours has.

# Columns that no patron's form writes whatever else it holds, and no form of staff who coordinate nothing.
NOBODYS_TO_WRITE = {
    "accounts.User": ["id", "public_id", "email", "is_active", "joined_at", "password", "last_login"],
    "accounts.StaffRole": None,  # none at all
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
    "lists.SavedItem": ["id", "saved_list_id", "item_id"],
    "accounts.AuditEvent": ["id", "by_id", "patron_id", "at", "action"],
    "privacy.LegalHold": None,
    "privacy.Export": ["id", "person_id"],
}
WRITTEN_BY_DESIGN = {
    "export": {"privacy.Export"},  # asks for one of their own
}


def columns():
    """{label: {pk: what nobody may write}} of the rows that are there."""
    found = {}
    for label, names in NOBODYS_TO_WRITE.items():
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
    """Each column of each table, as the name of a field that is posted: other people's ids, and whatever would let somebody in."""
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


def test_fields_that_no_form_has_are_ignored(world, sign_in):
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
            if NOBODYS_TO_WRITE[label] is None:
                assert set(after[label]) <= set(was)
        assert not User.objects.get(pk=world.patron.pk).is_staff

    sweep(
        [route for route in ROUTES if not route.at_desk],
        "post",
        check,
        browser=signed_in,
        mend="Take what a view saves from the cleaned data of a form that names its fields. What the view is meant to write"
        " goes into WRITTEN_BY_DESIGN here.",
    )


# A browser of which nothing is known.


def test_what_a_stranger_leaves_in_the_database_is_gone_after_a_day(world):
    """Or anybody could fill it with sessions that live for more than a year."""
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
        mend="Give the session that these views write an expiry of a day: request.session.set_expiry().",
    )


# Mailed links.


@pytest.fixture
def mails(world, settings):
    """One of each kind that is ever sent, as it was written."""
    use_outbox(settings)
    at = timezone.now()
    ask_for_code(Client(), "somebody@example.org")
    mail_security_notice(world.patron, "added_passkey")
    invite(
        name="Noor Bakker",
        email="noor@example.org",
        language="en",
        at_branches={world.branch: "staff"},
        by=world.coordinator,
        at=at,
    )
    handover.hand_over(
        world.by_code.session, by=world.staff, at=at, base_url=settings.BASE_URL, to_address="sam@example.org"
    )
    actions.reply(
        world.conversation,
        by=world.staff,
        side="staff",
        at=at,
        body="It is in.",
        language="en",
        client_token=uuid.uuid4(),
    )
    notes.write_note(
        world.conversation,
        by=world.coordinator,
        at=at,
        body=f"@{world.staff.name} look",
        client_token=uuid.uuid4(),
    )
    exports.ask_for(world.other_patron, language="en", at=at)
    exports.build_exports(at=timezone.now())
    notify("privacy/merged", to="old@example.org", at=at, language="en", context={"hours": 24}, remove=True)
    receipt = {
        "erasure": world.erasure,
        "goes": [],
        "url": settings.BASE_URL + reverse("erased", args=[world.erasure.public_id]),
    }
    notify("privacy/erased", to="gone@example.org", at=at, language="en", context=receipt)
    change_in_a_week(world.other_patron, email="new@example.org", at=at)
    return Notification.objects.all()


def kinds_of_mail():
    """Every template of a mail, as the word that its text begins with is made from it."""
    files = (settings.BASE_DIR / "templates").glob("*/email/*")
    return {
        re.sub(
            r"(\.subject\.txt|\.txt|\.html|_subject\.txt|_message\.txt|_message\.html)$",
            "",
            f"{file.parts[-3]}/{file.name}",
        )
        for file in files
    }


def test_a_scanner_that_follows_every_link_of_every_mail_changes_nothing(mails, world):
    links = {
        (mail.kind, link)
        for mail in mails
        for link in re.findall(r"http://localhost:8000(/[^\s\"<>)]*)", f"{mail.text} {mail.html}")
    }
    assert len({path.split("/")[1] for _kind, path in links}) >= 6
    before = all_rows()
    for _kind, link in sorted(links):
        for method in ("get", "head", "options"):
            answer = getattr(Client(), method)(link, follow=method == "get")
            assert answer.status_code < 500
    assert all_rows() == before


def test_each_kind_of_mail_has_been_sent(mails):
    subjects = {
        "account/login_code": "code",
        "account/sign_in_methods_changed": "Your sign-in at",
        "account/address_change": "email address",
        "account/invitation": "Invitation to work at",
    }
    sent = {mail.kind for mail in mails} | {
        kind for kind, words in subjects.items() if any(words in mail.subject for mail in mails)
    }
    none(
        kinds_of_mail() - sent,
        "Send one of these mails in the fixture `mails`, so that its links are followed.",
    )


def all_rows():
    """What `rows` holds and what opening a page may write for somebody who is signed in: a scanner is nobody. But for its own session."""
    found = rows()
    with connection.cursor() as cursor:
        for label in ("accounts.AuditEvent", "conversations.Participation", "conversations.NoteMention"):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(apps.get_model(label)._meta.db_table)}")
            found[label] = sorted(map(repr, cursor.fetchall()))
    return found


# What people wrote, in every column of every table at once.

HOSTILE = "'\"><i x></i>{{7*7}}<script>alert(2)</script><img src=x onerror=alert(1)>"  # whatever a column cuts off: an element comes first
WRITTEN_BY_US = {
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
NOBODYS_WORDS = {"sessions", "contenttypes", "mfa", "usersessions"}


@pytest.fixture
def hostile(world):
    """The world, where whatever somebody could have written is HOSTILE; and whatever was to be an address, a script."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            is_text = (
                field.get_internal_type() in {"CharField", "TextField", "EmailField"}
                and not field.choices
                and not field.primary_key
            )
            if is_text and field.name not in WRITTEN_BY_US and model._meta.app_label not in NOBODYS_WORDS:
                words = (
                    "javascript:alert(3)"
                    if field.name in {"url", "catalog_link"}
                    else HOSTILE[: field.max_length]
                )
                with (
                    contextlib.suppress(IntegrityError, DataError),
                    transaction.atomic(),
                ):  # what a constraint keeps as it is
                    model._base_manager.update(**{field.name: words})
                with (
                    contextlib.suppress(IntegrityError, DataError),
                    transaction.atomic(),
                ):  # of what is unique, one
                    model._base_manager.filter(
                        pk=model._base_manager.values_list("pk", flat=True).first()
                    ).update(**{field.name: words})
    return world


class Elements(HTMLParser):
    """The elements that nobody but HOSTILE can have made, and the addresses that run."""

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
            self.found.append(("a template that was read", data))


def test_whatever_people_wrote_is_text_at_every_address(hostile, sign_in):
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
                    f"{route}: people's words became elements. Let the template escape them: no |safe, no mark_safe."
                )
                shown += "&lt;i x&gt;" in page
    assert shown > 50
