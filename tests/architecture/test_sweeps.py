"""Every URL, generated from the URLconf: who may open it, what opening it changes, which headers it carries."""

import pytest
from django.apps import apps
from django.db import connection
from django.urls import reverse

from accounts.models import User

from .routes import OBJECT, PUBLIC, SHARED, routes
from .world import address

pytestmark = pytest.mark.django_db

ROUTES = routes()
FOREIGN = [
    route for route in ROUTES if route.converters and route.name not in PUBLIC and route.name not in SHARED
]
DESK = [route for route in ROUTES if route.at_desk]
# Rows that opening a page may write: who looked, how far they read, the device's own session and its counts of tries.
MAY_CHANGE = {
    "accounts.AuditEvent",
    "conversations.Participation",
    "conversations.NoteMention",
    "portal.LimitCount",  # opening a code counts a try, and gives it back
    "sessions.Session",
}
UNDONE_ALREADY = {
    "undo_tally": "a tally that is gone needs no undoing: pressing twice is no error, and says no more of a stranger's"
}
METHODS = ["get", "post"]
NOT_THIS_METHOD = 405


def stranger(who, client, world, sign_in, show_code):
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
    """All there is, read past the ORM, which takes longer over it than the page that is tested."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.label not in MAY_CHANGE:
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
                found[model._meta.label] = sorted(map(repr, cursor.fetchall()))
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "who",
    [
        "nobody",
        "holder of another code",
        "another patron",
        "staff elsewhere",
        "staff elsewhere without second factor",
        "coordinator elsewhere",
    ],
)
@pytest.mark.parametrize("route", FOREIGN, ids=str)
def test_a_strangers_object_does_not_exist(route, who, method, client, world, sign_in, show_code):
    browser = stranger(who, client, world, sign_in, show_code)
    before = rows()
    answer = getattr(browser, method)(address(route, world))
    if answer.status_code == 302 and route.name not in UNDONE_ALREADY:
        assert answer.url.startswith((reverse("sign_in"), reverse("second_factor")))
    else:
        assert answer.status_code in {302, 404, NOT_THIS_METHOD}
    assert rows() == before


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
@pytest.mark.parametrize("route", DESK, ids=str)
def test_the_desk_is_closed_to_all_but_staff_behind_their_second_factor(
    route, who, expected, method, client, world, sign_in, show_code
):
    answer = getattr(stranger(who, client, world, sign_in, show_code), method)(address(route, world))
    assert answer.status_code == expected


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "route", [route for route in DESK if route.view.guard == "coordinator_only"], ids=str
)
def test_the_settings_do_not_exist_for_staff_who_coordinate_nothing(route, method, client, world, sign_in):
    browser = sign_in(client, world.staff)
    before = rows()
    assert getattr(browser, method)(address(route, world)).status_code == 404
    assert rows() == before


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("route", DESK, ids=str)
def test_the_desk_closes_at_once_for_who_no_longer_works_there(route, method, client, world, sign_in):
    sign_in(client, world.staff)
    world.staff.staff_roles.all().delete()
    assert getattr(client, method)(address(route, world)).status_code == 404


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_who_may_sign_in_no_longer_is_signed_out_at_once(route, client, world, sign_in):
    sign_in(client, world.coordinator)
    User.objects.filter(pk=world.coordinator.pk).update(is_active=False)
    response = client.get(address(route, world))
    assert response.status_code in {200, 302, 404, NOT_THIS_METHOD}
    assert response.status_code == 302 or not route.at_desk
    assert not response.wsgi_request.user.is_authenticated


BY_CODE = {"session", "recommendation", "conversation", "item"}  # what the holder of a code has of their own


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.at_desk], ids=str)
def test_the_holder_of_a_code_sees_their_own_visit_and_nobody_elses(route, client, world, show_code):
    show_code(client, world.other_code)
    mine = OBJECT.get(route.name) in BY_CODE
    response = client.get(address(route, world.by_code if mine else world))
    assert response.status_code in ({200, 302, NOT_THIS_METHOD} if mine else {200, 302, 404, NOT_THIS_METHOD})
    for theirs in (
        world.patron.name,
        world.patron.email,
        world.session.question,
        str(world.session.public_id),
    ):
        assert theirs not in response.content.decode(errors="replace").replace(
            world.by_code.session.question, ""
        )


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_opening_a_page_changes_nothing(route, method, world, as_owner):
    browser = as_owner(route)
    before = rows()
    answer = getattr(browser, method)(address(route, world))
    assert answer.status_code < 500
    assert rows() == before


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.at_desk], ids=str)
def test_a_scanner_that_follows_links_changes_nothing_at_all(route, client, world):
    before = rows()
    client.get(address(route, world))
    assert rows() == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_answer_carries_the_headers(route, world, as_owner):
    headers = as_owner(route).get(address(route, world)).headers
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"] or route.name == "logo"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert headers["Permissions-Policy"]
    assert "no-store" in headers["Cache-Control"] or route.name == "logo"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not [
        name for name in headers if name.lower().startswith("access-control-")
    ]  # nothing is for other origins
    kind = headers.get("Content-Type", "")
    assert not kind.startswith(("text/", "application/xhtml")) or "charset=utf-8" in kind


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_other_methods_do_nothing(route, world, as_owner):
    browser = as_owner(route)
    before = rows()
    for method in (browser.put, browser.patch, browser.delete):
        assert method(address(route, world)).status_code < 500
    assert rows() == before


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_a_post_without_its_token_is_refused(route, world, as_owner):
    browser = as_owner(route)
    browser.handler.enforce_csrf_checks = True
    before = rows()
    assert browser.post(address(route, world)).status_code in {403, NOT_THIS_METHOD, 302}
    changed = {label for label, value in rows().items() if value != before[label]}
    assert changed <= {"accounts.RefusedPost"}  # what was typed is kept for its writer
