"""Reads start from a scope, writes go through an action, views do nothing else."""

import ast
import inspect
from pathlib import Path

import pytest
from django.conf import settings

from .routes import OBJECT, PUBLIC, READERS_OWN, SHARED, functions_behind, routes

WRITES = {
    "save",
    "create",
    "update",
    "delete",
    "get_or_create",
    "update_or_create",
    "bulk_create",
    "bulk_update",
}
NOT_ROWS = (
    "request.session",
    "cache",
    "session",
    "response.headers",
)  # what may be written on the way to an answer
# Writing that is not ours to put elsewhere, with the reason.
WRITES_FOR_A_REASON = {
    ("accounts/views/second_factor.py", "form.save()"): "allauth's own form enrols the authenticator app"
}
STAFF_AWAY_FROM_THE_DESK = {"change_second_factor": "the key to the desk's door lies outside it"}
SCOPES = {"belonging_to", "at_desk_of"}
ROUTES = routes()
VIEW_FILES = sorted(
    path
    for app in ("accounts", "portal", "recommendations")
    for path in (settings.BASE_DIR / app).rglob("*.py")
    if "views" in path.parts or path.name == "views.py"
)


def writes_in(source):
    """Lines in which a view writes to the database itself."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
            receiver = ast.unparse(node.func.value)
            if not receiver.startswith(NOT_ROWS) and not receiver.split(".")[-1].endswith("actions"):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def starts_from_a_scope(view):
    return any(SCOPES & set(function.__code__.co_names) for function in functions_behind(view))


@pytest.mark.parametrize("path", VIEW_FILES, ids=lambda path: str(Path(path).relative_to(settings.BASE_DIR)))
def test_views_never_write(path):
    name = str(path.relative_to(settings.BASE_DIR))
    assert [
        found
        for found in writes_in(path.read_text())
        if (name, found.partition(": ")[2]) not in WRITES_FOR_A_REASON
    ] == []


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_every_url_is_classified(route):
    assert (
        route.name in OBJECT
        if route.converters and route.name not in PUBLIC
        else route.at_desk or route.name in PUBLIC or route.name in READERS_OWN
    )


@pytest.mark.parametrize("route", [route for route in ROUTES if route.converters], ids=str)
def test_a_view_that_is_given_an_id_starts_from_a_scope(route):
    assert starts_from_a_scope(route.view) or route.name in SHARED


@pytest.mark.parametrize("route", [route for route in ROUTES if route.at_desk], ids=str)
def test_every_view_of_the_desk_is_for_staff_only(route):
    assert getattr(route.view, "guard", "") in {"staff_only", "coordinator_only"}


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_nothing_outside_the_desk_is_for_staff(route):
    assert route.at_desk or not hasattr(route.view, "guard") or route.name in STAFF_AWAY_FROM_THE_DESK


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_views_are_functions(route):
    assert inspect.isfunction(inspect.unwrap(route.view))


def test_the_tables_name_no_url_that_is_gone():
    assert {*PUBLIC, *READERS_OWN, *OBJECT, *SHARED} <= {route.name for route in ROUTES}


# The guards are seen to fail.


def test_a_view_that_writes_is_found():
    assert (
        len(
            writes_in(
                "def view(request):\n    thing.save()\n    Thing.objects.filter(pk=1).update(x=1)\n    actions.save(thing)\n    request.session.update(a=1)"
            )
        )
        == 2
    )


def test_a_view_without_a_scope_is_found():
    def careless(request, public_id):
        return public_id

    def careful(request, public_id):
        return request.things.belonging_to(request.viewer)

    assert (starts_from_a_scope(careless), starts_from_a_scope(careful)) == (False, True)
