"""Check for every URL who may open it, what a request changes, and which headers the response has.

A sweep is one test over all URLs, because 4,000 tests with one request each would be slow. If a sweep fails,
it lists every URL and method that failed.
"""

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from recommendations.models import Topic
from tests.extent import rarely

from .guards import failures, sweep, writing_statements
from .routes import OBJECT, PUBLIC, SHARED, both_owners, owned, routes
from .world import address

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

ROUTES = routes()
FOREIGN = [
    route for route in ROUTES if route.converters and route.name not in PUBLIC and route.name not in SHARED
]
DESK = [route for route in ROUTES if route.at_desk]
# Models whose rows may change when a person opens a page: the access log, reading positions, sessions and
# counted attempts.
MAY_CHANGE = {
    "accounts.AuditEvent",
    "conversations.Participation",
    "conversations.NoteMention",
    # The portal counts each attempt to enter a code. If the code is right, the portal removes the attempt
    # from the count.
    "portal.LimitCount",
    # The portal records when staff last used the desk, because staff get no notices while they use the desk.
    "notifications.DeskUse",
    "sessions.Session",
}
# {name of a URL that accepts a POST without a CSRF token: the reason}
WITHOUT_CSRF = {
    "unsubscribe": "a mail program sends the POST (RFC 8058), and the signed token gives access",
    "how_it_went": "the random token in the address gives access, and no other site knows it",
    "record_help_session": "another system sends the POST, and its token gives access",
    "read_figures": "only another system can read it, and its token gives access",
    "read_outcomes": "only another system can read it, and its token gives access",
}
UNDONE_ALREADY = {
    "undo_tally": "undoing a missing tally is not an error, so it reveals nothing about a stranger's"
}
STRANGERS = [
    "nobody",
    "holder of another code",
    "another patron",
    "staff elsewhere",
    rarely("staff elsewhere without second factor"),
    rarely("coordinator elsewhere"),
]
# The strangers who aren't signed in. The "holder of another code" has opened a visit by its code, but not the
# patron's visit.
SIGNED_OUT = {"nobody", "holder of another code"}
METHODS = ["get", "post"]
NOT_THIS_METHOD = 405


def refusals_of(route):
    """Return the statuses with which the URL refuses a browser without a token."""
    return {401} if route.for_systems else set()


@pytest.fixture
def stranger(world, sign_in, show_code):
    """Return the function stranger(who). It returns the test client of `who`, one of STRANGERS."""
    return lambda who: _stranger(who, Client(), world, sign_in, show_code)


def _stranger(who, client, world, sign_in, show_code):
    if who == "holder of another code":
        return show_code(client, world.other_code)
    if who == "another patron":
        return sign_in(client, world.other_patron)
    if who == "coordinator elsewhere":
        return sign_in(client, world.coordinator_elsewhere)
    if who in {"staff elsewhere", "staff elsewhere without second factor"}:
        return sign_in(client, world.staff_elsewhere, second_factor=who == "staff elsewhere")
    return client


def rows():
    """Return the rows of all models except those in MAY_CHANGE. SQL is much faster than the ORM."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.label not in MAY_CHANGE:
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
                found[model._meta.label] = sorted(map(repr, cursor.fetchall()))
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("who", STRANGERS)
def test_strangers_cannot_open_or_change_objects_of_a_patron_or_branch(who, method, world, stranger):
    signed_in, before = stranger(who), rows()

    def check(browser, route):
        url = address(route, world)
        with writing_statements() as written:
            answer = getattr(browser, method)(url)
        if who in SIGNED_OUT:
            assert answer.status_code in {302, NOT_THIS_METHOD}
            if answer.status_code == 302:
                assert answer.url.startswith(reverse("sign_in"))
                # After signing in, a conversation opens at its newest message.
                wanted = f"{url}%23latest" if route.name == "conversation" else url
                assert method == "post" or answer.url == f"{reverse('sign_in')}?next={wanted}"
        elif answer.status_code == 302 and route.name not in UNDONE_ALREADY:
            assert answer.url.startswith((reverse("sign_in"), reverse("second_factor")))
        else:
            assert answer.status_code in {302, 404, NOT_THIS_METHOD}
        assert not written or rows() == before

    sweep(
        FOREIGN,
        method,
        check,
        browser=signed_in,
        fix=(
            "Look objects up with belonging_to() or at_desk_of(), so that a stranger's object is a 404. Decorate"
            " pages of patrons with sign_in_to_open, so that signed-out people can sign in. If the object has no"
            " owner, add the URL to SHARED in tests/architecture/routes.py and say why."
        ),
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("nobody", 302),
        ("holder of another code", 302),
        ("another patron", 404),
        ("staff elsewhere without second factor", 302),
    ],
)
def test_desk_is_open_only_to_staff_with_a_second_factor(who, expected, method, world, stranger):
    def check(browser, route):
        assert getattr(browser, method)(address(route, world)).status_code == expected

    sweep(
        DESK,
        method,
        check,
        browser=stranger(who),
        fix="Decorate these views with staff_only or coordinator_only (accounts/sign_in/access.py).",
    )


@pytest.mark.parametrize("method", METHODS)
def test_coordinator_pages_are_404_for_other_staff(method, world, sign_in):
    coordinators_only = [route for route in DESK if route.view.guard == "coordinator_only"]
    signed_in, before = sign_in(Client(), world.staff), rows()

    def check(browser, route):
        with writing_statements() as written:
            assert getattr(browser, method)(address(route, world)).status_code == 404
        assert not written or rows() == before

    sweep(
        coordinators_only,
        method,
        check,
        browser=signed_in,
        fix="These views must return 404 to staff who aren't coordinators: let coordinator_only run first.",
    )


@pytest.mark.parametrize("method", METHODS)
def test_staff_member_who_loses_every_role_gets_404_on_desk_pages(method, world, sign_in):
    browser = sign_in(Client(), world.staff)
    world.staff.staff_roles.all().delete()

    def check(browser, route):
        assert getattr(browser, method)(address(route, world)).status_code == 404

    sweep(
        DESK,
        method,
        check,
        browser=browser,
        fix="Read the roles on each request: these views still open for a person without a role.",
    )


def test_person_with_a_deactivated_account_is_signed_out_on_the_next_request(world, sign_in):
    browser = sign_in(Client(), world.coordinator)
    User.objects.filter(pk=world.coordinator.pk).update(is_active=False)

    def check(browser, route):
        response = browser.get(address(route, world))
        assert response.status_code in {200, 302, 404, NOT_THIS_METHOD} | refusals_of(route)
        assert response.status_code == 302 or not route.at_desk
        assert not response.wsgi_request.user.is_authenticated

    sweep(
        ROUTES,
        "get",
        check,
        browser=browser,
        fix="Take the person from request.user, which is anonymous once is_active is off.",
    )


# The kinds of objects that a viewer by code may open.
BY_CODE = {"session", "recommendation", "conversation", "item"}


def test_browser_that_opened_a_visit_by_code_sees_only_that_visit(world, show_code):
    def check(browser, route):
        mine = OBJECT.get(route.name) in BY_CODE
        response = browser.get(address(route, world.by_code if mine else world))
        assert response.status_code in (
            {200, 302, NOT_THIS_METHOD} if mine else {200, 302, 404, NOT_THIS_METHOD} | refusals_of(route)
        )
        page = response.content.decode(errors="replace").replace(world.by_code.session.question, "")
        secrets = (
            world.patron.name,
            world.patron.email,
            world.session.question,
            str(world.session.public_id),
        )
        assert [words for words in secrets if words in page] == []

    outside = [route for route in ROUTES if not route.at_desk]
    sweep(
        outside,
        "get",
        check,
        browser=show_code(Client(), world.other_code),
        fix=("These pages show a stranger's data or refuse a visit opened by code. Use belonging_to()."),
    )


@pytest.mark.core
@pytest.mark.parametrize("method", ["get", pytest.param("head", marks=pytest.mark.only_long)])
@both_owners
def test_opening_a_page_changes_nothing(for_staff, method, world, owner):
    signed_in = owner(for_staff)
    before = rows()

    def check(browser, route):
        with writing_statements() as written:
            assert getattr(browser, method)(address(route, world)).status_code < 500
        assert not written or rows() == before

    sweep(
        owned(for_staff),
        method,
        check,
        browser=signed_in,
        fix=(
            "A GET or HEAD must not write. Write on POST only. If the row only records that a page was opened,"
            " add its model to MAY_CHANGE here and say why."
        ),
    )


def test_opening_every_page_without_signing_in_changes_no_data(world):
    before = rows()

    def check(browser, route):
        with writing_statements() as written:
            browser.get(address(route, world))
        assert not written or rows() == before

    outside = [route for route in ROUTES if not route.at_desk]
    sweep(
        outside,
        "get",
        check,
        browser=Client(),
        fix=("A mail scanner opens every link without signing in. Write on POST only."),
    )


@pytest.mark.one_database
@both_owners
def test_every_response_has_the_security_headers(for_staff, world, owner):
    def check(browser, route):
        headers = browser.get(address(route, world)).headers
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"] or route.name == "logo"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
        assert headers["Permissions-Policy"]
        assert "no-store" in headers["Cache-Control"] or route.name in {"logo", "manifest", "app_icon"}
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        for_other_origins = [name for name in headers if name.lower().startswith("access-control-")]
        assert for_other_origins == []
        kind = headers.get("Content-Type", "")
        assert not kind.startswith(("text/", "application/xhtml")) or "charset=utf-8" in kind

    sweep(
        owned(for_staff),
        "get",
        check,
        browser=owner(for_staff),
        fix=("Let SecurityHeadersMiddleware (portal/headers.py) set these headers, and not the view."),
    )


@pytest.mark.only_long
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@both_owners
def test_put_and_patch_and_delete_requests_change_nothing(for_staff, method, world, owner):
    signed_in = owner(for_staff)
    before = rows()

    def check(browser, route):
        with writing_statements() as written:
            assert getattr(browser, method)(address(route, world)).status_code < 500
        assert not written or rows() == before

    sweep(
        owned(for_staff),
        method,
        check,
        browser=signed_in,
        fix=("Write on POST only. Decorate these views with require_POST or require_http_methods."),
    )


@pytest.mark.one_database
@both_owners
def test_post_without_a_csrf_token_is_refused(for_staff, world, owner):
    signed_in = owner(for_staff)
    before = rows()

    def check(browser, route):
        browser.handler.enforce_csrf_checks = True
        with writing_statements() as written:
            assert browser.post(address(route, world)).status_code in {403, NOT_THIS_METHOD, 302}
        # What the person typed is saved, so that the person can send it again.
        expected = {"accounts.RefusedPost"}
        assert not written or {label for label, value in rows().items() if value != before[label]} <= expected

    protected = [route for route in owned(for_staff) if route.name not in WITHOUT_CSRF]
    sweep(protected, "post", check, browser=signed_in, fix=("Remove csrf_exempt from these views."))


# This is a test of `sweep` itself.


def test_sweep_lists_every_failure_and_rolls_back_each_request(world):
    seen = []

    def check(browser, route):
        seen.append(User.objects.count())
        User.objects.create(name="Left behind")
        assert route.name not in {"home", "privacy"}

    found = failures(ROUTES, "get", check, browser=Client())
    assert [line.split(":")[0] for line in found] == ["GET / (home)", "GET /privacy/ (privacy)"]
    assert len(seen) == len(ROUTES)
    assert len(set(seen)) == 1


def test_recorder_of_sql_statements_lists_only_statements_that_may_change_rows(world):
    with writing_statements() as statements:
        with transaction.atomic():
            assert User.objects.filter(pk=world.patron.pk).exists()
        assert statements == []
        User.objects.filter(pk=world.patron.pk).update(language="es")
        Topic.objects.create(name="Trains")
        Topic.objects.filter(name="Trains").delete()
    assert [statement.split()[0] for statement in statements][:2] == ["UPDATE", "INSERT"]
    assert statements[-1].startswith("DELETE")
